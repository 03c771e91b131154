"""Rows of a version without a schema: each request is typed by itself, joined with its like."""

from collections.abc import Hashable
from typing import Any, Final

import numpy as np

from holdfast.rows.refusal import Refusal
from holdfast.rows.request_rows import Given, NamedRows
from holdfast.rows.row_layout import Rows

__all__ = ["form_of", "rows_of", "typed"]

_WIDEST: Final = 2**63
"""Whole numbers from here on are of another type to numpy and pandas than smaller ones."""


def rows_of(payload: Given) -> Rows:
    """Return rows of whatever came: lists, records, or an array.

    Raises:
        Refusal: 422 if columns differ in length.
    """
    if isinstance(payload, NamedRows):
        width = len(payload.names)
        for at, row in enumerate(payload.rows):
            if not isinstance(row, list) or len(row) != width:
                raise Refusal(422, f"[{at}] is not a row of {width} values (row {at})", f"[{at}]")
        return [dict(zip(payload.names, row, strict=True)) for row in payload.rows]
    if not isinstance(payload, dict):
        return payload
    if len(payload) == 1 and hasattr(next(iter(payload.values())), "ndim"):
        return next(iter(payload.values()))
    columns = [
        column.tolist() if hasattr(column, "tolist") else column for column in payload.values()
    ]
    try:
        return [dict(zip(payload, row, strict=True)) for row in zip(*columns, strict=True)]
    except (ValueError, TypeError) as error:
        message = "inputs have columns that differ in length, or are not lists"
        raise Refusal(422, message, "inputs") from error


def typed(rows: Rows) -> Rows:
    """Make one array of lists of numbers; the rest stays as it is.

    Raises:
        Refusal: 422 if lists hold nothing.
    """
    if not isinstance(rows, list) or not rows or isinstance(rows[0], dict):
        return rows
    try:
        array = np.asarray(rows)
    except (ValueError, OverflowError):  # ragged
        return rows
    if array.size == 0:
        shape = list(array.shape)
        raise Refusal(422, f"inputs have the shape {shape}, which holds no values", "inputs")
    return array if array.dtype.kind in "bifu" else rows


def form_of(rows: Rows) -> Hashable:
    """Return what rows of two requests must share, so that joined they are typed as they are apart.

    Libraries type a column by all its values, so the forms of all rows count, not the first one's.
    """
    if getattr(rows, "dtype", None) is not None and rows.dtype.kind != "O":
        return rows.shape[1:], rows.dtype.str
    inner = getattr(rows, "shape", (0,))[1:]
    return inner, frozenset(map(_form, rows.tolist() if hasattr(rows, "tolist") else rows))


def _form(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple((name, _form(element)) for name, element in value.items())
    if isinstance(value, list):
        return tuple(map(_form, value))
    if type(value) is int and not -_WIDEST <= value < _WIDEST:
        return "wide"
    return type(value).__name__
