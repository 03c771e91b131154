"""Evaluation rows: what versions are scored on, read from the file that a run left."""

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast import named_files
from holdfast.core import strict_json
from holdfast.errors import InvalidInputError, MissingLibraryError

__all__ = ["EvaluationRows", "read"]

_MOST_BYTES: Final = 192 << 20
_MOST_ROWS: Final = 1_000_000


class EvaluationRows(Struct, frozen=True):
    """Rows and labels, in the order of their file.

    Attributes:
        digest: SHA-256 of the file's bytes; only losses on the same file are paired.
        columns: Names of the features, `None` where they have none.
        rows: One list of plain values a row.
        labels: What each row's answer should have been.
    """

    digest: str
    columns: tuple[str, ...] | None
    rows: list[list[Any]]
    labels: list[Any]


def read(path: Path, label: str) -> EvaluationRows:
    """Read `.csv`, `.jsonl`, `.parquet`, or `.json` with `columns`, `rows` and `labels`.

    Args:
        path: The file.
        label: The column of labels.

    Raises:
        InvalidInputError: If it cannot be read, is empty, or a row lacks its label.
        MissingLibraryError: If it is Parquet and pyarrow is not installed.
    """
    subject = f"evaluation set {path.name!r}"
    try:
        raw = named_files.read(path, _MOST_BYTES)
        columns, rows, labels = _split(path.suffix, raw, label)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInputError(subject, f"cannot be read: {error}", "fix the file") from error
    if not 0 < len(rows) <= _MOST_ROWS or len(rows) != len(labels):
        problem = f"has {len(rows):,} rows and {len(labels):,} labels"
        raise InvalidInputError(subject, problem, f"give as many of both, 1 to {_MOST_ROWS:,}")
    widths = {len(row) for row in rows}
    if len(widths) > 1 or (columns is not None and widths != {len(columns)}):
        raise InvalidInputError(subject, "has rows of different lengths", "fix the file")
    if any(value is None or value == "" for value in labels):
        raise InvalidInputError(subject, "has rows without a label", "leave them out")
    return EvaluationRows(hashlib.sha256(raw).hexdigest(), columns, rows, labels)


def _split(
    suffix: str, raw: bytes, label: str
) -> tuple[tuple[str, ...] | None, list[list[Any]], list[Any]]:
    if suffix == ".json":
        document = strict_json.decode(raw)
        named = document["columns"]
        columns = None if named is None else tuple(str(name) for name in named)
        rows = [row if isinstance(row, list) else [row] for row in document["rows"]]
        return columns, rows, list(document["labels"])
    match suffix:
        case ".csv":
            records: Sequence[Mapping[str, Any]] = _csv(raw)
        case ".jsonl":
            records = [strict_json.decode(line) for line in raw.splitlines() if line.strip()]
        case ".parquet":
            records = _parquet(raw)
        case _:
            raise ValueError("it is neither CSV, JSON, JSON lines nor Parquet")
    names = tuple(records[0]) if records else ()
    if records and label not in names:
        raise ValueError(f"it has no column {label!r}, but {', '.join(names[:20])}")
    columns = tuple(name for name in names if name != label)
    rows = [[record[name] for name in columns] for record in records]
    return columns, rows, [record[label] for record in records]


def _csv(raw: bytes) -> list[dict[str, Any]]:
    reader = csv.reader(io.StringIO(raw.decode("utf-8-sig")), strict=True)
    names = next(reader, [])
    if len(set(names)) != len(names):
        raise ValueError("it has two columns of one name")
    return [dict(zip(names, map(_value, row), strict=True)) for row in reader if row]


def _value(text: str) -> Any:
    """Read a cell: a number where it is one, nothing where it is empty, else text."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text else number


def _parquet(raw: bytes) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingLibraryError("pyarrow", "log", "the evaluation set is Parquet") from error
    records: list[dict[str, Any]] = parquet.read_table(pa.BufferReader(raw)).to_pylist()
    return records
