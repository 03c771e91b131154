"""A server as a driver of rollouts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.rollouts.fleet import Worker
from tests.serving.facing import rollout, served, until

import holdfast
from holdfast import Registry
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.serving.rollout_controller import RolloutController
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.worker_state import WorkerState


def rolling(model: str) -> WorkerState:
    """Return what a worker serves while a rollout of a model goes on."""
    return served(RoutingTable(model, rollout=rollout()))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = holdfast.open(tmp_path / "store", by="driver")
    for minor in range(2):
        path = tmp_path / f"{minor}.txt"
        path.write_text(f"model {minor}\n")
        made.register("iris", path)
    made.promote("iris@1.0.0")
    return made


def test_a_rollout_begins_once_the_server_reports_it_ready(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    registry.rollouts.start("iris@1.1.0", terms=Terms(Plan(steps=(0.5, 1.0), dwell_s=3600)))
    Worker(registry).ready(datetime.now(UTC))
    driving = RolloutController(lambda: holdfast.open(registry.location), rolling("iris"))
    driving.start()
    until(lambda: any("began" in message for message in caplog.messages))
    driving.stop()
    course = registry.rollout("iris")

    assert course is not None
    assert course.step == 0


def test_a_store_is_asked_only_where_a_rollout_goes_on(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    RolloutController(lambda: registry, served(RoutingTable("nobody")))._look(registry)
    quiet = [*caplog.messages]
    RolloutController(lambda: registry, rolling("nobody"))._look(registry)

    assert quiet == []
    assert len(caplog.messages) == 1


def test_what_keeps_a_rollout_from_being_driven_is_told_once(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    driving = RolloutController(lambda: registry, rolling("nobody"))
    for _ in range(2):
        driving._look(registry)
    driving.stop()

    assert len([message for message in caplog.messages if "is not driven" in message]) == 1
