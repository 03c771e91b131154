"""What Prometheus is told of a worker.

Counting is a dictionary's; the library writes it out when it is asked for.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from holdfast.core.rollout.course import PREPARING, Baseline
from holdfast.predictions.writer import Recorder
from holdfast.serving.answering.finished import TIMED_OUT, Finished
from holdfast.serving.lineup import Lineup
from holdfast.serving.served import Served, in_memory

__all__ = ["BUCKETS_S", "Metrics"]

BUCKETS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
)  # fmt: skip
"""Upper bounds of the histograms, in seconds."""

_BUCKETS_US: Final = tuple(int(bound * 1e6) for bound in BUCKETS_S)
_STATES: Final = ("preparing", "running", "paused")


_Request = tuple[str, str, str, int]
"""Model, version, role and status."""

_Side = tuple[str, int, int, str]
"""Of a rollout: its model, number, step, and the role of the version that answered."""


class _Histogram:
    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS_US) + 1)
        self.sum_us = 0

    def observe(self, us: int) -> None:
        self.counts[bisect_left(_BUCKETS_US, us)] += 1
        self.sum_us += us

    def cumulated(self) -> list[tuple[str, float]]:
        found, total = [], 0
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        for bound, count in zip(bounds, self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class _Evidence:
    """What counts of one side of a step of a rollout."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.slower: dict[float, int] = {}

    def note(self, one: Finished, baseline: Baseline | None) -> None:
        self.requests += 1
        self.failures += one.failed
        if baseline is None:
            return
        for quantile, bound_us in baseline.slower_than_us:
            late = one.call_us > bound_us or one.status == TIMED_OUT
            self.slower[quantile] = self.slower.get(quantile, 0) + late


class Metrics:
    """Counts what one worker answers; a sink, and a collector of `prometheus_client`.

    Attributes:
        in_flight: Requests under way; set by whoever scrapes.
        not_mirrored: Requests that were not mirrored; likewise.
        waiting: Requests that wait for a version's model, by model and version; likewise.
        recorder: What keeps the prediction log, None where there is none.
    """

    def __init__(self, served: Served) -> None:
        self.in_flight = 0
        self.not_mirrored = 0
        self.waiting: dict[tuple[str, str], int] = {}
        self.recorder: Recorder | None = None
        self._served = served
        self._requests: Counter[_Request] = Counter()
        self._durations: dict[tuple[str, str, str], _Histogram] = {}
        self._calls: dict[tuple[str, str], _Histogram] = {}
        self._sides: dict[_Side, _Evidence] = {}

    def finished(self, one: Finished) -> None:
        """Count a request that a version answered."""
        model, version, role = one.loaded.model, one.loaded.version, one.role
        self._requests[model, version, role, one.status] += 1
        durations = self._durations.get((model, version, role))
        if durations is None:
            durations = self._durations[model, version, role] = _Histogram()
        durations.observe(one.latency_us)
        if one.model_us is not None:
            calls = self._calls.get((model, version))
            if calls is None:
                calls = self._calls[model, version] = _Histogram()
            calls.observe(one.model_us)
        rollout = one.lineup.rollout
        if one.counted and rollout is not None:
            side = (model, rollout.number, rollout.step, role)
            evidence = self._sides.get(side)
            if evidence is None:
                evidence = self._sides[side] = _Evidence()
            evidence.note(one, rollout.baseline)

    def refused(self, model: str, status: int) -> None:
        """Count a request that no version was chosen for."""
        self._requests[model, "", "", status] += 1

    def text(self) -> tuple[bytes, str]:
        """Write everything in the form that Prometheus reads.

        Returns:
            The page and its content type.
        """
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Any]:
        """Yield every metric, as `prometheus_client` asks for them."""
        yield from self._traffic()
        yield from self._evidence()
        yield from self._now()
        yield from self._rollouts()
        if self.recorder is not None:
            yield from _logged(self.recorder)

    def _traffic(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "holdfast_requests",
            "Requests answered.",
            labels=("model", "version", "role", "code"),
        )
        for (*told, status), count in [*self._requests.items()]:
            requests.add_metric((*told, str(status)), count)
        yield requests
        durations = HistogramMetricFamily(
            "holdfast_request_duration_seconds",
            "From the whole request read to its answer.",
            labels=("model", "version", "role"),
        )
        for names, histogram in [*self._durations.items()]:
            durations.add_metric(names, histogram.cumulated(), histogram.sum_us / 1e6)
        yield durations
        calls = HistogramMetricFamily(
            "holdfast_model_predict_seconds",
            "The model's call that answered a request.",
            labels=("model", "version"),
        )
        for pair, histogram in [*self._calls.items()]:
            calls.add_metric(pair, histogram.cumulated(), histogram.sum_us / 1e6)
        yield calls

    def _evidence(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        labels = ("model", "rollout", "step", "role")
        requests = CounterMetricFamily(
            "holdfast_rollout_requests", "Requests that count as evidence.", labels=labels
        )
        failures = CounterMetricFamily(
            "holdfast_rollout_failures", "Of these, those that failed.", labels=labels
        )
        slower = CounterMetricFamily(
            "holdfast_rollout_slower",
            "Of these, those whose call took longer than this quantile of the baseline.",
            labels=(*labels, "quantile"),
        )
        for (model, number, step, role), evidence in [*self._sides.items()]:
            names = (model, str(number), str(step), role)
            requests.add_metric(names, evidence.requests)
            failures.add_metric(names, evidence.failures)
            for quantile, count in evidence.slower.items():
                slower.add_metric((*names, f"{quantile:g}"), count)
        yield from (requests, failures, slower)

    def _now(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield _gauge("holdfast_in_flight", "Requests under way.", (), [((), self.in_flight)])
        dropped = CounterMetricFamily("holdfast_not_mirrored", "Requests not mirrored: too many.")
        dropped.add_metric((), self.not_mirrored)
        yield dropped
        waiting = GaugeMetricFamily(
            "holdfast_queue", "Requests that wait for a model.", labels=("model", "version")
        )
        for names, count in self.waiting.items():
            waiting.add_metric(names, count)
        yield waiting
        yield _gauge(
            "holdfast_model_loaded",
            "1 for a version that can answer, 0 for one that loads or failed to.",
            ("model", "version"),
            self._loaded(),
        )
        live = [
            ((lineup.model, lineup.active.version, lineup.active.digest), 1)
            for lineup in self._lineups()
            if lineup.active is not None
        ]
        labels = ("model", "version", "digest")
        yield _gauge("holdfast_live_version_info", "The version that is live.", labels, live)

    def _loaded(self) -> list[tuple[tuple[str, ...], float]]:
        found: dict[tuple[str, ...], float] = {}
        for model, held in [*self._served.held.items()]:
            found |= {(model, one.version): float(one.state == "ready") for one in held}
        for lineup in self._lineups():
            found |= {(lineup.model, version): 1.0 for version in in_memory(lineup)}
        return [*found.items()]

    def _rollouts(self) -> Iterator[Any]:
        running = [(one, one.rollout) for one in self._lineups() if one.rollout is not None]
        labels = ("model", "rollout", "version")
        weights, states, values = [], [], []
        for lineup, rollout in running:
            names = (lineup.model, str(rollout.number), rollout.version)
            weights.append((names, rollout.weight))
            state = "preparing" if rollout.step == PREPARING else rollout.phase
            states += [((*names, name), float(name == state)) for name in _STATES]
            readings = rollout.verdict.readings if rollout.verdict else ()
            values += [((*names, one.test), one.evidence) for one in readings]
        yield _gauge("holdfast_rollout_weight", "Share of the candidate.", labels, weights)
        states_ = (*labels, "state")
        yield _gauge("holdfast_rollout_state", "1 for the state it is in.", states_, states)
        help_ = "Evidence of the last verdict, by test."
        yield _gauge("holdfast_rollout_e_value", help_, (*labels, "test"), values)

    def _lineups(self) -> list[Lineup]:
        return [*self._served.lineups.values()]


def _logged(recorder: Recorder) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    rows = CounterMetricFamily(
        "holdfast_log_rows", "Predictions, by what became of their rows.", labels=("outcome",)
    )
    for outcome, count in recorder.outcomes.items():
        rows.add_metric((outcome,), count)
    yield rows
    waiting = [((), recorder.waiting)]
    yield _gauge("holdfast_log_waiting", "Rows that wait to be written.", (), waiting)


def _gauge(
    name: str,
    help_: str,
    labels: tuple[str, ...],
    samples: Iterable[tuple[tuple[str, ...], float]],
) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, help_, labels=labels)
    for values, figure in samples:
        family.add_metric(values, figure)
    return family
