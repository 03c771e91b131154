"""Requests of one version join in a call of its model while the model is busy; no timer.

A lone request never waits. Those that come in during a call are answered by the next one, up to
a number of rows. A version has a thread of its own, so one that hangs holds up no other; but a
version that is known to be quick is called on the event loop, which saves two changes of threads.
"""

import asyncio
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter_ns
from typing import Any, Final

import numpy as np
from msgspec import Struct

from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.rows import untyped
from holdfast.serving.rows.checking import Checker
from holdfast.serving.rows.layout import Rows
from holdfast.serving.rows.outcome import OutputChecker, cut, listed

__all__ = ["Answered", "Lane", "Outcome", "said"]

_log = logging.getLogger(__name__)
_WEIGHT: Final = 0.1  # of the last call in the running mean of their lengths
_KNOWN: Final = 20  # calls before a version may be called on the event loop


class Answered(Struct, eq=False):
    """One request's output.

    Attributes:
        output: As the version gave it.
        values: The same as JSON has it, one value for each row.
        batch: Requests that shared the call.
        us: Microseconds that it took.
    """

    output: Any
    values: list[Any]
    batch: int
    us: int


Outcome = Answered | Refusal
"""A refusal: 500 if the version raised or gave what must not go out, 504 if it took too long."""


class _Job(Struct, eq=False):
    """A request that waits for the model.

    Attributes:
        count: Its rows, as far as they are counted.
        since_s: When it came, by the loop's clock.
        over: Whether it was answered.
    """

    rows: Rows
    count: int
    done: Callable[[Outcome], None]
    since_s: float
    over: bool = False

    def end(self, outcome: Outcome) -> None:
        """Hand over the outcome; the first one counts."""
        if self.over:
            return
        self.over = True
        try:
            self.done(outcome)
        except Exception:  # noqa: BLE001 - others wait, too
            _log.exception("an answer could not be given")


_Batch = list[_Job]


@dataclass(slots=True)
class _Pace:
    """How long calls take of late, in microseconds."""

    calls: int = 0
    mean_us: float = 0.0

    def note(self, took_us: float) -> None:
        self.calls += 1
        weight = max(_WEIGHT, 1 / self.calls)
        self.mean_us += weight * (took_us - self.mean_us)


@dataclass(slots=True)
class _Waiting:
    """Jobs by what lets them be joined, the longest waiting kind first."""

    kinds: dict[Hashable, deque[_Job]] = field(default_factory=dict)
    count: int = 0

    def add(self, kind: Hashable, job: _Job) -> None:
        jobs = self.kinds.get(kind)
        if jobs is None:
            jobs = self.kinds[kind] = deque()
        jobs.append(job)
        self.count += 1

    def take(self, most: int) -> _Batch:
        """Take jobs of one kind with *most* rows together; one job however many it has."""
        kind = next(iter(self.kinds))
        jobs = self.kinds.pop(kind)
        taken, rows = [], 0
        while jobs and (not rows or rows + jobs[0].count <= most):
            job = jobs.popleft()
            self.count -= 1
            if not job.over:  # else its time was up
                taken.append(job)
                rows += job.count
        if jobs:
            self.kinds[kind] = jobs
        return taken

    def all(self) -> Iterator[_Job]:
        return itertools.chain.from_iterable(self.kinds.values())


class Lane:
    """The way to one version: its checks, its queue and its thread.

    Attributes:
        loaded: The version.
        check: For the rows of a request.
        aside: True if its calls must never be made on the event loop: those that are mirrored.
    """

    def __init__(self, loaded: Loaded, limits: Limits) -> None:
        self.loaded = loaded
        self.aside = False
        self.check = Checker(loaded.input_schema)
        self._outputs = OutputChecker(loaded.output_schema, counted=self.check.form.kind != "whole")
        self._limits = limits
        self._most = limits.batch if loaded.rowwise else 0
        self._waiting = _Waiting()
        self._pace = _Pace() if loaded.call_us is None else _Pace(_KNOWN, loaded.call_us)
        self._busy = False
        self._closing = False
        self._called: _Batch = []  # by the thread, now
        self._timer: asyncio.TimerHandle | None = None
        self._batches: SimpleQueue[_Batch | None] | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for the model."""
        return self._waiting.count

    def submit(self, rows: Rows, done: Callable[[Outcome], None]) -> None:
        """Have *rows* answered.

        Args:
            rows: As `check` returns them.
            done: Called once with the outcome, on the event loop, after this method returned; it
                must not raise.

        Raises:
            Refusal: 503 if too many are waiting.
        """
        if self._waiting.count >= self._limits.queue:
            raise Refusal(
                503,
                f"{self._waiting.count} requests wait for {self.loaded.version} already; "
                "send fewer at a time, or run more workers",
                headers={b"retry-after": b"1"},
            )
        loop = asyncio.get_running_loop()
        job = _Job(rows, len(rows) if self._most else 1, done, loop.time())
        self._waiting.add(self._kind(rows), job)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._turn, loop)  # all that was read by now joins in

    def _kind(self, rows: Rows) -> Hashable:
        """Return what rows of two requests must share to be joined."""
        by_schema = self.check.form.kind == "table" and isinstance(rows, list)
        return None if by_schema or not self._most else untyped.form_of(rows)

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
        while self._waiting.count:
            batch = self._waiting.take(self._most)
            if not batch:
                continue
            found = self._once(batch) if self._is_quick() else None
            if found is None:
                self._called = batch
                self._thread(loop).put(batch)
                self._watch(loop, self._limits.timeout_s)
                return
            _deliver(batch, found)
            if self._waiting.count:
                loop.call_soon(self._turn, loop)  # let others have the loop between two calls
                return
        self._busy = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closing:
            self._end()

    def _is_quick(self) -> bool:
        return (
            not self.aside
            and self._pace.calls >= _KNOWN
            and self._pace.mean_us <= self._limits.inline_us
        )

    def _watch(self, loop: asyncio.AbstractEventLoop, pause_s: float) -> None:
        """See to it that no request waits too long, from its coming on."""
        if self._timer is None:
            self._timer = loop.call_later(pause_s, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        limit_s, now_s = self._limits.timeout_s, loop.time()
        left = [one for one in (*self._called, *self._waiting.all()) if not one.over]
        for job in left:
            if job.since_s + limit_s <= now_s:
                advice = "send less, or raise the limit"
                job.end(Refusal(504, f"no answer within {limit_s:g} s; {advice}"))
        oldest_s = min((job.since_s for job in left if not job.over), default=now_s)
        self._watch(loop, oldest_s + limit_s - now_s)

    def _thread(self, loop: asyncio.AbstractEventLoop) -> "SimpleQueue[_Batch | None]":
        if self._batches is None:
            self._batches = SimpleQueue()
            name = f"{self.loaded.model}@{self.loaded.version}"
            arguments = (self._batches, loop)
            threading.Thread(target=self._work, args=arguments, name=name, daemon=True).start()
        return self._batches

    def _work(self, batches: "SimpleQueue[_Batch | None]", loop: asyncio.AbstractEventLoop) -> None:
        while (batch := batches.get()) is not None:
            outcomes = self._run(batch)
            try:
                loop.call_soon_threadsafe(self._done, batch, outcomes, loop)
            except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
                return

    def _done(
        self, batch: _Batch, outcomes: list[Outcome], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._called = []
        _deliver(batch, outcomes)
        self._turn(loop)

    def _run(self, batch: _Batch) -> list[Outcome]:
        found = self._once(batch)
        return found or [one for job in batch for one in self._run([job])]

    def _once(self, batch: _Batch) -> list[Outcome] | None:
        """Call the model once; None if it failed for several: which of them is it?"""
        started = perf_counter_ns()
        found = self._call(batch)
        if isinstance(found, Refusal) and len(batch) > 1:
            return None
        us = (perf_counter_ns() - started) // 1000
        self._pace.note(us)
        if isinstance(found, Refusal):
            return [found]
        try:
            return _shared(batch, *found, us)
        except BaseException:  # noqa: BLE001 - an output of a class of the model's own
            return None

    def _call(self, batch: _Batch) -> tuple[Any, list[Any]] | Refusal:
        try:
            rows = batch[0].rows if len(batch) == 1 else _joined(batch)
            output = self.loaded.predict(rows)
            problem = self._outputs.problem(output, len(rows))
            if not problem:
                return output, listed(output)
            told = f"the output {problem}"
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
            told = said(error)
        return Refusal(500, f"{self.loaded.model}@{self.loaded.version} failed: {told}")


def said(error: BaseException) -> str:
    """Say what a model raised, which may not even be able to say so itself."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except BaseException:  # noqa: BLE001 - raised while it was written
        return name


def _joined(batch: _Batch) -> Rows:
    if isinstance(batch[0].rows, list):
        return [row for job in batch for row in job.rows]
    return np.concatenate([job.rows for job in batch])


def _shared(batch: _Batch, output: Any, values: list[Any], us: int) -> list[Outcome]:
    if len(batch) == 1:
        return [Answered(output, values, 1, us)]
    outcomes: list[Outcome] = []
    start, size = 0, len(batch)
    for job in batch:
        end = start + job.count
        outcomes.append(Answered(cut(output, start, end), values[start:end], size, us))
        start = end
    return outcomes


def _deliver(batch: _Batch, outcomes: list[Outcome]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        job.end(outcome)
