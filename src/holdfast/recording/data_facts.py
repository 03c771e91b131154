"""What a run was trained on, as it was when the run was told of it."""

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast.core import figure_content
from holdfast.core.lineage_record import DataUse
from holdfast.datasets import data_digests, row_digest
from holdfast.errors import InvalidInputError, MissingLibraryError, UnsupportedError

__all__ = ["DataFacts", "Describe", "facts_of", "has_changed"]

Describe = Callable[[str, object], DataUse]
"""Looks at a path, a pattern or a version of data by its ref, and takes digests."""

_MOST_COLUMNS: Final = 200


class DataFacts(Struct, frozen=True):
    """What is recorded of one source of data.

    Attributes:
        use: As the lineage has it; `None` for a frame whose rows have no digest.
        path: Where it was, if it is one file or folder of this machine.
        rows: How many a frame has.
        columns: Names of a frame's columns, as many as are kept.
    """

    use: DataUse | None = None
    path: Path | None = None
    rows: int | None = None
    columns: tuple[str, ...] = ()


def facts_of(name: str, source: object, describe: Describe) -> DataFacts:
    """Look at a path, a version of data, or a frame of pandas, Polars, Arrow or numpy.

    Raises:
        InvalidInputError: If it cannot be read, or is something else.
        NotFoundError: If a version of data does not exist.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        is_here = os.path.lexists(path) and not glob.has_magic(str(path))
        return DataFacts(describe(name, source), path.absolute() if is_here else None)
    shape = getattr(source, "shape", None)
    if not isinstance(shape, Sequence) or not shape:
        problem = f"must be a path or a frame, not {type(source).__name__}"
        raise InvalidInputError(f"data {figure_content.shown(name)}", problem)
    digest = _row_digest(source)
    use = DataUse(rows=digest) if digest else None
    return DataFacts(use, rows=int(shape[0]), columns=_columns(source))


def has_changed(data: DataFacts) -> bool:
    """Tell whether a file or folder has other bytes than when the run was told of it."""
    if data.path is None or data.use is None:
        return False
    try:
        files = data_digests.of_files({"": data.path})
        return data_digests.of_data(files)[""] != data.use.digest
    except InvalidInputError:  # it is gone
        return True


def _row_digest(frame: object) -> str | None:
    """Return the digest of a frame's rows; `None` for an array, or where none is defined."""
    to_arrow = getattr(frame, "to_arrow", None)  # of Polars
    try:
        return row_digest.of_rows(to_arrow() if callable(to_arrow) else frame)
    except (InvalidInputError, MissingLibraryError, UnsupportedError):
        return None
    except (ValueError, TypeError):  # a column of mixed objects, which Arrow does not take
        return None


def _columns(frame: Any) -> tuple[str, ...]:
    own = getattr(frame, "column_names", None)  # of Arrow, whose `columns` are the values
    columns = getattr(frame, "columns", ()) if own is None else own
    return tuple(str(column) for column in list(columns)[:_MOST_COLUMNS])
