"""Whoever may write to the store, and has no key, tells a driver what was never counted."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.keys import EVE
from tests.registry.conftest import Clock
from tests.rollouts.fleet import Worker

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import worker_statements
from holdfast.core.fleet import Counts, Report, Sides, StepCounts
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Terms
from holdfast.rollouts.count_sources import Published
from holdfast.rollouts.driver import Ticked, tick
from holdfast.signing.keys import KeyFiles

TERMS = Terms(Plan(steps=(0.5, 1.0), dwell_s=60), Analysis(latency=None))
COUNTS = Path("models/iris/rollouts/1")


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("robot", tmp_path_factory.mktemp("robot"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver(tmp_path: Path, clock: Clock, robot: KeyFiles) -> Registry:
    """A driver with a listed key; iris 1.1.0 is in a rollout beside 1.0.0."""
    made = holdfast.open(tmp_path / "store", by="robot", clock=clock, signing_key=robot.private)
    for minor in range(2):
        (tmp_path / f"{minor}.txt").write_text(f"model {minor}\n")
        made.register("iris", tmp_path / f"{minor}.txt", metrics={"auc": 0.9})
    made.promote("iris@1.0.0")
    made.sign("iris@1.1.0")
    made.set_policy("iris", Policy(signers={"robot": robot.signer}, require_signature=True))
    made.rollouts.start("iris@1.1.0", terms=TERMS)
    return made


@pytest.fixture
def stranger(driver: Registry, clock: Clock) -> Registry:
    """The same store, as whoever may write to it without a key opens it."""
    return holdfast.open(driver.location, by="eve", clock=clock)


def ticked(driver: Registry, clock: Clock, worker: Worker, seconds: float = 61) -> Ticked:
    """Let time pass, have the worker be ready, and drive."""
    clock.now += timedelta(seconds=seconds)
    worker.ready(clock.now)
    return tick(driver, "iris", Published(driver, "iris"), clock.now)


@pytest.fixture
def worker(driver: Registry, clock: Clock) -> Worker:
    """An honest worker that has the key, on the first step."""
    made = Worker(driver)
    assert ticked(driver, clock, made).did == "began"
    return made


def codes(outcome: Ticked) -> set[str]:
    assert outcome.verdict is not None
    return {reason.code for reason in outcome.verdict.reasons}


def praised(worker: str = "zz") -> Counts:
    """Return what says that thousands were answered well."""
    steps = (StepCounts(0, 0.5, requests=Sides(5_000, 5_000)),)
    return Counts("iris", 1, worker, "2026-03-02T12:00:00Z", steps)


def planted(registry: Registry, counts: Counts) -> None:
    """Write counts as they are, whoever is said to have signed them."""
    path = Path(registry.location) / COUNTS / f"{counts.worker}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(counts) + b"\n")


def of_worker(registry: Registry) -> Counts:
    return registry.fleet.counts("iris", 1)[0]


FORGED: dict[str, Callable[[Registry], Counts]] = {
    "unsigned": lambda _: praised(),
    "signed by a stranger": lambda _: worker_statements.signed(praised(), EVE),
    "under the listed key, by a stranger": lambda driver: replace(
        worker_statements.signed(praised(), EVE), key=of_worker(driver).key
    ),
    "signed counts, with other figures": lambda driver: replace(
        of_worker(driver), worker="zz", steps=praised().steps
    ),
    "signed counts, under another name": lambda driver: replace(of_worker(driver), worker="zz"),
    "signed counts, of another time": lambda driver: replace(
        of_worker(driver), worker="zz", at="2026-03-02T13:00:00Z"
    ),
    "no signature under a listed key": lambda driver: replace(praised(), key=of_worker(driver).key),
    "another kind of text as signature": lambda driver: replace(
        praised(), key=of_worker(driver).key, signature="é"
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_counts_that_no_listed_signer_signed_bring_nothing_forward(
    driver: Registry, worker: Worker, clock: Clock, forge: Callable[[Registry], Counts]
) -> None:
    worker.answer(canary=3, active=3)
    planted(driver, forge(driver))
    planted(driver, praised("another"))
    outcome = ticked(driver, clock, worker)

    assert (outcome.did, "unsigned_counts" in codes(outcome)) == ("held", True)
    assert outcome.rollout is not None
    assert outcome.rollout.step == 0


def test_they_do_where_no_signature_is_demanded(
    driver: Registry, worker: Worker, clock: Clock
) -> None:
    driver.set_policy("iris", Policy(), reason="all are one team")
    planted(driver, praised())

    assert ticked(driver, clock, worker).did == "advanced"


def test_signed_counts_bring_a_rollout_forward_beside_others(
    driver: Registry, worker: Worker, clock: Clock
) -> None:
    worker.answer(canary=500, active=500)
    planted(driver, praised())

    assert ticked(driver, clock, worker).did == "advanced"


def test_praise_does_not_outweigh_the_failures_that_were_signed(
    driver: Registry, worker: Worker, clock: Clock
) -> None:
    worker.answer(canary=40, active=40, canary_failures=30)
    planted(driver, praised())

    assert ticked(driver, clock, worker).did == "halted"


def test_failures_that_nobody_signed_halt_and_never_promote(
    driver: Registry, worker: Worker, clock: Clock
) -> None:
    worker.answer(canary=500, active=500)
    bad = StepCounts(0, 0.5, requests=Sides(90, 90), failures=Sides(80, 0))
    planted(driver, replace(praised(), steps=(bad,)))

    assert ticked(driver, clock, worker).did == "halted"
    assert driver.resolve("iris@production").version == "1.0.0"


def test_what_is_slow_is_not_measured_by_what_nobody_signed(
    driver: Registry, stranger: Registry, clock: Clock
) -> None:
    driver.rollouts.abort("iris", reason="again with latency")
    driver.rollouts.start("iris@1.1.0", terms=Terms(TERMS.plan, Analysis()))
    for registry, name in ((stranger, "zz"), (driver, "a")):
        worker = Worker(registry, name)
        worker.report(clock.now, latency_us=[(9_000_000, 5_000)])
        tick(driver, "iris", Published(driver, "iris"), clock.now)
        rollout = driver.rollout("iris")
        assert rollout is not None
        assert (rollout.baseline is None) == (name == "zz")


def test_what_is_taken_away_is_not_missed(driver: Registry, worker: Worker, clock: Clock) -> None:
    """The limit: whoever may delete there can withhold what a worker counted."""
    worker.answer(canary=500, active=500)
    failing = Worker(driver, "b")
    failing.answer(canary=40, active=40, canary_failures=30)
    (Path(driver.location) / COUNTS / "b.json").unlink()

    assert ticked(driver, clock, worker).did == "advanced"


def test_a_worker_without_a_key_reports_unsigned(driver: Registry, stranger: Registry) -> None:
    report = Report("iris", "b", "2026-03-02T12:00:00Z", every_s=2.0, seq=1)
    stranger.fleet.report(report)
    driver.fleet.report(replace(report, worker="a"))
    by_worker = {found.worker: found for found in driver.fleet.servers("iris")}

    assert by_worker["b"] == report
    assert driver.fleet.proved("iris", by_worker.values()) == [by_worker["a"]]
