"""A server as a driver of rollouts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.rollouts.fleet import Worker
from tests.serving.facing import until

import holdfast
from holdfast import Registry
from holdfast.core.rollout.course import Terms
from holdfast.core.rollout.plan import Plan
from holdfast.serving.driving import Driving


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
    driving = Driving(lambda: holdfast.open(registry.location), ["iris"])
    driving.start()
    until(lambda: any("began" in one for one in caplog.messages))
    driving.stop()
    rollout = registry.rollout("iris")

    assert rollout is not None
    assert rollout.step == 0


def test_a_model_without_a_rollout_is_left_alone(registry: Registry) -> None:
    before = registry.heads("iris")
    Driving(lambda: registry, ["iris"])._tick(registry, "iris")

    assert registry.heads("iris") == before


def test_what_keeps_a_rollout_from_being_driven_is_told_once(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    driving = Driving(lambda: registry, ["nobody"])
    for _ in range(2):
        driving._tick(registry, "nobody")
    driving.stop()

    assert len([one for one in caplog.messages if "is not driven" in one]) == 1
