"""The column of right answers, and the column that slices are made of: all that stays of a file."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from holdfast.errors import InvalidInputError
from holdfast.scoring.data_file import pyarrow

__all__ = ["Gathered", "Gatherer"]

_SHOWN: Final = 5
_LONGEST: Final = 40
_WORDS: Final = {"false": 0.0, "true": 1.0}


@dataclass(frozen=True, slots=True)
class Gathered:
    """One column, whole.

    Attributes:
        sort: `untyped` where the file has texts alone, which may stand for numbers.
        column: As pyarrow has it, in one piece.
    """

    name: str
    sort: Literal["text", "boolean", "integer", "number", "untyped"]
    column: Any

    def coded(self) -> tuple[Any, tuple[Any, ...]]:
        """Return each row's index in the distinct values, int64, and these; None is of nulls."""
        encoded = self.column.dictionary_encode(null_encoding="encode")
        return encoded.indices.to_numpy(zero_copy_only=False), tuple(encoded.dictionary.to_pylist())

    def numbers(self) -> Any:
        """Return the rows as float64.

        Raises:
            InvalidInputError: If one is not a finite number.
        """
        import numpy as np

        pa = pyarrow()
        try:
            numbers = self.column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowException as error:
            codes, values = self.coded()
            if {str(value).lower() for value in values} <= {*_WORDS}:
                return np.asarray([_WORDS[str(value).lower()] for value in values])[codes]
            bad = next((value for value in values if not is_number(value)), values[0])
            problem = f"holds {shown(bad)}, which is not a number"
            raise InvalidInputError(f"label {self.name!r}", problem, "check the column") from error
        if not np.isfinite(numbers).all():
            problem = f"is not finite in row {int(np.argmin(np.isfinite(numbers))) + 1}"
            raise InvalidInputError(f"label {self.name!r}", problem, "remove those rows")
        return numbers

    def require_filled(self) -> None:
        """Check that every row has a right answer.

        Raises:
            InvalidInputError: If one is null or NaN, with how many and the first.
        """
        import numpy as np

        empty = self.column.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
        if empty.any():
            problem = (
                f"is null in {int(empty.sum())} rows, first in row {int(np.argmax(empty)) + 1}"
            )
            advice = "remove rows without a right answer, or fill them in"
            raise InvalidInputError(f"label {self.name!r}", problem, advice)


def is_number(value: Any) -> bool:
    """Tell whether a value or text can be read as a number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def shown(*values: Any) -> str:
    """Show the first values in a message."""
    texts = [repr(value) for value in values[:_SHOWN]]
    listed = ", ".join(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts)
    return f"{listed} …" if len(values) > _SHOWN else listed


class Gatherer:
    """Gathers one column of a file that is read in parts.

    Args:
        name: Of the column.
        untyped: Whether the file knows nothing but texts.
    """

    def __init__(self, name: str, *, untyped: bool) -> None:
        self._name = name
        self._untyped = untyped
        self._parts: list[Any] = []

    def add(self, column: Any) -> None:
        """Take the next part of it."""
        self._parts.append(column)

    def done(self) -> Gathered:
        """Return all of it.

        Raises:
            InvalidInputError: If it holds values of several types.
        """
        pa = pyarrow()
        sorts = {_sort(part.type) for part in self._parts if not pa.types.is_null(part.type)}
        if not sorts:
            return Gathered(self._name, "text", pa.nulls(sum(map(len, self._parts)), pa.string()))
        if len(sorts) > 1 and not sorts <= {"integer", "number"}:
            problem = f"holds values of several types: {', '.join(sorted(sorts))}"
            raise InvalidInputError(f"column {self._name!r}", problem, "write them alike")
        sort: Any = "number" if len(sorts) > 1 else next(iter(sorts))
        target = {"boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64()}
        arrow_type = target.get(sort, pa.string())
        whole = pa.chunked_array([part.cast(arrow_type) for part in self._parts], type=arrow_type)
        if sort == "text" and self._untyped:
            sort = "untyped"
        return Gathered(self._name, sort, whole.combine_chunks())


def _sort(arrow_type: Any) -> str:
    types = pyarrow().types
    if types.is_boolean(arrow_type):
        return "boolean"
    if types.is_integer(arrow_type):
        return "integer"
    return "number" if types.is_floating(arrow_type) or types.is_decimal(arrow_type) else "text"
