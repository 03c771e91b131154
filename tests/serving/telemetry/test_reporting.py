import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.servers.running import Endpoint
from tests.serving.facing import rollout, routing_table, served, sums, until
from tests.serving.serving import estimating
from tests.serving.telemetry.test_rollout_counts import request

import holdfast
from holdfast.core.fleet import LoadedVersion
from holdfast.core.rollout.analysis import Analysis, ScoreDrift
from holdfast.serving.telemetry.reporting import Reporter
from holdfast.serving.telemetry.rollout_counts import RolloutCountsSink
from holdfast.serving.worker_state import WorkerState


@pytest.fixture
def registry(tmp_path: Path) -> holdfast.Registry:
    registry = holdfast.open(tmp_path / "store", by="ana")
    estimating(registry, 1)
    return registry


class Worker:
    """What is reported, and the one who does."""

    def __init__(self, opened: Callable[[], holdfast.Registry]) -> None:
        self.house: WorkerState = served(
            routing_table(sums(), rollout=rollout(), candidate=sums("1.1.0"))
        )
        self.house.held["iris"] = (LoadedVersion("1.0.0", "ready"),)
        self.counting = RolloutCountsSink(["iris"])
        self.wake = threading.Event()
        self.reporting = Reporter(opened, self.house, self.counting, lambda _: 7, self.wake)


@contextmanager
def reporting(opened: Callable[[], holdfast.Registry]) -> Iterator[Worker]:
    worker = Worker(opened)
    worker.reporting.start()
    try:
        yield worker
    finally:
        worker.reporting.stop()


def test_a_worker_says_what_it_runs_and_leaves_when_it_stops(registry: holdfast.Registry) -> None:
    with reporting(lambda: holdfast.open(registry.location)):
        until(lambda: bool(registry.fleet.servers("iris")))
        (report,) = registry.fleet.servers("iris")

    assert (report.worker, report.active, report.seq) == ("here-1-abc", "1.0.0", 7)
    assert (report.rollout, report.step) == (7, 0)
    assert report.versions == (LoadedVersion("1.0.0", "ready"),)
    assert report.is_fresh(datetime.now(UTC))
    assert registry.fleet.servers("iris") == []


def test_a_change_is_reported_at_once(registry: holdfast.Registry) -> None:
    with reporting(lambda: holdfast.open(registry.location)) as worker:
        until(lambda: bool(registry.fleet.servers("iris")))
        worker.house.routing_tables["iris"] = routing_table(sums("1.1.0"))
        worker.wake.set()
        until(lambda: registry.fleet.servers("iris")[0].active == "1.1.0")


def test_counts_are_written_as_they_rise_and_outlast_the_worker(
    registry: holdfast.Registry,
) -> None:
    with reporting(lambda: holdfast.open(registry.location)) as worker:
        worker.counting.finished(request(rollout()))
        until(lambda: bool(registry.fleet.counts("iris", 7)))
        worker.counting.finished(request(rollout(), "canary", failed=True))
    (counts,) = registry.fleet.counts("iris", 7)

    assert counts.steps[0].requests.canary == counts.steps[0].requests.active == 1
    assert counts.steps[0].failures.canary == 1


def test_scores_are_told_only_where_a_rollout_asks_for_them(registry: holdfast.Registry) -> None:
    with reporting(lambda: holdfast.open(registry.location)) as worker:
        worker.counting.finished(request(None, score=0.25))
        # the first report may be written before the request is counted
        until(lambda: any(report.latency_us for report in registry.fleet.servers("iris")))
        (before,) = registry.fleet.servers("iris")
        from msgspec.structs import replace

        asking = replace(rollout(number=8), analysis=Analysis(drift=ScoreDrift()))
        worker.house.routing_tables["iris"] = routing_table(sums(), rollout=asking)
        worker.wake.set()
        until(lambda: registry.fleet.servers("iris")[0].scores == (0.25,))

    assert before.scores == ()
    assert [count for _, count in before.latency_us] == [1]


def test_a_store_that_cannot_be_written_is_told_of_once_and_harms_nothing(
    registry: holdfast.Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    servers = tmp_path / "store" / "models" / "iris"
    caplog.set_level(logging.ERROR)
    servers.mkdir(parents=True, exist_ok=True)
    (servers / "servers").write_text("somebody's file")
    with reporting(lambda: holdfast.open(registry.location)) as worker:
        until(lambda: "cannot be reported" in caplog.text)
        for _ in range(3):
            worker.wake.set()
            until(lambda: not worker.wake.is_set())
        count = caplog.text.count("cannot be reported")
        (servers / "servers").unlink()
        worker.wake.set()
        until(lambda: bool(registry.fleet.servers("iris")))

    assert count == 1


def test_a_bucket_is_told_too(moto: Endpoint, tmp_path: Path) -> None:
    location = f"s3://{moto.make_bucket()}/x"

    def opened() -> holdfast.Registry:
        return holdfast.open(location, options=moto.options, cache=tmp_path / "cache")

    registry = opened()
    estimating(registry, 1)
    with reporting(opened) as worker:
        worker.counting.finished(request(rollout()))
        until(lambda: bool(registry.fleet.servers("iris")))
        (report,) = registry.fleet.servers("iris")

    assert report.every_s == 10.0
    assert registry.fleet.servers("iris") == []
    assert len(registry.fleet.counts("iris", 7)) == 1
