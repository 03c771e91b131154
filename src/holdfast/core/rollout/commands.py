"""What each verb of rollouts decides: from the state and a wish to an event, or to a refusal.

Whoever judged a step names it, by rollout and index: what was judged for another step than the
one the rollout is on by now is refused, so that two drivers never act on one verdict twice.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

from holdfast.core import commands, names
from holdfast.core import policy as gate
from holdfast.core.commands import Unchanged
from holdfast.core.events import AnyEvent, Promoted, RolledBack
from holdfast.core.rollout import course, events
from holdfast.core.rollout.course import PREPARING, Baseline, Rollout, Terms
from holdfast.core.rollout.verdict import Verdict
from holdfast.core.state import Record, State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError

_LOOK = "look at its status and decide again"


@dataclass(frozen=True, slots=True)
class Place:
    """The step of a rollout that somebody looked at."""

    rollout: int
    step: int


def place_of(rollout: Rollout) -> Place:
    """Return where a rollout stands."""
    return Place(rollout.number, rollout.step)


def here(state: State) -> Place:
    """Return where the rollout stands that goes on.

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
        raise InvalidInputError("advance", "needs a reason, which history keeps", "give --reason")


def start(
    state: State,
    record: Record,
    terms: Terms,
    baseline: Baseline | None = None,
    again: int | None = None,
) -> events.RolloutStarted:
    """Begin a rollout of *record* beside the live version.

    Raises:
        InvalidInputError: If the terms cannot be followed.
        ConflictError: If a rollout goes on, nothing or *record* itself is live, or it was purged.
    """
    terms = course.check(terms)
    commands.require_bytes(state, record)
    ref = f"{state.model}@{record.version}"
    if state.running is not None:
        raise ConflictError(
            state.model,
            f"rollout {state.running.number} of {state.running.version} goes on",
            f"finish or abort it first: holdfast rollout status {state.model}",
        )
    if state.production is None:
        raise ConflictError(
            ref, "nothing is live that it could be compared with", f"holdfast promote {ref}"
        )
    if state.production == record.version:
        raise ConflictError(ref, "is live already")
    return events.RolloutStarted(
        version=record.version,
        was=state.production,
        plan=terms.plan,
        analysis=terms.analysis,
        sticky=terms.sticky,
        baseline=baseline,
        again=again,
    )


def retry(state: State, baseline: Baseline | None = None) -> events.RolloutStarted:
    """Begin the last rollout anew, under a new number and without what was counted before.

    Raises:
        NotFoundError: If there was none.
        ConflictError: If it was not halted, aborted, or rolled back from once it was completed.
    """
    rollout = _last(state)
    if rollout.outcome not in ("halted", "aborted") and rollout.undone_at is None:
        how = rollout.outcome or "goes on"
        raise ConflictError(
            f"rollout {rollout.number} of {state.model}",
            f"was neither halted nor aborted, but {how}",
            f"start another: holdfast rollout start {state.model}@VERSION",
        )
    terms = Terms(rollout.plan, rollout.analysis, rollout.sticky)
    return start(state, state.versions[rollout.version], terms, baseline, rollout.number)


def step(state: State, place: Place, verdict: Verdict | None) -> events.RolloutStepped:
    """Go to the next step: on a verdict, or without one where servers are ready or a person says.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is paused, on its last step, or not where it was seen.
    """
    rollout = _at(state, place)
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
    return events.RolloutStepped(
        rollout=rollout.number,
        version=rollout.version,
        step=following,
        weight=rollout.plan.steps[following],
        verdict=verdict,
    )


def calibrate(
    state: State, number: int, baseline: Baseline
) -> events.RolloutCalibrated | Unchanged:
    """Freeze how the active version was measured, once.

    Raises:
        ConflictError: If the rollout ended or is another.
    """
    rollout = running(state, number)
    if rollout.baseline is not None:
        return Unchanged("the active version was measured already", rollout.version)
    return events.RolloutCalibrated(rollout=number, version=rollout.version, baseline=baseline)


def judge(state: State, place: Place, verdict: Verdict) -> events.RolloutJudged | Unchanged:
    """Keep a verdict, if its outcome or its kinds of reasons are others than the last one's.

    Raises:
        ConflictError: If the rollout is not where it was seen.
    """
    rollout = _at(state, place)
    if rollout.verdict is not None and _gist(rollout.verdict) == _gist(verdict):
        return Unchanged("the verdict is the same", rollout.version)
    return events.RolloutJudged(rollout=rollout.number, version=rollout.version, verdict=verdict)


def _gist(verdict: Verdict) -> tuple[str, frozenset[str]]:
    return verdict.outcome, frozenset(reason.code for reason in verdict.reasons)


def pause(state: State) -> events.RolloutPaused | Unchanged:
    """Keep the weight as it is until somebody resumes."""
    rollout = running(state)
    if rollout.phase == "paused":
        return Unchanged(f"rollout {rollout.number} is paused already", rollout.version)
    return events.RolloutPaused(rollout=rollout.number, version=rollout.version)


def resume(state: State) -> events.RolloutResumed | Unchanged:
    """Go on after a pause."""
    rollout = running(state)
    if rollout.phase == "running":
        return Unchanged(f"rollout {rollout.number} is not paused", rollout.version)
    return events.RolloutResumed(rollout=rollout.number, version=rollout.version)


def halt(state: State, place: Place, verdict: Verdict) -> events.RolloutEnded:
    """End the rollout on the evidence, paused or not.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is not where it was seen.
    """
    rollout = _at(state, place)
    return _end(rollout, "halted", _require(verdict, "halt"))


def finish(state: State, place: Place, judged: gate.Verdict) -> Promoted | Unchanged:
    """Let the candidate go live after its last step, if the gate lets it pass.

    Raises:
        RefusedError: With every reason of the gate.
        ConflictError: If the rollout is paused, a shadow, or not on its last step as it was seen.
    """
    rollout = _last_step(state, place)
    if rollout.plan.strategy == "shadow":
        raise ConflictError(_subject(state, rollout), "is a shadow, which moves nothing")
    return commands.promote(state, state.versions[rollout.version], judged, by_force=False)


def pass_(state: State, place: Place, verdict: Verdict) -> events.RolloutEnded:
    """End a shadow that found nothing.

    Raises:
        InvalidInputError: If the verdict is another.
        ConflictError: If the rollout is paused, no shadow, or not on its last step as it was seen.
    """
    rollout = _last_step(state, place)
    if rollout.plan.strategy != "shadow":
        raise ConflictError(_subject(state, rollout), "is no shadow", "the gate decides")
    return _end(rollout, "passed", _require(verdict, "advance"))


def abort(state: State) -> events.RolloutEnded | RolledBack | Unchanged:
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


def again(state: State, told: events.AnyRolloutEvent) -> AnyEvent | Unchanged:
    """Decide again what somebody else's entry says was decided.

    The verdict that it tells is taken as told, for nothing is left of what was counted.

    Raises:
        HoldfastError: If no command would have decided so.
    """
    match told:
        case events.RolloutStarted():
            if told.again is not None:
                return retry(state, told.baseline)
            terms = Terms(told.plan, told.analysis, told.sticky)
            return start(state, state.versions[told.version], terms, told.baseline)
        case events.RolloutStepped():
            return step(state, Place(told.rollout, told.step - 1), told.verdict)
        case events.RolloutCalibrated():
            return calibrate(state, told.rollout, told.baseline)
        case events.RolloutJudged():
            return judge(state, here(state), told.verdict)
        case events.RolloutPaused():
            return pause(state)
        case events.RolloutResumed():
            return resume(state)
        case events.RolloutEnded():
            return _ended_again(state, told)
        case _:
            assert_never(told)


def _ended_again(state: State, told: events.RolloutEnded) -> AnyEvent | Unchanged:
    place = here(state)
    if told.verdict is None:
        return abort(state)
    if told.outcome == "passed":
        return pass_(state, place, told.verdict)
    return halt(state, place, told.verdict)


def _last(state: State) -> Rollout:
    if state.rollout is None:
        raise NotFoundError(
            f"rollout of {state.model}",
            advice=f"start one: holdfast rollout start {state.model}@VERSION",
        )
    return state.rollout


def running(state: State, number: int | None = None) -> Rollout:
    """Return the rollout that goes on, which is *number* if that is given.

    Raises:
        NotFoundError: If there was none.
        ConflictError: If it ended, or is another.
    """
    rollout = _last(state)
    if not rollout.goes_on:
        raise ConflictError(_subject(state, rollout), f"has ended: {rollout.outcome}", _LOOK)
    if number not in (None, rollout.number):
        raise ConflictError(_subject(state, rollout), f"goes on, and not {number}", _LOOK)
    return rollout


def _at(state: State, place: Place) -> Rollout:
    rollout = running(state, place.rollout)
    if rollout.step != place.step:
        where = "is still loading" if rollout.step == PREPARING else f"is on step {rollout.step}"
        raise ConflictError(_subject(state, rollout), f"{where}, not on {place.step}", _LOOK)
    return rollout


def _last_step(state: State, place: Place) -> Rollout:
    rollout = _at(state, place)
    _not_paused(state, rollout)
    if not rollout.is_last:
        raise ConflictError(_subject(state, rollout), "is not on its last step", _LOOK)
    return rollout


def _not_paused(state: State, rollout: Rollout) -> None:
    if rollout.phase == "paused":
        raise ConflictError(
            _subject(state, rollout), "is paused", f"holdfast rollout resume {state.model}"
        )


def _require(verdict: Verdict, outcome: Literal["advance", "halt"]) -> Verdict:
    if verdict.outcome != outcome:
        raise InvalidInputError("verdict", f"{verdict.outcome} where {outcome} is needed")
    return verdict


def _end(
    rollout: Rollout, outcome: Literal["passed", "halted", "aborted"], verdict: Verdict | None
) -> events.RolloutEnded:
    return events.RolloutEnded(
        rollout=rollout.number, version=rollout.version, outcome=outcome, verdict=verdict
    )


def _subject(state: State, rollout: Rollout) -> str:
    return f"rollout {rollout.number} of {state.model}@{rollout.version}"
