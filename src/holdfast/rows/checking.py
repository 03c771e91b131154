"""The rows of a request held against a version's input schema, and brought into its layout."""

import math
import operator
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from holdfast.core.schema import Column, Signature
from holdfast.rows import texts, untyped, values
from holdfast.rows.refusal import Refusal
from holdfast.rows.request_rows import Given, NamedRows
from holdfast.rows.row_layout import RowLayout, Rows, layout

__all__ = ["Checker", "bound", "nested"]

# Python's types that an array of a kind takes as they are; what else may be right is looked at
# value by value.
_PLAIN: Final[dict[str, set[type]]] = {"f": {float, int}, "i": {int}, "u": {int}, "b": {bool}}
_TABLE_AXES: Final = 2
_WIDE: Final = np.dtype("float64")


class Checker:
    """Checks what comes for one version; made once, when it is first asked.

    Attributes:
        form: What it brings rows into.
    """

    def __init__(self, signature: Signature | None) -> None:
        self.form = layout(signature)
        self._fields = nested(signature)
        self._dtype = None if self.form.dtype is None else np.dtype(self.form.dtype)
        self._plain = _PLAIN[self._dtype.kind] if self._dtype is not None else set()
        self._bounds = _bounds(self.form)
        self._is_bounded = self._bounds is not None and _narrows(*self._bounds)
        self._width = None if self._is_bounded or self._dtype != _WIDE else _width(self.form)
        names = self.form.names
        self._pick: Callable[[Any], Any] = (
            operator.itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        )

    def __call__(self, payload: Given) -> Rows:
        """Return the rows in the version's layout.

        Raises:
            Refusal: 422, naming the field, if the version's schema does not admit them.
        """
        if (
            self._width is not None
            and type(payload) is list
            and self._are_plain(payload, self._width)
        ):
            return np.array(payload, _WIDE)
        kind = self.form.kind
        if isinstance(payload, NamedRows):
            payload = texts.read(payload, self.form) if payload.texts else payload
            _check_names(payload.names)
        if kind == "whole":
            return self._whole(_unnamed(payload))
        if kind == "table":
            return self._table(payload)
        rows = _unnamed(payload) if kind == "tensor" else untyped.rows_of(payload)
        _check_rows(rows)
        return self._tensor(rows) if kind == "tensor" else untyped.typed(rows)

    def _are_plain(self, rows: list[Any], width: int) -> bool:
        """Tell whether rows are lists of finite numbers; if not, each is looked at for what it is.

        This is the way of most requests, and takes half the time of the closer look.
        """
        plain = self._plain
        try:
            for row in rows:
                if type(row) is not list or len(row) != width:
                    return False
                if not plain.issuperset(map(type, row)) or not math.isfinite(sum(row)):
                    return False
        except OverflowError:
            return False
        return bool(rows)

    def _table(self, payload: Given) -> Rows:
        if isinstance(payload, dict):
            return self._by_columns(payload)
        if isinstance(payload, NamedRows):
            return self._listed(self._renamed(payload))
        if not isinstance(payload, list):
            return self._matrix(payload)
        if payload and isinstance(payload[0], dict):
            return self._listed(self._records(payload))
        if payload and not self.form.ordered:
            raise Refusal(
                422, "the schema gives its columns no order: send objects, not lists", "instances"
            )
        return self._listed(self._positional(payload))

    def _records(self, records: list[Any]) -> list[Any]:
        try:
            return list(map(self._pick, records))
        except (KeyError, TypeError, IndexError):
            return [self._record(at, row) for at, row in enumerate(records)]

    def _record(self, at: int, row: Any) -> list[Any]:
        if not isinstance(row, dict):
            raise _refused(f"[{at}]", "is not an object as the first row is", at)
        for column in self.form.columns:
            if column.required and column.name not in row:
                raise _refused(column.name, "is missing", at)
        return [row.get(name, _ABSENT) for name in self.form.names]

    def _positional(self, rows: list[Any]) -> list[Any]:
        width = len(self.form.columns)
        for at, row in enumerate(rows):
            if not isinstance(row, list):
                raise _refused(f"[{at}]", "is not a list of values", at)
            if len(row) != width:
                raise _refused(
                    f"[{at}]", f"has {len(row)} values, but the schema has {width} columns", at
                )
        return rows

    def _renamed(self, named_rows: NamedRows) -> list[Any]:
        places = {name: at for at, name in enumerate(named_rows.names)}
        width = len(named_rows.names)
        for column in self.form.columns:
            if column.required and column.name not in places:
                raise _refused(column.name, "is missing")
        for at, row in enumerate(named_rows.rows):
            _check_row(row, at, width)
        order = [places.get(name) for name in self.form.names]
        return [[_ABSENT if at is None else row[at] for at in order] for row in named_rows.rows]

    def _by_columns(self, inputs: dict[str, Any]) -> Rows:
        lengths = set()
        for name, column in inputs.items():
            if not _is_rows(column):
                raise _refused(name, "is not a list of values, one for each row")
            lengths.add(len(column))
        if len(lengths) > 1:
            raise _refused("inputs", f"has columns of {min(lengths)} and of {max(lengths)} rows")
        whole = next(iter(inputs.values()), None)
        if len(inputs) == 1 and {*inputs}.isdisjoint(self.form.names) and hasattr(whole, "ndim"):
            return self._matrix(whole)
        count = lengths.pop() if lengths else 0
        columns = []
        for column in self.form.columns:
            if column.required and column.name not in inputs:
                raise _refused(column.name, "is missing")
            columns.append(_listed_column(column, inputs.get(column.name, [_ABSENT] * count)))
        return self._listed(list(zip(*columns, strict=True)))

    def in_order(self, matrix: Any) -> Rows:
        """Check a table of numbers whose columns are in the order of the layout.

        Raises:
            Refusal: 422, naming the first value that the schema does not admit.
        """
        self._check_bounds(matrix)
        return _cast(matrix, self._dtype)

    def _matrix(self, matrix: Any) -> Rows:
        """Check a table that came as one array."""
        width = len(self.form.columns)
        if not self.form.ordered:
            raise Refusal(422, "the schema gives its columns no order: send them by name", "inputs")
        if getattr(matrix, "ndim", 0) != _TABLE_AXES or matrix.shape[1] != width:
            shape = list(getattr(matrix, "shape", ()))
            raise _refused("inputs", f"has the shape {shape}, but the schema has {width} columns")
        _check_rows(matrix)
        if self._dtype is None or matrix.dtype.kind not in "bifu":
            return self._listed(matrix.tolist())
        return self.in_order(matrix)

    def _listed(self, rows: Sequence[Any]) -> Rows:
        """Check rows by position; make one array of them where the layout is one."""
        _check_rows(rows)
        dtype = self._dtype
        if dtype is None:
            self._look_at(rows)
            return [[None if value is _ABSENT else value for value in row] for row in rows]
        plain = self._plain
        if not all(plain.issuperset(map(type, row)) for row in rows):
            self._look_at(rows)
            rows = [[None if value is _ABSENT else value for value in row] for row in rows]
        array = _array(rows, dtype)
        self._check_bounds(array)
        return _cast(array, dtype)

    def _look_at(self, rows: Sequence[Any]) -> None:
        for at, row in enumerate(rows):
            for column, value in zip(self.form.columns, row, strict=True):
                if value is _ABSENT:
                    continue
                if problem := values.problem(column, value, self._fields):
                    raise _refused(*problem, at)

    def _tensor(self, tensor: Any) -> Rows:
        column = self.form.columns[0]
        if not isinstance(tensor, list):
            return self._tensor_array(tensor, column)
        if self._dtype is None:
            self._look_at_whole(column, tensor)
            return tensor
        return self._tensor_array(_array(self._numbers(tensor, column), self._dtype), column)

    def _numbers(self, tensor: list[Any], column: Column) -> list[Any]:
        flat: Any = tensor
        try:
            for _ in (column.shape or ())[1:]:
                flat = chain.from_iterable(flat)
            plain = self._plain.issuperset(map(type, flat))
        except TypeError:
            plain = False
        if not plain:
            self._look_at_whole(column, tensor)
        return tensor

    def _look_at_whole(self, column: Column, value: Any) -> None:
        if problem := values.problem(column, value, self._fields):
            raise _refused(problem[0] or "instances", problem[1])

    def _tensor_array(self, array: Any, column: Column) -> Rows:
        shape = column.shape or ()
        fits = array.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=False)
        )
        if not fits:
            shape_text = ", ".join("n" if size is None else str(size) for size in shape)
            raise _refused("inputs", f"has the shape {list(array.shape)}, not [{shape_text}]")
        _check_filled(array)
        if self._dtype is None:
            return self._tensor(array.tolist())
        if array.dtype.kind not in "bifu":
            raise _refused("inputs", f"holds {array.dtype}, not numbers")
        self._check_bounds(array)
        return _cast(array, self._dtype)

    def _whole(self, value: Any) -> Rows:
        column = self.form.columns[0]
        listed = value.tolist() if hasattr(value, "tolist") else value
        self._look_at_whole(column, listed)
        return listed if self._dtype is None else _array(listed, self._dtype)

    def _check_bounds(self, array: Any) -> None:
        """Refuse numbers outside the bounds of their columns, and NaN where null is not admitted.

        *array* holds the numbers as they came: casting first could move one across a bound.
        """
        if self._bounds is None or array.dtype.kind == "b":
            return
        low, high = self._bounds
        inside = (array >= low) & (array <= high) if self._is_bounded else np.isfinite(array)
        if np.logical_and.reduce(inside, None):
            return
        by_column = self.form.kind == "table"
        for position in np.argwhere(~inside):
            column = self.form.columns[position[1] if by_column else 0]
            value = float(array[tuple(position)])
            if value != value:  # noqa: PLR0124 - NaN
                if not column.nullable:
                    raise _refused(column.name or "inputs", "is not a number", int(position[0]))
                continue
            problem = values.out_of_bounds(column, value) or f"is {value:g}, which is not finite"
            raise _refused(column.name or "inputs", problem, int(position[0]))


class _Absent:
    """An optional field that a row leaves out; told from null, which the schema may refuse."""


_ABSENT: Final = _Absent()


def _width(form: RowLayout) -> int | None:
    """Return how many numbers a row has that comes as a list; None if rows come otherwise."""
    if form.kind == "table":
        return len(form.columns) if form.ordered else None
    shape = (form.columns[0].shape or ()) if form.kind == "tensor" else ()
    return shape[1] if len(shape) == _TABLE_AXES else None


def _refused(field: str, problem: str, row: int | None = None) -> Refusal:
    where = "" if row is None else f" (row {row})"
    return Refusal(422, f"{field or 'the value'} {problem}{where}", field)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) or getattr(value, "ndim", 0) > 0


def _check_row(row: Any, at: int, width: int) -> None:
    if not isinstance(row, list) or len(row) != width:
        raise _refused(f"[{at}]", f"is not a row of {width} values", at)


def _check_names(names: Sequence[str]) -> None:
    if len({*names}) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise _refused(twice, "names two columns; send each once")


def _check_rows(rows: Any) -> None:
    if not _is_rows(rows):
        raise _refused("instances", "is not a list of rows")
    if len(rows) == 0:
        raise Refusal(422, "the request has no rows: give at least one", "instances")
    _check_filled(rows)


def _check_filled(rows: Any) -> None:
    if getattr(rows, "size", 1) == 0:
        raise _refused("inputs", f"has the shape {list(rows.shape)}, which holds no values")


def nested(signature: Signature | None) -> dict[str, list[Column]]:
    """Return the fields of objects, by the name of the column they belong to."""
    columns_by_parent: dict[str, list[Column]] = {}
    for column in signature.columns if signature else ():
        columns_by_parent.setdefault(column.parent, []).append(column)
    return columns_by_parent


def _bounds(form: RowLayout) -> tuple[Any, Any] | None:
    """Return least and greatest values by column; of the finite numbers, where nothing is said."""
    if form.dtype is None or np.dtype(form.dtype).kind == "b":
        return None
    pairs = [bound(column) for column in form.columns]
    low, high = (np.array(side) for side in zip(*pairs, strict=True))
    return (low, high) if form.kind == "table" else (low[0], high[0])


def bound(column: Column) -> tuple[float, float]:
    """Return the least and the greatest number that a column admits, both of them finite."""
    largest = float(np.finfo("float64").max)
    least, most = values.dtype_range(column)
    low = [-largest, least] + [bound for bound in (column.minimum,) if bound is not None]
    high = [largest, most] + [bound for bound in (column.maximum,) if bound is not None]
    if column.exclusive_minimum is not None:
        low.append(float(np.nextafter(column.exclusive_minimum, np.inf)))
    if column.exclusive_maximum is not None:
        high.append(float(np.nextafter(column.exclusive_maximum, -np.inf)))
    return max(low), min(high)


def _narrows(low: Any, high: Any) -> bool:
    """Tell whether bounds admit less than all finite numbers."""
    largest = np.finfo("float64").max
    return bool(np.any(low > -largest) or np.any(high < largest))


def _cast(array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else array.astype(dtype)


def _array(rows: Any, dtype: Any) -> Any:
    """Make an array that holds the numbers exactly, so that bounds are checked before the cast."""
    wide = _WIDE if dtype.kind == "f" else dtype
    try:
        return np.array(rows, dtype=wide)
    except (ValueError, TypeError) as error:
        raise Refusal(422, f"inputs have rows of different shapes: {error}", "inputs") from error
    except OverflowError as error:
        raise Refusal(422, f"inputs have a number that does not fit {dtype}", "inputs") from error


def _listed_column(column: Column, cells: Any) -> list[Any]:
    if isinstance(cells, list):
        return cells
    if cells.ndim > 1 and column.shape is None and cells.size == len(cells):
        cells = cells.reshape(-1)  # [n, 1], as the protocol has it
    listed = cells.tolist()
    if cells.dtype.kind == "f" and column.nullable:
        return [None if value != value else value for value in listed]  # noqa: PLR0124 - NaN
    return list(listed)


def _unnamed(payload: Given) -> Any:
    """Take the rows out of names that a tensor does not have."""
    if isinstance(payload, NamedRows):
        return payload.rows
    if isinstance(payload, dict):
        if len(payload) != 1:
            raise _refused("inputs", f"has {len(payload)} parts, but needs one")
        return next(iter(payload.values()))
    return payload
