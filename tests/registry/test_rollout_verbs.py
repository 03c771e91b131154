"""The verbs of rollouts, in a store on disk."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.registry import disk
from tests.registry.conftest import Clock, Grow

from holdfast import Policy, Registry
from holdfast.core.entry import format_time
from holdfast.core.fleet import Counts, Report
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Rollout, Terms
from holdfast.core.rollout.step_verdict import Reason, StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.errors import ConflictError, DamagedError, InvalidInputError, RefusedError

BRISK = Terms(Plan(steps=(0.5, 1.0), dwell_s=0), Analysis(latency=None), "header:X-User-Id")
HALT = StepVerdict(
    "halt",
    conclusive=True,
    weight=0.5,
    reasons=(Reason("errors", "errors: 31 to 1"),),
    readings=(),
    canary=None,
    active=None,
)
ADVANCE = replace(HALT, outcome="advance", reasons=(Reason("certified", "ruled out"),))


@pytest.fixture
def two(registry: Registry, grow: Grow) -> Registry:
    """Return a registry in which iris@1.0.0 is live and 1.1.0 is not."""
    grow(2)
    registry.promote("iris@1.0.0")
    return registry


def rollout_of(registry: Registry) -> Rollout:
    rollout = registry.rollout("iris")
    assert rollout is not None

    return rollout


def test_a_rollout_follows_the_terms_it_is_given_else_those_of_the_policy(two: Registry) -> None:
    usual = Terms(Plan("shadow", (1.0,)), sticky="field:user")
    two.set_policy("iris", replace(two.policy("iris"), rollout=usual))
    two.rollouts.start("iris@1.1.0", reason="weekly")
    by_policy = rollout_of(two)
    two.rollouts.abort("iris")
    two.rollouts.start("iris@latest", terms=BRISK)
    by_hand = rollout_of(two)

    assert (by_policy.plan, by_policy.sticky, by_policy.reason) == (
        usual.plan,
        "field:user",
        "weekly",
    )
    assert Terms(by_hand.plan, by_hand.analysis, by_hand.sticky) == BRISK


def test_a_policy_whose_rollouts_could_not_be_followed_is_refused(two: Registry) -> None:
    with pytest.raises(InvalidInputError, match="does not say where the key is"):
        two.set_policy("iris", Policy(rollout=Terms(sticky="cookie")))


def test_the_same_key_starts_one_rollout(two: Registry) -> None:
    first = two.rollouts.start("iris@1.1.0", idempotency_key="ci-7")
    again = two.rollouts.start("iris@1.1.0", idempotency_key="ci-7")

    assert (first.changed, first.version, first.was) == (True, "1.1.0", "1.0.0")
    assert (again.changed, again.note) == (False, "entry 4 did this with the same key")
    assert not two.rollouts.start("iris@1.1.0", idempotency_key="ci-7", terms=Terms()).changed


def test_a_key_that_started_a_rollout_starts_none_on_other_terms(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", idempotency_key="ci-7")
    two.note("iris@1.0.0", "seen")

    with pytest.raises(ConflictError, match=r"'ci-7' started the rollout of 1\.1\.0 in entry 4"):
        two.rollouts.start("iris@1.1.0", idempotency_key="ci-7", terms=BRISK)
    with pytest.raises(ConflictError, match="use another key"):
        two.rollouts.start("iris@1.0.0", idempotency_key="ci-7")


def test_the_active_version_is_measured_at_the_start_where_servers_have_answered(
    two: Registry, clock: Clock
) -> None:
    report = Report(
        "iris", "a", format_time(clock.now), 2.0, 3, "1.0.0", latency_us=((100, 1_980), (900, 20))
    )
    two.fleet.report(report)
    two.rollouts.start("iris@1.1.0")
    started = rollout_of(two).baseline
    two.rollouts.abort("iris")
    two.rollouts.retry("iris")
    tried_again = rollout_of(two).baseline
    two.rollouts.abort("iris")
    clock.now += timedelta(minutes=1)
    two.rollouts.start("iris@1.1.0")

    assert started == tried_again == Baseline(2_000, ((0.5, 100), (0.9, 100), (0.99, 100)))
    assert rollout_of(two).baseline is None


def test_a_person_steps_with_a_reason_alone(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)

    with pytest.raises(InvalidInputError, match="needs a reason"):
        two.rollouts.advance("iris", reason=" ")
    two.rollouts.advance("iris", reason="no servers of ours")
    assert rollout_of(two).weight == 0.5


def test_a_rollout_is_paused_and_resumed(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.rollouts.pause("iris", reason="lunch")
    paused = rollout_of(two).phase
    two.rollouts.resume("iris")

    assert (paused, rollout_of(two).phase) == ("paused", "running")
    assert not two.rollouts.resume("iris").changed


def test_the_gate_is_asked_however_a_rollout_is_finished(registry: Registry, grow: Grow) -> None:
    grow(1, metrics={"auc": 0.9})
    grow(1, metrics={"auc": 0.5})
    registry.promote("iris@1.0.0")
    registry.rollouts.start("iris@1.1.0", terms=BRISK)
    for _ in BRISK.plan.steps:
        registry.rollouts.advance("iris", reason="test")
    position = StepPosition(1, 1)

    with pytest.raises(RefusedError, match=r"auc: 0\.5 is"):
        registry.rollouts.finish("iris", position, ADVANCE)
    with pytest.raises(RefusedError, match=r"auc: 0\.5 is"):
        registry.rollouts.promote("iris")
    forced = registry.rollouts.promote("iris", force=True, reason="the metric is wrong")
    assert (forced.version, rollout_of(registry).outcome) == ("1.1.0", "completed")


def test_a_candidate_whose_bytes_changed_does_not_go_live(two: Registry, store: Path) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    for _ in BRISK.plan.steps:
        two.rollouts.advance("iris", reason="test")
    disk.flip(disk.blob(store, two.manifest("iris@1.1.0").artifacts["model"].files[0].sha256))

    with pytest.raises(DamagedError, match="has changed"):
        two.rollouts.finish("iris", StepPosition(1, 1), ADVANCE)
    with pytest.raises(DamagedError, match="has changed"):
        two.rollouts.promote("iris", force=True, reason="it must be")
    assert two.resolve("iris@production").version == "1.0.0"
    assert rollout_of(two).phase == "running"


def test_a_driver_moves_only_the_step_it_judged(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.rollouts.step("iris", StepPosition(1, -1), None)

    with pytest.raises(ConflictError, match="is on step 0"):
        two.rollouts.step("iris", StepPosition(1, -1), None)
    two.rollouts.step("iris", StepPosition(1, 0), ADVANCE)
    with pytest.raises(ConflictError, match="is on step 1"):
        two.rollouts.halt("iris", StepPosition(1, 0), HALT)
    two.rollouts.finish("iris", StepPosition(1, 1), ADVANCE)
    assert rollout_of(two).outcome == "completed"


def test_what_a_driver_does_is_told_with_its_verdict(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.rollouts.calibrate("iris", 1, Baseline(2_400))
    two.rollouts.step("iris", StepPosition(1, -1), None)
    two.rollouts.record_verdict("iris", StepPosition(1, 0), replace(HALT, outcome="hold"))
    two.rollouts.halt("iris", StepPosition(1, 0), HALT)

    assert [(past.what, past.reason) for past in two.history("iris")[3:]] == [
        ("rollout 1 of 1.1.0 starts: canary 50 → 100 %", None),
        ("rollout 1: active version measured on 2,400 requests", None),
        ("rollout 1 to 50 %", "every server has it ready"),
        ("rollout 1: hold (errors)", "hold at 50 %: errors: 31 to 1"),
        ("rollout 1 halted (errors)", "halt at 50 %: errors: 31 to 1"),
    ]


def test_a_shadow_passes(two: Registry) -> None:
    two.rollouts.start("iris@1.1.0", terms=Terms(Plan("shadow", (1.0,))))
    two.rollouts.step("iris", StepPosition(1, -1), None)
    two.rollouts.pass_("iris", StepPosition(1, 0), ADVANCE)

    assert rollout_of(two).outcome == "passed"
    assert two.resolve("iris@production").version == "1.0.0"


def test_an_ab_test_that_nobody_won_ends_with_what_was_found(two: Registry) -> None:
    analysis = Analysis(outcome=OutcomeTest("feedback:clicked", within_s=3600.0))
    two.rollouts.start(
        "iris@1.1.0",
        terms=Terms(Plan("ab", (0.5,)), analysis, "field:user"),
    )
    two.rollouts.step("iris", StepPosition(1, -1), None)
    late = Reason("not_decided", "not decided at its deadline")
    ended = replace(ADVANCE, outcome="end", conclusive=False, reasons=(late,))
    two.rollouts.conclude("iris", StepPosition(1, 0), ended)

    assert rollout_of(two).outcome == "undecided"
    assert rollout_of(two).verdict == ended
    assert two.history("iris")[-1].what == "rollout 1 undecided (not_decided)"


def test_a_completed_rollout_is_aborted_once_what_it_returns_to_is_whole(
    two: Registry, store: Path
) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.rollouts.promote("iris")
    digest = two.manifest("iris@1.0.0").artifacts["model"].files[0].sha256
    blob = store / "blobs/sha256" / digest
    whole = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(b"rotten")

    with pytest.raises(DamagedError):
        two.rollouts.abort("iris")
    blob.write_bytes(whole)
    done = two.rollouts.abort("iris", reason="complaints")
    assert (done.version, done.was, done.note) == (
        "1.0.0",
        "1.1.0",
        "rollback 1.1.0 → 1.0.0, ends rollout 1",
    )


def test_a_rollout_is_shown_as_it_stood(two: Registry, clock: Clock) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    then = format_time(clock.now)
    two.rollouts.abort("iris")

    past = two.rollout("iris", at=then)
    assert past is not None
    assert past.goes_on
    assert not rollout_of(two).goes_on


def test_a_rollout_outlives_folds_and_the_process(
    two: Registry, opened: Callable[..., Registry]
) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.rollouts.advance("iris", reason="test")
    for index in range(256):
        two.note("iris@1.0.0", f"note {index}")

    assert opened().rollout("iris") == rollout_of(two)
    assert opened().verify().whole


def test_counts_of_a_rollout_that_goes_on_are_never_swept(two: Registry, clock: Clock) -> None:
    two.rollouts.start("iris@1.1.0", terms=BRISK)
    two.fleet.count(Counts("iris", 1, "gone", "2026-03-02T09:00:00Z"))
    clock.now += timedelta(days=9)
    during = two.gc().leftovers
    two.rollouts.abort("iris")

    assert (during, two.gc().leftovers) == (0, 1)
