from concurrent.futures import Future

import pytest
from tests.serving.facing import rollout, served, sums

from holdfast.core.fleet import LoadedVersion
from holdfast.core.views import DesiredState
from holdfast.errors import UnsupportedError
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.deployment.deployer import Deployment
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.worker_state import WorkerState


class Loads:
    """A pool in which loads end when the test says so, and a clock that it sets."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now_s = 0.0
        self._open: dict[str, Future[Loaded]] = {}

    def submit(self, _load: object, _model: str, version: str) -> Future[Loaded]:
        self.asked.append(version)
        self._open[version] = Future()
        return self._open[version]

    def end(self, version: str) -> Loaded:
        loaded = sums(version)
        self._open.pop(version).set_result(loaded)
        return loaded

    def fail(self, version: str, error: BaseException | None = None) -> None:
        problem = error or UnsupportedError(f"iris@{version}", "cannot predict", "register another")
        self._open.pop(version).set_exception(problem)


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def house() -> WorkerState:
    return served(RoutingTable("iris"))


@pytest.fixture
def deployment(loads: Loads, house: WorkerState) -> Deployment:
    return Deployment(
        "iris",
        house,
        lambda _model, version: sums(version),
        loads,
        lambda: loads.now_s,
        lambda: None,
    )


def now(seq: int = 2, production: str | None = "1.0.0", **more: object) -> DesiredState:
    return DesiredState("iris", seq, production, **more)  # type: ignore[arg-type]


def answers(house: WorkerState) -> str | None:
    active = house.routing_tables["iris"].active
    return active.version if active else None


def test_a_version_answers_once_it_is_ready(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loading = (answers(house), house.held["iris"], deployment.settled)
    loads.end("1.0.0")
    changed = deployment.follow(now())

    assert loading == (None, (LoadedVersion("1.0.0", "loading"),), False)
    assert changed
    assert answers(house) == "1.0.0"
    assert house.held["iris"] == (LoadedVersion("1.0.0", "ready"),)
    assert deployment.settled


def test_nothing_new_is_no_change(deployment: Deployment, loads: Loads, house: WorkerState) -> None:
    deployment.follow(now())
    loads.end("1.0.0")
    deployment.follow(now())
    before = house.routing_tables["iris"]

    assert not deployment.follow(now())
    assert house.routing_tables["iris"] is before
    assert loads.asked == ["1.0.0"]


def test_the_old_version_answers_until_the_new_one_is_ready_and_stays_for_a_way_back(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    old = loads.end("1.0.0")
    deployment.follow(now())
    promoted = now(3, "1.1.0", previous="1.0.0")
    deployment.follow(promoted)
    meanwhile = answers(house)
    loads.end("1.1.0")
    deployment.follow(promoted)
    ahead = house.routing_tables["iris"]
    deployment.follow(now(4, "1.0.0"))

    assert meanwhile == "1.0.0"
    assert ahead.kept == {"1.0.0": old}
    assert house.routing_tables["iris"].active is old
    assert loads.asked == ["1.0.0", "1.1.0"]
    assert house.routing_tables["iris"].kept == {}


def test_a_version_that_fails_takes_no_traffic_and_is_tried_again_after_a_while(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.end("1.0.0")
    deployment.follow(now())
    promoted = now(3, "1.1.0", previous="1.0.0")
    deployment.follow(promoted)
    loads.fail("1.1.0")
    deployment.follow(promoted)
    failed = (answers(house), house.held["iris"][1])
    deployment.follow(promoted)
    loads.now_s = 1.0
    deployment.follow(promoted)
    loads.fail("1.1.0", ValueError("no such file"))
    deployment.follow(promoted)
    loads.now_s = 2.5
    deployment.follow(promoted)
    loads.now_s = 3.0
    deployment.follow(promoted)
    loads.end("1.1.0")
    deployment.follow(promoted)

    problem = "iris@1.1.0 cannot predict; register another"
    assert failed == ("1.0.0", LoadedVersion("1.1.0", "failed", problem))
    assert loads.asked == ["1.0.0", "1.1.0", "1.1.0", "1.1.0"]
    assert answers(house) == "1.1.0"
    assert house.held["iris"][1] == LoadedVersion("1.1.0", "ready")


def test_what_a_library_raises_is_told_with_its_kind(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.fail("1.0.0", ValueError("no such file"))
    deployment.follow(now())

    assert house.held["iris"] == (LoadedVersion("1.0.0", "failed", "ValueError: no such file"),)


def test_a_failure_is_forgotten_with_its_version(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.fail("1.0.0")
    deployment.follow(now())
    deployment.follow(now(3, "1.1.0"))

    assert house.held["iris"] == (LoadedVersion("1.1.0", "loading"),)


def test_a_candidate_is_loaded_beside_and_leaves_with_its_rollout(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    course = rollout("1.1.0")
    deployment.follow(now(3, rollout=course))
    loads.end("1.0.0")
    deployment.follow(now(3, rollout=course))
    without = house.routing_tables["iris"]
    candidate = loads.end("1.1.0")
    deployment.follow(now(3, rollout=course))
    beside = house.routing_tables["iris"]
    deployment.follow(now(4))

    assert (without.rollout, without.candidate) == (course, None)
    assert (beside.rollout, beside.candidate) == (course, candidate)
    assert house.routing_tables["iris"].candidate is None
    assert house.routing_tables["iris"].kept == {}


def test_what_is_only_kept_waits_for_what_is_needed(deployment: Deployment, loads: Loads) -> None:
    situation = now(3, "1.1.0", previous="1.0.0")
    deployment.follow(situation)
    first = [*loads.asked]
    deployment.follow(situation)
    loads.end("1.1.0")
    deployment.follow(situation)

    assert first == ["1.1.0"]
    assert loads.asked == ["1.1.0", "1.0.0"]


def test_a_model_that_is_gone_answers_nothing(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.end("1.0.0")
    deployment.follow(now())
    deployment.follow(now(3, None))

    assert answers(house) is None
    assert house.held["iris"] == ()


def test_a_version_that_still_answers_is_held_though_nobody_wants_it(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.end("1.0.0")
    deployment.follow(now())
    deployment.follow(now(5, "1.2.0"))

    assert answers(house) == "1.0.0"
    assert house.held["iris"] == (
        LoadedVersion("1.0.0", "ready"),
        LoadedVersion("1.2.0", "loading"),
    )


def test_a_version_that_was_rolled_back_stays_for_the_way_forward(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now(2, "1.1.0", previous="1.0.0", left="1.0.0"))
    loads.end("1.1.0")
    deployment.follow(now(2, "1.1.0", previous="1.0.0", left="1.0.0"))
    loads.end("1.0.0")
    deployment.follow(now(3, "1.0.0", left="1.1.0"))
    back, version_statuses = answers(house), house.held["iris"]
    deployment.follow(now(4, "1.1.0", previous="1.0.0", left="1.0.0"))

    assert (back, answers(house)) == ("1.0.0", "1.1.0")
    assert version_statuses == (LoadedVersion("1.0.0", "ready"), LoadedVersion("1.1.0", "ready"))
    assert loads.asked == ["1.1.0", "1.0.0"]


def test_a_version_that_was_left_is_not_loaded_for_it(deployment: Deployment, loads: Loads) -> None:
    deployment.follow(now(3, "1.0.0", left="1.1.0"))
    loads.end("1.0.0")
    deployment.follow(now(3, "1.0.0", left="1.1.0"))

    assert loads.asked == ["1.0.0"]


def test_no_rollout_is_routed_while_another_version_answers_for_the_live_one(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now(2, "1.0.0"))
    loads.end("1.0.0")
    deployment.follow(now(2, "1.0.0"))
    deployment.follow(now(3, "1.1.0", rollout=rollout("1.2.0")))
    loads.end("1.2.0")
    deployment.follow(now(3, "1.1.0", rollout=rollout("1.2.0")))
    before = house.routing_tables["iris"].candidate
    loads.end("1.1.0")
    deployment.follow(now(3, "1.1.0", rollout=rollout("1.2.0")))
    after = house.routing_tables["iris"].candidate

    assert before is None
    assert after is not None


def test_a_file_that_asks_for_the_exit_fails_as_any_other(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.follow(now())
    loads.fail("1.0.0", SystemExit("bye"))
    deployment.follow(now())

    assert house.held["iris"] == (LoadedVersion("1.0.0", "failed", "SystemExit: bye"),)


def test_a_new_worker_answers_by_the_version_before_one_that_ended_others(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    deployment.aside = {(deployment.model, "1.1.0")}
    situation = now(production="1.1.0", previous="1.0.0")
    deployment.follow(situation)
    loads.fail("1.1.0")
    deployment.follow(situation)
    before = loads.end("1.0.0")
    deployment.follow(situation)

    assert house.routing_tables["iris"].active is before
    assert [version_status.state for version_status in house.held["iris"]] == ["ready", "failed"]


def test_a_new_worker_whose_live_version_fails_otherwise_answers_nothing(
    deployment: Deployment, loads: Loads, house: WorkerState
) -> None:
    situation = now(production="1.1.0", previous="1.0.0")
    deployment.follow(situation)
    loads.fail("1.1.0")
    deployment.follow(situation)
    loads.end("1.0.0")
    deployment.follow(situation)

    assert house.routing_tables["iris"].active is None
