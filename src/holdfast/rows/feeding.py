"""What the first part of a pair is fed: an array, a frame or arrays by name."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from holdfast.core.schema import Column
from holdfast.errors import UnsupportedError
from holdfast.rows import times, untyped
from holdfast.rows.row_layout import RowLayout, Rows, numpy_dtype

__all__ = ["CATEGORIES", "feeder", "known_names"]

CATEGORIES: Final = ("category", "categorical")
"""Names that libraries give to a dtype whose values are codes of declared categories."""


def feeder(ref: str, first: Any, form: RowLayout) -> Callable[[Rows], Any]:
    """Return what turns rows of the layout *form* into what *first* takes.

    A part that was fitted with names of columns, or columns that are not all numbers, get a
    pandas frame; all others an array.

    Raises:
        UnsupportedError: If *first* goes by position and the schema gives its columns no order, or
            a column's times are of a zone that is not known here.
    """
    if form.kind == "free":
        return _free
    if form.kind != "table":
        return _as_it_is
    _check_zones(ref, form)
    if len(getattr(first, "inputs", ())) > 1:  # a graph with several inputs
        return lambda rows: _arrays(rows, form)
    names = known_names(first)
    numbers = all(numpy_dtype(column) and column.shape is None for column in form.columns)
    by_position = numbers and names is None and (form.ordered or _counts_columns(first))
    if by_position and not form.ordered and len(form.columns) > 1:
        problem = "takes columns by position, but its input schema gives them no order"
        raise UnsupportedError(ref, problem, "register it with `order` in the schema")
    if by_position:
        return lambda rows: _array(rows, form)
    order = names if names is not None and {*names} == {*form.names} else form.names
    return lambda rows: _frame(rows, form, order)


def _check_zones(ref: str, form: RowLayout) -> None:
    for column in form.columns:
        column_times = times.of(column)
        if column_times is not None and column_times.zone_name and column_times.zone is None:
            problem = (
                f"needs the time zone {column_times.zone_name!r} for {column.name}, "
                "which is unknown here"
            )
            raise UnsupportedError(ref, problem, "install tzdata, or correct the schema's dtype")


def known_names(first: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that a part was fitted with; None if it knows none."""
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        names = getattr(first, "feature_names", None)
    return None if names is None else tuple(map(str, names))


def _counts_columns(first: Any) -> bool:
    return any(
        hasattr(first, word) for word in ("n_features_in_", "feature_names", "session", "module")
    )


def _as_it_is(rows: Rows) -> Any:
    return rows


def _free(rows: Rows) -> Any:
    """Make an array of lists of numbers and a frame of records; the rest stays as it is."""
    if not isinstance(rows, list) or not rows:
        return rows
    if isinstance(rows[0], dict):
        import pandas as pd

        return pd.DataFrame(rows)
    return untyped.typed(rows)


def _array(rows: Rows, form: RowLayout) -> Any:
    return np.asarray(rows, dtype=form.dtype or "float64")


def _arrays(rows: Rows, form: RowLayout) -> dict[str, Any]:
    if isinstance(rows, list):
        columns = zip(*rows, strict=True)
        return {
            column.name: _values(column, values)
            for column, values in zip(form.columns, columns, strict=True)
        }
    return {name: rows[:, at] for at, name in enumerate(form.names)}


def _frame(rows: Rows, form: RowLayout, order: Sequence[str]) -> Any:
    import pandas as pd

    if isinstance(rows, list):
        frame = pd.DataFrame(_arrays(rows, form))
    else:
        frame = pd.DataFrame(rows, columns=form.names)
    return frame if tuple(order) == form.names else frame[list(order)]


def _values(column: Column, values: tuple[Any, ...]) -> Any:
    if column.dtype in CATEGORIES:
        import pandas as pd

        known = [category for category in column.enum or () if category is not None]
        return pd.Categorical(list(values), categories=known or None)
    dtype = numpy_dtype(column)
    if dtype is not None:
        return np.asarray(values, dtype=dtype)
    column_times = times.of(column)
    if column_times is not None and column.shape is None:
        return column_times.index(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
