"""The workers at an address: begun, watched, begun anew when one dies, hangs or asks to leave.

They are processes of their own from the start, not forks: what a store's library or a model's
keeps in threads does not survive a fork.
"""

import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any, Final

from msgspec import msgpack

from holdfast.sandbox.clean_path import apart_from_the_current_folder
from holdfast.serving.crash_strikes import Strikes
from holdfast.serving.vitals import CallInProgress, Watched
from holdfast.stop_signal import StopSignal

__all__ = [
    "WorkerSlot",
    "WorkerTimeouts",
    "end_with_supervisor",
    "lost_in",
    "supervise",
    "tell_where_it_hangs",
]

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_END_S: Final = 10.0
_LOOK_S: Final = 0.05
_LAST_WORDS_S: Final = 0.5
_ORPHAN_S: Final = 1.0
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
_GOOD_END: Final = (0, -signal.SIGTERM)
"""Of one that was told to stop; nobody else ends well."""

_REFUSAL: Final = 2
"""From this status on, one that never answered refused its settings: others would as well."""


@dataclass(frozen=True, slots=True)
class WorkerSlot:
    """A worker's place among the others.

    Attributes:
        index: From 0.
        folder: Shared by all workers, and by nobody else.
        vitals: The file by which its supervisor sees what it does.
        has_others: Whether other workers may answer while this one begins.
        aside: Versions that ended workers before, and are not to be loaded.
    """

    index: int
    folder: Path
    vitals: Path
    has_others: bool = False
    aside: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkerTimeouts:
    """How long a supervisor waits for its workers.

    Attributes:
        hang_s: A worker whose event loop stands so long, in a call of a model, is replaced.
        drain_s: How long one goes on answering once it is told to stop.
        young_s: One that dies younger is followed after a pause; none is replaced younger.
    """

    hang_s: float = 10.0
    drain_s: float = 0.0
    young_s: float = 5.0


def supervise(
    count: int,
    folder: Path,
    work: Callable[[WorkerSlot], None],
    timeouts: WorkerTimeouts | None = None,
) -> None:
    """Run *work* in so many processes until this one is told to stop.

    A process that ends by itself is begun anew, after a pause if it was young. One that hangs is
    ended; one that asks to leave is told to stop once its successor answers. Those told to stop
    are killed if they have not ended ten seconds after the time that they drain for. Told a second
    time, this process passes it on.

    Raises:
        SystemExit: With the status of a process that refused its settings, which is 2 or more.

    Args:
        count: How many.
        folder: Shared by the workers: what one was doing when it died, its successor finds there.
        work: Gets its slot; returns when it is told to stop. It is sent to the process: a function
            of a module, or a part of one.
        timeouts: The defaults if not given.
    """
    timeouts = timeouts or WorkerTimeouts()
    stopping = StopSignal()
    strikes = Strikes()
    slots = [
        _SlotSupervisor(WorkerSlot(index, folder, folder, count > 1), work, timeouts, strikes)
        for index in range(count)
    ]

    def stop(number: int, _: FrameType | None) -> None:
        if stopping.is_set():
            _tell([signal_number for slot in slots for signal_number in slot.processes], number)
        stopping.set()

    before = {process: signal.signal(process, stop) for process in _STOPPING}
    try:
        while not stopping.wait(_LOOK_S):
            for slot in slots:
                slot.tend(time.monotonic())
    finally:
        _end([process for slot in slots for process in slot.processes], timeouts.drain_s + _END_S)
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)


class _Worker:
    """A process, and the file that shows what it does."""

    def __init__(self, slot: WorkerSlot, work: Callable[[WorkerSlot], None], now_s: float) -> None:
        self.born_s = now_s
        self.leaves_by_s: float | None = None
        self.watched = Watched(slot.vitals)
        self.process = multiprocessing.get_context("spawn").Process(
            target=work, args=(slot,), name=f"worker {slot.index}"
        )
        with apart_from_the_current_folder():
            self.process.start()

    def close(self) -> None:
        """Let go what is kept of one that has ended."""
        self.process.close()
        self.watched.close()


class _SlotSupervisor:
    """One place among the workers, and the process that fills it; two while one leaves."""

    def __init__(
        self,
        slot: WorkerSlot,
        work: Callable[[WorkerSlot], None],
        timeouts: WorkerTimeouts,
        strikes: Strikes,
    ) -> None:
        self._slot = slot
        self._strikes = strikes
        self._index, self._folder = slot.index, slot.folder
        self._work = work
        self._patience = timeouts
        self._worker: _Worker | None = None
        self._before: _Worker | None = None
        self._begun = 0
        self._due_s = 0.0
        self._early = 0

    @property
    def processes(self) -> list[SpawnProcess]:
        """Those that have begun and are not known to have ended."""
        return [worker.process for worker in (self._before, self._worker) if worker is not None]

    def tend(self, now_s: float) -> None:
        """Begin a process where there is none, once its time has come; end one that hangs."""
        if self._before is not None:
            self._see_off(self._before, now_s)
        worker = self._worker
        if worker is not None and not worker.process.is_alive():
            self._bury(worker, now_s)
        elif worker is not None and (calls := worker.watched.stuck(now_s, self._patience.hang_s)):
            self._end_hanging(worker, calls)
        elif worker is not None and self._before is None and self._may_leave(worker, now_s):
            self._before = worker
            self._worker = self._new(now_s)
        if self._worker is None and self._due_s <= now_s:
            self._worker = self._new(now_s)

    def _may_leave(self, worker: _Worker, now_s: float) -> bool:
        return worker.watched.leaves and now_s - worker.born_s >= self._patience.young_s

    def _new(self, now_s: float) -> _Worker:
        self._begun += 1
        vitals = self._folder / f"{self._index}-{self._begun}.vitals"
        has_others = self._slot.has_others or self._before is not None
        aside = self._strikes.aside(now_s)
        slot = replace(self._slot, vitals=vitals, has_others=has_others, aside=aside)
        return _Worker(slot, self._work, now_s)

    def _see_off(self, leaving: _Worker, now_s: float) -> None:
        """Have a worker stop that asked for it, once another one answers."""
        if not leaving.process.is_alive():
            if leaving.leaves_by_s is None or leaving.process.exitcode not in _GOOD_END:
                self._blame(leaving, now_s)
            leaving.close()
            self._before = None
        elif leaving.leaves_by_s is None:
            if self._worker is not None and self._worker.watched.answers:
                leaving.leaves_by_s = now_s + self._patience.drain_s + _END_S
                leaving.process.terminate()
        elif leaving.leaves_by_s <= now_s:
            leaving.process.kill()

    def _end_hanging(self, worker: _Worker, calls: Sequence[CallInProgress]) -> None:
        names = ", ".join(f"{call.model}@{call.version}" for call in calls)
        message = "worker %d (process %d) hangs in a call of %s for %g s and is ended"
        _log.error(message, self._index, worker.process.pid, names, self._patience.hang_s)
        if worker.process.pid is not None and hasattr(signal, "SIGUSR2"):
            os.kill(worker.process.pid, signal.SIGUSR2)  # it writes down where it hangs
            worker.process.join(_LAST_WORDS_S)
        worker.process.kill()
        worker.process.join()

    def _bury(self, worker: _Worker, now_s: float) -> None:
        is_young = now_s - worker.born_s < self._patience.young_s
        self._early = self._early + 1 if is_young else 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._early) if self._early else 0.0
        message = "worker %d (process %d) ended with %s; another one begins in %.1f s"
        process = worker.process
        if (process.exitcode or 0) >= _REFUSAL and not worker.watched.answers:
            raise SystemExit(process.exitcode)
        _log.error(message, self._index, process.pid, process.exitcode, pause_s)
        self._blame(worker, now_s)
        worker.close()
        self._worker, self._due_s = None, now_s + pause_s

    def _blame(self, worker: _Worker, now_s: float) -> None:
        """Have what a worker was doing known, which ended though nobody told it to.

        A version that is loaded passed its trial: while others are called, they are blamed.
        """
        running = worker.watched.calls()
        calls = [call for call in running if call.requests]
        for call in calls or running:
            if call.requests:
                message = (
                    "its process ended in a call of %s@%s for %d requests: they count as failed"
                )
                _log.error(message, call.model, call.version, call.requests)
            else:
                _log.error("its process ended while it loaded %s@%s", call.model, call.version)
        self._strikes.note(((call.model, call.version) for call in calls or running), now_s)
        if calls:
            lost = self._folder / f"{self._index}-{worker.process.pid}.lost"
            draft = lost.with_suffix(".draft")
            draft.write_bytes(msgpack.encode(calls))
            os.replace(draft, lost)


def lost_in(folder: Path, index: int) -> list[CallInProgress]:
    """Take what workers of a slot were calling when they died: nobody else will be told of it."""
    calls: list[CallInProgress] = []
    for path in sorted(folder.glob(f"{index}-*.lost")):
        with suppress(OSError):
            calls += msgpack.decode(path.read_bytes(), type=list[CallInProgress])
            path.unlink()
    return calls


def tell_where_it_hangs() -> None:
    """Have this worker write to its standard error where it is when it crashes or hangs."""
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR2, all_threads=True)


def _tell(processes: Sequence[SpawnProcess], number: int) -> None:
    for process in processes:
        if process.pid is not None and process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _end(processes: Sequence[SpawnProcess], patience_s: float) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + patience_s
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()


def end_with_supervisor() -> None:
    """Have this worker stop, and not drain, when its supervisor is gone: nobody else would."""
    parent: Any = multiprocessing.parent_process()

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_ORPHAN_S)
        os.kill(os.getpid(), signal.SIGINT)  # ends a drain

    if parent is not None:
        threading.Thread(target=watch, name="watch the supervisor", daemon=True).start()
