"""What an entry makes of a model's rollout."""

from typing import assert_never

from msgspec.structs import replace

from holdfast.core.entry import Entry
from holdfast.core.rollout import events
from holdfast.core.rollout.course import Ended, Rollout


def after(rollout: Rollout | None, entry: Entry, event: events.AnyRolloutEvent) -> Rollout:
    """Return the rollout after one of its events.

    Raises:
        ValueError: If the event is of another rollout than the one that goes on.
    """
    if isinstance(event, events.RolloutStarted):
        return _started(entry, event)
    if rollout is None or rollout.outcome is not None or rollout.number != event.rollout:
        raise ValueError(f"no rollout {event.rollout} goes on")
    match event:
        case events.RolloutStepped():
            verdict = event.verdict or rollout.verdict
            return replace(
                rollout, step=event.step, since=entry.at, verdict=verdict, judged_at=None
            )
        case events.RolloutCalibrated():
            return replace(rollout, baseline=event.baseline)
        case events.RolloutJudged():
            return replace(rollout, verdict=event.verdict, judged_at=entry.at)
        case events.RolloutPaused():
            return replace(rollout, phase="paused")
        case events.RolloutResumed():
            return replace(rollout, phase="running", since=entry.at)
        case events.RolloutEnded():
            verdict = event.verdict or rollout.verdict
            return replace(_ended(rollout, event.outcome, entry), verdict=verdict)
        case _:
            assert_never(event)


def _started(entry: Entry, event: events.RolloutStarted) -> Rollout:
    return Rollout(
        number=entry.seq,
        version=event.version,
        was=event.was,
        plan=event.plan,
        analysis=event.analysis,
        by=entry.by,
        started_at=entry.at,
        since=entry.at,
        reason=entry.reason,
        sticky=event.sticky,
        baseline=event.baseline,
    )


def promoted(rollout: Rollout | None, entry: Entry, version: str) -> Rollout | None:
    """Return the rollout after a promotion: its candidate completes it, another supersedes it."""
    if rollout is None or rollout.outcome is not None:
        return rollout
    return _ended(rollout, "completed" if version == rollout.version else "superseded", entry)


def rolled_back(rollout: Rollout | None, entry: Entry, left: str) -> Rollout | None:
    """Return the rollout after a rollback from the version *left*, which it may have brought."""
    if rollout is None:
        return None
    if rollout.outcome is None:
        return _ended(rollout, "superseded", entry)
    undone = rollout.outcome == "completed" and rollout.version == left
    return replace(rollout, undone_at=entry.at) if undone else rollout


def deleted(rollout: Rollout | None, entry: Entry) -> Rollout | None:
    """Return the rollout after its model was deleted."""
    goes_on = rollout is not None and rollout.outcome is None
    return _ended(rollout, "superseded", entry) if rollout and goes_on else rollout


def _ended(rollout: Rollout, outcome: Ended, entry: Entry) -> Rollout:
    return replace(rollout, outcome=outcome, ended_at=entry.at)
