"""How the rows of a version lie in memory, between the check of a request and the model's call.

Rows that passed the check have one form for each version, whatever the request looked like, so
that those of several requests can be joined: one array where all of it has one dtype, else a list
of rows, each a list in the order of the columns.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from holdfast.core.schema import Column, Signature, dtypes

__all__ = ["RowLayout", "Rows", "layout", "numpy_dtype"]

Rows = Any
"""A numpy array whose first axis counts rows, or a list of rows."""

_BY_TYPE: Final = {"boolean": "bool", "integer": "int64", "number": "float64"}
_DTYPES: Final = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
)


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The form of a version's rows.

    Attributes:
        kind: A `table` of named columns; a `tensor` whose first axis counts rows; `whole`, one
            value that is not made of rows; `free` where no schema says.
        columns: Of a table, in the order of a row; else the whole value alone.
        ordered: Whether a table's columns may be sent by position.
        dtype: numpy's name, where all rows are one array; None where they are a list.
    """

    kind: Literal["table", "tensor", "whole", "free"]
    columns: tuple[Column, ...] = ()
    ordered: bool = False
    dtype: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)


def layout(signature: Signature | None) -> RowLayout:
    """Derive the layout of what *signature* describes."""
    if signature is None:
        return RowLayout("free")
    whole = signature.whole
    if whole.type == "object" and whole.shape is None:
        columns = _in_order(signature)
        if not columns:
            return RowLayout("free")
        column_dtypes = {numpy_dtype(column) for column in columns}
        lone = all(column.shape is None and column.enum is None for column in columns)
        lone = lone and not any(map(_may_be_absent, columns))  # an array has no place for that
        shared = column_dtypes.pop() if lone and len(column_dtypes) == 1 else None
        return RowLayout("table", columns, whole.order is not None, shared)
    free_rows = whole.shape is not None and whole.shape[:1] == (None,)
    plain = whole.type != "object" and whole.enum is None and "null" not in whole.type
    dtype = numpy_dtype(whole) if plain else None
    return RowLayout("tensor" if free_rows else "whole", (whole,), dtype=dtype)


def numpy_dtype(column: Column) -> str | None:
    """Return the dtype for a column's values; None for texts, objects and what may be null.

    A number that may be null is a float, NaN standing for null.
    """
    dtype = dtypes.canonical(column.dtype) if column.dtype else ""
    types = {*column.type.split("|")} - {"null"}
    kind = types.pop() if len(types) == 1 else ""
    nullable = column.nullable or "null" in column.type
    if dtype not in _DTYPES:
        dtype = _BY_TYPE.get(kind, "")
    if not nullable:
        return dtype or None
    return (dtype if dtype.startswith("float") else "float64") if kind == "number" else None


def _may_be_absent(column: Column) -> bool:
    """Tell whether rows may leave a column out that has no null to stand for it."""
    return not (column.required or column.nullable or "null" in column.type)


def _in_order(signature: Signature) -> tuple[Column, ...]:
    top = {column.name: column for column in signature.columns if column.name and not column.parent}
    order = signature.whole.order or tuple(top)
    return tuple(top[name] for name in order)
