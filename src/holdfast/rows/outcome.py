"""What a model gave, held against what its version promises, and cut up among requests."""

import math
from typing import Any, Final

import numpy as np

from holdfast.core.schema import Column, Signature
from holdfast.rows import moments, values

__all__ = ["OutputChecker", "cut", "listed", "score"]

_FLOATS: Final = "f"
_NUMBERS: Final = "biuf"
_INFINITE: Final = "is not a finite number"


class OutputChecker:
    """Checks outputs of one version.

    Args:
        signature: Its output schema's.
        counted: Whether there must be one output for each row.
    """

    def __init__(self, signature: Signature | None, *, counted: bool) -> None:
        self._whole = _Part(signature.whole if signature else None, counted=counted)
        self._unnamed = _Part(None, counted=counted)
        self._named = {
            column.name: _Part(column, counted=counted)
            for column in (signature.columns if signature else ())
            if column.name and not column.parent
        }

    def problem(self, output: Any, rows: int) -> str | None:
        """Tell why *output* of so many *rows* must not go out; None if it may."""
        if not isinstance(output, dict):
            if self._named:
                return f"is not the record of {', '.join(self._named)} that the schema promises"
            return self._whole.problem(output, rows)
        for name in self._named:
            if name not in output:
                return f"{name} is missing"
        for name, part in output.items():
            if problem := self._named.get(name, self._unnamed).problem(part, rows):
                return f"{name} {problem}"
        return None


class _Part:
    """What one column of an output must be; worked out once, for it is asked at each call."""

    def __init__(self, column: Column | None, *, counted: bool) -> None:
        self._column = column
        self._counted = counted
        if column is None:
            return
        types = {*column.type.split("|")}
        self._nullable = column.nullable or "null" in column.type
        self._numbers = types <= {"number", "integer", "boolean"}
        self._boolean = "boolean" in types
        self._texts = types == {"string"}
        self._shape = column.shape or ()
        self._known = None if column.enum is None else {*column.enum}
        bounds = column.minimum, column.maximum, column.exclusive_minimum, column.exclusive_maximum
        self._bounded = any(bound is not None for bound in bounds)

    def problem(self, part: Any, rows: int) -> str | None:
        if self._counted and (getattr(part, "shape", None) == () or len(part) != rows):
            count = 1 if getattr(part, "shape", None) == () else len(part)
            return f"has {count} values for {rows} rows"
        kind = getattr(getattr(part, "dtype", None), "kind", None)
        if kind is None or kind == "O":
            return self._listed(part)
        nullable = self._column is not None and self._nullable
        if kind == _FLOATS and not (~np.isinf(part) if nullable else np.isfinite(part)).all():
            return _INFINITE
        return None if self._column is None else self._array(part, kind, self._column)

    def _listed(self, part: Any) -> str | None:
        """Hold a list, or an array of objects, against what an array of numbers is held against."""
        column = self._column
        if not _is_finite(part, nullable=column is not None and self._nullable):
            return _INFINITE
        if column is None:
            return None
        if column.shape is None and not hasattr(part, "dtype"):
            flat = [value.item() if isinstance(value, np.generic) else value for value in part]
            if self._nullable:  # NaN is written as null
                flat = [None if value != value else value for value in flat]  # noqa: PLR0124
            return next(
                (problem[1] for value in flat if (problem := values.problem(column, value, {}))),
                None,
            )
        if not self._numbers:
            return None
        try:
            array = np.array(part, float) if self._nullable else np.array(part)
        except (ValueError, TypeError) as error:
            return f"is not an array of numbers as the schema says: {error}"
        if not self._nullable and array.dtype.kind == "O":
            array = np.array(array.tolist())
        return self._array(array, array.dtype.kind, column)

    def _array(self, part: Any, kind: str, column: Column) -> str | None:
        number = kind in _NUMBERS and (kind != "b" or self._boolean)
        if self._numbers and not number:
            return f"holds {part.dtype}, but the schema says {column.type}"
        if self._texts and kind in _NUMBERS:
            return f"holds {part.dtype}, but the schema says string"
        if not (_fits(part.shape, self._shape) or _fits(part.shape[1:], self._shape)):
            return f"has the shape {list(part.shape)}, not that of the schema"
        if self._known is not None:
            odd = [value for value in part.reshape(-1).tolist() if value not in self._known]
            return f"is {odd[0]!r}, which is not one of the schema's categories" if odd else None
        if self._bounded and kind in _NUMBERS and part.size:
            for extreme in (part.min(), part.max()):
                if problem := values.out_of_bounds(column, float(extreme)):
                    return problem
        return None


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Compare shapes: the schema's counts rows on its first axis, or describes one of them."""
    return len(shape) == len(expected) and all(
        want in (None, size) for want, size in zip(expected, shape, strict=True)
    )


def _is_finite(part: Any, *, nullable: bool) -> bool:
    """Tell whether all numbers within are finite, however deep; NaN stands for null."""
    if isinstance(part, float):
        return math.isfinite(part) or (nullable and math.isnan(part))
    if isinstance(part, dict):
        part = part.values()
    elif getattr(getattr(part, "dtype", None), "kind", "") == _FLOATS:
        return bool((~np.isinf(part) if nullable else np.isfinite(part)).all())
    elif not isinstance(part, list | tuple | np.ndarray):
        return True
    return all(_is_finite(value, nullable=nullable) for value in part)


def cut(output: Any, start: int, end: int) -> Any:
    """Return the outputs of some of the rows."""
    if isinstance(output, dict):
        return {name: part[start:end] for name, part in output.items()}
    return output[start:end]


def listed(output: Any) -> list[Any]:
    """Return outputs as JSON has them: one value for each row, records as objects; NaN is null."""
    if isinstance(output, dict):
        columns = [listed(part) for part in output.values()]
        return [dict(zip(output, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(output, list):
        return [_plain(value) if hasattr(value, "tolist") else value for value in output]
    elements = _plain(output)
    return elements if isinstance(elements, list) else [elements]


def _plain(part: Any) -> Any:
    return moments.plain(part) if moments.is_of_moments(part) else part.tolist()


def score(values: list[Any]) -> float | None:
    """Return the first number of the first value: of several, as of classes, the last one.

    Args:
        values: As `listed` returns them.
    """
    return _number(values[0]) if values else None


def _number(value: Any) -> float | None:
    if isinstance(value, float | int):
        return float(value)
    if isinstance(value, dict):
        return next(
            (number for part in value.values() if (number := _number(part)) is not None), None
        )
    if isinstance(value, list | tuple):
        return _number(value[-1]) if value else None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return float(value) if kind in {*_NUMBERS} else None
