"""Which columns a version takes, and what it is fed of a part of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core import schema
from holdfast.core.manifest import Manifest
from holdfast.core.schema import Column, dtypes
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.scoring.data_file import DataFile, Kind, pyarrow

__all__ = ["Taken", "check_whole", "feeder", "named", "taken", "whole_of"]

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
        whole: The schema of what is one column of texts, numbers or arrays; None where it is not.
    """

    columns: Mapping[str, Kind]
    schema: Mapping[str, Column]
    remark: str | None = None
    whole: Column | None = None


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
    whole = whole_of(manifest)
    if whole is not None:
        return _whole(ref, file, label, by, whole)
    whole = signature.whole
    columns = named(manifest)
    if label in columns:
        problem = f"is an input of {ref}, which would read the right answer"
        raise InvalidInputError(f"label {label!r}", problem, "name another column")
    ordered = [columns[name] for name in whole.order or columns]
    file.look_for((label, *columns))
    kinds: dict[str, Kind] = {}
    for column in ordered:
        if column.name not in file.names and not column.required:
            continue
        kinds[column.name] = _kind(column)
        file.require(column.name, kinds[column.name], f"which {ref} takes")
    return Taken(kinds, columns)


def whole_of(manifest: Manifest) -> Column | None:
    """Return the schema of an input that is one array; None where it is of named columns."""
    signature = schema.parse(manifest.input_schema, "input_schema")
    if signature is None:
        return None
    whole = signature.whole
    return whole if whole.type != "object" or whole.shape is not None else None


def _whole(ref: str, file: DataFile, label: str, by: str | None, whole: Column) -> Taken:
    """Find texts, numbers or arrays: in the one column beside the label and that of the slices."""
    shape = whole.shape or ()
    names = [name for name in file.names if name not in (label, by)]
    if not names and by is not None:  # what is sliced by is what it takes
        names = [by]
    if len(shape) == _TABLE_AXES and (len(names) > 1 or shape[1] == 1):
        return _unnamed(ref, file, label, by, shape[1])
    word = whole.type.replace("|null", "").replace("null|", "")
    kind = _KINDS.get(word) if len(shape) == 1 else "nested"
    if not shape or kind is None or (kind == "nested" and word not in ("number", "integer")):
        problem = "takes no table of rows, no texts and no arrays of numbers, so it cannot be asked"
        raise UnsupportedError(ref, problem, "evaluate it elsewhere and record the figures")
    if len(names) != 1:
        due = {"text": "texts", "nested": "arrays"}.get(kind, "numbers")
        problem = f"has {len(names)} columns beside {label!r}, but {ref} takes one, of {due}"
        raise InvalidInputError(file.subject, problem, "leave out the others")
    file.require(names[0], kind, f"which {ref} takes")
    return Taken({names[0]: kind}, {}, None, whole)


def check_whole(subject: str, batch: Any, takes: Taken, ref: str, before: int) -> None:
    """Refuse a row that is null, or an array of another shape than the version takes.

    Args:
        subject: The file, for messages.
        batch: Some of its rows.
        takes: What the version takes.
        ref: The version.
        before: Rows before these.

    Raises:
        InvalidInputError: With the first such row.
    """
    if takes.whole is None:
        return
    name = next(iter(takes.columns))
    values, inner = batch.column(name), 1
    for size in (0, *(takes.whole.shape or ())[1:]):
        if values.null_count:
            row = before + values.is_null().to_pylist().index(True) // inner + 1
            problem = f"has null in row {row} of {name!r}, which {ref} does not admit"
            raise InvalidInputError(subject, problem, "fill it in, or leave out the row")
        if size == 0 or not len(values):
            continue
        lengths = _lengths(values)
        due = size or lengths[0]
        odd = next((at for at, length in enumerate(lengths) if length != due), None)
        if odd is not None:
            row = before + odd // inner + 1
            problem = f"has an array of {lengths[odd]} in row {row} of {name!r}, and {ref} takes "
            raise InvalidInputError(subject, f"{problem}{due}", "bring all rows to one shape")
        values, inner = values.flatten(), inner * due


def _lengths(values: Any) -> list[int]:
    """Return the length of each list; of what is not one, 0."""
    types = pyarrow().types
    if not types.is_list(values.type):
        return [0] * len(values)
    from pyarrow import compute

    lengths: list[int] = compute.list_value_length(values).to_pylist()
    return lengths


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
    first: Any,
    columns: Mapping[str, Column],
    names: Sequence[str],
    by: str | None,
    whole: Column | None = None,
) -> Callable[[Any], Any]:
    """Return what turns a record batch into what the first part of a version takes.

    A part that was fitted with names of columns, or columns that are not all numbers, get a
    pandas frame; a graph with several inputs arrays by name; all others one array.

    Args:
        first: The preprocessor, or the model without one.
        columns: Those of the input schema, where it has names.
        names: Those of the batch.
        by: The column of the slices, which a part without names is not fed beyond its width.
        whole: The schema of an input that is one array.
    """
    if whole is not None and len(names) == 1:
        return lambda batch: _one(batch.column(names[0]), whole)
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


def _one(column: Any, whole: Column) -> Any:
    """Give one column as the array that a version takes: texts, numbers, or arrays as deep."""
    import numpy as np

    if column.type == pyarrow().string():
        return np.asarray(column.to_pylist(), dtype=object)
    types, dims, values = pyarrow().types, [len(column)], column
    while types.is_list(values.type):
        dims.append(len(values[0]))
        values = values.flatten()
    array = _array(values).reshape(
        dims if len(dims) > 1 or len(whole.shape or ()) == 1 else (-1, 1)
    )
    default = "int64" if whole.type.startswith("integer") else "float64"
    return array.astype(dtypes.canonical(whole.dtype or default), copy=False)


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
