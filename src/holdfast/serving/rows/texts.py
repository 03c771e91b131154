"""Rows of a CSV file: texts that stand for what the schema says."""

from typing import Any, Final

from holdfast.core.schema import Column
from holdfast.serving.rows.given import Named
from holdfast.serving.rows.layout import Layout

__all__ = ["read"]

_YES: Final = {"true", "1", "yes"}
_NO: Final = {"false", "0", "no"}


def read(given: Named, form: Layout) -> Named:
    """Turn texts into the values that a schema wants; what cannot be turned stays a text.

    The first row names the columns if it holds every one that the schema requires, or, where the
    schema names none, a text that is no number.
    """
    if form.kind != "table":
        return _unnamed(given.rows)
    required = {column.name for column in form.columns if column.required}
    headed = bool(given.rows) and required <= {*given.rows[0]}
    names = tuple(given.rows[0]) if headed else form.names
    columns = {column.name: column for column in form.columns}
    wanted = [columns.get(name) for name in names]
    rows = [
        [_value(column, text) for column, text in zip(wanted, row, strict=True)]
        if len(row) == len(wanted)
        else row
        for row in given.rows[headed:]
    ]
    return Named(names, rows)


def _unnamed(rows: list[list[str]]) -> Named:
    headed = bool(rows) and not all(isinstance(_number(text), float) for text in rows[0])
    names = tuple(rows[0]) if headed else tuple(map(str, range(len(rows[0]) if rows else 0)))
    return Named(names, [[_number(text) for text in row] for row in rows[headed:]])


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _value(column: Column | None, text: str) -> Any:
    if column is None:
        return text
    kinds = {*column.type.split("|")}
    if text == "" and column.nullable:
        return None
    if "integer" in kinds and text.strip().lstrip("+-").isdecimal():
        return int(text)
    if kinds & {"integer", "number"}:
        return _number(text)
    if kinds == {"boolean"} and text.lower() in _YES | _NO:
        return text.lower() in _YES
    return text
