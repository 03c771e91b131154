"""A lock that many may share or one may have alone, between processes of one machine."""

import contextlib
import os
import sys
from collections.abc import Iterator

from holdfast.store import durable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # a planted one would make a file elsewhere
_SLOTS = 64
"""Windows shares no lock: who shares takes one of these bytes, who is alone takes them all."""


@contextlib.contextmanager
def shared(path: str) -> Iterator[None]:
    """Hold the lock together with all others who share it."""
    with _opened(path) as descriptor:
        if sys.platform == "win32":
            os.lseek(descriptor, os.getpid() // 4 % _SLOTS, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        else:
            _lock(path, descriptor, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Hold the lock when nobody else does, whether sharing it or alone."""
    with _opened(path) as descriptor:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, _SLOTS)
        else:
            _lock(path, descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def tried(path: str) -> Iterator[bool]:
    """Hold the lock alone if it is free, and tell whether it was; never wait for it."""
    with _opened(path) as descriptor:
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, _SLOTS)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _lock(path: str, descriptor: int, how: int) -> None:
    with durable.translated(path):
        fcntl.flock(descriptor, how)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    with durable.translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)  # which unlocks
