"""Bytes to judge, wherever they lie: a file, a slice of one, an archive's member."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from holdfast.errors import StoreError
from holdfast.formats.scanner.findings import UnreadableError

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ByteSource:
    """Bytes that can be opened as often as needed.

    Attributes:
        label: Where they lie, such as `data/0.pkl`; empty for the scanned file itself.
        open: Opens them anew at their first byte.
        size: Their number; None where only reading tells.
        seekable: True if the opened stream may be repositioned.
        suffix: The name's extension, lower case with its dot, for ties that content leaves.
    """

    label: str
    open: Callable[[], io.BufferedReader]
    size: int | None
    seekable: bool
    suffix: str = ""

    def reader(self) -> "ByteReader":
        """Open for reading forward."""
        return ByteReader(self.open(), self.size, seekable=self.seekable)

    def head(self, count: int) -> bytes:
        """Return the first *count* bytes, fewer if there are no more."""
        with self.open() as stream:
            return stream.read(count)

    def tail(self, count: int) -> bytes:
        """Return the last *count* bytes of a seekable source, fewer if there are no more."""
        with self.open() as stream:
            stream.seek(max(0, (self.size or 0) - count))
            return stream.read(count)

    def window(self, start: int, size: int, label: str) -> "ByteSource":
        """Return *size* bytes from *start* of this seekable source as a source of their own."""

        def opened() -> io.BufferedReader:
            return io.BufferedReader(_Window(self.open(), start, size))

        return ByteSource(label, opened, size, seekable=True, suffix=_suffix(label))


class _File(io.FileIO):
    """A file whose disk may fail, which says nothing about its content."""

    def readinto(self, buffer: Any) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise unreadable(self.name, error) from error

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise unreadable(self.name, error) from error


def unreadable(path: object, error: OSError) -> StoreError:
    """Turn the system's refusal to read a file into our error: no finding, and no verdict."""
    problem = f"cannot be read: {error.strerror}"
    return StoreError(path, problem, "check the disk, and the owner and mode, then repeat")


def of_file(path: Path, label: str = "") -> ByteSource:
    """Return the bytes of a file.

    Raises:
        StoreError: If the system does not let it be read, now or when it is.
    """

    def opened() -> io.BufferedReader:
        try:
            return io.BufferedReader(_File(path), _CHUNK)
        except OSError as error:
            raise unreadable(path, error) from error

    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    return ByteSource(label, opened, size, seekable=True, suffix=_suffix(path.name))


def of_bytes(content: bytes, label: str) -> ByteSource:
    """Return bytes that are in memory already."""

    def opened() -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(content))

    return ByteSource(label, opened, len(content), seekable=True, suffix=_suffix(label))


def of_stream(
    opened: Callable[[], io.RawIOBase], label: str, size: int | None = None
) -> ByteSource:
    """Return what a stream gives that can only be read forward."""
    return ByteSource(
        label,
        lambda: io.BufferedReader(opened(), _CHUNK),
        size,
        seekable=False,
        suffix=_suffix(label),
    )


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


class ByteReader:
    """Reads forward, exactly as many bytes as asked, never more than there are.

    Attributes:
        pos: Bytes read or skipped so far.
    """

    __slots__ = ("_seekable", "_size", "_stream", "pos")

    def __init__(self, stream: io.BufferedReader, size: int | None, *, seekable: bool) -> None:
        self._stream = stream
        self._size = size
        self._seekable = seekable
        self.pos = 0

    def __enter__(self) -> Self:
        """Leave the bytes open until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bytes."""
        self._stream.close()

    def read(self, count: int) -> bytes:
        """Read *count* bytes, which the caller has bounded.

        Raises:
            UnreadableError: If fewer are left.
        """
        data = self._stream.read(count)
        self.pos += len(data)
        if len(data) != count:
            raise UnreadableError(f"ends early, at byte {self.pos}")
        return data

    def skip(self, count: int) -> None:
        """Pass over *count* bytes, however many the file claims.

        Raises:
            UnreadableError: If fewer are left.
        """
        left = None if self._size is None else self._size - self.pos
        if count < 0 or (left is not None and count > left):
            raise UnreadableError(f"ends early: {count:,} bytes announced at byte {self.pos}")
        if self._seekable and count > _CHUNK:
            self._stream.seek(count, io.SEEK_CUR)
            self.pos += count
            return
        while count:
            count -= len(self.read(min(count, _CHUNK)))

    def line(self, keep: int) -> bytes:
        """Read to the next newline or the end; return the first *keep* bytes, newline included."""
        data = head = self._stream.readline(keep)
        self.pos += len(data)
        while data and not data.endswith(b"\n"):
            data = self._stream.readline(_CHUNK)
            self.pos += len(data)
        return head

    def leap(self, run: re.Pattern[bytes], end: int) -> bool:
        """Pass over what matches *run* of the bytes at hand before *end*; tell whether any did."""
        match = run.match(self._stream.peek(1)[: end - self.pos])
        if match is None:
            return False
        self.read(match.end())
        return True

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return not self._stream.peek(1)


class _Window(io.RawIOBase):
    def __init__(self, stream: io.BufferedReader, start: int, size: int) -> None:
        self._stream = stream
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), max(0, self._size - self._at))
        self._stream.seek(self._start + self._at)
        data = self._stream.read(size)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
