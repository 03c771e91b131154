"""Requests of one version join in a call of its model while the model is busy; no timer.

A lone request never waits. Those that come in during a call are answered by the next one, up to
a number of rows. A version has a thread of its own, so one that hangs holds up no other; but a
version that is known to be quick is called on the event loop, which saves two changes of threads.
A call that takes far longer than its version's calls do is left to its thread, and the others are
answered by another one.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from msgspec import json

from holdfast.rows import untyped
from holdfast.rows.call_params import CallParams, ParamsChecker
from holdfast.rows.checking import Checker
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows
from holdfast.serving.answering.call_watchdog import CallWatchdog
from holdfast.serving.answering.contention import Contention
from holdfast.serving.answering.model_call import Caller, deliver
from holdfast.serving.answering.pending_jobs import Batch, Job, Outcome, PendingJobs
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.vitals import Vitals

__all__ = ["MOST_STUCK", "ModelQueue"]

_TIMES_LONGER: Final = 10
MOST_STUCK: Final = 4
"""Calls of a version that may be left to their threads at a time."""


@dataclass(eq=False, slots=True)
class _Call:
    """A batch that a thread has, since when by the loop's clock."""

    batch: Batch
    since_s: float


class ModelQueue:
    """The way to one version: its checks, its queue and its thread.

    Args:
        watchdog: Breaks off calls on the event loop.
        vitals: Where calls are written down while they are under way.
        contention: Of the calls of all versions.

    Attributes:
        loaded: The version.
        check: For the rows of a request.
        check_params: For what it has beside them.
        caller: Calls the version.
        aside: True if its calls must never be made on the event loop: those that are mirrored.
        peer: Of the version that this one is compared with: one is called on the event loop only
            while the other is as well.
    """

    def __init__(
        self,
        loaded: Loaded,
        limits: ServerLimits,
        watchdog: CallWatchdog | None = None,
        vitals: Vitals | None = None,
        contention: Contention | None = None,
    ) -> None:
        self.loaded = loaded
        self.aside = False
        self.peer: ModelQueue | None = None
        self.check = Checker(loaded.input_schema)
        self.check_params = ParamsChecker(f"{loaded.model}@{loaded.version}", loaded.params)
        counted = self.check.form.kind != "whole"
        self.caller = Caller(
            loaded, watchdog or CallWatchdog(), contention or Contention(), vitals, counted=counted
        )
        self._limits = limits
        self._most = limits.batch if loaded.rowwise else 0
        self._waiting = PendingJobs()
        self._busy = False
        self._closing = False
        self._called: _Call | None = None
        self._left: list[_Call] = []
        self._timer: asyncio.TimerHandle | None = None
        self._batches: SimpleQueue[_Call | None] | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for the model."""
        return self._waiting.count

    @property
    def stuck(self) -> int:
        """Calls that go on while nobody waits for them any more."""
        return sum(all(job.over for job in call.batch) for call in self._left)

    def submit(
        self,
        rows: Rows,
        done: Callable[[Outcome], None],
        params: CallParams | None = None,
        *,
        counted: bool = False,
    ) -> Job:
        """Have *rows* answered.

        Args:
            rows: As `check` returns them.
            done: Called once with the outcome, on the event loop, after this method returned; it
                must not raise.
            params: As `check_params` returns them.
            counted: Whether the request is evidence of a rollout.

        Returns:
            The request; if it is over before it is called for, the model is not asked.

        Raises:
            Refusal: 503 if too many are waiting.
        """
        if self._waiting.count >= self._limits.queue:
            raise Refusal(
                503,
                f"{self._waiting.count} requests already wait for {self.loaded.version}; "
                "send fewer at a time, or run more workers",
                headers={b"retry-after": b"1"},
                cause="its queue is full",
            )
        loop = asyncio.get_running_loop()
        job = Job(rows, len(rows) if self._most else 1, done, loop.time(), counted, params=params)
        self._waiting.add(self._kind(rows, params), job)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._turn, loop)  # all that was read by now joins in
        return job

    def give_up(self, job: Job) -> bool:
        """Have a request not called for, unless it was already; tell whether that came in time."""
        is_called = job.over or any(job in call.batch for call in self._calls())
        if not is_called:
            job.over = True
        return not is_called

    def _kind(self, rows: Rows, params: CallParams | None) -> Hashable:
        """Return what two requests must share to be joined."""
        by_schema = self.check.form.kind == "table" and isinstance(rows, list)
        form = None if by_schema or not self._most else untyped.form_of(rows)
        return form if params is None else (form, json.encode(params, order="deterministic"))

    def close(self) -> None:
        """End the thread once nothing waits for it."""
        self._closing = True
        if not self._busy:
            self._end()

    def _end(self) -> None:
        if self._batches is not None:
            self._batches.put(None)
            self._batches = None

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call the model for what waits, or hand a call to the thread.

        A turn is scheduled, or a call is out, exactly while `_busy` is true. All of this runs on
        the event loop, so no request can come between the look at an empty queue below and
        `_busy = False`: it either joins this turn or begins the next one, and none waits without
        a turn that will come for it. While a thread has a call the turn is over and still
        `_busy`: `_done` goes on with it. A call that `_leave` gave up is not `_called` any more,
        so `_done` begins no second turn beside the one that took its place.
        """
        while self._waiting.count:
            batch = self._waiting.take(self._most)
            if not batch:
                continue
            is_quick = self.is_quick and (self.peer is None or self.peer.is_quick)
            outcomes = self.caller.here(batch) if is_quick else None
            if outcomes is None:
                self._called = _Call(batch, loop.time())
                self._thread(loop).put(self._called)
                self._watch(loop, min(self._limits.timeout_s, self._patience_s()))
                return
            deliver(batch, outcomes)
            if self._waiting.count:
                loop.call_soon(self._turn, loop)  # let others have the loop between two calls
                return
        self._busy = False
        if self._timer is not None and not self._left:
            self._timer.cancel()
            self._timer = None
        if self._closing:
            self._end()

    @property
    def is_quick(self) -> bool:
        """Whether its calls may be made on the event loop."""
        pace = self.caller.pace
        return (
            not self.aside
            and pace.is_known
            and not pace.barred
            and pace.mean_us <= self._limits.inline_us
        )

    def _patience_s(self) -> float:
        """Return how long others wait for a call before they are answered beside it."""
        pace = self.caller.pace
        if not pace.is_known:
            return self._limits.timeout_s
        return max(self._limits.overtake_s, _TIMES_LONGER * pace.mean_us / 1e6)

    def _watch(self, loop: asyncio.AbstractEventLoop, pause_s: float) -> None:
        """See to it that no request waits too long, from its coming on."""
        if self._timer is None:
            self._timer = loop.call_later(pause_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now_s, patience_s = loop.time(), self._patience_s()
        pause_s = self._expire(now_s)
        call = self._called
        if call is not None:
            pause_s = min(pause_s, patience_s)
            may = self._waiting.count and len(self._left) < MOST_STUCK
            if may and call.since_s + patience_s <= now_s:
                self._leave(call, loop)
        if self._called is not None or self._left:
            self._watch(loop, pause_s)

    def _expire(self, now_s: float) -> float:
        """Refuse what waited too long; return how long the next one has left."""
        limit_s = self._limits.timeout_s
        left = [job for job in self._jobs() if not job.over]
        for job in left:
            if job.since_s + limit_s <= now_s:
                advice = "send less, or raise the limit"
                message = f"no answer within {limit_s:g} s; {advice}"
                job.end(Refusal(504, message, cause="no answer in time"))
        oldest_s = min((job.since_s for job in left if not job.over), default=now_s)
        return oldest_s + limit_s - now_s

    def _jobs(self) -> Iterator[Job]:
        return itertools.chain(*(call.batch for call in self._calls()), self._waiting.all())

    def _calls(self) -> list[_Call]:
        return [*self._left] if self._called is None else [*self._left, self._called]

    def _leave(self, call: _Call, loop: asyncio.AbstractEventLoop) -> None:
        """Leave a call to its thread, which ends with it, and go on with another one."""
        self._left.append(call)
        self._called = None
        self._end()
        self._turn(loop)

    def _thread(self, loop: asyncio.AbstractEventLoop) -> "SimpleQueue[_Call | None]":
        if self._batches is None:
            self._batches = SimpleQueue()
            name = f"{self.loaded.model}@{self.loaded.version}"
            arguments = (self._batches, loop)
            threading.Thread(target=self._work, args=arguments, name=name, daemon=True).start()
        return self._batches

    def _work(self, calls: "SimpleQueue[_Call | None]", loop: asyncio.AbstractEventLoop) -> None:
        while (call := calls.get()) is not None:
            outcomes = self.caller.run(call.batch)
            try:
                loop.call_soon_threadsafe(self._done, call, outcomes, loop)
            except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
                return

    def _done(self, call: _Call, outcomes: list[Outcome], loop: asyncio.AbstractEventLoop) -> None:
        deliver(call.batch, outcomes)
        if call in self._left:
            self._left.remove(call)
            return
        self._called = None
        self._turn(loop)
