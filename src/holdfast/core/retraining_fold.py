"""What an entry makes of a slot."""

from msgspec.structs import replace

from holdfast.core.entry import Entry
from holdfast.core.events import Retrained
from holdfast.core.retraining.retraining_terms import MOST_ATTEMPTS
from holdfast.core.retraining.slot_record import REMARKS, SlotRecord, name_of
from holdfast.core.retraining.slots import is_slot


def after(slots: dict[str, SlotRecord], entry: Entry, event: Retrained) -> SlotRecord:
    """Return the slot after an entry about it.

    Raises:
        ValueError: If it is not a slot, is done already, or was tried too often: two machines that
            ran it at once write one version, whoever's entry comes second.
    """
    if not is_slot(event.slot):
        raise ValueError(f"the slot {event.slot!r} is not a time")
    record = slots.get(name_of(event.slot, event.entry), SlotRecord(event.slot, event.entry))
    if record.is_final:
        raise ValueError(f"the slot {event.slot} was done by entry {record.seq}")
    if event.outcome in REMARKS:
        return replace(record, marks=(*record.marks, event.outcome))
    if event.attempt != record.attempts + 1 or event.attempt > MOST_ATTEMPTS:
        raise ValueError(f"the slot {event.slot} has no attempt {event.attempt}")
    return replace(
        record,
        attempts=event.attempt,
        outcome=event.outcome,
        version=event.version,
        seq=entry.seq,
        why=event.why,
        began=entry.at,
        blobs=(*record.blobs, *(() if event.registered else blobs_of(event))),
    )


def blobs_of(event: Retrained) -> tuple[str, ...]:
    """Return the digests of the blobs that tell of a run."""
    return tuple(digest for digest in (event.run, event.log) if digest is not None)
