"""Rows with their labels as a file of the scorer's: written from objects, or left by a run."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast.core.manifest import plain
from holdfast.datasets import data_source
from holdfast.scoring.data_file import DataFile

__all__ = ["LabelledRows", "read", "write"]

_WHOLE: Final = "input"
"""Column of rows that are one value each: texts, images."""


class LabelledRows(Struct, frozen=True):
    """A file of rows, `.parquet`, `.csv` or `.jsonl`.

    Attributes:
        label: Its column with the right answers.
        digest: SHA-256 of its bytes; only losses on the same file are paired.
        rows: Digest of its rows, whatever file they are in; `None` where it has none.
    """

    path: Path
    label: str
    digest: str
    rows: str | None = None


def read(path: Path, label: str) -> LabelledRows:
    """Read what is known of a file before any version is asked.

    Raises:
        InvalidInputError: If it cannot be read, or has no such column.
        MissingLibraryError: If pyarrow is not installed.
    """
    with DataFile(path) as file:
        file.require(label, "raw", "which holds the right answers")
        return LabelledRows(path, label, file.digest, data_source.rows_of(path))


def write(path: Path, rows: Any, labels: Any, names: Sequence[str] = ()) -> str:
    """Write rows and labels as JSON lines; return what the column of labels is called.

    Args:
        path: The file.
        rows: A frame, an array, a sparse matrix, or a list of dicts, of lists or of values.
        labels: One for each row.
        names: Of the columns, where rows have as many values and no names of their own.

    Raises:
        ValueError: If there are not as many labels as rows.
    """
    records = list(_records(rows, names))
    right = plain(_without_nan(labels.to_numpy() if hasattr(labels, "to_numpy") else labels))
    if not isinstance(right, list) or len(right) != len(records):
        count = len(right) if isinstance(right, list) else 1
        raise ValueError(f"evaluation set has {len(records)} rows and {count} labels")
    label = "label"
    while any(label in record for record in records):
        label += "_"
    with path.open("w", encoding="utf-8") as file:
        for record, answer in zip(records, right, strict=True):
            if isinstance(answer, list) and len(answer) == 1:  # of a frame with one column
                answer = answer[0]  # noqa: PLW2901 - the same answer
            file.write(json.dumps({**record, label: answer}) + "\n")
    return label


def _records(rows: Any, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if hasattr(rows, "toarray"):  # sparse
        rows = rows.toarray()
    if hasattr(rows, "columns") and callable(getattr(rows, "to_dict", None)):
        rows = rows.to_dict("records")
    for given in rows.tolist() if hasattr(rows, "tolist") else rows:
        row = plain(_without_nan(given))
        if isinstance(row, dict):
            yield row
        elif isinstance(row, list) and not any(isinstance(value, list) for value in row):
            named = names if len(names) == len(row) else range(len(row))
            yield {str(name): value for name, value in zip(named, row, strict=True)}
        else:
            yield {_WHOLE: row}


def _without_nan(value: Any) -> Any:
    """Return a row with nothing where it has NaN, as a frame has what is missing, and times."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {name: _without_nan(cell) for name, cell in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(cell) for cell in value]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and math.isnan(value) else value
