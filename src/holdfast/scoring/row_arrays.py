"""Columns of rows as Arrow arrays, each of the type that it is taken for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from holdfast.errors import MissingLibraryError

__all__ = [
    "Kind",
    "arrow_types",
    "cast",
    "csv_type",
    "cut",
    "first_line",
    "fits",
    "listed",
    "of_records",
    "pyarrow",
]

Kind = Literal["number", "integer", "boolean", "text", "time", "nested", "any", "raw"]
"""What a column is read as; `nested` are lists of numbers, however deep, `raw` is text where a file
has no types, and as it is elsewhere."""


def pyarrow() -> Any:
    """Import pyarrow.

    Raises:
        MissingLibraryError: If it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingLibraryError("pyarrow", "log", "reading rows needs it") from error
    return pa


def arrow_types(pa: Any) -> dict[Kind, Any]:
    """Return the type of each kind."""
    return {
        "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "text": pa.string(),
        "time": pa.timestamp("us"), "raw": pa.string(),
    }  # fmt: skip


def fits(held: Any, kind: Kind) -> bool:
    """Tell whether values of a Parquet type can be taken for a kind without guessing."""
    types = pyarrow().types
    if types.is_dictionary(held):
        held = held.value_type
    is_text = types.is_string(held) or types.is_large_string(held) or types.is_string_view(held)
    is_number = types.is_integer(held) or types.is_floating(held) or types.is_decimal(held)
    match kind:
        case "number" | "integer" | "boolean":
            return bool(is_number or types.is_boolean(held) or types.is_null(held))
        case "text":
            return bool(is_text or types.is_null(held))
        case "time":
            return bool(types.is_temporal(held) or types.is_null(held))
        case "nested":
            depth, leaf = _nesting(held)
            return depth > 0 and bool(types.is_integer(leaf) or types.is_floating(leaf))
        case _:
            return not types.is_nested(held)


def _nesting(held: Any) -> tuple[int, Any]:
    """Return how deep lists are nested in a type, and what they are of."""
    types, depth = pyarrow().types, 0
    while types.is_list(held) or types.is_large_list(held) or types.is_fixed_size_list(held):
        held, depth = held.value_type, depth + 1
    return depth, held


def _numbers_like(held: Any) -> Any:
    """Return the type of lists as deep as these, of float64."""
    pa = pyarrow()
    made = pa.float64()
    for _ in range(_nesting(held)[0]):
        made = pa.list_(made)
    return made


def cast(arrays: Mapping[str, Any], columns: Mapping[str, Kind]) -> Any:
    """Bring columns to one type for each kind; what has types of its own keeps them as `raw`."""
    pa = pyarrow()
    by_kind, made = arrow_types(pa), {}
    for name, array in arrays.items():
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()  # noqa: PLW2901 - the same values
        kind = columns[name]
        plain = kind in ("any", "raw", "time")
        target = array.type if plain else by_kind.get(kind) or _numbers_like(array.type)
        if kind == "integer" and not pa.types.is_integer(array.type):
            target = by_kind["number"]
        made[name] = array if array.type == target else array.cast(target)
    return pa.RecordBatch.from_pydict(made)


def of_records(records: Sequence[Mapping[str, Any]], columns: Mapping[str, Kind]) -> Any:
    """Make columns of JSON objects.

    Raises:
        ValueError: If a value is not what its column is taken for.
    """
    pa = pyarrow()
    by_kind, made = arrow_types(pa), {}
    for name, kind in columns.items():
        values = [record.get(name) for record in records]
        target = None if kind in ("any", "raw") else by_kind.get(kind)
        if kind == "integer" and any(isinstance(value, float) for value in values):
            target = by_kind["number"]
        try:
            if kind == "time" and any(isinstance(value, str) for value in values):
                made[name] = pa.array(values, by_kind["text"]).cast(target)
                continue
            made[name] = pa.array(values, target)
            if kind == "nested":
                made[name] = made[name].cast(_numbers_like(made[name].type))
            if kind == "any" and pa.types.is_integer(made[name].type):
                made[name] = made[name].cast(by_kind["number"])  # a broken one may come late
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"column {name!r}: {first_line(error)}") from error
    return pa.RecordBatch.from_pydict(made)


def cut(batch: Any, rows_at_once: int) -> Iterator[Any]:
    """Go through a batch in parts of at most so many rows."""
    for start in range(0, batch.num_rows, rows_at_once):
        yield batch.slice(start, rows_at_once)


def listed(records: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return one column of JSON objects: a list where Arrow has no one type for it."""
    pa = pyarrow()
    values = [record.get(name) for record in records]
    try:
        array = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # of several types
        return values
    # A false behind numbers would be 0, which a server refuses.
    mixed = pa.types.is_floating(array.type) and any(type(value) is bool for value in values)
    return values if mixed else array


def csv_type(texts: Any) -> Any:
    """Return the type that cells of CSV would be read as; null if they say nothing."""
    pa = pyarrow()
    from pyarrow import csv as arrow_csv

    sink = pa.BufferOutputStream()
    arrow_csv.write_csv(pa.RecordBatch.from_pydict({"cells": texts}), sink)
    return arrow_csv.read_csv(pa.BufferReader(sink.getvalue())).schema.field(0).type


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
