"""A/B tests as drivers see them: the log's labels decide, once, through the gate."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.predictions.rows import Rows, arrived_when_told
from tests.rollouts.conftest import Later
from tests.rollouts.fleet import Worker

import holdfast
from holdfast import Policy, Registry
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Rollout, Terms
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.predictions import Log, open_log
from holdfast.predictions.log import Label
from holdfast.rollouts.count_sources import CountSource, Published
from holdfast.rollouts.driver import Ticked, look, tick
from holdfast.rollouts.log_source import Logged

TEST = OutcomeTest("feedback:clicked", within_s=3600.0, minimum_effect=0.1)
DAY = 86_400.0
PLAN = Plan("ab", (0.5,), dwell_s=3600.0, max_step_time_s=7 * DAY, advance="counted")
TERMS = Terms(PLAN, Analysis(latency=None, outcome=TEST), "header:X-User")
AFTER = 2 * 3600.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log(tmp_path / "log")
    yield opened
    opened.close()


@pytest.fixture
def begun(registry: Registry, worker: Worker, later: Later) -> None:
    """An A/B test on its step."""
    registry.rollouts.start("iris@1.1.0", terms=TERMS)
    worker.ready(later())
    assert tick(registry, "iris", Published(registry, "iris"), later()).did == "began"


@pytest.fixture
def drive(registry: Registry, worker: Worker, log: Log, later: Later) -> Callable[..., Ticked]:
    def drive(seconds: float = AFTER, source: CountSource | None = None) -> Ticked:
        now = later(seconds)
        worker.ready(now)
        return tick(registry, "iris", source or Logged(log, "iris"), now)

    return drive


Drive = Callable[..., Ticked]


def answer(
    log: Log, now: datetime, candidate: float, active: float, keys: int = 600, **facts: Any
) -> None:
    """Answer so many keys, half of them on each side, and tell what they clicked."""
    chance = random.Random(now.timestamp())
    row = Rows(start_us=int(now.timestamp() * 1e6))
    rows = [
        row(
            key=f"{chance.getrandbits(64):016x}",
            role="canary" if number % 2 else "active",
            **{"rollout": 1, "weight": 0.5} | facts,
        )
        for number in range(keys)
    ]
    log.write(rows)
    log.feedback.add(
        [
            Label(
                made.prediction_id,
                {"clicked": chance.random() < (candidate if made.role == "canary" else active)},
                made.at_us,
                "ana",
            )
            for made in rows
        ]
    )
    arrived_when_told(log)


def rollout_of(ticked: Ticked) -> Rollout:
    assert ticked.rollout is not None

    return ticked.rollout


def codes(ticked: Ticked) -> list[str]:
    assert ticked.verdict is not None

    return [reason.code for reason in ticked.verdict.reasons]


@pytest.mark.usefixtures("begun")
def test_the_better_candidate_goes_live_through_the_gate(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    answer(log, later(), candidate=0.8, active=0.4)
    early, done = drive(60.0), drive()

    assert (early.did, codes(early)) == ("held", ["no_outcome_yet", "dwell"])
    assert (done.did, rollout_of(done).outcome) == ("completed", "completed")
    assert registry.resolve("iris@production").version == "1.1.0"
    assert [past.what for past in registry.history("iris")[4:]] == [
        "rollout 1 of 1.1.0 starts: ab 50 %",
        "rollout 1 to 50 %",
        "rollout 1: hold (no_outcome_yet, dwell)",
        "rollout 1: advance (winner)",
        "promote 1.0.0 → 1.1.0, ends rollout 1",
    ]
    assert rollout_of(done).verdict == done.verdict


@pytest.mark.usefixtures("begun")
def test_a_worse_candidate_is_halted_before_any_time_is_over(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    answer(log, later(-3000), candidate=0.4, active=0.8)
    halted = drive(3000 + 700.0)

    assert (halted.did, codes(halted)) == ("halted", ["worse"])
    assert registry.resolve("iris@production").version == "1.0.0"


@pytest.mark.usefixtures("begun")
def test_no_difference_that_matters_ends_it_as_passed(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    answer(log, later(), candidate=0.03, active=0.03, keys=1200)
    ended = drive()

    assert (ended.did, rollout_of(ended).outcome) == ("passed", "passed")
    assert codes(ended) == ["no_difference"]
    assert registry.resolve("iris@production").version == "1.0.0"
    assert drive().did == "nothing"


@pytest.mark.usefixtures("begun")
def test_at_its_deadline_it_ends_undecided_however_late_that_is_seen(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    answer(log, later(), candidate=0.5, active=0.5)
    held, ended = drive(), drive(90 * DAY)

    assert (held.did, codes(held)) == ("held", ["open"])
    assert (ended.did, rollout_of(ended).outcome) == ("undecided", "undecided")
    assert codes(ended) == ["not_decided", "open"]
    assert registry.rollouts.retry("iris").changed


@pytest.mark.usefixtures("begun")
def test_what_is_known_at_a_deadline_that_is_over_still_decides(
    log: Log, later: Later, drive: Drive
) -> None:
    answer(log, later(), candidate=0.8, active=0.4)

    assert drive(30 * DAY).did == "completed"


@pytest.mark.usefixtures("begun")
def test_a_driver_that_knows_no_outcomes_leaves_it_to_another(
    registry: Registry, later: Later, drive: Drive
) -> None:
    before = len(registry.history("iris"))
    held = [drive(seconds, Published(registry, "iris")) for seconds in (1, 120, 7.9 * DAY)]

    assert [ticked.did for ticked in held] == ["held"] * 3
    assert codes(held[-1])[0] == "no_outcomes"
    assert len(registry.history("iris")) == before
    assert look(registry, "iris", Published(registry, "iris"), later()).verdict is not None


@pytest.mark.usefixtures("begun")
def test_a_day_after_its_deadline_it_ends_though_nobody_knew_its_outcomes(
    registry: Registry, drive: Drive
) -> None:
    ended = drive(8.1 * DAY, Published(registry, "iris"))

    assert (ended.did, rollout_of(ended).outcome) == ("undecided", "undecided")
    assert codes(ended)[:2] == ["not_decided", "no_outcomes"]
    assert registry.resolve("iris@production").version == "1.0.0"


@pytest.mark.usefixtures("begun")
def test_failing_answers_halt_it(log: Log, later: Later, drive: Drive) -> None:
    answer(log, later(), candidate=0.9, active=0.1, keys=400)
    row = Rows("host-2", start_us=int(later().timestamp() * 1e6))
    log.write(
        [
            row(key=f"{key:016x}", role="canary", status=500, rollout=1, weight=0.5)
            for key in range(40)
        ]
    )
    halted = drive()

    assert (halted.did, codes(halted)) == ("halted", ["errors"])


@pytest.mark.usefixtures("begun")
def test_a_gate_that_refuses_the_winner_holds_it_until_the_deadline(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    registry.set_policy("iris", Policy(approvals=1), reason="agreed")
    answer(log, later(), candidate=0.8, active=0.4)
    held, ended = drive(), drive(8 * DAY)

    assert (held.did, codes(held)) == ("held", ["gate"])
    assert (ended.did, codes(ended)) == ("undecided", ["gate"])
    assert registry.resolve("iris@production").version == "1.0.0"


@pytest.mark.usefixtures("begun")
def test_a_pause_keeps_it_from_ending_and_never_from_halting(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    registry.rollouts.pause("iris")
    held = drive(30 * DAY)
    answer(log, later(), candidate=0.4, active=0.8)

    assert (held.did, codes(held)) == ("held", ["paused"])
    assert drive().did == "halted"


@pytest.mark.usefixtures("begun")
def test_a_server_that_has_it_not_ready_holds_the_winner(
    registry: Registry, worker: Worker, log: Log, later: Later
) -> None:
    answer(log, later(), candidate=0.8, active=0.4)
    now = later(AFTER)
    worker.report(now)
    held = tick(registry, "iris", Logged(log, "iris"), now)

    assert (held.did, codes(held)) == ("held", ["not_ready"])


@pytest.mark.usefixtures("begun")
def test_any_number_of_drivers_act_as_one(
    registry: Registry, worker: Worker, log: Log, later: Later, tmp_path: Path
) -> None:
    answer(log, later(), candidate=0.8, active=0.4)
    now = later(AFTER)
    worker.ready(now)

    def drive_too(name: str) -> str:
        rival = holdfast.open(registry.location, by=name, clock=lambda: now)
        rows = open_log(tmp_path / "log")
        try:
            return tick(rival, "iris", Logged(rows, "iris"), now).did
        finally:
            rows.close()

    with ThreadPoolExecutor(4) as threads:
        did = list(threads.map(drive_too, ("a", "b", "c", "d")))

    assert set(did) <= {"completed", "late", "nothing"}
    assert did.count("completed") == 1
    moves = [past.what for past in registry.history("iris") if past.what.startswith("promote")]
    assert moves == ["promote 1.0.0", "promote 1.0.0 → 1.1.0, ends rollout 1"]


@pytest.mark.usefixtures("begun")
def test_a_clock_that_is_set_back_decides_nothing(log: Log, later: Later, drive: Drive) -> None:
    answer(log, later(), candidate=0.8, active=0.4)
    held = drive(-30 * DAY)

    assert held.did == "held"
    assert drive(30 * DAY + AFTER).did == "completed"


@pytest.mark.usefixtures("begun")
def test_a_log_that_lost_rows_makes_no_winner(log: Log, later: Later, drive: Drive) -> None:
    answer(log, later(), candidate=0.5, active=0.5, keys=1500)
    first = drive()
    (day,) = log.days()
    log.drop(day.day)
    answer(log, later(), candidate=0.8, active=0.4)
    held = drive()

    assert codes(first) == ["open"]
    assert (held.did, codes(held)) == ("held", ["winner", "lost_keys"])


@pytest.mark.usefixtures("begun")
def test_its_candidate_is_not_purged(registry: Registry) -> None:
    with pytest.raises(ConflictError, match="is in rollout 1"):
        registry.archive("iris@1.1.0")


@pytest.mark.usefixtures("begun")
def test_its_verdict_is_kept_again_when_the_keys_have_doubled(
    registry: Registry, log: Log, later: Later, drive: Drive
) -> None:
    for keys in (100, 20, 300):
        answer(log, later(), candidate=0.5, active=0.5, keys=keys)
        drive(AFTER)
    kept = [past for past in registry.history("iris") if "hold" in past.what]

    assert [past.what for past in kept] == [
        "rollout 1: hold (open, few_requests)",
        "rollout 1: hold (open)",
    ]
    verdict = registry.rollout("iris").verdict  # type: ignore[union-attr]
    assert verdict is not None
    assert verdict.comparison is not msgspec.UNSET
    assert verdict.comparison.active.known + verdict.comparison.candidate.known == 420


@pytest.mark.usefixtures("begun")
def test_feedback_of_one_side_alone_never_makes_a_winner(
    log: Log, later: Later, drive: Drive
) -> None:
    now = later()
    answer(log, now, candidate=1.0, active=1.0, keys=1200)
    row = Rows("host-3", start_us=int(now.timestamp() * 1e6))
    extra = [row(key=f"e{key:015x}", rollout=1, weight=0.5) for key in range(20)]
    log.write(extra)
    only = Logged(_OneSided(log), "iris")  # type: ignore[arg-type]
    held = drive(AFTER, only)
    comparison = held.verdict.comparison if held.verdict else msgspec.UNSET

    assert (held.did, codes(held)) == ("held", ["no_outcome_yet", "outcome_ratio"])
    assert comparison is not msgspec.UNSET
    assert (comparison.candidate.known, comparison.active.known) == (600, 0)


class _OneSided:
    """A log whose labels of the active version were lost."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.select = log.select
        self.feedback = self

    def arrivals(self, criteria: Any) -> Iterator[tuple[Label, int]]:
        """Return the candidate's labels."""
        rows = {row.prediction_id for row in self._log.scan(replace(criteria, role="canary"))}
        return (
            (label, kept_us)
            for label, kept_us in self._log.feedback.arrivals(criteria)
            if label.prediction_id in rows
        )


def test_an_ab_test_needs_a_key_and_an_outcome(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="has no sticky key"):
        registry.rollouts.start("iris@1.1.0", terms=replace(TERMS, sticky=None))
    with pytest.raises(InvalidInputError, match="has no outcome to compare"):
        registry.rollouts.start("iris@1.1.0", terms=replace(TERMS, analysis=Analysis()))
    late = replace(TERMS.plan, max_step_time_s=1.0, dwell_s=0.0)
    with pytest.raises(InvalidInputError, match="before the first key counts"):
        registry.rollouts.start("iris@1.1.0", terms=replace(TERMS, plan=late))
    with pytest.raises(InvalidInputError, match="is not compared in a canary"):
        registry.rollouts.start("iris@1.1.0", terms=Terms(Plan(), TERMS.analysis))
