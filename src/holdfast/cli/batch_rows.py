"""Batches and their rows, as `holdfast predictions show` tells of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from holdfast.cli import tables
from holdfast.core import wording
from holdfast.errors import NotFoundError

if TYPE_CHECKING:
    from holdfast.predictions import BatchRecord, Label, Log

__all__ = ["as_written", "found", "lines", "require_row", "require_rows"]


def found(log: "Log", prediction_id: str) -> dict[str, Any]:
    """Return what is known of a batch, or of one of its rows.

    Args:
        prediction_id: `BATCH:ROW`, the id of a row, or the id of a batch.

    Raises:
        NotFoundError: If there is none.
    """
    from holdfast.batch.row_lookup import read_back
    from holdfast.predictions import ids
    from holdfast.predictions.batch_record import row_in

    record = replace(log.batches.find(prediction_id), drift=None)
    row_id = ids.parse(prediction_id)
    if ":" not in prediction_id and row_id == record.batch_id:
        return {"batch": record, "row": None, "values": None, "doubt": None, "feedback": []}
    row = row_in(record, row_id) or 0
    held = read_back(record, row)
    values, doubt = (None, held) if isinstance(held, str) else (held, None)
    labels = log.feedback.of(row_id)
    return {"batch": record, "row": row, "values": values, "doubt": doubt, "feedback": labels}


def require_row(log: "Log", prediction_id: str) -> None:
    """Refuse the row of a batch that has fewer rows, in the words of whoever asked.

    Raises:
        NotFoundError: If it has; if there is no such batch, nothing is said.
    """
    batch_id, colon, row = prediction_id.strip().rpartition(":")
    if not colon:
        return
    try:
        record = log.batches.find(batch_id)
    except NotFoundError:
        return
    advice = f"the batch has {wording.count(record.rows, 'row')}, numbered from 0"
    raise NotFoundError(f"row {row} of batch {record.batch_id}", advice=advice)


def require_rows(log: "Log", prediction_ids: Sequence[str]) -> None:
    """Refuse ids of rows that their batch does not have; other ids may be known later.

    Raises:
        NotFoundError: If a batch that is known has fewer rows.
    """
    from holdfast.predictions import ids
    from holdfast.predictions.batch_record import row_in

    records: dict[str, BatchRecord | None] = {}
    for prediction_id in prediction_ids:
        batch_id = prediction_id.strip().rpartition(":")[0]
        if not batch_id:
            continue
        if batch_id not in records:
            try:
                records[batch_id] = log.batches.find(batch_id)
            except NotFoundError:
                records[batch_id] = None
        record = records[batch_id]
        if record is not None and row_in(record, ids.parse(prediction_id)) is None:
            require_row(log, prediction_id)


def as_written(unknown: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Return ids that a log does not know as they were written: `BATCH:ROW` for a row's own."""
    from holdfast.predictions import ids

    rows = {ids.parse(text): text.strip() for text in asked if ":" in text}
    return [rows.get(one, one) for one in unknown]


def lines(known: dict[str, Any]) -> Iterator[str]:
    """Write it for people."""
    from holdfast.predictions.columns import json_of
    from holdfast.predictions.export import time_of

    record: BatchRecord = known["batch"]
    labels: list[Label] = known["feedback"]
    yield f"{record.model}@{record.version}  {record.digest}"
    yield ""
    row = known["row"]
    of = f"row {row:,} of {record.rows:,}" if row is not None else _rows(record)
    yield f"batch      {record.batch_id}, {of}"
    yield f"scored     {time_of(record.started_us)} to {time_of(record.ended_us)}{_by(record)}"
    yield f"input      {tables.one_line(record.input)}, sha256:{record.input_digest}"
    yield f"output     {tables.one_line(record.output)}, sha256:{record.output_digest}"
    if known["values"] is not None:
        yield f"values     {tables.one_line(json_of(known['values']) or '')}"
    if known["doubt"] is not None:
        yield f"doubt      {tables.one_line(known['doubt'])}"
    for label in labels:
        text = f"{json_of(label.label)}, told by {label.by} at {time_of(label.at_us)}"
        yield f"truth      {tables.one_line(text)}"


def _rows(record: "BatchRecord") -> str:
    return f"{record.rows:,} rows, {record.refused:,} refused, {record.nulls:,} without a score"


def _by(record: "BatchRecord") -> str:
    return "" if record.by is None else f", by {tables.one_line(record.by)}"
