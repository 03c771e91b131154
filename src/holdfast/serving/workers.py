"""Several workers at one address: begun, watched, begun anew when one dies.

They are processes of their own from the start, not forks: what a store's library or a model's
keeps in threads does not survive a fork.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final

__all__ = ["end_with_supervisor", "supervise"]

_log = logging.getLogger(__name__)
_YOUNG_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_END_S: Final = 10.0
_LOOK_S: Final = 0.05
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def supervise(count: int, work: Callable[[int], None], drain_s: float = 0.0) -> None:
    """Run *work* in so many processes until this one is told to stop.

    A process that ends by itself is begun anew, after a pause if it was young. Those told to stop
    are killed if they have not ended ten seconds after the time that they drain for.

    Args:
        count: How many.
        work: Gets the number of the process, from 0; returns when it is told to stop. It is sent
            to the process: a function of a module, or a part of one.
        drain_s: How long it goes on answering once it is told to stop.
    """
    stopping = threading.Event()
    before = {one: signal.signal(one, lambda *_: stopping.set()) for one in _STOPPING}
    workers = [_Worker(index, work) for index in range(count)]
    try:
        while not stopping.wait(_LOOK_S):
            for worker in workers:
                worker.tend(time.monotonic())
    finally:
        _end([one.process for one in workers if one.process is not None], drain_s + _END_S)
        for one, handler in before.items():
            signal.signal(one, handler)


class _Worker:
    """One place among the workers, and the process that fills it.

    Attributes:
        process: `None` until it is begun, and between two of them.
    """

    def __init__(self, index: int, work: Callable[[int], None]) -> None:
        self.process: SpawnProcess | None = None
        self._index = index
        self._work = work
        self._born_s = 0.0
        self._due_s = 0.0
        self._early = 0

    def tend(self, now_s: float) -> None:
        """Begin a process where there is none, once its time has come."""
        if self.process is not None and not self.process.is_alive():
            self._bury(self.process, now_s)
        if self.process is None and self._due_s <= now_s:
            name = f"worker {self._index}"
            begun = multiprocessing.get_context("spawn").Process(
                target=self._work, args=(self._index,), name=name
            )
            begun.start()
            self.process, self._born_s = begun, now_s

    def _bury(self, process: SpawnProcess, now_s: float) -> None:
        self._early = self._early + 1 if now_s - self._born_s < _YOUNG_S else 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._early) if self._early else 0.0
        told = "worker %d (process %d) ended with %s; another one begins in %.1f s"
        _log.error(told, self._index, process.pid, process.exitcode, pause_s)
        process.close()
        self.process, self._due_s = None, now_s + pause_s


def _end(processes: list[SpawnProcess], patience_s: float) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + patience_s
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()


def end_with_supervisor() -> None:
    """Have this worker told to stop when its supervisor is gone, for nobody else would."""
    parent: Any = multiprocessing.parent_process()

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    if parent is not None:
        threading.Thread(target=watch, name="watch the supervisor", daemon=True).start()
