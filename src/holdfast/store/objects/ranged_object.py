"""An object as a file that is jumped about in: requests for as much as is read, all of one version.

`object_reader` reads on to the end, which suits what is read once and in order. Here every request
has an end, so that the columns of a Parquet file cost what they hold, and nothing waits open while
rows are scored.
"""

import io
from typing import TYPE_CHECKING, Final

from holdfast.errors import StoreError
from holdfast.store import AbsentError
from holdfast.store.objects.client import Client
from holdfast.store.objects.client_errors import ConditionError

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


class _Ranges(io.RawIOBase):
    """The bytes of an object, of which nothing is held."""

    def __init__(self, wire: Client, key: str) -> None:
        super().__init__()
        self._wire = wire
        self._key = key
        metadata = wire.head(key)
        self._size = int(metadata["size"])
        self._tag = metadata["e_tag"]
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        end = min(self._size, self._place + len(target))
        if end <= self._place:
            return 0
        try:
            piece = self._wire.piece_of(self._key, self._place, end, self._tag)
        except (ConditionError, AbsentError):
            address = self._wire.address(self._key)
            raise StoreError(address, "changed while it was read", "read it again") from None
        target[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)
