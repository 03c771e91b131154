"""The schema of an example input.

Types come from the whole example. Bounds and categories never do, since a sample cannot prove
them: only categories that a dtype declares are taken over.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from numbers import Integral, Real
from typing import Any, Final

import msgspec

from holdfast.core.schema import dtypes
from holdfast.errors import InvalidInputError
from holdfast.formats.arrays import (
    categories,
    dtype_name,
    first,
    has_null,
    is_array,
    is_null,
    is_sequence,
    unwrapped,
)
from holdfast.formats.fitted import Fitted, from_fitted, with_categories

__all__ = [
    "Example", "Fitted", "Table", "dense", "describe", "from_fitted", "is_sparse",
    "with_categories",
]  # fmt: skip

MAX_ROWS: Final = 5
MAX_EXCERPT_BYTES: Final = 65536

_MANY: Final = 20
"""Whole numbers from which a column without a dtype is taken for one of integers."""

_EXACT: Final = 2**53
"""Up to here every whole number is a float."""

_SUBJECT: Final = "input_example"
_CATEGORY: Final = "category"
_ADVICE: Final = "fix it, or give input_schema yourself"

Schema = dict[str, Any]
Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Example:
    """What an example shows.

    Attributes:
        schema: In the words of `core/schema/`: of one row for a table, else of the whole.
        rows: The first rows as plain JSON, at most 5 and at most 64 KiB; a lone value itself;
            None where a single row is larger than that.
    """

    schema: Schema
    rows: Any


@dataclass(frozen=True, slots=True)
class _Content:
    """What every row of a sequence holds: *leaf*, in arrays of the lengths *inner*."""

    leaf: Schema
    inner: tuple[int, ...] = ()
    dtype: str | None = None
    nullable: bool = False


def describe(example: object) -> Example:
    """Infer the schema of an example input.

    The first axis of an array, a tensor or a list counts rows and stays free, all others are
    fixed. A dict whose values are all sequences is a table by columns, any other dict one row.

    Args:
        example: A numpy array, sparse matrix, pandas or polars frame or series, torch tensor, list
            of values, of lists or of dicts, dict, or lone value, not empty.

    Raises:
        InvalidInputError: If it is empty, ragged, nested too deeply, or holds what JSON cannot.
    """
    try:
        return _described(dense(example))
    except RecursionError:
        problem, advice = "is nested too deeply", "give plain rows"
        raise InvalidInputError(_SUBJECT, problem, advice) from None


def _described(example: Any) -> Example:
    columns = _columns(example)
    if columns is not None:
        return _describe_table(columns)
    if is_sequence(example):
        return _describe_rows(example)
    leaf = _leaf([unwrapped(example)], _SUBJECT)
    if isinstance(example, Mapping):
        return Example(leaf, _bounded([_plain(example, _SUBJECT)]))
    if not leaf:
        raise InvalidInputError(_SUBJECT, "is empty", "give at least one row")
    schema = _nested(_Content(leaf, dtype=dtype_name(example)), ())
    return Example(schema, _plain(example, _SUBJECT))


def is_sparse(example: object) -> bool:
    """Tell whether an example is a sparse matrix."""
    return callable(getattr(example, "tocsr", None))


def dense(example: Any, most: int = MAX_ROWS) -> Any:
    """Return the first rows of a sparse matrix with their zeros, as callers send them.

    Whatever is not sparse stays as it is.
    """
    return example.tocsr()[:most].toarray() if is_sparse(example) else example


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name; *ordered* if callers may also send them by position, as in a CSV file."""

    columns: dict[str, Any]
    ordered: bool


def _columns(example: Any) -> Table | None:
    """Return the columns of what is a table by columns."""
    if isinstance(example, Table):
        return Table(_labelled(example.columns.items()), example.ordered)
    if hasattr(example, "columns") and hasattr(example, "dtypes"):
        return Table(_labelled((key, example[key]) for key in example.columns), ordered=True)
    if isinstance(example, Mapping):
        by_column = example and all(is_sequence(values) for values in example.values())
        return Table(_labelled(example.items()), ordered=False) if by_column else None
    fields = getattr(getattr(example, "dtype", None), "names", None)  # a structured array's
    if fields and is_array(example):
        return Table({name: example[name] for name in fields}, ordered=True)
    return None


def _describe_table(table: Table) -> Example:
    columns = table.columns
    if not columns:
        raise InvalidInputError(_SUBJECT, "has no columns", "give at least one")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        problem = f"is ragged: it has columns of {min(lengths)} and of {max(lengths)} rows"
        raise InvalidInputError(_SUBJECT, problem, _ADVICE)
    properties, firsts = {}, []
    for name, values in columns.items():
        where = f"{_SUBJECT}.{name}"
        content = _content(values, where)
        properties[name] = _lenient(_nested(content, content.inner), values)
        firsts.append(_excerpt(values, where))
    names = list(columns)
    order = {"order": names} if table.ordered else {}
    schema = {"type": "object", "properties": properties, "required": names, **order}
    rows: list[Json] = [
        dict(zip(columns, values, strict=True)) for values in zip(*firsts, strict=True)
    ]
    return Example(schema, _bounded(rows))


def _describe_rows(rows: Any) -> Example:
    content = _content(rows, _SUBJECT)
    if content.nullable:
        raise InvalidInputError(_SUBJECT, "is ragged: a row is null, others are lists", _ADVICE)
    table = content.leaf.get("type") == "object" and not content.inner
    schema = content.leaf if table else _nested(content, (None, *content.inner))
    return Example(schema, _bounded(_excerpt(rows, _SUBJECT)))


def _nested(content: _Content, dims: tuple[int | None, ...]) -> Schema:
    schema = content.leaf
    for _ in dims:
        schema = {"type": "array", "items": schema}
    extras: Schema = {"type": ["array", "null"]} if content.nullable else {}
    if content.dtype:
        extras["dtype"] = content.dtype
    if dims:
        extras["shape"] = list(dims)
    return {**schema, **extras}


def _content(values: Any, where: str) -> _Content:
    if 0 in getattr(values, "shape", (len(values),)):
        raise InvalidInputError(where, "is empty", "give at least one row")
    if not is_array(values):
        return _listed_content(values, where)
    name, declared = dtype_name(values), categories(values.dtype)
    json_type = dtypes.json_type(name) if name else None
    if declared is None and json_type is None:
        content = _listed_content(first(values, len(values)), where)
        lone = not content.inner and "properties" not in content.leaf
        return replace(content, dtype=name if lone else None)
    nulls = [None] if has_null(values) else []
    if declared is not None:
        leaf = {**_leaf([*declared, *nulls], where), "enum": [*declared, *nulls]}
        name = _CATEGORY
    else:
        leaf = _typed({str(json_type)}, nulls)
    return _Content(leaf, tuple(int(size) for size in values.shape[1:]), name)


def _listed_content(values: Sequence[object], where: str) -> _Content:
    present = [unwrapped(value) for value in values if not is_null(value)]
    nulls = [None] * (len(present) < len(values))
    inner: list[int] = []
    while lists := [value for value in present if isinstance(value, list | tuple)]:
        lengths = {len(value) for value in lists}
        if len(lists) < len(present) or len(lengths) > 1:
            raise InvalidInputError(where, "is ragged: its rows differ in shape", _ADVICE)
        inner.append(lengths.pop())
        present = [unwrapped(value) for value in chain.from_iterable(lists)]
    if 0 in inner:
        raise InvalidInputError(where, "is empty", "give at least one value in every list")
    leaf = _leaf(present if inner else [*present, *nulls], where)
    return _Content(leaf, tuple(inner), nullable=bool(inner and nulls))


def _leaf(values: Sequence[object], where: str) -> Schema:
    """Return the schema of lone values or of records, nulls among them; {} for nulls alone."""
    present = [value for value in values if not is_null(value)]
    nulls = [None] * (len(present) < len(values))
    mappings = [value for value in present if isinstance(value, Mapping)]
    if not mappings:
        return _typed({_type_of(value, where) for value in present}, nulls)
    if len(mappings) < len(present):
        raise InvalidInputError(where, "mixes records and other values", _ADVICE)
    records = [_labelled(mapping.items()) for mapping in mappings]
    names = list(dict.fromkeys(chain.from_iterable(records)))
    if not names:
        raise InvalidInputError(where, "is empty", "give records at least one field")
    properties = {}
    for name in names:
        column = [record[name] for record in records if name in record]
        content = _listed_content(column, f"{where}.{name}")
        properties[name] = _lenient(_nested(content, content.inner), column)
    required = [name for name in names if all(name in record for record in records)]
    return {**_typed({"object"}, nulls), "properties": properties, "required": required}


def _lenient(column: Schema, values: Sequence[object]) -> Schema:
    """Take whole numbers without a dtype for numbers, where they are few.

    They do not show that a fraction never comes. That they are many shows it, and that one is
    larger than a float holds exactly.
    """
    words = column.get("type")
    if "dtype" in column or words not in ("integer", ["integer", "null"]) or len(values) >= _MANY:
        return column
    if any(isinstance(value, Integral) and abs(int(value)) > _EXACT for value in values):
        return column
    return {**column, "type": "number" if words == "integer" else ["number", "null"]}


def _typed(types: set[str], nulls: list[None]) -> Schema:
    words = sorted(types - {"integer"} if "number" in types else types)
    if not words:
        return {}
    words += ["null"] * len(nulls)
    return {"type": words if len(words) > 1 else words[0]}


def _type_of(value: object, where: str) -> str:
    match value:
        case bool():
            return "boolean"
        case Integral():
            return "integer"
        case Real() | Decimal():
            return "number"
        case str() | dt.date() | dt.time() | dt.timedelta():
            return "string"
    problem = f"has a value of type {type(value).__name__}, which JSON cannot hold"
    raise InvalidInputError(where, problem, "give numbers, text, lists, dicts or arrays of these")


def _excerpt(values: Any, where: str) -> list[Json]:
    return [_plain(value, where) for value in first(values, MAX_ROWS)]


def _bounded(rows: list[Json]) -> list[Json] | None:
    """Keep the first rows that fit; None if not even one does."""
    while rows and len(msgspec.json.encode(rows)) > MAX_EXCERPT_BYTES:
        rows = rows[:-1]
    return rows or None


def _plain(value: object, where: str) -> Json:
    value = unwrapped(value)
    if is_null(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item, where) for key, item in _labelled(value.items()).items()}
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    return _plain_value(value, _type_of(value, where), where)


def _plain_value(value: Any, kind: str, where: str) -> Json:
    match kind:
        case "boolean":
            return bool(value)
        case "integer" if -(2**63) <= value < 2**64:
            return int(value)
        case "number" if math.isfinite(value):
            return float(value)
        case "string":
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
    advice = "leave that row out, or give the value as text"
    raise InvalidInputError(where, f"has the value {value}, which JSON cannot hold", advice)


def _labelled(items: Iterable[tuple[object, Any]]) -> dict[str, Any]:
    """Turn labels of columns into names: texts stay, whole numbers become texts."""
    values_by_name: dict[str, Any] = {}
    for label, value in items:
        name = str(label)
        if not isinstance(label, str | Integral) or not name:
            problem = f"has the column {label!r}, which is not a name"
            raise InvalidInputError(_SUBJECT, problem, "name every column with text")
        if name in values_by_name:
            problem = f"has two columns called {name!r}"
            raise InvalidInputError(_SUBJECT, problem, "rename one of them")
        values_by_name[name] = value
    return values_by_name
