"""Whether a store is where it was when its pointers were written, and what was seen of it here.

A pointer that is ahead of its journal is how a cut journal shows, and also how a store looks that
was copied file by file beside a writer: the pointer was copied last. Only the second lies elsewhere
than the pointer says, and was never seen further by this user, at this path.
"""

import functools
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.registry import private
from holdfast.store.place import Place
from holdfast.store.projections import Pointer

_KIND: Final = "heads"
_MOST_BYTES: Final = 4096


class _Seen(Struct):
    seq: int = 0
    head: str | None = None


def is_elsewhere(place: Place, model: str, pointer: Pointer) -> bool:
    """Tell whether a pointer says that it was written in another folder or bucket than this."""
    return pointer.place is not None and pointer.place != place.projections.here(model).mark


class Memory:
    """How far this user has seen a model's journal go at this path."""

    def __init__(self, place: Place, model: str) -> None:
        self._place = place
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
            self._known = _decoded(private.read(_KIND, self._key, _MOST_BYTES))
        return self._known

    def keep(self, seq: int, head: str | None) -> None:
        """Keep what was seen now, be it less: whoever let it be so decided that."""
        seen = _Seen(seq, head)
        if self._seen() != seen:
            private.keep(_KIND, self._key, msgspec.json.encode(seen))
            self._known = seen


def _decoded(raw: bytes | None) -> _Seen:
    try:
        return msgspec.json.decode(raw, type=_Seen) if raw is not None else _Seen()
    except (ValueError, RecursionError):
        return _Seen()
