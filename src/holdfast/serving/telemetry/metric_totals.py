"""What a worker counts for Prometheus, added up with what others of its crew counted."""

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.serving.answering.finished import FinishedRequest

__all__ = ["BUCKETS_S", "Histogram", "MetricTotals", "StepEvidence", "ended", "read", "written"]

BUCKETS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
)  # fmt: skip
"""Upper bounds of the histograms, in seconds."""

_BUCKETS_US: Final = tuple(int(bound * 1e6) for bound in BUCKETS_S)

_Request = tuple[str, str, str, int]
"""Model, version, role and status."""

Key = TypeVar("Key", bound=Hashable)

_Side = tuple[str, int, int, str]
"""Of a rollout: its model, number, step, and the role of the version that answered."""


class Histogram(Struct):
    """How long something took.

    Attributes:
        counts: By bucket; the last one has no bound.
        sum_us: All of it together.
    """

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_BUCKETS_US) + 1))
    sum_us: int = 0

    def observe(self, us: int) -> None:
        """Count one time."""
        self.counts[bisect_left(_BUCKETS_US, us)] += 1
        self.sum_us += us

    def add(self, other: "Histogram") -> None:
        """Count all that *other* did."""
        self.counts = [count + more for count, more in zip(self.counts, other.counts, strict=True)]
        self.sum_us += other.sum_us

    def cumulated(self) -> list[tuple[str, float]]:
        """Return, by upper bound, how many took no longer."""
        buckets, total = [], 0
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, self.counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return buckets


class StepEvidence(Struct):
    """What counts of one side of a step of a rollout.

    Attributes:
        slower: Requests whose call was slow by a quantile of the baseline, by quantile.
    """

    requests: int = 0
    failures: int = 0
    slower: dict[float, int] = {}

    def note(self, request: FinishedRequest, bounds_us: Iterable[tuple[float, int]]) -> None:
        """Count a request, given the time that a slow call takes more than, by quantile."""
        self.requests += 1
        self.failures += request.failed
        for quantile, bound_us in bounds_us:
            late = request.call_us > bound_us or request.late
            self.slower[quantile] = self.slower.get(quantile, 0) + late

    def add(self, other: "StepEvidence") -> None:
        """Count all that *other* did."""
        self.requests += other.requests
        self.failures += other.failures
        self.slower = _sums(self.slower, other.slower)


class MetricTotals(Struct):
    """Figures of one worker, or of several.

    Attributes:
        durations: By model, version and role.
        calls: By model and version.
        waiting: Requests that wait for a version's model, by model and version.
        rows_failing: Workers whose last rows could not be written.
        rows: Predictions by what became of their rows in the log; empty where there is none.
        in_flight: Requests under way.
        process: That counted; 0 for several together.
        not_mirrored: Requests that were not mirrored since too many were under way.
    """

    requests: dict[_Request, int] = {}
    durations: dict[tuple[str, str, str], Histogram] = {}
    calls: dict[tuple[str, str], Histogram] = {}
    sides: dict[_Side, StepEvidence] = {}
    waiting: dict[tuple[str, str], int] = {}
    rows: dict[str, int] = {}
    rows_waiting: int = 0
    rows_failing: int = 0
    process: int = 0
    in_flight: int = 0
    not_mirrored: int = 0

    def count(self, request: _Request, times: int = 1) -> None:
        """Count a request that was answered."""
        self.requests[request] = self.requests.get(request, 0) + times

    def finished(self, request: FinishedRequest) -> None:
        """Count a request that a version answered."""
        model, version, role = request.loaded.model, request.loaded.version, request.role
        self.count((model, version, role, request.status))
        durations = self.durations.get((model, version, role))
        if durations is None:
            durations = self.durations[model, version, role] = Histogram()
        durations.observe(request.latency_us)
        if request.model_us is not None:
            calls = self.calls.get((model, version))
            if calls is None:
                calls = self.calls[model, version] = Histogram()
            calls.observe(request.model_us)
        rollout = request.routing_table.rollout
        if request.counted and rollout is not None:
            side = (model, rollout.number, rollout.step, role)
            evidence = self.sides.get(side)
            if evidence is None:
                evidence = self.sides[side] = StepEvidence()
            evidence.note(request, rollout.slow_from_us(of_canary=role != "active"))

    def add(self, other: "MetricTotals") -> None:
        """Count all that *other* did."""
        self.requests = _sums(self.requests, other.requests)
        self.waiting = _sums(self.waiting, other.waiting)
        self.rows = _sums(self.rows, other.rows)
        for names, histogram in other.durations.items():
            self.durations.setdefault(names, Histogram()).add(histogram)
        for pair, histogram in other.calls.items():
            self.calls.setdefault(pair, Histogram()).add(histogram)
        for side, evidence in other.sides.items():
            self.sides.setdefault(side, StepEvidence()).add(evidence)
        self.rows_waiting += other.rows_waiting
        self.rows_failing += other.rows_failing
        self.in_flight += other.in_flight
        self.not_mirrored += other.not_mirrored


def _sums(counts: dict[Key, int], other: dict[Key, int]) -> dict[Key, int]:
    return {key: counts.get(key, 0) + other.get(key, 0) for key in (*counts, *other)}


def written(tally: MetricTotals) -> bytes:
    """Write a tally; it may be counted on meanwhile."""
    return msgspec.msgpack.encode(tally)


def ended(tally: MetricTotals) -> MetricTotals:
    """Return what stays of a worker's tally when the worker is gone: what only rises."""
    return replace(tally, waiting={}, rows_waiting=0, rows_failing=0, in_flight=0)


def read(data: bytes) -> MetricTotals:
    """Read what `written` gave.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    return msgspec.msgpack.decode(data, type=MetricTotals)
