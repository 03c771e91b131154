"""What a version answers to a part of a table, as Arrow columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from holdfast.batch.input_columns import InputColumns
from holdfast.batch.row_checks import CheckedPart, RowChecker
from holdfast.core.schema import Column, Signature
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.outcome import OutputChecker, listed
from holdfast.scoring.data_file import pyarrow

__all__ = ["ERROR", "PREDICTION", "ChunkScorer", "ScoredPart"]

PREDICTION: Final = "prediction"
"""The column of a version that answers one thing; one that answers a record has its names."""

ERROR: Final = "error"
_NOT_FINITE: Final = "the version answered NaN or infinity"
_TYPES: Final = {
    "number": "float64", "integer": "int64", "boolean": "bool", "string": "string",
}  # fmt: skip
_VECTOR: Final = 2
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """What became of a part.

    Attributes:
        columns: The answers by name, and `error`; as long as the part.
        refused: Rows that the schema does not admit.
        nulls: Rows that were admitted and have no answer.
        checked: The part as it was checked.
    """

    columns: Mapping[str, Any]
    refused: int
    nulls: int
    checked: CheckedPart


class ChunkScorer:
    """ScoredPart parts of tables with one version.

    Args:
        version: Loaded.
        inputs: The columns that it takes.
        is_text: Whether numbers come as texts.

    Attributes:
        inputs: The columns that it takes.
        types: Arrow's types of the answers by name; None where the schema tells none.
    """

    def __init__(self, version: Loaded, inputs: InputColumns, *, is_text: bool) -> None:
        self.inputs = inputs
        self._version = version
        self._ref = f"{version.model}@{version.version}"
        self._check = RowChecker(version.input_schema, inputs, is_text=is_text)
        self._outputs = OutputChecker(version.output_schema, counted=True)
        self._nullable = _nullable(version.output_schema)
        self.types = declared(version.output_schema)

    def __call__(self, count: int, held: Mapping[str, Any], first_row: int = 0) -> ScoredPart:
        """Score so many rows, given by column.

        Args:
            first_row: The number of the first of them, for messages.

        Raises:
            UnsupportedError: If the version fails, or answers what its schema does not promise.
        """
        checked = self._check(count, held)
        errors = dict(checked.errors)
        places = np.arange(count) if checked.admitted is None else np.flatnonzero(checked.admitted)
        if not len(places):
            return ScoredPart(self._without(count, errors), len(errors), 0, checked)
        output = self._answered(checked.rows, len(places), first_row)
        infinite = self._infinite(output)
        if infinite.any():
            errors |= dict.fromkeys((int(place) for place in places[infinite]), _NOT_FINITE)
            places, output = places[~infinite], _selected(output, ~infinite)
        if len(places):
            problem = self._outputs.problem(output, len(places))
            if problem is not None:
                raise UnsupportedError(
                    self._ref, f"answered with an output that {problem}", "fix the version"
                )
            columns = self._scattered(output, places, count)
        else:
            columns = self._without(count, {})
        nulls = int(infinite.sum()) + max(
            (array.null_count - len(errors) for array in _answers(columns)), default=0
        )
        columns = {**columns, ERROR: _texts(count, errors)}
        return ScoredPart(columns, len(checked.errors), nulls, checked)

    def _answered(self, rows: Any, count: int, first_row: int) -> Any:
        try:
            output = self._version.predict(rows)
        except HoldfastError:
            raise
        except (Exception, SystemExit) as error:
            problem = (
                f"failed on rows {first_row:,} and following: {type(error).__name__}: {error}"
            )[:_LONGEST]
            raise UnsupportedError(self._ref, problem, "nothing was written") from error
        parts = output.values() if isinstance(output, dict) else [output]
        for part in parts:
            found = 1 if getattr(part, "shape", None) == () else len(part)
            if found != count:
                problem = f"answered {found:,} times for {count:,} rows"
                raise UnsupportedError(self._ref, problem, "fix the version")
        return output

    def _infinite(self, output: Any) -> Any:
        """Mark rows with an answer that is not finite; NaN may stand for null."""
        named = output.items() if isinstance(output, dict) else [("", output)]
        marks = []
        for name, part in named:
            array = np.asarray(part) if not hasattr(part, "dtype") else part
            if getattr(array.dtype, "kind", "") != "f":
                marks.append(np.zeros(len(part), dtype=bool))
                continue
            bad = np.isinf(array) if name in self._nullable else ~np.isfinite(array)
            marks.append(bad.reshape(len(part), -1).any(axis=1))
        return np.logical_or.reduce(marks)

    def _scattered(self, output: Any, places: Any, count: int) -> dict[str, Any]:
        """Bring answers to where their rows are."""
        pa = pyarrow()
        named = output if isinstance(output, dict) else {PREDICTION: output}
        columns = {name: _array(part, self.types.get(name)) for name, part in named.items()}
        if len(places) == count:
            return columns
        back = np.zeros(count, dtype="int64")
        back[places] = np.arange(len(places))
        missing = np.ones(count, dtype=bool)
        missing[places] = False
        indices = pa.array(back, mask=missing)
        return {name: array.take(indices) for name, array in columns.items()}

    def _without(self, count: int, errors: Mapping[int, str]) -> dict[str, Any]:
        pa = pyarrow()
        types = self.types or {PREDICTION: None}
        nothing = {
            name: pa.nulls(count) if of is None else pa.nulls(count, of)
            for name, of in types.items()
        }
        return nothing | {ERROR: _texts(count, errors)}


def _answers(columns: Mapping[str, Any]) -> list[Any]:
    return [array for name, array in columns.items() if name != ERROR]


def declared(signature: Signature | None) -> dict[str, Any]:
    """Return Arrow's types of the answers by name, as far as an output schema tells them."""
    if signature is None:
        return {PREDICTION: None}
    named = [column for column in signature.columns if column.name and not column.parent]
    if signature.whole.type == "object" and named:
        return {column.name: _type(column, ()) for column in named}
    return {PREDICTION: _type(signature.whole, (None,))}


def _type(column: Column, shape_of_all: tuple[None, ...]) -> Any:
    """Return the type of one answer; the schema of a lone one may be that of all rows."""
    pa = pyarrow()
    words = {*column.type.split("|")} - {"null"}
    word = words.pop() if len(words) == 1 else ""
    shape = column.shape or ()
    if word not in _TYPES:
        return None
    element = pa.type_for_alias(_TYPES[word])
    if shape in ((), shape_of_all):
        return element
    is_vector = len(shape) == len(shape_of_all) + 1 or (shape_of_all and len(shape) == 1)
    return pa.list_(element) if is_vector else None


def _nullable(signature: Signature | None) -> set[str]:
    if signature is None:
        return set()
    named = {column.name: column for column in signature.columns if not column.parent}
    return {
        name
        for name, column in (named | {"": signature.whole}).items()
        if column.nullable or "null" in column.type.split("|")
    }


def _selected(output: Any, mask: Any) -> Any:
    if isinstance(output, dict):
        return {name: _selected(part, mask) for name, part in output.items()}
    if hasattr(output, "dtype"):
        return output[mask]
    return [value for value, wanted in zip(output, mask, strict=True) if wanted]


def _array(part: Any, wanted: Any) -> Any:
    """Make an Arrow array of the answers to one question; NaN is null."""
    pa = pyarrow()
    kind = getattr(getattr(part, "dtype", None), "kind", "O")
    if isinstance(part, np.ndarray) and kind in "biuf" and part.ndim in (1, _VECTOR):
        made = pa.array(part.reshape(-1), from_pandas=True)
        if part.ndim == _VECTOR:
            offsets = np.arange(len(part) + 1, dtype="int32") * part.shape[1]
            made = pa.ListArray.from_arrays(offsets, made)
    else:
        made = pa.array(listed(part))
    if wanted is None or made.type == wanted:
        return made
    try:
        return made.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # what was checked is another's word
        return made


def _texts(count: int, errors: Mapping[int, str]) -> Any:
    pa = pyarrow()
    if not errors:
        return pa.nulls(count, pa.string())
    return pa.array([errors.get(place) for place in range(count)], pa.string())
