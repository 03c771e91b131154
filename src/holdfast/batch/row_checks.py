"""Values of a part of a table held against the schema, column by column.

What is admitted is what a server admits: columns of numbers are looked at as a whole, and each
value that falls out of that, and every other value, is judged by `rows.values`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from holdfast.batch.input_columns import InputColumns
from holdfast.core.schema import ANY, Column, Signature
from holdfast.errors import InvalidInputError
from holdfast.rows import values
from holdfast.rows.checking import Checker, bound, nested
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import Rows
from holdfast.scoring.data_file import pyarrow

__all__ = ["CheckedPart", "RowChecker"]

_YES_NO: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_EXACT: Final = 2.0**53
_SIMPLE: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part of a table after the check.

    Attributes:
        rows: Those that were admitted, in the version's layout; None if there are none.
        admitted: Which rows these are, as a mask; None if all.
        errors: Why a row was refused, by its place.
        columns: All rows by column, as Arrow arrays or lists.
    """

    rows: Rows
    admitted: Any
    errors: Mapping[int, str]
    columns: Mapping[str, Any]


class RowChecker:
    """Checks what one version is fed, part by part.

    Args:
        signature: Of its input.
        inputs: The columns that it takes.
        is_text: Whether numbers come as texts.
    """

    def __init__(self, signature: Signature | None, inputs: InputColumns, *, is_text: bool) -> None:
        self._inputs = inputs
        self._is_text = is_text
        self._checker = Checker(signature)
        dtype = inputs.form.dtype
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._fields = nested(signature)
        self._free = inputs.form.kind == "free"
        plain = all(column.type == ANY and column.shape is None for column in inputs.columns)
        self._is_open = plain and (inputs.by_position or not self._free)
        self._nullable = {column.name for column in inputs.columns if _admits_null(column)}
        self._of_numbers: dict[str, bool] = {}

    def __call__(self, count: int, held: Mapping[str, Any]) -> CheckedPart:
        """Check so many rows."""
        columns = {
            column.name: self._of_one_kind(column.name, held[column.name])
            if self._is_text and column.type == ANY and column.shape is None
            else _as_values(column, held[column.name], is_text=self._is_text)
            for column in self._inputs.columns
        }
        rows = self._matrix(count, columns)
        if rows is not None:
            return CheckedPart(rows, None, {}, columns)
        errors: dict[int, str] = {}
        for column in self._inputs.columns:
            for place, problem in self._problems(column, columns[column.name]).items():
                errors.setdefault(place, problem)
        if not errors:
            return CheckedPart(self._rows(count, columns, None), None, {}, columns)
        admitted = np.ones(count, dtype=bool)
        admitted[list(errors)] = False
        if not admitted.any():
            return CheckedPart(None, admitted, errors, columns)
        return CheckedPart(self._rows(count, columns, admitted), admitted, errors, columns)

    def _matrix(self, count: int, columns: Mapping[str, Any]) -> Rows | None:
        """Make one array of a part that has nothing but plain numbers, and none of them bad."""
        is_due = self._is_open or (self._dtype is not None and self._dtype.kind == "f")
        if not is_due or self._inputs.absent or not count:
            return None
        matrix = np.empty((len(columns), count))  # by column: each is copied as one piece
        for place, array in enumerate(columns.values()):
            if isinstance(array, list) or not _is_plain(array.type):
                return None
            if array.null_count and not self._is_open:
                return None
            matrix[place] = _numbers(array)
        if self._is_open:  # and admits null
            return None if np.isinf(matrix).any() else matrix.T
        try:
            return self._checker.in_order(matrix.T)
        except Refusal:
            return None

    def _of_one_kind(self, name: str, array: Any) -> Any:
        """Read texts of CSV as numbers where all are, as without a schema; not by parts as either.

        Raises:
            InvalidInputError: If texts follow numbers.
        """
        pa = pyarrow()
        try:
            numbers = array.cast("float64")
        except pa.ArrowInvalid:
            if self._of_numbers.setdefault(name, False):
                problem = "has numbers first and texts later"
                advice = "describe it in the version's `input_schema`, or give Parquet"
                raise InvalidInputError(f"column {name!r}", problem, advice) from None
            return array
        if numbers.null_count < len(numbers):
            self._of_numbers.setdefault(name, True)
        return numbers if self._of_numbers.get(name, True) else array

    def _problems(self, column: Column, array: Any) -> dict[int, str]:
        if self._free:
            return {}
        if _is_numeric(column) and not isinstance(array, list) and _is_plain(array.type):
            places = self._outside(column, array)
            listed = {place: array[place].as_py() for place in places}
        else:
            listed = dict(enumerate(_listed(array)))
        known: dict[tuple[type, Any], str | None] = {}
        problems = {}
        for place, value in listed.items():
            if type(value) not in _SIMPLE:
                problem = self._problem(column, value)
            elif (type(value), value) in known:
                problem = known[type(value), value]
            else:
                problem = known[type(value), value] = self._problem(column, value)
            if problem is not None:
                problems[place] = problem
        return problems

    def _problem(self, column: Column, value: Any) -> str | None:
        if isinstance(value, float) and value != value and column.name in self._nullable:  # noqa: PLR0124
            return None
        violation = values.problem(column, value, self._fields)
        if violation is not None:
            return " ".join(violation)
        if self._dtype is not None and isinstance(value, int | float):
            greatest = _greatest(self._dtype)
            if not -greatest <= value <= greatest:
                return f"{column.name} is {value:g}, which does not fit {self._dtype}"
        return None

    def _outside(self, column: Column, array: Any) -> list[int]:
        """Find the numbers that need a closer look."""
        numbers = _numbers(array)
        low, high = bound(column)
        if self._dtype is not None:
            greatest = _greatest(self._dtype)
            low, high = max(low, -greatest), min(high, greatest)
        inside = (numbers >= low) & (numbers <= high)
        if column.name in self._nullable:
            inside |= np.isnan(numbers)
        if "number" not in column.type and numbers.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                inside &= (numbers == np.floor(numbers)) | np.isnan(numbers)
        return [int(place) for place in np.flatnonzero(~inside)]

    def _rows(self, count: int, columns: Mapping[str, Any], admitted: Any) -> Rows:
        """Bring admitted rows into the layout."""
        if self._free:
            return _free_rows(columns)
        by_position = self._inputs.form.kind == "tensor"
        order = tuple(columns) if by_position else self._inputs.form.names
        places = np.arange(count) if admitted is None else np.flatnonzero(admitted)
        if self._dtype is not None:
            wide = np.dtype("float64") if self._dtype.kind == "f" else self._dtype
            matrix = np.full((len(order), len(places)), np.nan if wide.kind == "f" else 0, wide)
            for number, name in enumerate(order):
                if name in columns:
                    matrix[number] = _taken(columns[name], places, wide)
            return matrix.T.astype(self._dtype, copy=False)
        listed = {name: _listed(array) for name, array in columns.items()}
        for name in self._nullable & listed.keys():
            listed[name] = [None if value != value else value for value in listed[name]]  # noqa: PLR0124
        nothing = [None] * count
        rows = zip(*(listed.get(name, nothing) for name in order), strict=True)
        kept = [list(row) for row in rows]
        return kept if admitted is None else [kept[place] for place in places]


def _admits_null(column: Column) -> bool:
    return column.nullable or column.type == ANY or "null" in column.type


def _kinds(column: Column) -> set[str]:
    return {*column.type.split("|")} - {"null"}


def _is_numeric(column: Column) -> bool:
    lone = column.shape is None and column.enum is None
    return lone and bool(_kinds(column)) and _kinds(column) <= {"integer", "number"}


def _is_plain(held: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_integer(held) or types.is_floating(held))


def _greatest(dtype: Any) -> float:
    return float(np.finfo(dtype).max) if dtype.kind == "f" else float("inf")


def _numbers(array: Any) -> Any:
    if array.null_count:
        array = array.cast("float64", safe=False)
    return array.to_numpy(zero_copy_only=False)


def _listed(array: Any) -> list[Any]:
    return array if isinstance(array, list) else array.to_pylist()


def _taken(array: Any, places: Any, wide: Any) -> Any:
    if not isinstance(array, list) and _is_plain(array.type):
        return _numbers(array)[places]
    listed = _listed(array)
    return np.array([listed[place] for place in places], dtype=wide)


def _free_rows(columns: Mapping[str, Any]) -> Rows:
    """Make what a version without a schema takes: an array of numbers, or a frame."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: array if isinstance(array, list) else array.to_pandas()
            for name, array in columns.items()
        }
    )


def _as_values(column: Column, array: Any, *, is_text: bool) -> Any:
    """Bring a column to the values that JSON has, as far as its type tells how."""
    pa = pyarrow()
    if isinstance(array, list):
        return array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type):
        return array.cast("float64")
    if pa.types.is_date(array.type):
        return array.cast("date32").cast("string")
    if pa.types.is_timestamp(array.type):
        return array.cast("string")
    if is_text and column.shape is None:
        return _read(column, array)
    return array


def _read(column: Column, array: Any) -> Any:
    """Read texts of CSV as what the column holds; what cannot be read stays a text."""
    pa = pyarrow()
    kinds = _kinds(column)
    if kinds & {"integer", "number"} and "string" not in kinds:
        for target in ("int64", "float64") if kinds == {"integer"} else ("float64",):
            try:
                numbers = array.cast(target)
            except pa.ArrowInvalid:
                continue
            if kinds == {"integer"} and target == "float64" and _is_inexact(numbers):
                break
            return numbers
        return [_number(text) for text in array.to_pylist()]
    if kinds == {"boolean"}:
        return [
            None if text is None else _YES_NO.get(text.lower(), text) for text in array.to_pylist()
        ]
    if not _admits_null(column):  # an empty text is a text
        return array.fill_null("")
    return array


def _is_inexact(numbers: Any) -> bool:
    """Tell whether whole numbers are among floats that these cannot tell from their neighbours."""
    from pyarrow import compute

    greatest = compute.max(compute.abs(numbers)).as_py()
    return greatest is not None and greatest >= _EXACT


def _number(text: str | None) -> Any:
    try:
        if text is not None and _WHOLE.fullmatch(text):
            return int(text)
        return None if text is None else float(text)
    except ValueError:
        return text
