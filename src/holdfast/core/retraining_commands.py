"""What retraining decides: which slot is tried, and what its one entry may say."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from holdfast.core import names, paired
from holdfast.core.events import Retrained
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import clean_metrics, is_digest
from holdfast.core.retraining import slots
from holdfast.core.retraining.retraining_terms import (
    LONGEST_DAYS,
    MOST_ATTEMPTS,
    RetrainingTerms,
)
from holdfast.core.retraining.slot_record import REMARKS, SlotRecord, name_of
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError

_STORM = timedelta(days=30)


def record_of(state: State, slot: str, entry: str) -> SlotRecord:
    """Return what the journal says of a slot."""
    return state.slots.get(name_of(slot, entry), SlotRecord(slot, entry))


def require_attempt(state: State, slot: str, entry: str) -> SlotRecord:
    """Return the record of a slot that is done, or may be tried.

    Raises:
        ConflictError: If it was tried too often.
    """
    record = record_of(state, slot, entry)
    if not record.is_final and record.attempts >= MOST_ATTEMPTS:
        raise ConflictError(
            f"slot {slot} of {state.model}",
            f"failed {record.attempts} times, the last time in entry {record.seq}",
            "fix the entry point and retrain under another --slot",
        )
    return record


def retrained(state: State, event: Retrained) -> Retrained | Unchanged:
    """Say what became of a slot, as the one entry that registers and stages what came of it.

    Args:
        state: The model.
        event: All that a run knows; number of the attempt and what was staged are filled in here.

    Raises:
        ConflictError: If the slot was tried too often, or the champion moved since it was scored.
        InvalidInputError: If the event contradicts itself.
    """
    record = record_of(state, event.slot, event.entry)
    if record.is_final:
        return Unchanged(f"entry {record.seq} did this slot: {record.outcome}", record.version)
    _check(state, event)
    if event.outcome in REMARKS:
        if event.outcome in record.marks:
            return Unchanged(f"the slot {event.slot} is already {event.outcome}")
        return replace(event, attempt=0, was=None)
    require_attempt(state, event.slot, event.entry)
    if event.champion is not None and event.champion.version != state.production:
        raise ConflictError(
            state.model,
            f"has {state.production} live now, not {event.champion.version}",
            "score the champion anew",
        )
    was = state.staging if event.outcome == "registered" else None
    return replace(event, attempt=record.attempts + 1, was=was)


def _check(state: State, event: Retrained) -> None:
    subject = f"slot {event.slot}"
    if not slots.is_slot(event.slot):
        raise InvalidInputError(subject, "must be a time", "write 2026-11-29T02:00:00Z")
    if not names.is_key(event.entry):
        raise InvalidInputError(f"entry {event.entry!r}", "is not a name", "use printable signs")
    if any(digest is not None and not is_digest(digest) for digest in (event.run, event.log)):
        raise InvalidInputError(subject, "has no digest of its run", "store it first")
    if (event.outcome in ("registered", "blocked")) != (event.registered is not None):
        raise InvalidInputError(subject, "registers nothing, or what it must not")
    version = event.registered.version if event.registered else event.version
    if version != event.version or (event.outcome == "unchanged") != (version in state.versions):
        raise InvalidInputError(subject, f"names the version {version!r}, which cannot be")
    ran = event.outcome not in REMARKS
    if ran != (event.term > 0) or (not ran and (event.champion or event.run or event.log)):
        raise InvalidInputError(subject, f"was {event.outcome}, which contradicts its facts")
    metrics = event.registered.metrics if event.registered else {}
    paired.check(event.losses, metrics)
    if event.champion is not None:
        paired.check(event.champion.losses, clean_metrics(event.champion.metrics))


def keeps_back(state: State, terms: RetrainingTerms, now: datetime) -> str | None:
    """Say why no finding may start a run now, `None` if one may.

    A failed attempt counts too: training again on what broke it does not help. Attempts that a
    clock far ahead dated neither hide those of today nor count for ever.
    """
    began = [record.began for record in state.slots.values() if record.began is not None]
    times = sorted(datetime.fromisoformat(text) for text in began)
    cooldown = timedelta(days=min(terms.cooldown_days, LONGEST_DAYS))
    near = [moment for moment in times if abs(now - moment) < cooldown]
    if near:
        return f"the last attempt was at {near[-1]:%Y-%m-%d %H:%M}, the cooldown is {cooldown}"
    recent = [moment for moment in times if abs(now - moment) < _STORM]
    if len(recent) >= terms.most_runs:
        return f"there were {len(recent)} runs in 30 days, and at most {terms.most_runs} may be"
    return None
