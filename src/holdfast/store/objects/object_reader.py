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
    from obstore import ObjectMeta

_PIECE: Final = 1 << 20
_BUFFER: Final = 1 << 16


def opened(wire: Client, key: str) -> io.BufferedReader:
    """Open an object for reading; what is read is one version of it, even if it is replaced.

    Raises:
        AbsentError: If there is none.
    """
    return io.BufferedReader(_Object(wire, key), _BUFFER)


class ObjectFile(io.RawIOBase):
    """An object of one version as a file that can be jumped about in.

    Args:
        metadata: What the service said of it: size and tag.
    """

    def __init__(self, wire: Client, key: str, metadata: "ObjectMeta") -> None:
        super().__init__()
        self._wire = wire
        self._key = key
        self._size = int(metadata["size"])
        self._tag = metadata["e_tag"]
        self._place = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that any place of it can be gone to."""
        return True

    def tell(self) -> int:
        """Return the place from which is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def _changed(self) -> StoreError:
        address = self._wire.address(self._key)
        return StoreError(address, "changed while it was read", "read it again")


class _Object(ObjectFile):
    """The bytes of an object, held a piece at a time."""

    def __init__(self, wire: Client, key: str) -> None:
        answer = wire.get(key)
        super().__init__(wire, key, answer.meta)
        self._pieces: Iterator[memoryview] | None = wire.pieces(answer, key, _PIECE)
        self._piece = memoryview(b"")

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = self._place
        if super().seek(offset, whence) != before:
            self._piece = memoryview(b"")
            self._pieces = None
        return self._place

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
            raise self._changed() from None
