"""An object as a file that is jumped about in: requests for as much as is read, all of one version.

`object_reader` reads on to the end, which suits what is read once and in order. Here every request
has an end, so that the columns of a Parquet file cost what they hold, and nothing waits open while
rows are scored.
"""

import io
from typing import TYPE_CHECKING, Final

from holdfast.store import AbsentError
from holdfast.store.objects.client import Client
from holdfast.store.objects.client_errors import ConditionError
from holdfast.store.objects.object_reader import ObjectFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ranged"]

_BUFFER: Final = 4 << 20


def ranged(wire: Client, key: str) -> io.BufferedReader:
    """Open an object for reading; what is read is one version of it, even if it is replaced.

    Raises:
        AbsentError: If there is none.
        StoreError: If it is replaced while it is read, or the service refuses.
    """
    return io.BufferedReader(_Ranges(wire, key), _BUFFER)


class _Ranges(ObjectFile):
    """The bytes of an object, of which nothing is held."""

    def __init__(self, wire: Client, key: str) -> None:
        super().__init__(wire, key, wire.head(key))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        end = min(self._size, self._place + len(target))
        if end <= self._place:
            return 0
        try:
            piece = self._wire.piece_of(self._key, self._place, end, self._tag)
        except (ConditionError, AbsentError):
            raise self._changed() from None
        target[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)
