"""What each verb of rollouts decides: from the state and a request to an event or a refusal.

Whoever judged a step names it, by rollout and index: what was judged for another step than the
one the rollout is on by now is refused, so that two drivers never act on one verdict twice.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

from msgspec import UNSET

from holdfast.core import commands, gate, names
from holdfast.core.events import AnyEvent, Promoted, RolledBack
from holdfast.core.idempotency import Unchanged
from holdfast.core.rollout import rollout_events, rollout_state
from holdfast.core.rollout.rollout_state import PREPARING, Baseline, Rollout, Terms
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.state import Record, State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError

_LOOK = "check its status and decide again"
_AGAIN = ("halted", "aborted", "undecided")
"""How a rollout ended that may be repeated."""


@dataclass(frozen=True, slots=True)
class StepPosition:
    """The step of a rollout that somebody looked at."""

    rollout: int
    step: int


def place_of(rollout: Rollout) -> StepPosition:
    """Return where a rollout stands."""
    return StepPosition(rollout.number, rollout.step)


def here(state: State) -> StepPosition:
    """Return where the running rollout stands.

    Raises:
        NotFoundError: If there was none.
        ConflictError: If it ended.
    """
    return place_of(running(state))


def check_reason(reason: str | None) -> None:
    """Check that whoever moves a rollout past its tests says why.

    Raises:
        InvalidInputError: If there is no reason.
    """
    if not names.is_text(reason):
        raise InvalidInputError("advance", "needs a reason for the history", "give --reason")


def start(
    state: State,
    record: Record,
    terms: Terms,
    baseline: Baseline | None = None,
    again: int | None = None,
) -> rollout_events.RolloutStarted:
    """Begin a rollout of *record* beside the live version.

    Raises:
        InvalidInputError: If the terms cannot be followed.
        ConflictError: If a rollout is running, nothing or *record* is live, or it was purged.
    """
    terms = rollout_state.check(terms)
    commands.require_bytes(state, record)
    commands.require_own_bytes(state.model, record)
    ref = f"{state.model}@{record.version}"
    if state.running is not None:
        raise ConflictError(
            state.model,
            f"is already in rollout {state.running.number}, of {state.running.version}",
            f"finish or abort it first: holdfast rollout status {state.model}",
        )
    if state.production is None:
        raise ConflictError(
            ref, "has no live version to be compared with", f"holdfast promote {ref}"
        )
    if state.production == record.version:
        raise ConflictError(ref, "is already live")
    return rollout_events.RolloutStarted(
        version=record.version,
        was=state.production,
        plan=terms.plan,
        analysis=terms.analysis,
        sticky=terms.sticky,
        baseline=baseline,
        again=again,
    )


def retry(state: State, baseline: Baseline | None = None) -> rollout_events.RolloutStarted:
    """Begin the last rollout anew, under a new number and without what was counted before.

    Raises:
        NotFoundError: If there was none.
        ConflictError: If it was not halted, aborted, left undecided, or rolled back from once it
            was completed.
    """
    rollout = _last(state)
    if rollout.outcome not in _AGAIN and rollout.undone_at is None:
        how = rollout.outcome or "running"
        raise ConflictError(
            f"rollout {rollout.number} of {state.model}",
            f"was neither halted nor aborted; it is {how}",
            f"start another: holdfast rollout start {state.model}@VERSION",
        )
    terms = Terms(rollout.plan, rollout.analysis, rollout.sticky)
    return start(state, state.versions[rollout.version], terms, baseline, rollout.seq)


def step(
    state: State, position: StepPosition, verdict: StepVerdict | None
) -> rollout_events.RolloutStepped:
    """Go to the next step: on a verdict, or without one where servers are ready or a person says.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is paused, on its last step, or not where it was seen.
    """
    rollout = _at(state, position)
    if verdict is not None:
        _require(verdict, "advance")
    _not_paused(state, rollout)
    if rollout.is_last:
        raise ConflictError(
            _subject(state, rollout),
            "is on its last step",
            f"holdfast rollout promote {state.model}",
        )
    following = rollout.step + 1
    return rollout_events.RolloutStepped(
        rollout=rollout.seq,
        version=rollout.version,
        step=following,
        weight=rollout.plan.steps[following],
        verdict=verdict,
    )


def calibrate(
    state: State, number: int, baseline: Baseline
) -> rollout_events.RolloutCalibrated | Unchanged:
    """Freeze how the active version was measured, once.

    Raises:
        ConflictError: If the rollout ended or is another.
    """
    rollout = running(state, number)
    if rollout.baseline is not None:
        return Unchanged("the active version has already been measured", rollout.version)
    return rollout_events.RolloutCalibrated(
        rollout=rollout.seq, version=rollout.version, baseline=baseline
    )


def judge(
    state: State, position: StepPosition, verdict: StepVerdict
) -> rollout_events.RolloutJudged | Unchanged:
    """Keep a verdict, if its outcome or its kinds of reasons are others than the last one's.

    Of an A/B test it is also kept whenever the keys with an outcome have doubled.

    Raises:
        ConflictError: If the rollout is not where it was seen.
    """
    rollout = _at(state, position)
    if rollout.verdict is not None and _gist(rollout.verdict) == _gist(verdict):
        return Unchanged("the verdict is the same", rollout.version)
    return rollout_events.RolloutJudged(
        rollout=rollout.seq, version=rollout.version, verdict=verdict
    )


def _gist(verdict: StepVerdict) -> tuple[str, frozenset[str], int]:
    """Return what differs where a verdict is kept again; of an A/B test, as its keys double."""
    found = verdict.comparison
    keys = 0 if found is UNSET else found.candidate.known + found.active.known
    codes = frozenset(reason.code for reason in verdict.reasons)
    return verdict.outcome, codes, keys.bit_length()


def pause(state: State) -> rollout_events.RolloutPaused | Unchanged:
    """Keep the weight as it is until somebody resumes."""
    rollout = running(state)
    if rollout.phase == "paused":
        return Unchanged(f"rollout {rollout.number} is already paused", rollout.version)
    return rollout_events.RolloutPaused(rollout=rollout.seq, version=rollout.version)


def resume(state: State) -> rollout_events.RolloutResumed | Unchanged:
    """Go on after a pause."""
    rollout = running(state)
    if rollout.phase == "running":
        return Unchanged(f"rollout {rollout.number} is not paused", rollout.version)
    return rollout_events.RolloutResumed(rollout=rollout.seq, version=rollout.version)


def halt(state: State, position: StepPosition, verdict: StepVerdict) -> rollout_events.RolloutEnded:
    """End the rollout on the evidence, paused or not.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is not where it was seen.
    """
    rollout = _at(state, position)
    return _end(rollout, "halted", _require(verdict, "halt"))


def finish(state: State, position: StepPosition, judged: gate.Verdict) -> Promoted | Unchanged:
    """Let the candidate go live after its last step, if the gate lets it pass.

    Raises:
        RefusedError: With every reason of the gate.
        ConflictError: If the rollout is paused, a shadow, or not on its last step as it was seen.
    """
    rollout = _last_step(state, position)
    if rollout.plan.strategy == "shadow":
        raise ConflictError(_subject(state, rollout), "is a shadow rollout, which moves no traffic")
    return commands.promote(state, state.versions[rollout.version], judged, by_force=False)


def pass_(
    state: State, position: StepPosition, verdict: StepVerdict
) -> rollout_events.RolloutEnded:
    """End a shadow that found nothing.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is paused, no shadow, or not on its last step as it was seen.
    """
    rollout = _last_step(state, position)
    if rollout.plan.strategy != "shadow":
        raise ConflictError(
            _subject(state, rollout), "is not a shadow rollout", "let the gate decide"
        )
    return _end(rollout, "passed", _require(verdict, "advance"))


def conclude(
    state: State, position: StepPosition, verdict: StepVerdict
) -> rollout_events.RolloutEnded:
    """End an A/B test that nobody won: no difference matters, or it came to its deadline.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is paused, no A/B test, or not where it was seen.
    """
    rollout = _last_step(state, position)
    if rollout.plan.strategy != "ab":
        raise ConflictError(_subject(state, rollout), "is not an A/B test", _LOOK)
    _require(verdict, "end")
    return _end(rollout, "passed" if verdict.conclusive else "undecided", verdict)


def abort(state: State) -> rollout_events.RolloutEnded | RolledBack | Unchanged:
    """End the rollout, wherever it stands; a completed one is undone as long as it is live.

    Raises:
        NotFoundError: If there was none.
    """
    rollout = _last(state)
    if rollout.goes_on:
        return _end(rollout, "aborted", None)
    if rollout.outcome == "completed" and state.production == rollout.version:
        return commands.rollback(state, state.versions[rollout.was], None)
    return Unchanged(f"rollout {rollout.number} has ended: {rollout.outcome}", rollout.version)


def again(state: State, event: rollout_events.AnyRolloutEvent) -> AnyEvent | Unchanged:
    """Decide again what somebody else's entry says was decided.

    The verdict is taken as stated, because the counts it was based on no longer exist.

    Raises:
        HoldfastError: If no command would have decided so.
    """
    match event:
        case rollout_events.RolloutStarted():
            if event.again is not None:
                return retry(state, event.baseline)
            terms = Terms(event.plan, event.analysis, event.sticky)
            return start(state, state.versions[event.version], terms, event.baseline)
        case rollout_events.RolloutStepped():
            return step(state, StepPosition(running(state).number, event.step - 1), event.verdict)
        case rollout_events.RolloutCalibrated():
            return calibrate(state, running(state).number, event.baseline)
        case rollout_events.RolloutJudged():
            return judge(state, here(state), event.verdict)
        case rollout_events.RolloutPaused():
            return pause(state)
        case rollout_events.RolloutResumed():
            return resume(state)
        case rollout_events.RolloutEnded():
            return _ended_again(state, event)
        case _:
            assert_never(event)


def _ended_again(state: State, event: rollout_events.RolloutEnded) -> AnyEvent | Unchanged:
    position = here(state)
    if event.verdict is None:
        return abort(state)
    if event.verdict.outcome == "end":
        return conclude(state, position, event.verdict)
    if event.outcome == "passed":
        return pass_(state, position, event.verdict)
    return halt(state, position, event.verdict)


def _last(state: State) -> Rollout:
    if state.rollout is None:
        raise NotFoundError(
            f"rollout of {state.model}",
            advice=f"start one: holdfast rollout start {state.model}@VERSION",
        )
    return state.rollout


def running(state: State, number: int | None = None) -> Rollout:
    """Return the running rollout, which must be *number* if that is given.

    Raises:
        NotFoundError: If there was none.
        ConflictError: If it ended, or is another.
    """
    rollout = _last(state)
    if not rollout.goes_on:
        raise ConflictError(_subject(state, rollout), f"has ended: {rollout.outcome}", _LOOK)
    if number not in (None, rollout.number):
        raise ConflictError(
            _subject(state, rollout), f"is the one running, not rollout {number}", _LOOK
        )
    return rollout


def _at(state: State, position: StepPosition) -> Rollout:
    rollout = running(state, position.rollout)
    if rollout.step != position.step:
        where = "is still loading" if rollout.step == PREPARING else f"is on step {rollout.step}"
        raise ConflictError(
            _subject(state, rollout), f"{where}, not on step {position.step}", _LOOK
        )
    return rollout


def _last_step(state: State, position: StepPosition) -> Rollout:
    rollout = _at(state, position)
    _not_paused(state, rollout)
    if not rollout.is_last:
        raise ConflictError(_subject(state, rollout), "is not on its last step", _LOOK)
    return rollout


def _not_paused(state: State, rollout: Rollout) -> None:
    if rollout.phase == "paused":
        raise ConflictError(
            _subject(state, rollout), "is paused", f"holdfast rollout resume {state.model}"
        )


def _require(verdict: StepVerdict, outcome: Literal["advance", "halt", "end"]) -> StepVerdict:
    if verdict.outcome != outcome:
        raise InvalidInputError("verdict", f"must be {outcome!r}, not {verdict.outcome!r}")
    return verdict


def _end(
    rollout: Rollout,
    outcome: Literal["passed", "halted", "aborted", "undecided"],
    verdict: StepVerdict | None,
) -> rollout_events.RolloutEnded:
    return rollout_events.RolloutEnded(
        rollout=rollout.seq, version=rollout.version, outcome=outcome, verdict=verdict
    )


def _subject(state: State, rollout: Rollout) -> str:
    return f"rollout {rollout.number} of {state.model}@{rollout.version}"
