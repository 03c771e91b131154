"""A lock that many may share or one may have alone, between processes of one machine.

Nobody waits for it without end: the system may have stopped the holder, and its disk may hang. Who
holds it says so in the file, in a slot of its own, so that whoever gave up can name it. That is for
people to read: anybody may have written there, and nothing is decided by it.

A forked child holds no lock of its parent: its copies of the descriptors are closed before it runs.
"""

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.errors import LockedError, StoreError
from holdfast.store import durable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LIMIT_S: Final = 10.0
"""Seconds for which a lock is waited for, where nothing else is said."""

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)  # a planted one would make a file elsewhere
_BYTES: Final = getattr(os, "O_BINARY", 0)  # Windows would make two of a line's end
_SLOTS: Final = 64
"""Windows shares no lock: who shares takes one of these bytes, who is alone takes them all."""
_BEYOND: Final = 1 << 30
"""Where they begin there: what is locked cannot be read, and the file says who holds it."""
_SLOT_BYTES: Final = 256
_LONGEST_TEXT: Final = 64
_SHOWN: Final = 3
_FIRST_PAUSE_S: Final = 0.0005
_LONGEST_PAUSE_S: Final = 0.05
_TAKEN: Final = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class Holder(Struct, frozen=True):
    """Who says that they hold a lock.

    Attributes:
        since: When they got it.
        what: What they do meanwhile.
    """

    pid: int
    host: str
    since: str
    what: str

    def __str__(self) -> str:
        """Say it in a sentence."""
        stopped = ", which is stopped," if self._is_here() and _is_stopped(self.pid) else ""
        return f"process {self.pid}{stopped} on {self.host} ({self.what}, since {self.since})"

    @property
    def believable(self) -> bool:
        """False if no process that runs could have written it."""
        texts = (self.host, self.since, self.what)
        plain = all(text.isprintable() and len(text) <= _LONGEST_TEXT for text in texts)
        if not plain or not 0 < self.pid < 1 << 31:
            return False
        return not self._is_here() or _is_alive(self.pid)

    def _is_here(self) -> bool:
        return self.host == _host()


class Limit(Struct, frozen=True):
    """How long a lock is waited for, and what is said if that was not enough.

    Attributes:
        seconds: At most; 0 tries once.
        advice: What to do, beside trying again.
    """

    seconds: float = LIMIT_S
    advice: str = "if it hangs, end it or let it continue"


class _Hold(Struct, eq=False):
    """An open lock file of this process."""

    descriptor: int
    pid: int
    said: bytes = b""
    slot: int = 0


_open: Final[set[_Hold]] = set()
_forking: Final = threading.RLock()
"""Held while a lock file is opened or closed, and while this process forks."""


def _leave_to_parent() -> None:
    """Close what was the parent's. To unlock it would unlock it for the parent too."""
    for hold in _open:
        with contextlib.suppress(OSError):
            os.close(hold.descriptor)
    _open.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_forking.acquire,
        after_in_parent=_forking.release,
        after_in_child=_leave_to_parent,
    )


_LIMIT: Final = Limit()


@contextlib.contextmanager
def shared(path: str, what: str | None, limit: Limit = _LIMIT) -> Iterator[None]:
    """Hold the lock together with all others who share it.

    Args:
        path: Its file, made if there is none.
        what: What is done meanwhile, for those who wait; `None` if it is held for a moment only.
        limit: How long it is waited for.

    Raises:
        LockedError: If it took too long; it names the holder.
        StoreError: If the file cannot be opened or locked.
    """
    with _opened(path) as hold:
        _wait(path, hold, _try_shared, limit)
        if what is None:
            yield
            return
        hold.slot = _free_slot(hold, threading.get_native_id() % (_SLOTS - 1))
        with _named(hold, what):
            yield


@contextlib.contextmanager
def exclusive(path: str, what: str, limit: Limit = _LIMIT) -> Iterator[None]:
    """Hold the lock when nobody else does, whether sharing it or alone; see `shared`."""
    with _opened(path) as hold:
        _wait(path, hold, _try_alone, limit)
        with _named(hold, what):
            yield


@contextlib.contextmanager
def tried(path: str, what: str) -> Iterator[bool]:
    """Hold the lock alone if it is free, and tell whether it was; never wait for it."""
    with _opened(path) as hold:
        with durable.translate_errors(path):
            free = _try_alone(hold)
        if not free:
            yield False
            return
        with _named(hold, what):
            yield True


@contextlib.contextmanager
def folder(path: str, limit: Limit = _LIMIT) -> Iterator[None]:
    """Hold a folder alone by a lock on itself; no file is made, so nobody's name is left."""
    with _opened(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) as hold:
        _wait(path, hold, _try_alone, limit)
        yield


def holders(path: str) -> list[str]:
    """Return who says that they hold a lock, in sentences: for people."""
    try:
        with _opened(path, os.O_RDONLY | _NO_LINK | _BYTES) as hold:
            return [str(holder) for holder in _holders(hold)]
    except StoreError:
        return []


def _wait(path: str, hold: _Hold, attempt: Callable[[_Hold], bool], limit: Limit) -> None:
    """Try again and again: a call that waits in the system can be given no limit."""
    pause_s, deadline = _FIRST_PAUSE_S, time.monotonic() + limit.seconds
    with durable.translate_errors(path):
        while not attempt(hold):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                holder_names = [str(holder) for holder in _holders(hold)]
                raise LockedError(path, holder_names[:_SHOWN], limit.seconds, limit.advice)
            import random  # noqa: PLC0415 - slow to import

            time.sleep(min(left_s, pause_s * random.uniform(0.5, 1)))  # noqa: S311 - no secret
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


if sys.platform == "win32":

    def _try_shared(hold: _Hold) -> bool:
        first = os.getpid() // 4
        return any(_try_bytes(hold, (first + offset) % _SLOTS, 1) for offset in range(_SLOTS))

    def _try_alone(hold: _Hold) -> bool:
        return _try_bytes(hold, 0, _SLOTS)

    def _try_bytes(hold: _Hold, first: int, count: int) -> bool:
        os.lseek(hold.descriptor, _BEYOND + first, os.SEEK_SET)
        return _is_granted(lambda: msvcrt.locking(hold.descriptor, msvcrt.LK_NBLCK, count))

    def _unlock(_hold: _Hold) -> None:
        """Do nothing: closing unlocks, and there are no copies."""

else:

    def _try_shared(hold: _Hold) -> bool:
        return _is_granted(lambda: fcntl.flock(hold.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB))

    def _try_alone(hold: _Hold) -> bool:
        return _is_granted(lambda: fcntl.flock(hold.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB))

    def _unlock(hold: _Hold) -> None:
        """Unlock: to close is not enough where a program started meanwhile has a copy."""
        with contextlib.suppress(OSError):
            fcntl.flock(hold.descriptor, fcntl.LOCK_UN)


def _is_granted(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


@contextlib.contextmanager
def _opened(path: str, flags: int = os.O_RDWR | os.O_CREAT | _NO_LINK | _BYTES) -> Iterator[_Hold]:
    with _forking, durable.translate_errors(path):
        hold = _Hold(os.open(path, flags, 0o666), os.getpid())
        _open.add(hold)
    try:
        yield hold
    finally:
        with _forking:
            if hold in _open:  # else this is a child, and its copy is closed
                _open.discard(hold)
                _close(hold)


def _close(hold: _Hold) -> None:
    if hold.pid == os.getpid():  # a fork that Python was not told of
        _unlock(hold)
    os.close(hold.descriptor)


# Who holds it


@contextlib.contextmanager
def _named(hold: _Hold, what: str) -> Iterator[None]:
    """Have the file say who holds it; if that fails, the lock still holds."""
    now = format_time(datetime.now(UTC))
    content = msgspec.json.encode(Holder(os.getpid(), _host(), now, what[:_LONGEST_TEXT]))
    hold.said = content[:_SLOT_BYTES].ljust(_SLOT_BYTES - 1) + b"\n"
    _write(hold, hold.said)
    try:
        yield
    finally:
        if hold in _open and hold.pid == os.getpid() and _read(hold, hold.slot) == hold.said:
            _write(hold, b" " * (_SLOT_BYTES - 1) + b"\n")


def _free_slot(hold: _Hold, first: int) -> int:
    """Return where no other holder has its name, beginning at a slot that few begin at."""
    for offset in range(_SLOTS - 1):
        slot = 1 + (first + offset) % (_SLOTS - 1)
        if not _holder_at(hold, slot):
            return slot
    return 1 + first


def _write(hold: _Hold, data: bytes) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "pwrite"):
            os.pwrite(hold.descriptor, data, hold.slot * _SLOT_BYTES)
        else:
            os.lseek(hold.descriptor, hold.slot * _SLOT_BYTES, os.SEEK_SET)
            os.write(hold.descriptor, data)


def _read(hold: _Hold, slot: int) -> bytes:
    with contextlib.suppress(OSError):
        if hasattr(os, "pread"):
            return os.pread(hold.descriptor, _SLOT_BYTES, slot * _SLOT_BYTES)
        os.lseek(hold.descriptor, slot * _SLOT_BYTES, os.SEEK_SET)
        return os.read(hold.descriptor, _SLOT_BYTES)
    return b""


def _holders(hold: _Hold) -> tuple[Holder, ...]:
    return tuple(holder for slot in range(_SLOTS) if (holder := _holder_at(hold, slot)))


def _holder_at(hold: _Hold, slot: int) -> Holder | None:
    """Return who says in a slot that they hold the lock, if they still may."""
    with contextlib.suppress(ValueError):
        holder = strict_json.decode(_read(hold, slot).strip(b" \n\0"), Holder)
        return holder if holder.believable else None
    return None


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename[:_LONGEST_TEXT]
    import socket  # noqa: PLC0415 - slow to import, and needed on Windows alone

    return socket.gethostname()[:_LONGEST_TEXT]


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # where the call that asks would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return False
    return state[:1] in (["T"], ["t"])
