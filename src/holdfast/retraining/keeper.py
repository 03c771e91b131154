"""The child: it runs the training below it, ends with its parent, and ends what is below it.

It runs none of the entry's code, so nothing keeps it from seeing that its standard input has ended:
that is how a parent that was killed is noticed on every system.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from holdfast.retraining import process_tree
from holdfast.sandbox import kernel

__all__ = ["ORPHANED", "main"]

ORPHANED: Final = 90
"""Status of a keeper whose parent ended; nobody is left to read it."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_MS: Final = 50


def main() -> NoReturn:
    """Run what the parent wrote to the first argument, until it or the parent ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of the group: the parent says when to end
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(sys.argv[1], encoding="utf-8") as file:
        orders = json.load(file)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        worker = subprocess.Popen(  # noqa: S603 - what the caller asked for
            orders["command"],
            cwd=orders["folder"],
            stdin=subprocess.DEVNULL,
            preexec_fn=_bound(orders, os.getpid()),  # noqa: PLW1509 - there are no threads here
        )
    except OSError as error:
        sys.stderr.write(f"{orders['command'][0]!r} cannot be started: {error.strerror}\n")
        os._exit(127)
    orphaned = _watch(worker)
    process_tree.kill(os.getpid())
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    os._exit(ORPHANED if orphaned else _status(worker))


def _bound(orders: dict[str, Any], keeper: int) -> Callable[[], None]:
    """Return what the worker does before it is another program."""

    def bind() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.platform == "linux":
            kernel.pass_on_death(signal.SIGKILL, keeper)
        if orders["address_space_bytes"]:
            import resource

            most = orders["address_space_bytes"]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return bind


def _watch(worker: "subprocess.Popen[bytes]") -> bool:
    """Wait for the worker; true if standard input ended first, which the parent holds open."""
    ends = select.poll()
    ends.register(0, select.POLLIN)
    while worker.poll() is None:
        if ends.poll(_LOOK_MS):
            return True
    return False


def _status(worker: "subprocess.Popen[bytes]") -> int:
    code = worker.returncode
    return code if code >= 0 else 128 - code
