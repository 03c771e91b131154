"""Whether a store is where it was when its pointers were written, and what was seen of it here.

A pointer ahead of its journal is the sign of a cut journal, but also of a store that was copied
file by file while somebody wrote: the pointer was copied last. Only the second lies elsewhere than
the pointer says, and this user never saw more of it at this path.
"""

import functools
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.store import private_cache
from holdfast.store.open_store import OpenStore
from holdfast.store.projections import Pointer

_KIND: Final = "heads"
_MOST_BYTES: Final = 4096


class _Seen(Struct):
    seq: int = 0
    head: str | None = None


def is_elsewhere(store: OpenStore, model: str, pointer: Pointer) -> bool:
    """Tell whether a pointer says that it was written in another folder or bucket than this."""
    return pointer.place is not None and pointer.place != store.projections.here(model).mark


class JournalSighting:
    """How far this user has seen a model's journal go at this path."""

    def __init__(self, store: OpenStore, model: str) -> None:
        self._place = store
        self._model = model
        self._known: _Seen | None = None

    @functools.cached_property
    def _key(self) -> str:
        location = self._place.projections.here(self._model).location
        return f"{self._place.config.id}/{self._model} at {location}"

    @property
    def seq(self) -> int:
        """Number of the last entry seen; 0 where none was."""
        return self._seen().seq

    def fits(self, last: int, digest_at: Callable[[int], str | None]) -> bool:
        """Tell whether a journal that ends with entry *last* has what was seen here.

        Args:
            digest_at: Tells the digest of an entry that it has.
        """
        seen = self._seen()
        if seen.seq > last:
            return False
        return seen.head is None or digest_at(seen.seq) == seen.head

    def _seen(self) -> _Seen:
        if self._known is None:
            self._known = _decoded(private_cache.read(_KIND, self._key, _MOST_BYTES))
        return self._known

    def keep(self, seq: int, head: str | None) -> None:
        """Record what is seen now, even if it is less: whoever permitted that decided so."""
        seen = _Seen(seq, head)
        if self._seen() != seen:
            private_cache.keep(_KIND, self._key, msgspec.json.encode(seen))
            self._known = seen


def _decoded(raw: bytes | None) -> _Seen:
    try:
        return msgspec.json.decode(raw, type=_Seen) if raw is not None else _Seen()
    except (ValueError, RecursionError):
        return _Seen()
