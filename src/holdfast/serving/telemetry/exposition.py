"""What Prometheus is told of a worker, or of all at an address.

Counting is a dictionary's; the library writes it out when it is asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from holdfast.core.rollout.rollout_state import PREPARING
from holdfast.predictions.writer import Recorder
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.telemetry.metric_totals import MetricTotals
from holdfast.serving.telemetry.multiprocess_metrics import MultiprocessMetrics
from holdfast.serving.vitals import CallInProgress
from holdfast.serving.worker_state import WorkerState, in_memory

__all__ = ["Metrics"]

_FAILED: Final = 500
_STATES: Final = ("preparing", "running", "paused")


class Metrics:
    """Counts what one worker answers; a sink, and what writes a page for Prometheus.

    Attributes:
        recorder: What keeps the prediction log, None where there is none.
        crew: The workers at the same address, whose figures are on the page too; None if alone.
    """

    def __init__(self, served: WorkerState) -> None:
        self.recorder: Recorder | None = None
        self.crew: MultiprocessMetrics | None = None
        self._served = served
        self._tally = MetricTotals()
        self._refresh: Callable[[MetricTotals], None] | None = None

    def follow(self, refresh: Callable[[MetricTotals], None]) -> None:
        """Have *refresh* put in what is known elsewhere, whenever figures are asked for."""
        self._refresh = refresh

    def finished(self, request: FinishedRequest) -> None:
        """Count a request that a version answered."""
        self._tally.finished(request)

    def refused(self, model: str, status: int) -> None:
        """Count a request that no version was chosen for."""
        self._tally.count((model, "", "", status))

    def lost(self, call: CallInProgress) -> None:
        """Count the requests of a call in which another worker died."""
        self._tally.count((call.model, call.version, call.role, _FAILED), call.requests)

    def own(self) -> MetricTotals:
        """Return what this worker counted."""
        if self._refresh is not None:
            self._refresh(self._tally)
        if self.recorder is not None:
            self._tally.rows = self.recorder.outcomes
            self._tally.rows_waiting = self.recorder.waiting
            self._tally.rows_failing = int(self.recorder.problem is not None)
        return self._tally

    def text(self) -> tuple[bytes, str]:
        """Write everything in the form that Prometheus reads.

        Returns:
            The page and its content type.
        """
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.exposition import CONTENT_TYPE_LATEST

        registry = CollectorRegistry()
        registry.register(_Page(self._served, self.crew.together() if self.crew else self.own()))
        return generate_latest(registry), CONTENT_TYPE_LATEST


class _Page:
    """A collector of `prometheus_client`."""

    def __init__(self, served: WorkerState, tally: MetricTotals) -> None:
        self._served = served
        self._tally = tally

    def collect(self) -> Iterator[Any]:
        """Yield every metric, as `prometheus_client` asks for them."""
        yield from self._traffic()
        yield from self._evidence()
        yield from self._now()
        yield from self._rollouts()
        yield self._findings()
        if self._tally.rows:
            yield from self._logged()

    def _traffic(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "holdfast_requests",
            "Requests answered.",
            labels=("model", "version", "role", "code"),
        )
        for (*labels, status), count in [*self._tally.requests.items()]:
            requests.add_metric((*labels, str(status)), count)
        yield requests
        durations = HistogramMetricFamily(
            "holdfast_request_duration_seconds",
            "Seconds from the whole request read to its answer.",
            labels=("model", "version", "role"),
        )
        for names, histogram in [*self._tally.durations.items()]:
            durations.add_metric(names, histogram.cumulated(), histogram.sum_us / 1e6)
        yield durations
        calls = HistogramMetricFamily(
            "holdfast_model_predict_seconds",
            "The model's call that answered a request.",
            labels=("model", "version"),
        )
        for pair, histogram in [*self._tally.calls.items()]:
            calls.add_metric(pair, histogram.cumulated(), histogram.sum_us / 1e6)
        yield calls

    def _evidence(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        labels = ("model", "rollout", "step", "role")
        requests = CounterMetricFamily(
            "holdfast_rollout_requests", "Requests that count as evidence.", labels=labels
        )
        failures = CounterMetricFamily(
            "holdfast_rollout_failures", "Failed requests among them.", labels=labels
        )
        slower = CounterMetricFamily(
            "holdfast_rollout_slower",
            "Requests among them whose call took longer than this quantile of the baseline.",
            labels=(*labels, "quantile"),
        )
        for (model, number, step, role), evidence in [*self._tally.sides.items()]:
            names = (model, str(number), str(step), role)
            requests.add_metric(names, evidence.requests)
            failures.add_metric(names, evidence.failures)
            for quantile, count in evidence.slower.items():
                slower.add_metric((*names, f"{quantile:g}"), count)
        yield from (requests, failures, slower)

    def _now(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        under_way = [((), self._tally.in_flight)]
        yield _gauge("holdfast_in_flight", "Requests in progress.", (), under_way)
        dropped = CounterMetricFamily(
            "holdfast_not_mirrored", "Requests not mirrored, as there were too many."
        )
        dropped.add_metric((), self._tally.not_mirrored)
        yield dropped
        waiting = GaugeMetricFamily(
            "holdfast_queue", "Requests that wait for a model.", labels=("model", "version")
        )
        for names, count in self._tally.waiting.items():
            waiting.add_metric(names, count)
        yield waiting
        yield _gauge(
            "holdfast_model_loaded",
            "1 for a version that can answer, 0 for one that loads or failed to.",
            ("model", "version"),
            self._loaded(),
        )
        live = [
            ((routing_table.model, routing_table.active.version, routing_table.active.digest), 1)
            for routing_table in self._routing_tables()
            if routing_table.active is not None
        ]
        labels = ("model", "version", "digest")
        yield _gauge("holdfast_live_version_info", "The live version.", labels, live)

    def _loaded(self) -> list[tuple[tuple[str, ...], float]]:
        samples: dict[tuple[str, ...], float] = {}
        for model, version_statuses in [*self._served.held.items()]:
            samples |= {
                (model, version_status.version): float(version_status.state == "ready")
                for version_status in version_statuses
            }
        for routing_table in self._routing_tables():
            samples |= {(routing_table.model, version): 1.0 for version in in_memory(routing_table)}
        return [*samples.items()]

    def _rollouts(self) -> Iterator[Any]:
        running = [
            (table, table.rollout) for table in self._routing_tables() if table.rollout is not None
        ]
        labels = ("model", "rollout", "version")
        weights, states, values = [], [], []
        for routing_table, rollout in running:
            names = (routing_table.model, str(rollout.number), rollout.version)
            weights.append((names, rollout.weight))
            state = "preparing" if rollout.step == PREPARING else rollout.phase
            states += [((*names, name), float(name == state)) for name in _STATES]
            readings = rollout.verdict.readings if rollout.verdict else ()
            values += [((*names, reading.test), reading.evidence) for reading in readings]
        yield _gauge("holdfast_rollout_weight", "Traffic share of the candidate.", labels, weights)
        states_ = (*labels, "state")
        yield _gauge("holdfast_rollout_state", "1 for the state it is in.", states_, states)
        help_ = "Evidence of the last verdict, by test."
        yield _gauge("holdfast_rollout_e_value", help_, (*labels, "test"), values)

    def _findings(self) -> Any:
        counts = Counter(
            (routing_table.model, finding.kind)
            for routing_table in self._routing_tables()
            for finding in routing_table.findings
        )
        help_ = "Findings about the live version that nobody acknowledged, by kind."
        samples = [*counts.items()]
        return _gauge("holdfast_drift_findings", help_, ("model", "kind"), samples)

    def _logged(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        rows = CounterMetricFamily(
            "holdfast_log_rows", "Predictions by the outcome of their rows.", labels=("outcome",)
        )
        for outcome, count in self._tally.rows.items():
            rows.add_metric((outcome,), count)
        yield rows
        waiting = [((), self._tally.rows_waiting)]
        yield _gauge("holdfast_log_waiting", "Rows waiting to be written.", (), waiting)
        help_ = "Workers whose last rows could not be written."
        yield _gauge("holdfast_log_failing", help_, (), [((), self._tally.rows_failing)])

    def _routing_tables(self) -> list[RoutingTable]:
        return [*self._served.routing_tables.values()]


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
