"""What a run was trained on: digests of files, sizes of frames."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast.core import figure_content
from holdfast.datasets import data_digests
from holdfast.errors import InvalidInputError

__all__ = ["DataFacts", "facts_of", "has_changed"]

_MOST_COLUMNS: Final = 200


class DataFacts(Struct, frozen=True):
    """What is recorded of one source of data.

    Attributes:
        digest: `sha256:…` of a file's bytes, or of a folder's sorted lines; `None` for a frame.
        path: Where that was.
        rows: Of a frame.
        columns: Names of a frame's columns, as many as are kept.
    """

    digest: str | None = None
    path: Path | None = None
    rows: int | None = None
    columns: tuple[str, ...] = ()


def facts_of(name: str, source: object) -> DataFacts:
    """Look at a file, a folder, or a frame of pandas, Polars, Arrow or numpy.

    Raises:
        InvalidInputError: If it cannot be read, or is something else.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source).absolute()
        return DataFacts(_digest(name, path), path)
    shape = getattr(source, "shape", None)
    if not isinstance(shape, Sequence) or not shape:
        problem = f"must be a path or a frame, not {type(source).__name__}"
        raise InvalidInputError(f"data {figure_content.shown(name)}", problem)
    return DataFacts(rows=int(shape[0]), columns=_columns(source))


def has_changed(data: DataFacts) -> bool:
    """Tell whether a file or folder has other bytes than when the run was told of it."""
    if data.path is None:
        return False
    try:
        return _digest("", data.path) != data.digest
    except InvalidInputError:  # it is gone
        return True


def _digest(name: str, path: Path) -> str:
    return data_digests.of_data(data_digests.of_files({name: path}))[name]


def _columns(frame: Any) -> tuple[str, ...]:
    own = getattr(frame, "column_names", None)  # of Arrow, whose `columns` are the values
    columns = getattr(frame, "columns", ()) if own is None else own
    return tuple(str(column) for column in list(columns)[:_MOST_COLUMNS])
