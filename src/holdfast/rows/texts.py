"""Rows of a CSV file: texts that stand for what the schema says."""

from typing import Any, Final

from holdfast.core.schema import Column
from holdfast.rows.request_rows import NamedRows
from holdfast.rows.row_layout import RowLayout

__all__ = ["read"]

_YES: Final = {"true", "1", "yes"}
_NO: Final = {"false", "0", "no"}


def read(named_rows: NamedRows, form: RowLayout) -> NamedRows:
    """Turn texts into the values that a schema wants; what cannot be turned stays a text.

    The first row names the columns if it holds every one that the schema requires, or, where the
    schema names none, a text that is not a number.
    """
    if form.kind != "table":
        return _unnamed(named_rows.rows)
    required = {column.name for column in form.columns if column.required}
    headed = bool(named_rows.rows) and required <= {*named_rows.rows[0]}
    names = tuple(named_rows.rows[0]) if headed else form.names
    columns = {column.name: column for column in form.columns}
    ordered_columns = [columns.get(name) for name in names]
    rows = [
        [_value(column, text) for column, text in zip(ordered_columns, row, strict=True)]
        if len(row) == len(ordered_columns)
        else row
        for row in named_rows.rows[headed:]
    ]
    return NamedRows(names, rows)


def _unnamed(rows: list[list[str]]) -> NamedRows:
    headed = bool(rows) and not all(isinstance(_number(text), float) for text in rows[0])
    names = tuple(rows[0]) if headed else tuple(map(str, range(len(rows[0]) if rows else 0)))
    return NamedRows(names, [[_number(text) for text in row] for row in rows[headed:]])


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
