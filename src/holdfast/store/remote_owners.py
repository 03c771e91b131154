"""Which model names a blob: a server gives one only to whoever may read a model that names it."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Final

from holdfast.store.remote_journal import RemoteJournal

_SIZED: Final = re.compile(rb'"sha256":\s*"([0-9a-f]{64})",\s*"size_bytes":\s*([0-9]{1,18})')
"""A file as a manifest has it: its length bounds what is read of it."""
_DIGEST: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class BlobOwners:
    """The models of digests, as far as journals and manifests read here tell.

    Args:
        journals: Returns the journals read so far, by model.
    """

    def __init__(self, journals: Callable[[], Mapping[str, RemoteJournal]]) -> None:
        self._journals = journals
        self._models: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._lock = threading.RLock()

    def of(self, sha256: str) -> str | None:
        """Return a model whose journal, or a manifest of it, names a digest."""
        with self._lock:
            if sha256 not in self._models:
                for model, journal in dict(self._journals()).items():
                    start = self._read.get(model, 0)
                    lines = journal.lines(start + 1)
                    self.claim(model, b"".join(lines))
                    self._read[model] = start + len(lines)
            return self._models.get(sha256)

    def size(self, sha256: str) -> int | None:
        """Return the length that a manifest gives a blob."""
        return self._sizes.get(sha256)

    def claim(self, model: str, raw: bytes) -> None:
        """Note that bytes of a model name other blobs."""
        for match, length in _SIZED.findall(raw):
            self._sizes.setdefault(match.decode(), int(length))
        for match in _DIGEST.findall(raw):
            self._models.setdefault(match.decode(), model)
