"""The processes of a run: the keeper's session, and whatever left it and still descends from it.

The keeper is made the one that orphans below it go to, so that a process that forks twice and
begins a session of its own stays in the tree. Where there is no `/proc`, the group is all there is.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

_PROC: Final = Path("/proc")
_ROUNDS: Final = 200
_PAUSE_S: Final = 0.02


class Member(Struct, frozen=True):
    """One process.

    Attributes:
        rss_bytes: Its resident memory.
    """

    pid: int
    parent: int
    session: int
    rss_bytes: int


def is_visible() -> bool:
    """Tell whether this system shows its processes."""
    return (_PROC / "self" / "stat").exists()


def members(keeper: int) -> list[Member]:
    """List the processes of a run but for its keeper; zombies, which hold nothing, are left out."""
    everyone = _everyone()
    tree = {keeper}
    grown = True
    while grown:
        below = {
            process.pid
            for process in everyone
            if process.parent in tree or process.session == keeper
        }
        grown = not below <= tree
        tree |= below
    return [process for process in everyone if process.pid in tree and process.pid != keeper]


def terminate(keeper: int) -> None:
    """Ask all of them to end; the keeper stays, to end those that do not."""
    if is_visible():
        for process in members(keeper):
            _send(process.pid, signal.SIGTERM)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(keeper, signal.SIGTERM)


def kill(keeper: int) -> bool:
    """End all of them; false if some were still there in the end.

    They are stopped first: what is stopped starts nothing more while the others are ended.
    """
    if not is_visible():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(keeper, signal.SIGKILL)
        return True
    for _ in range(_ROUNDS):
        alive = members(keeper)
        if not alive:
            return True
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in alive:
                _send(process.pid, number)
        time.sleep(_PAUSE_S)
    return not members(keeper)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _everyone() -> list[Member]:
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    everyone = []
    for name in os.listdir(_PROC):
        if not name.isdecimal():
            continue
        try:
            text = (_PROC / name / "stat").read_bytes()
        except OSError:  # it ended since it was listed
            continue
        state, parent, _group, session, *rest = text.rpartition(b")")[2].split()
        if state not in (b"Z", b"X"):
            rss_bytes = int(rest[17]) * page_bytes
            everyone.append(Member(int(name), int(parent), int(session), rss_bytes))
    return everyone
