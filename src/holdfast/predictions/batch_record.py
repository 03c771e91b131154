"""A batch as it is kept: one record for any number of rows, each of which it names by number."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Protocol

from msgspec import Struct

from holdfast.core.drift.drift_counts import DayCounts
from holdfast.predictions import ids

__all__ = ["BatchRecord", "Batches", "days_since", "recent", "row_in"]

_DAYS: Final = 30


class BatchRecord(Struct, frozen=True, kw_only=True):
    """Rows of files that one version scored.

    Attributes:
        batch_id: UUIDv7: its time names the day that the record is kept under.
        digest: SHA-256 of the version's manifest.
        input: The file, or the folder or pattern as it was given; absolute.
        input_digest: SHA-256 of the file; of several, of lines with the digest and name of each.
        rows: All of them, in the order of the input.
        refused: Rows that the version's schema does not admit.
        nulls: Rows that were admitted and have no answer.
        output: The file; absolute.
        output_digest: SHA-256 of it.
        started_us: Microseconds since 1970, UTC.
        by: Who ran it, as they said.
        reference: SHA-256 of the training counts in whose bins *drift* is; None without.
        drift: What the rows looked like.
    """

    batch_id: str
    model: str
    version: str
    digest: str
    input: str
    input_digest: str
    rows: int
    refused: int
    nulls: int
    output: str
    output_digest: str
    started_us: int
    ended_us: int
    by: str | None = None
    reference: str | None = None
    drift: DayCounts | None = None


def row_in(record: BatchRecord, prediction_id: str) -> int | None:
    """Return the number of the row that an id means, None if the batch has no such row."""
    row = ids.row_between(record.batch_id, prediction_id)
    return row if row is not None and row < max(record.rows, 1) else None


def days_since(registered_at: str, today: date) -> list[str]:
    """Return the last 30 UTC days on which a version can have scored anything, the newest first."""
    days = [(today - timedelta(days=age)).isoformat() for age in range(_DAYS)]
    return [day for day in days if day >= registered_at[:10]]


def recent(batches: "Batches", model: str, version: str, days: Sequence[str]) -> list[BatchRecord]:
    """Return what a version scored on these days, in their order and the newest first of each."""
    return [
        record
        for day in days
        for record in reversed(batches.of_day(day, model))
        if record.version == version
    ]


class Batches(Protocol):
    """The records of batches in a log."""

    def add(self, record: BatchRecord) -> None:
        """Keep a record; return once it is committed.

        Raises:
            StoreError: If it is not.
        """
        ...

    def find(self, prediction_id: str) -> BatchRecord:
        """Return the batch that an id is of: its own, or that of one of its rows.

        Raises:
            InvalidInputError: If it is not an id.
            NotFoundError: If there is none.
        """
        ...

    def of_day(self, day: str, model: str | None = None) -> list[BatchRecord]:
        """Return the batches that began on a UTC day, of one model or of all, oldest first."""
        ...
