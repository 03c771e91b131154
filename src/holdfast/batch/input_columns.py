"""Which columns of a file a version takes, found before the first row is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from holdfast.core.schema import ANY, Column, Signature
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.rows import times
from holdfast.rows.row_layout import RowLayout, layout
from holdfast.scoring.data_file import pyarrow

__all__ = ["InputColumns", "TableColumns", "found"]

_TABLE_AXES: Final = 2
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class TableColumns:
    """What a table has.

    Attributes:
        subject: What messages call it.
        names: In order; one that occurs twice is there twice.
        types: Arrow's, by name; empty where it knows texts alone, or nothing.
        is_text: Whether numbers in it are texts, as in CSV.
    """

    subject: str
    names: tuple[str, ...]
    types: Mapping[str, Any]
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class InputColumns:
    """What a version is fed.

    Attributes:
        form: The layout of its rows.
        columns: Those that the table has, in the order of the layout, by the table's names.
        absent: Places in the layout that the table has no column for; none is required.
        ignored: Columns of the table that the version does not take.
        remark: What one should know; None if nothing.
        by_position: Whether the version knows no names.
    """

    form: RowLayout
    columns: tuple[Column, ...]
    absent: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()
    remark: str | None = None
    by_position: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def found(
    ref: str,
    signature: Signature | None,
    known_names: Sequence[str] | None,
    table: TableColumns,
    beside: Sequence[str] = (),
) -> InputColumns:
    """Find a version's columns in a table: by name, or by position where it knows no names.

    Args:
        ref: The version, for messages.
        signature: Of its input.
        known_names: What its first part was fitted with; None if it knows no names.
        table: What has the rows.
        beside: Columns that go to the output, and that the version takes only if it names them.

    Raises:
        InvalidInputError: If a column is missing, there twice or of another type.
        UnsupportedError: If the version takes no table.
    """
    form = layout(signature)
    if form.kind == "table":
        return _by_name(ref, form, form.columns, table, beside)
    if form.kind == "free" and known_names is not None:
        return _by_name(ref, form, [Column(name, ANY) for name in known_names], table, beside)
    names = [name for name in table.names if name not in beside]
    whole = Column("", ANY) if form.kind == "free" else form.columns[0]
    if form.kind != "free":
        shape = whole.shape or ()
        if form.kind != "tensor" or len(shape) != _TABLE_AXES:
            problem = "takes no table of rows, so files of rows cannot be scored"
            raise UnsupportedError(ref, problem, "name a version that does")
        if shape[1] is not None and len(names) != shape[1]:
            problem = (
                f"has {len(names)} columns to be taken by position, but {ref} takes {shape[1]}"
            )
            raise InvalidInputError(table.subject, problem, "keep others out by --id and --keep")
    columns = tuple(replace(whole, name=name, shape=None) for name in names)
    for column in columns:
        _require(ref, table, column)
    remark = f"the schema of {ref} names no columns, so it was given all of them in order"
    return InputColumns(form, columns, remark=remark, by_position=True)


def _by_name(
    ref: str,
    form: RowLayout,
    columns: Sequence[Column],
    table: TableColumns,
    beside: Sequence[str],
) -> InputColumns:
    whole_numbers = form.dtype is not None and not form.dtype.startswith("float")  # have no null
    taken = [
        column
        for column in columns
        if column.required or whole_numbers or column.name in table.names
    ]
    for column in taken:
        _require(ref, table, column)
    known = {*(column.name for column in columns), *beside}
    ignored = tuple(name for name in table.names if name not in known)
    absent = tuple(column for column in columns if column not in taken)
    return InputColumns(form, tuple(taken), absent, ignored)


def _require(ref: str, table: TableColumns, column: Column) -> None:
    count = table.names.count(column.name)
    if count == 0:
        listed = ", ".join(table.names[:_LISTED]) + (" …" if len(table.names) > _LISTED else "")
        problem = f"has no column {column.name!r}, which {ref} takes"
        raise InvalidInputError(table.subject, problem, f"it has {listed}")
    if count > 1:
        problem = f"has {count} columns called {column.name!r}, which {ref} takes"
        raise InvalidInputError(table.subject, problem, "rename all but one")
    nested = column.shape is not None or "object" in column.type
    if table.is_text and nested:
        problem = f"cannot hold the column {column.name!r}, which is not one value"
        raise InvalidInputError(table.subject, problem, "give Parquet or .jsonl")
    held = table.types.get(column.name)
    if held is not None and not _admits(column, held, nested=nested):
        problem = f"has {held} in the column {column.name!r}, which {ref} takes as {column.type}"
        raise InvalidInputError(table.subject, problem, "convert the column")


def _admits(column: Column, held: Any, *, nested: bool) -> bool:
    """Tell whether a column of an Arrow type may hold what a schema's column admits."""
    types = pyarrow().types
    if types.is_dictionary(held):
        held = held.value_type
    if types.is_null(held) or (nested and types.is_nested(held)):
        return True
    if nested or types.is_nested(held):
        return False
    if times.of(column) is not None:
        return _is_text(held) or types.is_timestamp(held) or types.is_date(held)
    if column.type == ANY:
        return _is_text(held) or _is_number(held) or types.is_boolean(held)
    admitted: dict[str, Callable[[Any], bool]] = {
        "boolean": types.is_boolean, "string": _is_text, "integer": _is_number,
        "number": _is_number,
    }  # fmt: skip
    return any(admitted[word](held) for word in column.type.split("|") if word in admitted)


def _is_text(held: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_string(held) or types.is_large_string(held) or types.is_string_view(held))


def _is_number(held: Any) -> bool:
    types = pyarrow().types
    return bool(types.is_integer(held) or types.is_floating(held) or types.is_decimal(held))
