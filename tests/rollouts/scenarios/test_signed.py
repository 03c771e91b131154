"""Rollouts of a model whose policy demands signatures: a driver is a signer, or moves nothing."""

from pathlib import Path

import pytest
from tests.registry.conftest import Clock
from tests.rollouts.conftest import Later
from tests.rollouts.fleet import Worker

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.errors import RefusedError
from holdfast.rollouts.count_sources import Published
from holdfast.rollouts.driver import tick
from holdfast.signing.keys import KeyFiles

ERRORS = Analysis(latency=None)
PLAN = Plan(steps=(0.5, 1.0), dwell_s=60)
TERMS = Terms(PLAN, ERRORS)


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("robot", tmp_path_factory.mktemp("robot"))


@pytest.fixture
def signing_driver(tmp_path: Path, registry: Registry, clock: Clock, robot: KeyFiles) -> Registry:
    """A driver with a key, in a store where every move must be signed."""
    driver = holdfast.open(tmp_path / "store", by="robot", clock=clock, signing_key=robot.private)
    driver.sign("iris@1.1.0")
    registry.set_policy("iris", Policy(signers={"robot": robot.signer}, require_signature=True))
    driver.rollouts.start("iris@1.1.0", terms=TERMS)
    return driver


@pytest.fixture
def worker(signing_driver: Registry) -> Worker:
    """The only worker, which signs what it counts."""
    return Worker(signing_driver)


def drive(registry: Registry, later: Later, seconds: float = 0.0) -> str:
    return tick(registry, "iris", Published(registry, "iris"), later(seconds)).did


def test_a_driver_with_a_key_brings_a_signed_version_live(
    signing_driver: Registry, worker: Worker, later: Later
) -> None:
    worker.ready(later())
    did = [drive(signing_driver, later)]
    worker.answer(canary=500, active=500)
    worker.ready(later(61))
    did.append(drive(signing_driver, later))
    worker.answer(canary=500, active=0)
    worker.ready(later(61))
    did.append(drive(signing_driver, later))
    moves = [entry for entry in signing_driver.entries("iris") if entry.by == "robot"]

    assert did == ["began", "advanced", "completed"]
    assert signing_driver.resolve("iris@production").version == "1.1.0"
    assert signing_driver.verify().whole
    assert len(moves) >= 5


def test_a_driver_with_a_key_halts_what_is_broken(
    signing_driver: Registry, worker: Worker, later: Later
) -> None:
    worker.ready(later())
    drive(signing_driver, later)
    worker.answer(canary=40, active=40, canary_failures=30)

    assert drive(signing_driver, later) == "halted"
    assert signing_driver.resolve("iris@production").version == "1.0.0"


def test_a_driver_without_a_key_moves_nothing_and_says_so(
    signing_driver: Registry, registry: Registry, worker: Worker, later: Later
) -> None:
    worker.ready(later())
    before = signing_driver.entries("iris")

    with pytest.raises(RefusedError, match="sign"):
        drive(registry, later)
    assert signing_driver.entries("iris") == before
