"""Several workers on one socket: forked, watched, begun anew when one dies."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from holdfast.errors import UnsupportedError

__all__ = ["supervise"]

_log = logging.getLogger(__name__)
_YOUNG_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 10.0
_END_S: Final = 10.0
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def supervise(count: int, work: Callable[[int], None]) -> None:
    """Run *work* in so many processes until this one is told to stop.

    A process that ends by itself is begun anew, after a pause if it was young. Those told to stop
    are killed if they have not ended ten seconds later.

    Args:
        count: How many.
        work: Gets the number of the process, from 0; returns when it is told to stop.

    Raises:
        UnsupportedError: If this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise UnsupportedError("workers", "this system forks no processes", "run with --workers 1")
    _Supervisor(count, work).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._work = work
        self._born: dict[int, tuple[int, float]] = {}
        self._early = [0] * count
        self._stopping = threading.Event()

    def run(self) -> None:
        before = {one: signal.signal(one, self._stop) for one in _STOPPING}
        try:
            for index in range(len(self._early)):
                self._begin(index)
            while self._born:
                self._wait()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _begin(self, index: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # none is to fall between the two
        try:
            process = os.fork()
            if process == 0:
                self._be(index)
            self._born[process] = (index, time.monotonic())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    def _be(self, index: int) -> None:
        """Be a worker, to the end of the process."""
        for one in _STOPPING:
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        status = 1
        try:
            self._work(index)
            status = 0
        except BaseException:  # noqa: BLE001 - it is the end of the process
            _log.exception("worker %d failed", index)
        finally:
            logging.shutdown()
            os._exit(status)

    def _wait(self) -> None:
        """Wait for the next process to end, and begin another in its place."""
        process, status = os.waitpid(-1, 0)
        index, born = self._born.pop(process, (-1, 0.0))
        if index < 0 or self._stopping.is_set():
            return
        age_s = time.monotonic() - born
        self._early[index] = self._early[index] + 1 if age_s < _YOUNG_S else 0
        pause_s = min(_LONGEST_PAUSE_S, 0.1 * 2 ** self._early[index]) if self._early[index] else 0
        _log.error(
            "worker %d (process %d) ended with %s; another one begins in %.1f s",
            index,
            process,
            os.waitstatus_to_exitcode(status),
            pause_s,
        )
        if not self._stopping.wait(pause_s):
            self._begin(index)

    def _stop(self, _signal: int, _frame: Any) -> None:
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._tell(signal.SIGTERM)
        last = threading.Timer(_END_S, self._tell, [signal.SIGKILL])
        last.daemon = True
        last.start()

    def _tell(self, what: signal.Signals) -> None:
        for process in [*self._born]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, what)
