"""What an entry makes of a model's rollout."""

from typing import assert_never

from msgspec.structs import replace

from holdfast.core.entry import Entry
from holdfast.core.rollout import rollout_events
from holdfast.core.rollout.rollout_state import Ended, Rollout


def after(
    rollout: Rollout | None, entry: Entry, event: rollout_events.AnyRolloutEvent, number: int
) -> Rollout:
    """Return the rollout after one of its events; *number* is of the one begun last.

    Raises:
        ValueError: If the event is of another rollout than the running one.
    """
    if isinstance(event, rollout_events.RolloutStarted):
        return _started(entry, event, number)
    if rollout is None or rollout.outcome is not None or rollout.seq != event.rollout:
        raise ValueError(f"the rollout that began in entry {event.rollout} is not running")
    match event:
        case rollout_events.RolloutStepped():
            verdict = event.verdict or rollout.verdict
            return replace(
                rollout, step=event.step, since=entry.at, verdict=verdict, judged_at=None
            )
        case rollout_events.RolloutCalibrated():
            return replace(rollout, baseline=event.baseline)
        case rollout_events.RolloutJudged():
            return replace(rollout, verdict=event.verdict, judged_at=entry.at)
        case rollout_events.RolloutPaused():
            return replace(rollout, phase="paused")
        case rollout_events.RolloutResumed():
            return replace(rollout, phase="running", since=entry.at)
        case rollout_events.RolloutEnded():
            verdict = event.verdict or rollout.verdict
            return replace(_ended(rollout, event.outcome, entry), verdict=verdict)
        case _:
            assert_never(event)


def _started(entry: Entry, event: rollout_events.RolloutStarted, number: int) -> Rollout:
    return Rollout(
        number=number,
        seq=entry.seq,
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
