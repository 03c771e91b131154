"""One value held against its column."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdfast.core import wording
from holdfast.core.schema import ANY, Column, dtypes
from holdfast.core.schema.keywords import category_key
from holdfast.rows import times

__all__ = ["Fields", "dtype_range", "out_of_bounds", "problem"]

Fields = Mapping[str, Sequence[Column]]
"""The fields of nested objects, by the name of the column they belong to."""

_SHOWN: Final = 40
_INTEGER: Final = re.compile(r"(?P<u>u?)int(?P<bits>8|16|32|64)")
_MOST: Final = {
    "float16": math.nextafter(65_520.0, 0.0),
    "float32": math.nextafter((2 - 2.0**-24) * 2.0**127, 0.0),
}
"""The largest numbers that a narrow float still rounds to a finite one."""
_NAMES: Final = {"integer": "a whole number", "number": "a number", "string": "a text"}


def problem(column: Column, value: Any, fields: Fields) -> tuple[str, str] | None:
    """Return the name of the column at fault and what is wrong with it; None if nothing is."""
    if value is None:
        if column.nullable or column.type == ANY or "null" in column.type:
            return None
        return column.name, "is null"
    if column.shape is not None:
        return _array(column, value, column.shape, fields)
    return _lone(column, value, fields)


def _array(
    column: Column, value: Any, shape: tuple[int | None, ...], fields: Fields
) -> tuple[str, str] | None:
    if not shape:
        may_be_null = value is None and "null" in column.type.split("|")
        return None if may_be_null else _lone(column, value, fields)
    if not isinstance(value, list):
        return column.name, f"must be a list, not {_show(value)}"
    if shape[0] is not None and len(value) != shape[0]:
        return column.name, f"has {len(value)} values, but needs {shape[0]}"
    return next(
        (
            violation
            for element in value
            if (violation := _array(column, element, shape[1:], fields))
        ),
        None,
    )


def _lone(column: Column, value: Any, fields: Fields) -> tuple[str, str] | None:
    types = column.type.split("|")
    kinds = _kinds(value)
    if column.type != ANY and kinds.isdisjoint(types):
        expected = " or ".join(_NAMES.get(kind, f"of type {kind}") for kind in types)
        return column.name, f"must be {expected}, not {_show(value)}"
    if isinstance(value, dict):
        return _object(column, value, fields)
    column_times = times.of(column)
    violation = (column_times.problem(value) if column_times is not None else None) or _outside(
        column, value
    )
    return (column.name, violation) if violation else None


def _object(column: Column, value: dict[str, Any], fields: Fields) -> tuple[str, str] | None:
    for field in fields.get(column.name, ()):
        key = field.name.removeprefix(f"{column.name}.")
        if key not in value:
            if field.required:
                return field.name, "is missing"
            continue
        if violation := problem(field, value[key], fields):
            return violation
    return None


def _outside(column: Column, value: Any) -> str | None:
    if column.enum is not None and category_key(value) not in map(category_key, column.enum):
        listed = ", ".join(map(_show, column.enum[:8]))
        return f"must be one of {listed}{', …' if len(column.enum) > 8 else ''}, not {_show(value)}"  # noqa: PLR2004
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return (
        out_of_bounds(column, value) if math.isfinite(value) else f"is {value}, which is not finite"
    )


def out_of_bounds(column: Column, value: float) -> str | None:
    """Tell what bound of its column a number breaks."""
    low, high = column.minimum, column.maximum
    above, below = column.exclusive_minimum, column.exclusive_maximum
    if low is not None and value < low:
        return "is {}, below {}".format(*wording.apart(value, low))
    if high is not None and value > high:
        return "is {}, above {}".format(*wording.apart(value, high))
    if above is not None and value <= above:
        return "is {}, not above {}".format(*wording.apart(value, above))
    if below is not None and value >= below:
        return "is {}, not below {}".format(*wording.apart(value, below))
    least, most = dtype_range(column)
    if least <= value <= most or not math.isfinite(value):
        return None
    return f"is {value:g}, which does not fit {column.dtype or 'int64'}"


def dtype_range(column: Column) -> tuple[float, float]:
    """Return the least and the greatest number that a column's dtype takes; infinite for others.

    A float32 would become infinite beyond: the model would fail for its caller's number, which
    counts against the version, or answer for another number than what came.
    """
    dtype = dtypes.canonical(column.dtype) if column.dtype else ""
    if dtype in _MOST:
        return -_MOST[dtype], _MOST[dtype]
    match = _INTEGER.fullmatch(dtype)
    if match is None and column.type == "integer":
        match = _INTEGER.fullmatch("int64")
    if match is None:
        return float("-inf"), float("inf")
    bits = int(match["bits"])
    return (0, 2**bits - 1) if match["u"] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _kinds(value: Any) -> set[str]:
    match value:
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"integer", "number"} if value.is_integer() else {"number"}
        case str():
            return {"string"}
        case dict():
            return {"object"}
    return {"array"}


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
