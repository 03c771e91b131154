"""What waits for a version's model, what it gets, and how long calls take."""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct

from holdfast.rows.call_params import CallParams
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows

__all__ = ["KNOWN", "Batch", "Job", "JobResult", "Outcome", "Pace", "PendingJobs"]

_log = logging.getLogger(__name__)
_WEIGHT: Final = 0.1  # of the last call in the running mean of their lengths
_TIMES_LONGER: Final = 10
_AT_LEAST_US: Final = 10_000
_BARRED: Final = 1_000
KNOWN: Final = 20
"""Calls before the length of a version's calls is known."""


class JobResult(Struct, eq=False):
    """One request's output.

    Attributes:
        output: As the version gave it.
        values: The same as JSON has it, one value for each row.
        batch: Requests that shared the call.
        us: Microseconds that it took.
        since_ns: When it began, by a clock that only rises.
        leads: Whether this is the first of them.
        waited_us: How much of the call's time other calls may have kept it waiting.
    """

    output: Any
    values: list[Any]
    batch: int
    us: int
    since_ns: int
    waited_us: int = 0
    leads: bool = True


Outcome = JobResult | Refusal
"""A refusal: 500 if the version raised or gave what must not go out, 504 if it took too long."""


class Job(Struct, eq=False):
    """A request that waits for the model.

    Attributes:
        count: Its rows, as far as they are counted.
        since_s: When it came, by the loop's clock.
        counted: Whether it is evidence of a rollout.
        over: Whether it was answered.
        params: Of the call, beside its rows; `None` if the version's defaults hold.
    """

    rows: Rows
    count: int
    done: Callable[[Outcome], None]
    since_s: float
    counted: bool = False
    over: bool = False
    params: CallParams | None = None

    def end(self, outcome: Outcome) -> None:
        """Hand over the outcome; the first one counts."""
        if self.over:
            return
        self.over = True
        try:
            self.done(outcome)
        except Exception:  # noqa: BLE001 - others wait, too
            _log.exception("an answer could not be given")


Batch = list[Job]


@dataclass(slots=True)
class Pace:
    """How long calls take of late.

    Attributes:
        mean_us: In microseconds; one that takes far longer than others tells little of the next.
        barred: Calls still to be made before one may be made on the event loop again.
    """

    calls: int = 0
    mean_us: float = 0.0
    barred: int = 0

    @property
    def is_known(self) -> bool:
        """Whether there were enough of them."""
        return self.calls >= KNOWN

    def note(self, took_us: float) -> None:
        """Take in how long a call took."""
        if self.is_known:
            took_us = min(took_us, _TIMES_LONGER * self.mean_us + _AT_LEAST_US)
        self.calls += 1
        self.barred = max(0, self.barred - 1)
        weight = max(_WEIGHT, 1 / self.calls)
        self.mean_us += weight * (took_us - self.mean_us)

    def bar(self) -> None:
        """Have calls made on a thread for some time: one had to be broken off."""
        self.barred = _BARRED


@dataclass(slots=True)
class PendingJobs:
    """Jobs by what lets them be joined, the longest waiting kind first."""

    kinds: dict[Hashable, deque[Job]] = field(default_factory=dict)
    count: int = 0

    def add(self, kind: Hashable, job: Job) -> None:
        """Have a job wait."""
        jobs = self.kinds.get(kind)
        if jobs is None:
            jobs = self.kinds[kind] = deque()
        jobs.append(job)
        self.count += 1

    def take(self, most: int) -> Batch:
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

    def all(self) -> Iterator[Job]:
        """Return what waits."""
        return itertools.chain.from_iterable(self.kinds.values())
