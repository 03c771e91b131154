"""Lengths of blobs as they were seen a moment ago, where each question is a request."""

import time
from collections.abc import Callable
from typing import Final

from holdfast.store import BlobStore, layout

BELIEVED_S: Final = 60.0
_MOST_KEPT: Final = 20_000


class SeenLengths:
    """Lengths of blobs far away, as they were a moment ago; threads may share it.

    Args:
        clock: Seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int | None]] = {}

    def size(self, store: BlobStore, sha256: str) -> int | None:
        """Return the length of a blob, `None` if it is missing.

        Raises:
            StoreError: If the store does not say.
        """
        if store.traits.is_local:
            return store.size(layout.blob(sha256))
        now, seen = self._clock(), self._seen.get(sha256)
        if seen is not None and now - seen[0] < BELIEVED_S:
            return seen[1]
        size = store.size(layout.blob(sha256))
        if len(self._seen) >= _MOST_KEPT:
            self._seen.clear()
        self._seen[sha256] = now, size
        return size
