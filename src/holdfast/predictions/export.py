"""Rows for others: CloudEvents 1.0 (a line or a batch), CSV, Parquet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from holdfast.core.entry import format_timestamp
from holdfast.errors import InvalidInputError
from holdfast.predictions import parquet
from holdfast.predictions.columns import NAMES, json_of, values_of
from holdfast.predictions.private_files import opened_for_writing
from holdfast.predictions.row import Prediction

Format = Literal["cloudevents", "cloudevents-batch", "csv", "parquet"]
TYPE: Final = "io.holdfast.prediction"

_AT_ONCE: Final = 1000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def time_of(at_us: int) -> str:
    """Write microseconds since 1970 as a time."""
    return format_timestamp(at_us)


def event(row: Prediction) -> dict[str, Any]:
    """Return a row as a CloudEvent in structured JSON.

    `id` is the prediction id, `source` the model, `subject` the version; the request's trace is
    the extension `traceid` where it is known.
    """
    data = {name: getattr(row, name) for name in NAMES if getattr(row, name) is not None}
    document = {
        "specversion": "1.0",
        "id": row.prediction_id,
        "source": f"/models/{quote(row.model)}",
        "type": TYPE,
        "subject": row.version,
        "time": time_of(row.at_us),
        "datacontenttype": "application/json",
    }
    if row.trace_id is not None:
        document["traceid"] = row.trace_id
    return {**document, "data": data}


def lines(rows: Iterable[Prediction]) -> Iterator[bytes]:
    """Return one CloudEvent a line (`application/cloudevents+json`)."""
    for row in rows:
        yield _json(event(row)) + b"\n"


def batch(rows: Iterable[Prediction]) -> Iterator[bytes]:
    """Return one JSON array of CloudEvents (`application/cloudevents-batch+json`)."""
    before = b"["
    for row in rows:
        yield before + _json(event(row))
        before = b",\n"
    yield b"[]\n" if before == b"[" else b"]\n"


def _json(document: dict[str, Any]) -> bytes:
    return (json_of(document) or "").encode()


def table(rows: Iterable[Prediction]) -> Iterator[bytes]:
    """Return CSV with a header; `input` and `output` are JSON; no cell is a formula."""
    stream, text = iter(rows), io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NAMES)
    while True:
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
        some = list(islice(stream, _AT_ONCE))
        if not some:
            return
        writer.writerows([_cell(value) for value in values_of(row)] for row in some)


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from running what a caller sent."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_STREAMS: Final[dict[str, Callable[[Iterable[Prediction]], Iterator[bytes]]]] = {
    "cloudevents": lines,
    "cloudevents-batch": batch,
    "csv": table,
}


def stream(rows: Iterable[Prediction], kind: Format) -> Iterator[bytes]:
    """Return rows as bytes of a format.

    Raises:
        InvalidInputError: If the format needs a file.
    """
    if kind not in _STREAMS:
        raise InvalidInputError(
            f"format {kind}", "needs a file to be written to", "name it: -o FILE"
        )
    return _STREAMS[kind](rows)


def save(rows: Iterable[Prediction], kind: Format, path: Path) -> None:
    """Write rows to a file.

    Raises:
        InvalidInputError: If it cannot be written.
        MissingLibraryError: For Parquet without the extra `log`.
    """
    if kind == "parquet":
        parquet.write(path, (values_of(row) for row in rows), ())
        return
    try:
        with opened_for_writing(path) as file:
            file.writelines(stream(rows, kind))
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise InvalidInputError(f"file {str(path)!r}", problem, "check its path") from error
