"""How far long work on bytes is, told while it lasts: within a long file, too."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader, FileIO
from typing import Final, TypeVar

Progress = Callable[[int, int], None]
"""Told bytes done and bytes to do, again and again."""
Step = Callable[[int], object]
"""Told how many more bytes were worked through."""

_EVERY: Final = 1 << 20
_Piece = TypeVar("_Piece", bytes, memoryview, bytes | memoryview)


def unmetered(_length: int) -> None:
    """Take no notice: nobody is told."""


class Meter:
    """Bytes done of those to do; parts may be worked on side by side.

    Args:
        progress: Who is told, one call at a time; None if nobody is.
        total: Bytes to do.
    """

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._told = 0
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def part(self, size_bytes: int, passes: int = 1) -> Iterator[Step]:
        """Work on a part of *size_bytes*; at its end it counts whole, whatever steps were told.

        Args:
            size_bytes: Its length.
            passes: How often its bytes are gone through, one pass after another.
        """
        part = _Part(self, size_bytes, passes)
        yield part.step
        part.finish()

    def end(self) -> None:
        """Tell that all is done, what was counted nowhere too."""
        self.add(self._total - self._done, last=True)

    def add(self, length: int, *, last: bool = False) -> None:
        """Count bytes, and tell so from time to time, and after the *last* ones of a part."""
        with self._lock:
            self._done += length
            if self._progress is None or not (last or self._done - self._told >= _EVERY):
                return
            self._told = self._done
            self._progress(self._done, self._total)


class _Part:
    """One file's share."""

    def __init__(self, meter: Meter, size_bytes: int, passes: int) -> None:
        self._meter = meter
        self._size_bytes = size_bytes
        self._passes = passes
        self._stepped = 0
        self._counted = 0

    def step(self, length: int) -> None:
        self._stepped += length
        counted = min(self._stepped // self._passes, self._size_bytes)
        self._meter.add(counted - self._counted)
        self._counted = counted

    def finish(self) -> None:
        self._meter.add(self._size_bytes - self._counted, last=True)


class MeteredFile:
    """What `hashlib.file_digest` and `tarfile` read a file through, each piece told."""

    def __init__(self, file: BufferedReader | FileIO, step: Step) -> None:
        self._file = file
        self._step = step

    def readable(self) -> bool:
        """Say that it can be read from."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read a piece into *buffer*."""
        length = self._file.readinto(buffer) or 0
        self._step(length)
        return length

    def read(self, size: int = -1) -> bytes:
        """Read a piece."""
        piece = self._file.read(size) or b""
        self._step(len(piece))
        return piece


def metered(pieces: Iterable[_Piece], step: Step) -> Iterator[_Piece]:
    """Hand pieces on, and tell of each once it was worked on."""
    for piece in pieces:
        yield piece
        step(len(piece))
