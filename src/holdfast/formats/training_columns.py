"""Training data as columns by name, from a file or from what a library holds."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

from holdfast import named_files
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.formats import packed_text

_SUBJECT: Final = "reference"
_NUMERIC: Final = ("f", "i", "u")
_ARROW_NUMERIC: Final = ("int", "uint", "float", "double", "halffloat")
_ADVICE: Final = "give a .parquet or .csv file, a frame, or lists by column"


def columns_of(source: object) -> dict[str, Any]:
    """Return the columns of training data: lists, or arrays of numpy.

    Args:
        source: A path to Parquet or CSV with a header, packed or not; a frame of pandas or
            polars, a table of pyarrow; a dict of columns; a list of dicts.

    Raises:
        InvalidInputError: If it cannot be read, or its columns have no names or rows.
        MissingLibraryError: If pyarrow is not installed, for a file.
    """
    if isinstance(source, str | PathLike):
        source = _table(Path(source))
    columns = _named(source)
    if not columns:
        raise InvalidInputError(_SUBJECT, "has no columns with names", _ADVICE)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InvalidInputError(_SUBJECT, "has columns of different lengths", _ADVICE)
    if lengths == {0}:
        raise InvalidInputError(_SUBJECT, "has no rows", "give the rows the model was trained on")
    return columns


def _named(source: Any) -> dict[str, Any]:
    if isinstance(source, Mapping):
        return {str(name): _column(column) for name, column in source.items()}
    if isinstance(source, list | tuple):
        if not all(isinstance(row, Mapping) for row in source):
            return {}
        keys = dict.fromkeys(key for row in source for key in row)
        return {str(key): [row.get(key) for row in source] for key in keys}
    names: list[Any] = list(getattr(source, "column_names", getattr(source, "columns", ())))
    if len(set(map(str, names))) < len(names):
        raise InvalidInputError(_SUBJECT, "has two columns of the same name", "rename one of them")
    return {str(name): _column(source[name]) for name in names}


def _column(column: Any) -> Any:
    """Return an array of numbers as it is, anything else as a list."""
    kind = getattr(getattr(column, "dtype", None), "kind", None)
    arrow = str(getattr(column, "type", ""))
    if kind in _NUMERIC or arrow.startswith(_ARROW_NUMERIC):
        return column.to_numpy() if hasattr(column, "to_numpy") else column
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(column, method):
            return getattr(column, method)()
    return list(column)


def _table(path: Path) -> Any:
    subject = f"{_SUBJECT} {str(path)!r}"
    inner, packing = packed_text.inner_name(path)
    if inner.suffix != ".csv" and path.suffix != ".parquet":
        raise InvalidInputError(subject, "is not Parquet or CSV by its name", _ADVICE)
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError:
        raise MissingLibraryError("pyarrow", "log", f"to read {str(path)!r}") from None
    try:
        if inner.suffix == ".csv":
            with named_files.opened(path) as file:
                return without_empty_text(csv.read_csv(packed_text.text_of(file, packing)))
        return parquet.read_table(path)
    except (ValueError, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # not Arrow's, of content
            problem = f"cannot be read: {error.strerror or error}"
            raise InvalidInputError(subject, problem, "check its path") from error
        first = str(error).partition("\n")[0]
        raise InvalidInputError(subject, f"cannot be read: {first}", "check its content") from error


def without_empty_text(table: Any) -> Any:
    """Return columns as pyarrow read them from CSV, with a null for each empty cell of text.

    Its own option for that takes `NA`, `n/a` and `null` for missing in text, too, where they may be
    a region or an answer. In numbers they are missing.

    Args:
        table: A table or a batch.
    """
    import pyarrow as pa
    from pyarrow import compute

    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(index)
            absent = pa.scalar(None, field.type)
            filled = compute.if_else(compute.equal(column, ""), absent, column)
            table = table.set_column(index, field, filled)
    return table
