"""What a worker counts for Prometheus, added up with what others of its crew counted."""

from bisect import bisect_left
from collections.abc import Hashable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.rollout.course import Baseline
from holdfast.serving.answering.finished import Finished

__all__ = ["BUCKETS_S", "Evidence", "Histogram", "Tally", "ended", "read", "written"]

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
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.sum_us += other.sum_us

    def cumulated(self) -> list[tuple[str, float]]:
        """Return, by upper bound, how many took no longer."""
        found, total = [], 0
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Evidence(Struct):
    """What counts of one side of a step of a rollout.

    Attributes:
        slower: Requests whose call took longer than a quantile of the baseline, by quantile.
    """

    requests: int = 0
    failures: int = 0
    slower: dict[float, int] = {}

    def note(self, one: Finished, baseline: Baseline | None) -> None:
        """Count a request."""
        self.requests += 1
        self.failures += one.failed
        if baseline is None:
            return
        for quantile, bound_us in baseline.slower_than_us:
            late = one.call_us > bound_us or one.late
            self.slower[quantile] = self.slower.get(quantile, 0) + late

    def add(self, other: "Evidence") -> None:
        """Count all that *other* did."""
        self.requests += other.requests
        self.failures += other.failures
        self.slower = _sums(self.slower, other.slower)


class Tally(Struct):
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
    sides: dict[_Side, Evidence] = {}
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

    def finished(self, one: Finished) -> None:
        """Count a request that a version answered."""
        model, version, role = one.loaded.model, one.loaded.version, one.role
        self.count((model, version, role, one.status))
        durations = self.durations.get((model, version, role))
        if durations is None:
            durations = self.durations[model, version, role] = Histogram()
        durations.observe(one.latency_us)
        if one.model_us is not None:
            calls = self.calls.get((model, version))
            if calls is None:
                calls = self.calls[model, version] = Histogram()
            calls.observe(one.model_us)
        rollout = one.lineup.rollout
        if one.counted and rollout is not None:
            side = (model, rollout.number, rollout.step, role)
            evidence = self.sides.get(side)
            if evidence is None:
                evidence = self.sides[side] = Evidence()
            evidence.note(one, rollout.baseline)

    def add(self, other: "Tally") -> None:
        """Count all that *other* did."""
        self.requests = _sums(self.requests, other.requests)
        self.waiting = _sums(self.waiting, other.waiting)
        self.rows = _sums(self.rows, other.rows)
        for names, histogram in other.durations.items():
            self.durations.setdefault(names, Histogram()).add(histogram)
        for pair, histogram in other.calls.items():
            self.calls.setdefault(pair, Histogram()).add(histogram)
        for side, evidence in other.sides.items():
            self.sides.setdefault(side, Evidence()).add(evidence)
        self.rows_waiting += other.rows_waiting
        self.rows_failing += other.rows_failing
        self.in_flight += other.in_flight
        self.not_mirrored += other.not_mirrored


def _sums(one: dict[Key, int], other: dict[Key, int]) -> dict[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *other)}


def written(tally: Tally) -> bytes:
    """Write a tally; it may be counted on meanwhile."""
    return msgspec.msgpack.encode(tally)


def ended(tally: Tally) -> Tally:
    """Return what stays of a worker's tally when the worker is gone: what only rises."""
    return replace(tally, waiting={}, rows_waiting=0, rows_failing=0, in_flight=0)


def read(data: bytes) -> Tally:
    """Read what `written` gave.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    return msgspec.msgpack.decode(data, type=Tally)
