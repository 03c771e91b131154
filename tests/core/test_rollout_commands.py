"""Decisions about rollouts: what each verb does in every state, and what it refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core import events, rollout_commands
from holdfast.core.entry import Entry
from holdfast.core.gate import Verdict as Passage
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Analysis, Threshold
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import PREPARING, Baseline, Rollout, Terms
from holdfast.core.rollout.step_verdict import Reason, StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError, RefusedError

Play = Callable[..., State]
Written = Callable[..., list[tuple[Entry, str]]]

LIVE = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "register 1.2.0", "promote 1.0.0")
STARTED = (*LIVE, "rollout start 1.1.0")
"""Rollout 1: of 1.1.0 beside 1.0.0, with steps 5, 25, 50 and 100 %."""
SHORT = (*LIVE, """rollout start 1.1.0 '{"plan": {"steps": [0.5, 1]}}'""")
SHADOW = (*LIVE, """rollout start 1.1.0 '{"plan": {"strategy": "shadow", "steps": [1]}}'""")
AB = (
    *LIVE,
    """rollout start 1.1.0 '{"plan": {"strategy": "ab", "steps": [0.5]}, "sticky": "field:user",
    "analysis": {"outcome": {"outcome": "accuracy", "within_s": 60, "minimum_effect": 0.02}}}'""",
)
COMPLETED = (*SHORT, "rollout step", "rollout step", "rollout finish")
OPEN = Passage((), (), ())


def rollout_of(state: State) -> Rollout:
    assert state.rollout is not None

    return state.rollout


def verdict(outcome: Any, *codes: str) -> StepVerdict:
    reasons = tuple(Reason(code, code) for code in codes)
    return StepVerdict(outcome, False, 0.05, reasons, (), None, None)  # noqa: FBT003 - as it is stored


def test_a_rollout_begins_beside_the_live_version_without_traffic(play: Play) -> None:
    state = play(*LIVE, "rollout start 1.1.0 by=eve why='weekly retraining'")
    rollout = rollout_of(state)

    assert (rollout.number, rollout.version, rollout.was) == (1, "1.1.0", "1.0.0")
    assert (rollout.by, rollout.reason) == ("eve", "weekly retraining")
    assert (rollout.step, rollout.weight, rollout.phase) == (PREPARING, 0.0, "running")
    assert rollout.started_at == rollout.since == state.at
    assert state.production == "1.0.0"
    assert state.running == rollout


def test_a_rollout_has_the_terms_it_was_started_with(play: Play) -> None:
    terms = Terms(Plan("blue-green", (0.95, 1.0)), Analysis(Threshold()), "field:user.id")
    state = play(*LIVE)
    event = rollout_commands.start(state, state.versions["1.1.0"], terms, Baseline(2_000))

    assert Terms(event.plan, event.analysis, event.sticky) == terms
    assert event.baseline == Baseline(2_000)


@pytest.mark.parametrize(
    ("steps", "step", "problem"),
    [
        (LIVE[:3], "rollout start 1.1.0", "has no live version to be compared with"),
        (LIVE, "rollout start 1.0.0", "is already live"),
        (STARTED, "rollout start 1.2.0", "is already in rollout 1, of 1.1.0"),
        ((*LIVE, "purge 1.1.0"), "rollout start 1.1.0", "was purged"),
    ],
)
def test_a_rollout_that_cannot_be_is_not_started(
    play: Play, steps: tuple[str, ...], step: str, problem: str
) -> None:
    with pytest.raises(ConflictError, match=problem):
        play(*steps, step)


def test_a_rollout_on_terms_without_sense_is_not_started(play: Play) -> None:
    with pytest.raises(InvalidInputError, match="plan steps"):
        play(*LIVE, """rollout start 1.1.0 '{"plan": {"steps": [0.5]}}'""")


def test_each_step_raises_the_weight_and_starts_the_time_anew(play: Play) -> None:
    first = play(*STARTED, "rollout step")
    second = play(*STARTED, "rollout step", "rollout step certified")

    assert rollout_of(first).weight == 0.05
    assert rollout_of(first).verdict is None
    assert rollout_of(second).weight == 0.25
    assert rollout_of(second).since == second.at
    verdict = rollout_of(second).verdict
    assert verdict is not None
    assert verdict.outcome == "advance"


def test_a_step_by_hand_keeps_the_verdict_that_was_there(play: Play) -> None:
    state = play(*STARTED, "rollout step", "rollout judge hold dwell", "rollout step")

    stored_verdict = rollout_of(state).verdict
    assert stored_verdict is not None
    assert stored_verdict.outcome == "hold"


def test_a_verdict_on_another_step_or_rollout_moves_nothing(play: Play) -> None:
    state = play(*STARTED, "rollout step")
    advance = verdict("advance")

    with pytest.raises(ConflictError, match="is on step 0, not on step -1"):
        rollout_commands.step(state, StepPosition(1, PREPARING), None)
    with pytest.raises(ConflictError, match="is on step 0, not on step 1"):
        rollout_commands.step(state, StepPosition(1, 1), advance)
    with pytest.raises(ConflictError, match="is the one running, not rollout 2"):
        rollout_commands.step(state, StepPosition(2, 0), advance)
    with pytest.raises(ConflictError, match="is still loading, not on step"):
        rollout_commands.halt(play(*STARTED), StepPosition(1, 0), verdict("halt"))


@pytest.mark.parametrize("outcome", ["hold", "halt"])
def test_nothing_but_a_verdict_to_advance_raises_the_weight(play: Play, outcome: str) -> None:
    state = play(*STARTED, "rollout step")

    with pytest.raises(InvalidInputError, match=f"must be 'advance', not '{outcome}'"):
        rollout_commands.step(state, StepPosition(1, 0), verdict(outcome))


def test_nothing_but_a_verdict_to_halt_halts(play: Play) -> None:
    state = play(*STARTED, "rollout step")

    with pytest.raises(InvalidInputError, match="must be 'halt', not 'hold'"):
        rollout_commands.halt(state, StepPosition(1, 0), verdict("hold"))


def test_behind_the_last_step_is_no_other(play: Play) -> None:
    with pytest.raises(ConflictError, match="is on its last step; holdfast rollout promote iris"):
        play(*SHORT, "rollout step", "rollout step", "rollout step")


def test_the_active_version_is_measured_once(play: Play) -> None:
    state = play(*STARTED, "rollout calibrate 2000", "rollout calibrate 3000")

    assert rollout_of(state).baseline == Baseline(2_000)


def test_a_verdict_is_written_when_its_outcome_or_its_kinds_of_reasons_change(
    written: Written,
) -> None:
    journal = written(
        *STARTED,
        "rollout step",
        "rollout judge hold dwell few_requests",
        "rollout judge hold few_requests dwell",
        "rollout judge hold dwell",
        "rollout judge advance dwell",
        "rollout judge advance dwell",
    )
    judgements = [
        entry.event for entry, _ in journal if isinstance(entry.event, rollouts.RolloutJudged)
    ]

    assert [
        (judgement.verdict.outcome, len(judgement.verdict.reasons)) for judgement in judgements
    ] == [
        ("hold", 2),
        ("hold", 1),
        ("advance", 1),
    ]


def test_a_pause_keeps_the_weight_and_lets_nothing_rise(play: Play) -> None:
    state = play(*SHORT, "rollout step", "rollout pause")
    last = play(*SHORT, "rollout step", "rollout step", "rollout pause")

    assert rollout_of(state).phase == "paused"
    assert rollout_of(state).weight == 0.5
    with pytest.raises(ConflictError, match="is paused; holdfast rollout resume iris"):
        rollout_commands.step(state, StepPosition(1, 0), verdict("advance"))
    with pytest.raises(ConflictError, match="is paused"):
        rollout_commands.finish(last, StepPosition(1, 1), OPEN)


def test_evidence_halts_a_paused_rollout(play: Play) -> None:
    state = play(*STARTED, "rollout step", "rollout pause", "rollout halt errors")

    assert rollout_of(state).outcome == "halted"


def test_time_counts_anew_after_a_pause(play: Play) -> None:
    state = play(*STARTED, "rollout step", "rollout pause", "rollout resume")

    assert rollout_of(state).phase == "running"
    assert rollout_of(state).since == state.at


@pytest.mark.parametrize("steps", [("rollout pause", "rollout pause"), ("rollout resume",)])
def test_pausing_and_resuming_twice_is_nothing_to_do(play: Play, steps: tuple[str, ...]) -> None:
    assert play(*STARTED, *steps).seq == 4 + len(steps)


def test_a_halt_leaves_production_where_it_was_and_the_candidate_nothing(play: Play) -> None:
    state = play(*STARTED, "rollout step", "rollout halt errors")
    rollout = rollout_of(state)

    assert (rollout.outcome, rollout.ended_at, rollout.weight) == ("halted", state.at, 0.0)
    assert rollout.verdict is not None
    assert rollout.verdict.reasons[0].code == "errors"
    assert state.production == "1.0.0"
    assert state.running is None


def test_the_candidate_goes_live_through_the_gate_after_the_last_step(written: Written) -> None:
    entry, _ = written(*COMPLETED)[-1]

    assert entry.event == events.Promoted(version="1.1.0", was="1.0.0", rollout=5)


def test_a_completed_rollout_is_over(play: Play) -> None:
    state = play(*COMPLETED)

    assert rollout_of(state).outcome == "completed"
    assert (state.production, state.previous) == ("1.1.0", "1.0.0")


def test_the_gate_is_asked_at_the_last_step(play: Play) -> None:
    worse = ("register 1.3.0 auc=0.5", """rollout start 1.3.0 '{"plan": {"steps": [1]}}'""")

    with pytest.raises(RefusedError, match=r"auc: 0\.5 is"):
        play(*LIVE, *worse, "rollout step", "rollout finish")


def test_nothing_is_finished_before_its_last_step(play: Play) -> None:
    with pytest.raises(ConflictError, match="is not on its last step"):
        play(*SHORT, "rollout step", "rollout finish")


def test_a_shadow_passes_and_moves_nothing(play: Play) -> None:
    state = play(*SHADOW, "rollout step", "rollout pass")

    assert rollout_of(state).outcome == "passed"
    assert state.production == "1.0.0"
    with pytest.raises(ConflictError, match="is a shadow rollout, which moves no traffic"):
        play(*SHADOW, "rollout step", "rollout finish")


def test_only_a_shadow_passes_without_the_gate(play: Play) -> None:
    with pytest.raises(ConflictError, match="is not a shadow rollout"):
        play(*SHORT, "rollout step", "rollout step", "rollout pass")


@pytest.mark.parametrize(
    ("code", "outcome"), [("no_difference", "passed"), ("not_decided", "undecided")]
)
def test_an_ab_test_that_nobody_won_ends_and_moves_nothing(
    play: Play, code: str, outcome: str
) -> None:
    state = play(*AB, "rollout step", f"rollout conclude {code}")

    assert rollout_of(state).outcome == outcome
    assert rollout_of(state).weight == 0.0
    assert state.production == "1.0.0"


def test_an_ab_test_is_won_through_the_gate(play: Play) -> None:
    state = play(*AB, "rollout step", "rollout finish")

    assert rollout_of(state).outcome == "completed"
    assert state.production == "1.1.0"


def test_nothing_but_an_ab_test_that_goes_on_is_concluded(play: Play) -> None:
    with pytest.raises(ConflictError, match="is not an A/B test"):
        play(*SHADOW, "rollout step", "rollout conclude not_decided")
    with pytest.raises(ConflictError, match="is paused"):
        play(*AB, "rollout step", "rollout pause", "rollout conclude not_decided")
    with pytest.raises(InvalidInputError, match="must be 'end', not 'advance'"):
        rollout_commands.conclude(play(*AB, "rollout step"), StepPosition(1, 0), verdict("advance"))
    with pytest.raises(ConflictError, match="is not a shadow rollout"):
        play(*AB, "rollout step", "rollout pass")


def test_one_that_was_left_undecided_may_be_repeated_and_one_that_passed_not(play: Play) -> None:
    again = play(*AB, "rollout step", "rollout conclude not_decided", "rollout retry")

    assert rollout_of(again).number == 2
    assert rollout_of(again).analysis == rollout_of(play(*AB)).analysis
    with pytest.raises(ConflictError, match="was neither halted nor aborted; it is passed"):
        play(*AB, "rollout step", "rollout conclude no_difference", "rollout retry")


@pytest.mark.parametrize(
    "steps", [(), ("rollout step",), ("rollout step", "rollout pause"), ("rollout step",) * 2]
)
def test_a_rollout_is_aborted_wherever_it_stands(play: Play, steps: tuple[str, ...]) -> None:
    state = play(*SHORT, *steps, "rollout abort")

    assert rollout_of(state).outcome == "aborted"
    assert rollout_of(state).weight == 0.0
    assert state.production == "1.0.0"


def test_aborting_a_completed_rollout_restores_what_was_live_before_it(written: Written) -> None:
    entry, _ = written(*COMPLETED, "rollout abort")[-1]

    assert entry.event == events.RolledBack(version="1.0.0", was="1.1.0", undoes=8, rollout=5)


def test_a_completed_rollout_that_is_rolled_back_stays_completed(play: Play) -> None:
    for step in ("rollout abort", "rollback"):
        state = play(*COMPLETED, step)

        rollout = rollout_of(state)
        assert (rollout.outcome, rollout.undone_at) == ("completed", state.at)
        assert rollout.ended_at != rollout.undone_at
        assert state.production == "1.0.0"


def test_what_was_rolled_back_from_can_be_tried_again_and_what_is_live_cannot(play: Play) -> None:
    assert rollout_of(play(*COMPLETED, "rollback", "rollout retry")).goes_on
    with pytest.raises(ConflictError, match="was neither halted nor aborted; it is completed"):
        play(*COMPLETED, "rollout retry")


@pytest.mark.parametrize(
    "steps",
    [
        (*STARTED, "rollout abort"),
        (*STARTED, "rollout step", "rollout halt errors"),
        (*COMPLETED, "promote 1.2.0 force"),
        (*COMPLETED, "rollout abort"),
    ],
)
def test_what_ended_stays_as_it_ended(play: Play, steps: tuple[str, ...]) -> None:
    assert play(*steps, "rollout abort") == play(*steps)


@pytest.mark.parametrize("verb", ["pause", "abort", "retry", "step", "halt errors"])
def test_without_a_rollout_there_is_none_to_move(play: Play, verb: str) -> None:
    with pytest.raises(NotFoundError, match="start one: holdfast rollout start iris@VERSION"):
        play(*LIVE, f"rollout {verb}")


@pytest.mark.parametrize("verb", ["pause", "resume", "step", "calibrate 9", "judge hold dwell"])
def test_a_rollout_that_ended_is_not_moved(play: Play, verb: str) -> None:
    with pytest.raises(ConflictError, match="has ended: aborted"):
        play(*STARTED, "rollout abort", f"rollout {verb}")


@pytest.mark.parametrize("ending", ["rollout abort", "rollout halt errors"])
def test_a_rollout_is_tried_again_under_a_new_number(play: Play, ending: str) -> None:
    state = play(*SHORT, "rollout step", "rollout calibrate 2000", ending, "rollout retry")
    rollout = rollout_of(state)

    assert (rollout.number, rollout.version, rollout.plan.steps) == (2, "1.1.0", (0.5, 1.0))
    assert (rollout.step, rollout.verdict, rollout.baseline) == (PREPARING, None, None)


@pytest.mark.parametrize(
    ("steps", "problem"), [(STARTED, "it is running"), (COMPLETED, "it is completed")]
)
def test_only_what_was_stopped_is_tried_again(
    play: Play, steps: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ConflictError, match=problem):
        play(*steps, "rollout retry")


def test_a_rollout_rolls_forward_over_a_version_that_was_brought_by_one(play: Play) -> None:
    state = play(*COMPLETED, "rollout start 1.2.0")

    assert rollout_of(state).was == "1.1.0"


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_whoever_moves_past_the_tests_says_why(reason: str | None) -> None:
    with pytest.raises(InvalidInputError, match="needs a reason"):
        rollout_commands.check_reason(reason)


def test_a_reason_suffices() -> None:
    rollout_commands.check_reason("the tests are late")
