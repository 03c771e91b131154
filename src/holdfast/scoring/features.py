"""Which columns a version takes, and what it is fed of a part of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core import schema
from holdfast.core.manifest import Manifest
from holdfast.core.schema import Column, dtypes
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.scoring.data_file import DataFile, Kind

__all__ = ["Taken", "feeder", "named", "taken"]

_CATEGORIES: Final = ("category", "categorical")
_TABLE_AXES: Final = 2
_KINDS: Final[dict[str, Kind]] = {
    "number": "number", "integer": "integer", "boolean": "boolean", "string": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """What a version takes of a file.

    Attributes:
        columns: By name, in the order that it takes them in.
        schema: The column of the input schema, where it has names.
        remark: What one should know of it; None if nothing.
    """

    columns: Mapping[str, Kind]
    schema: Mapping[str, Column]
    remark: str | None = None


def named(manifest: Manifest) -> dict[str, Column]:
    """Return the columns that an input schema names, none where it is not of a table."""
    signature = schema.parse(manifest.input_schema, "input_schema")
    if signature is None or signature.whole.type != "object":
        return {}
    return {column.name: column for column in signature.columns if not column.parent}


def taken(ref: str, manifest: Manifest, file: DataFile, label: str, by: str | None) -> Taken:
    """Find a version's columns in a file: by name from its input schema, else all but the label.

    Args:
        ref: The version, for messages.
        manifest: Its facts.
        file: What has the rows.
        label: The column with the right answers, which no version may read.
        by: The column that slices are made of.

    Raises:
        InvalidInputError: If a column is missing, there twice or of another type, or the label is
            among them.
        UnsupportedError: If the version takes no table.
    """
    signature = schema.parse(manifest.input_schema, "input_schema")
    if signature is None:
        return _unnamed(ref, file, label, by, None)
    whole = signature.whole
    if whole.type != "object" or whole.shape is not None:
        shape = whole.shape or ()
        if len(shape) != _TABLE_AXES:
            problem = "takes no table of rows, so a file of rows cannot be scored"
            raise UnsupportedError(ref, problem, "evaluate it elsewhere and record the figures")
        return _unnamed(ref, file, label, by, shape[1])
    columns = named(manifest)
    if label in columns:
        problem = f"is an input of {ref}, which would read the right answer"
        raise InvalidInputError(f"label {label!r}", problem, "name another column")
    ordered = [columns[name] for name in whole.order or columns]
    kinds: dict[str, Kind] = {}
    for column in ordered:
        if column.name not in file.names and not column.required:
            continue
        kinds[column.name] = _kind(column)
        file.require(column.name, kinds[column.name], f"which {ref} takes")
    return Taken(kinds, columns)


def _unnamed(ref: str, file: DataFile, label: str, by: str | None, width: int | None) -> Taken:
    """Take the columns of a version whose schema names none: all but the label, in order."""
    names = [name for name in file.names if name != label]
    if width is not None and by in names and len(names) == width + 1:
        names.remove(by)
    if width is not None and len(names) != width:
        problem = f"has {len(names)} columns beside {label!r}, but {ref} takes {width}"
        raise InvalidInputError(file.subject, problem, "leave out the others: it has no names")
    if not names:
        raise InvalidInputError(file.subject, f"has no columns beside {label!r}", "add some")
    for name in names:
        file.require(name, "any", f"which {ref} takes")
    remark = f"the schema of {ref} names no columns, so it was given all but {label!r}"
    kind: Kind = "any" if width is None else "number"
    return Taken(dict.fromkeys(names, kind), {}, remark)


def _kind(column: Column) -> Kind:
    if column.shape is not None:
        return "any"
    if column.dtype in _CATEGORIES:
        texts = all(isinstance(value, str) for value in column.enum or ("",))
        return "text" if texts else "any"
    if "time" in dtypes.canonical(column.dtype or "") or "date" in (column.dtype or "").lower():
        return "time"
    word = column.type.replace("|null", "").replace("null|", "")
    return _KINDS.get(word, "any")


def feeder(
    first: Any, columns: Mapping[str, Column], names: Sequence[str], by: str | None
) -> Callable[[Any], Any]:
    """Return what turns a record batch into what the first part of a version takes.

    A part that was fitted with names of columns, or columns that are not all numbers, get a
    pandas frame; a graph with several inputs arrays by name; all others one array.

    Args:
        first: The preprocessor, or the model without one.
        columns: Those of the input schema, where it has names.
        names: Those of the batch.
        by: The column of the slices, which a part without names is not fed beyond its width.
    """
    if len(getattr(first, "inputs", ())) > 1:
        return lambda batch: {name: _array(batch.column(name)) for name in batch.schema.names}
    known = _known_names(first)
    if known is not None and {*known} <= {*names}:
        order = list(known)
        return lambda batch: _frame(batch, order, columns)
    order = list(names)
    width = getattr(first, "n_features_in_", None)
    if not columns and isinstance(width, int) and len(order) == width + 1 and by in order:
        order.remove(by)
    if columns and not all(_is_plain(columns[name]) for name in order):
        return lambda batch: _frame(batch, order, columns)
    return lambda batch: _matrix(batch, order)


def _known_names(first: Any) -> tuple[str, ...] | None:
    names = getattr(first, "feature_names_in_", None)
    if names is None:
        names = getattr(first, "feature_names", None)
    return None if names is None else tuple(map(str, names))


def _is_plain(column: Column) -> bool:
    return _kind(column) in ("number", "integer", "boolean") and column.dtype not in _CATEGORIES


def _array(column: Any) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _matrix(batch: Any, order: Sequence[str]) -> Any:
    import numpy as np

    arrays = [_array(batch.column(name)) for name in order]
    if all(array.dtype.kind in "bifu" for array in arrays):
        return np.column_stack([array.astype("float64", copy=False) for array in arrays])
    table = np.empty((batch.num_rows, len(order)), dtype=object)
    for at, array in enumerate(arrays):
        table[:, at] = array
    return table


def _frame(batch: Any, order: Sequence[str], columns: Mapping[str, Column]) -> Any:
    import pandas as pd

    frame = {}
    for name in order:
        column = columns.get(name)
        series = batch.column(name).to_pandas()
        if column is not None and column.dtype in _CATEGORIES:
            known = [value for value in column.enum or () if value is not None]
            series = pd.Series(pd.Categorical(list(series), categories=known or None))
        elif column is not None and column.dtype and _kind(column) in ("number", "integer"):
            series = _numbers(series, column.dtype)
        frame[name] = series
    return pd.DataFrame(frame)


def _numbers(series: Any, dtype: str) -> Any:
    """Give numbers the dtype that the version was fitted with, as far as that holds them."""
    canonical = dtypes.canonical(dtype)
    try:
        return series.astype(canonical)
    except (TypeError, ValueError):  # nulls among whole numbers, or a name that is not numpy's
        return series
