"""Copying a file while its bytes are hashed."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from io import FileIO

from holdfast.store import durable
from holdfast.store.metering import Step, unmetered

_CHUNK = 4 << 20
_NO_COPY_RANGE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}


def copy(file: FileIO, target: int, step: Step = unmetered) -> tuple[str, int]:
    """Copy a file to an open new one and hash what was written, side by side.

    The kernel copies a piece while a thread hashes the one before, read back from the new file:
    what is hashed is what is kept, even if the source changes meanwhile.
    """
    if not hasattr(os, "pread"):
        return _copy_plainly(file, target, step)
    hasher = _Hasher(target)
    try:
        for length in _pieces(file.fileno(), target):
            hasher.pieces.put(length)
            step(length)
        durable.sync(target)
    finally:
        hasher.pieces.put(0)
        hasher.join()
    return hasher.result()


def _copy_plainly(file: FileIO, target: int, step: Step) -> tuple[str, int]:
    sha256, size_bytes = hashlib.sha256(), 0
    while piece := file.read(_CHUNK):
        sha256.update(piece)
        size_bytes += len(piece)
        durable.write_all(target, piece)
        step(len(piece))
    return sha256.hexdigest(), size_bytes


class _Hasher(threading.Thread):
    """Hashes a growing file behind its writer."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        import queue  # noqa: PLC0415 - who only looks copies nothing

        self.pieces: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._descriptor = os.dup(descriptor)
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0
        self._error: OSError | None = None
        self.start()

    def run(self) -> None:
        try:
            while length := self.pieces.get():
                self._hash(length)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._descriptor)

    def _hash(self, length: int) -> None:
        while length:
            piece = os.pread(self._descriptor, min(length, _CHUNK), self._size_bytes)
            if not piece:
                raise OSError(errno.EIO, "the file shrank while it was written")
            self._sha256.update(piece)
            self._size_bytes += len(piece)
            length -= len(piece)

    def result(self) -> tuple[str, int]:
        if self._error is not None:
            raise self._error
        return self._sha256.hexdigest(), self._size_bytes


def _pieces(source: int, target: int) -> Iterator[int]:
    """Copy by the kernel where it can, else by hand; yield the length of each piece."""
    if hasattr(os, "copy_file_range"):
        try:
            while length := os.copy_file_range(source, target, _CHUNK):
                yield length
        except OSError as error:
            if error.errno not in _NO_COPY_RANGE:
                raise
        else:
            return
    while piece := os.read(source, _CHUNK):
        durable.write_all(target, piece)
        yield len(piece)
