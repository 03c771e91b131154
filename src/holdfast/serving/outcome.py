"""What a model gave, held against what its version promises, and cut up among requests."""

from typing import Any, Final

from holdfast.core.schema import Column, Signature
from holdfast.serving import values

__all__ = ["OutputChecker", "cut", "listed", "score"]

_FLOATS: Final = "f"
_NUMBERS: Final = "biuf"


class OutputChecker:
    """Checks outputs of one version.

    Args:
        signature: Its output schema's.
        counted: Whether there must be one output for each row.
    """

    def __init__(self, signature: Signature | None, *, counted: bool) -> None:
        self._whole = signature.whole if signature else None
        self._named = {
            column.name: column
            for column in (signature.columns if signature else ())
            if column.name and not column.parent
        }
        self._counted = counted

    def problem(self, output: Any, rows: int) -> str | None:
        """Tell why *output* of so many *rows* must not go out; None if it may."""
        if not isinstance(output, dict):
            if self._named:
                return f"is not the record of {', '.join(self._named)} that the schema promises"
            return self._part(output, rows, self._whole)
        for name in self._named:
            if name not in output:
                return f"{name} is missing"
        for name, part in output.items():
            if told := self._part(part, rows, self._named.get(name)):
                return f"{name} {told}"
        return None

    def _part(self, part: Any, rows: int, column: Column | None) -> str | None:
        if self._counted and (getattr(part, "shape", None) == () or len(part) != rows):
            found = 1 if getattr(part, "shape", None) == () else len(part)
            return f"has {found} values for {rows} rows"
        kind = getattr(getattr(part, "dtype", None), "kind", None)
        if kind is None:
            return _listed_problem(part, column)
        nullable = column is not None and (column.nullable or "null" in column.type)
        if kind == _FLOATS and not nullable and not _finite(part):
            return "is not a finite number"
        return _array_problem(part, kind, column) if column is not None else None


def _finite(part: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(part).all())


def _array_problem(part: Any, kind: str, column: Column) -> str | None:
    wanted = {*column.type.split("|")}
    number = kind in _NUMBERS and (kind != "b" or "boolean" in wanted)
    if wanted <= {"number", "integer", "boolean"} and not number:
        return f"holds {part.dtype}, the schema says {column.type}"
    if "string" in wanted and len(wanted) == 1 and kind in _NUMBERS:
        return f"holds {part.dtype}, the schema says string"
    if not _fits(part.shape, column):
        return f"has the shape {list(part.shape)}, not that of the schema"
    return _bounds_problem(part, kind, column)


def _fits(shape: tuple[int, ...], column: Column) -> bool:
    """Compare shapes: the schema's counts rows on its first axis, or describes one of them."""
    wanted = column.shape or ()
    for have in (shape, shape[1:]):
        if len(have) == len(wanted):
            return all(want in (None, size) for want, size in zip(wanted, have, strict=True))
    return False


def _bounds_problem(part: Any, kind: str, column: Column) -> str | None:
    if column.enum is not None:
        known = set(column.enum)
        odd = [one for one in part.reshape(-1).tolist() if one not in known]
        return f"is {odd[0]!r}, none of the schema's categories" if odd else None
    if kind in _NUMBERS and part.size and _is_bounded(column):
        for extreme in (part.min(), part.max()):
            if told := values.out_of_bounds(column, float(extreme)):
                return told
    return None


def _is_bounded(column: Column) -> bool:
    bounds = (column.minimum, column.maximum, column.exclusive_minimum, column.exclusive_maximum)
    return any(bound is not None for bound in bounds)


def _listed_problem(part: Any, column: Column | None) -> str | None:
    if any(isinstance(one, float) and one != one for one in part):  # noqa: PLR0124 - NaN
        return "is not a finite number"
    if column is None or column.shape is not None:
        return None
    return next((told[1] for one in part if (told := values.problem(column, one, {}))), None)


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
        return [one.tolist() if hasattr(one, "tolist") else one for one in output]
    found = output.tolist()
    return found if isinstance(found, list) else [found]


def score(output: Any) -> float | None:
    """Return the first number of the first row: of several, as of classes, the last one."""
    if isinstance(output, dict):
        return _number({name: part[0] for name, part in output.items() if len(part)})
    return _number(output[0]) if getattr(output, "shape", (1,)) and len(output) else None


def _number(value: Any) -> float | None:
    if isinstance(value, dict):
        return next((one for part in value.values() if (one := _number(part)) is not None), None)
    if isinstance(value, list | tuple) or getattr(value, "shape", None):
        return _number(value[-1]) if len(value) else None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return float(value) if isinstance(value, int | float) or kind in {*_NUMBERS} else None
