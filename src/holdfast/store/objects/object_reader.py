"""An object as a file: one request, read as it comes; more only after a jump."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from holdfast.errors import StoreError
from holdfast.store import AbsentError
from holdfast.store.objects.client import Client
from holdfast.store.objects.client_errors import ConditionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_PIECE: Final = 1 << 20
_BUFFER: Final = 1 << 16


def opened(wire: Client, key: str) -> io.BufferedReader:
    """Open an object for reading; what is read is one version of it, even if it is replaced.

    Raises:
        AbsentError: If there is none.
    """
    return io.BufferedReader(_Object(wire, key), _BUFFER)


class _Object(io.RawIOBase):
    """The bytes of an object, held a piece at a time."""

    def __init__(self, wire: Client, key: str) -> None:
        super().__init__()
        self._wire = wire
        self._key = key
        answer = wire.get(key)
        self._size = answer.meta["size"]
        self._tag = answer.meta["e_tag"]
        self._pieces: Iterator[memoryview] | None = wire.pieces(answer, key, _PIECE)
        self._piece = memoryview(b"")
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        position = max(0, start + offset)
        if position != self._place:
            self._place = position
            self._piece = memoryview(b"")
            self._pieces = None
        return position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        if not self._piece and self._place < self._size:
            self._piece = self._next()
        length = min(len(target), len(self._piece))
        target[:length] = self._piece[:length]
        self._piece = self._piece[length:]
        self._place += length
        return length

    def _next(self) -> memoryview:
        try:
            if self._pieces is None:
                answer = self._wire.get(self._key, start=self._place, if_match=self._tag)
                self._pieces = self._wire.pieces(answer, self._key, _PIECE)
            return next(self._pieces)
        except (ConditionError, AbsentError, StopIteration):
            address = self._wire.address(self._key)
            raise StoreError(address, "changed while it was read", "read it again") from None
