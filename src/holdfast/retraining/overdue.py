"""Which slots were missed, and which findings ask for a run: told by the journal, once each."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

from holdfast.core import retraining_commands
from holdfast.core.events import Retrained
from holdfast.core.retraining import slots
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.core.state import State
from holdfast.errors import InvalidInputError
from holdfast.registry import Registry
from holdfast.retraining.schedule import Schedule

__all__ = ["CONDITIONS", "RequestedRun", "asked", "done_later", "missed"]

CONDITIONS: Final = ("drift", "accuracy", "age")
"""What may ask for a run. Other findings tell of a broken feed: training on it would be worse."""

_MOST: Final = 10


class RequestedRun(Struct, frozen=True):
    """A run that something asks for.

    Attributes:
        slot: Its own, so that it gives one run.
        why: What asks.
    """

    slot: str
    why: str


def missed(
    registry: Registry, model: str, schedule: Schedule, entry: str, now: datetime
) -> list[str]:
    """Write that slots were missed, each once; return those that still lack a final outcome.

    A slot is missed once 1.25 periods have passed since the last one that was done. Where none
    ever was, the time counts from the policy that set the schedule.
    """
    state = registry.retrainings.state(model)
    since = _since(registry, state, entry, now)
    period_s = schedule.period_s(now)
    if since is None or not slots.is_late(now, since, period_s):
        return []
    grace = timedelta(seconds=(slots.LATE - 1) * period_s)
    due = slots.between(since, now - grace, schedule.previous, _MOST)
    names = [slots.written(moment) for moment in due]
    open_slots = [
        name for name in names if not retraining_commands.record_of(state, name, entry).is_final
    ]
    for name in open_slots:
        why = f"the last success was at {since:%Y-%m-%d %H:%M}"
        event = Retrained(slot=name, entry=entry, outcome="missed", why=why)
        registry.retrainings.remark(model, event)
    return open_slots


def done_later(state: State, entry: str, moment: datetime, now: datetime) -> SlotRecord | None:
    """Return the last slot that is done and later than one of a schedule, `None` if there is none.

    A schedule that was changed may name a time before the run that it follows: nobody is to train
    again for that. A slot of a finding stands for nothing but the finding.
    """
    records = [
        record
        for record in state.slots.values()
        if record.is_final and record.entry == entry and not slots.is_of_finding(record.slot)
    ]
    later = [record for record in records if slots.come([record.slot], now)]
    last = max(later, key=lambda record: slots.time_of(record.slot), default=None)
    return last if last is not None and slots.time_of(last.slot) > moment else None


def _since(registry: Registry, state: State, entry: str, now: datetime) -> datetime | None:
    """Return the time of the last slot that was done, else when there was a schedule first."""
    records = state.slots.values()
    done = slots.come(
        (record.slot for record in records if record.is_final and record.entry == entry), now
    )
    if done:
        return max(done)
    if not state.seq:
        return None
    terms = state.policy.retraining
    scheduled = terms.every_s is not None or terms.cron is not None
    ops = ("policy_set",) if scheduled else ("policy_set", "registered")
    lines = [past for past in registry.history(state.model) if past.op in ops]
    return datetime.fromisoformat(lines[-1].at) if lines else None


def asked(
    state: State, conditions: Sequence[str], max_age_s: float | None, now: datetime
) -> list[RequestedRun]:
    """Return the runs that the conditions ask for and that were not tried, the oldest first.

    Args:
        conditions: Of `CONDITIONS`.
        max_age_s: For `age`: seconds since the live version was registered.

    Raises:
        InvalidInputError: If a condition is unknown, or an age is missing.
    """
    unknown = [condition for condition in conditions if condition not in CONDITIONS]
    if unknown:
        advice = f"use {', '.join(CONDITIONS)}=SPAN"
        raise InvalidInputError(f"condition {unknown[0]!r}", "is unknown", advice)
    runs = []
    for finding in state.findings:
        if finding.kind in conditions and finding.acknowledged is None:
            moment = _day_after(finding.until)
            slot = slots.of_finding(moment, finding.finding)
            runs.append(RequestedRun(slot, f"finding {finding.finding}"))
    if "age" in conditions:
        runs += _aged(state, max_age_s, now)
    return sorted(runs, key=lambda run: run.slot)


def _day_after(day: str) -> datetime:
    """Return the start of the day after one, or of the calendar's last one."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return start if start.date() == date.max else start + timedelta(days=1)


def _aged(state: State, max_age_s: float | None, now: datetime) -> list[RequestedRun]:
    if max_age_s is None or max_age_s <= 0:
        raise InvalidInputError("condition 'age'", "needs a span", "write age=30d")
    if state.production is None:
        return []
    live = state.record(state.production)
    since = datetime.fromisoformat(live.registered_at)
    times = int((now - since).total_seconds() // max_age_s)
    if times < 1:
        return []
    moment = since + timedelta(seconds=times * max_age_s)
    slot = slots.of_finding(moment, f"age-v{live.number}-{times}")
    return [RequestedRun(slot, f"{live.version} is older than {max_age_s / 86_400:g} days")]
