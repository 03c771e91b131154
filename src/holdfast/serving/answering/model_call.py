"""One call of a version's model for all requests of a batch, and what each of them gets."""

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from holdfast.predictions.row import Role
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.outcome import OutputChecker, cut, listed
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows
from holdfast.serving.answering.call_watchdog import CallWatchdog, Overlong
from holdfast.serving.answering.contention import Contention
from holdfast.serving.answering.pending_jobs import KNOWN, Batch, JobResult, Outcome, Pace
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.vitals import CallInProgress, Vitals

__all__ = ["Caller", "deliver", "name_of", "said", "written_down"]

_LONGEST_NAME: Final = 80
_OF_ROWS: Final = (ValueError, TypeError, LookupError)
"""What libraries raise of rows that they cannot take; where a schema is declared, it says so first.

Both sides of a rollout count it as a failure all the same: who knows whose fault it is?
"""


class Caller:
    """Calls one version.

    Args:
        counted: Whether outputs must have one value for each row.
        watchdog: Told of calls on the event loop.
        contention: Told of calls on threads.
        vitals: Where calls are written down while they are under way; None if nowhere.

    Attributes:
        pace: How long its calls take.
        name: What is written down of its calls.
    """

    def __init__(
        self,
        loaded: Loaded,
        watchdog: CallWatchdog,
        contention: Contention,
        vitals: Vitals | None,
        *,
        counted: bool,
    ) -> None:
        self.pace = Pace() if loaded.call_us is None else Pace(KNOWN, loaded.call_us)
        self.name = b""
        self._loaded = loaded
        self._outputs = OutputChecker(loaded.output_schema, counted=counted)
        self._patience = watchdog
        self._contention = contention
        self._vitals = vitals
        self._takes_anything = loaded.input_schema is None
        self._has_answered = loaded.call_us is not None

    def here(self, batch: Batch) -> list[Outcome] | None:
        """Call for a batch on the event loop; None if it must be done on a thread."""
        return self._once(batch, self._patience)

    def run(self, batch: Batch) -> list[Outcome]:
        """Call for a batch on a thread: for each request by itself, if that is what it takes."""
        outcomes = self._once(batch, None)
        return outcomes or [outcome for job in batch for outcome in self.run([job])]

    def _once(self, batch: Batch, watchdog: CallWatchdog | None) -> list[Outcome] | None:
        """Call the model once; None if it failed for several: which of them is it?"""
        mark = self._contention.begin() if watchdog is None else None
        started = perf_counter_ns()
        answer = self._noted(batch, watchdog)
        us = (perf_counter_ns() - started) // 1000
        waited_us = 0 if mark is None else min(us, self._contention.end(mark))
        if isinstance(answer, Refusal) and len(batch) > 1:
            return None
        if answer is None:  # broken off
            self.pace.bar()
            return None
        self.pace.note(us)
        if isinstance(answer, Refusal):
            return [answer]
        try:
            return _shared(batch, *answer, (us, started, waited_us))
        except BaseException:  # noqa: BLE001 - an output of a class of the model's own
            return None

    def _noted(
        self, batch: Batch, watchdog: CallWatchdog | None
    ) -> tuple[Any, list[Any]] | Refusal | None:
        if self._vitals is None:
            return self._call(batch, watchdog)
        offset = self._vitals.begin(self.name, len(batch), sum(job.counted for job in batch))
        try:
            return self._call(batch, watchdog)
        finally:
            self._vitals.end(offset)

    def _call(
        self, batch: Batch, watchdog: CallWatchdog | None
    ) -> tuple[Any, list[Any]] | Refusal | None:
        try:
            rows = batch[0].rows if len(batch) == 1 else _joined(batch)
            params = () if batch[0].params is None else (batch[0].params,)
            if watchdog is None:
                output = self._loaded.predict(rows, *params)
            else:
                with watchdog:
                    output = self._loaded.predict(rows, *params)
            problem = self._outputs.problem(output, len(rows))
            if not problem:
                self._has_answered = True
                return output, listed(output)
            message, cause = f"the output {problem}", "its output"
        except Overlong:
            return None
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is not an Exception
            message, cause = said(error), name_of(error)
            if self._takes_anything and self._has_answered and isinstance(error, _OF_ROWS):
                ref = f"{self._loaded.model}@{self._loaded.version}"
                message = f"{ref} declares no input schema and cannot take these rows: {message}"
                return Refusal(422, message, "instances", cause=cause)
        message = f"{self._loaded.model}@{self._loaded.version} failed: {message}"
        return Refusal(500, message, cause=cause)


def said(error: BaseException) -> str:
    """Say what a model raised, which may not even be able to say so itself."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except BaseException:  # noqa: BLE001 - raised while it was written
        return name


def name_of(error: BaseException) -> str:
    """Return the name of the class of what a model raised, if it is one."""
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= _LONGEST_NAME else "an error"


def _joined(batch: Batch) -> Rows:
    if isinstance(batch[0].rows, list):
        return [row for job in batch for row in job.rows]
    return np.concatenate([job.rows for job in batch])


def _shared(
    batch: Batch, output: Any, values: list[Any], times: tuple[int, int, int]
) -> list[Outcome]:
    if len(batch) == 1:
        return [JobResult(output, values, 1, *times)]
    outcomes: list[Outcome] = []
    start, size = 0, len(batch)
    for job in batch:
        end = start + job.count
        leads = not start
        part = cut(output, start, end), values[start:end]
        outcomes.append(JobResult(*part, size, *times, leads))
        start = end
    return outcomes


def deliver(batch: Batch, outcomes: Iterable[Outcome]) -> None:
    """Hand each request its outcome."""
    for job, outcome in zip(batch, outcomes, strict=True):
        job.end(outcome)


def written_down(routing_table: RoutingTable, loaded: Loaded) -> bytes:
    """Write down of a version's calls what stays the same while the routing table does."""
    rollout = routing_table.rollout
    is_active = routing_table.active is loaded
    role: Role = (
        "active" if is_active else "canary" if routing_table.candidate is loaded else "pinned"
    )
    if rollout is None:
        return CallInProgress(loaded.model, loaded.version, role).written()
    if role == "canary" and rollout.plan.strategy == "shadow":
        role = "shadow"
    position = rollout.number, rollout.step, rollout.weight
    return CallInProgress(loaded.model, loaded.version, role, *position).written()
