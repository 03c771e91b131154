"""Runs a model's slots as they come due, until it is stopped; the journal says where it stands."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from holdfast.core import retraining_commands
from holdfast.core.events import Retrained
from holdfast.core.retraining import slots
from holdfast.core.retraining.retraining_terms import MOST_ATTEMPTS
from holdfast.errors import BusyError, ConflictError, StoreError
from holdfast.registry import Registry
from holdfast.retraining import retraining_run, training_process
from holdfast.retraining.retraining_run import RunOutcome, RunRequest
from holdfast.retraining.schedule import Schedule
from holdfast.stop_signal import Stop

__all__ = ["follow"]

_LOOKS_EVERY_S: Final = 60.0
_MOST_MISSED: Final = 10
_TICK: Final = timedelta(microseconds=1)


def follow(
    registry: Registry,
    request: Callable[[str], RunRequest],
    schedule: Schedule,
    stop: Stop,
    clock: Callable[[], datetime],
) -> Iterator[RunOutcome | str]:
    """Run each slot when it is due, and yield what came of it, or why it waits.

    After a time in which nobody ran it, the latest slot is run once and older ones are missed. A
    slot that failed is tried again at the next looks, up to three times. The clock is asked anew
    each time, so one that is set back or forward changes nothing that the journal says is done.

    Args:
        request: From a slot to what is to be run for it.
        stop: Says when to end.
        clock: Tells the present time, aware.

    Raises:
        UnsupportedError: If this system cannot hold a training to its limits (Windows).
    """
    training_process.require_system()
    began = clock()
    while not stop.is_set():
        now = clock()
        outcome: RunOutcome | str | None
        try:
            outcome = _due(registry, request, schedule, began, now)
        except (ConflictError, StoreError, BusyError) as error:  # which the next look may not meet
            outcome = str(error)
        if outcome is not None:
            yield outcome
        left_s = (schedule.following(now) - clock()).total_seconds()
        stop.wait(max(0.0, min(_LOOKS_EVERY_S, left_s)))


def _due(
    registry: Registry,
    request: Callable[[str], RunRequest],
    schedule: Schedule,
    began: datetime,
    now: datetime,
) -> RunOutcome | None:
    moment = schedule.previous(now)
    asked = request(slots.written(moment))
    name = retraining_run.name_of_entry(asked.entry, asked.command)
    state = registry.retrainings.state(asked.model)
    tried = (
        record.slot
        for record in state.slots.values()
        if record.entry == name
        and not slots.is_of_finding(record.slot)
        and (record.is_final or record.attempts >= MOST_ATTEMPTS)
    )
    over = slots.come(tried, now)
    last = max(over, default=began)
    if moment <= last:
        return None
    if over:
        for older in slots.between(last, moment - _TICK, schedule.previous, _MOST_MISSED):
            slot = slots.written(older)
            if not retraining_commands.record_of(state, slot, name).attempts:
                why = "nobody ran it when it was due"
                event = Retrained(slot=slot, entry=name, outcome="missed", why=why)
                registry.retrainings.remark(asked.model, event)
    return retraining_run.run(registry, asked)
