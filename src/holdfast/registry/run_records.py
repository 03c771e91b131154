"""The record of the run that made a version, as the run left it."""

from typing import Any

from holdfast.core import strict_json
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.core.state import Record
from holdfast.errors import DamagedError, HoldfastError
from holdfast.registry.session import Session


def of_version(session: Session, record: Record) -> dict[str, Any]:
    """Return the record of the run that made a version; empty if no run did.

    Raises:
        DamagedError: If it is gone or changed.
    """
    if not record.run:
        return {}
    try:
        document = strict_json.decode(session.open_store.blobs.read(record.run[0]))
    except ValueError as error:
        subject = f"record of the run of {record.version}"
        raise DamagedError(subject, f"cannot be read: {error}", "see who wrote it") from error
    return document if isinstance(document, dict) else {}


def of_slot(session: Session, slot: SlotRecord) -> dict[str, Any]:
    """Return the record of a slot's last run, as far as it is there and can be read."""
    for digest in slot.blobs[-2:]:  # the record, then what the run wrote to its log
        try:
            document = strict_json.decode(session.open_store.blobs.read(digest))
        except (HoldfastError, ValueError):
            continue
        if isinstance(document, dict):
            return document
    return {}
