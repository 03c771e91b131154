"""Closed days become Parquet: sealed, merged, written whole, and only then removed."""

import contextlib
import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Final

from msgspec import Struct

from holdfast.errors import StoreError
from holdfast.predictions import parquet
from holdfast.predictions.columns import Values
from holdfast.predictions.log import Day
from holdfast.predictions.parquet import PARQUET
from holdfast.predictions.parts import Days, Part, is_written, opened
from holdfast.predictions.private_files import make_file
from holdfast.predictions.sqlite import ALL_COLUMNS, seal

_LOCK: Final = ".compaction.sqlite"
_SORTED: Final = f"SELECT {ALL_COLUMNS} FROM predictions ORDER BY prediction_id"  # noqa: S608
_ID: Final = itemgetter(0)


class Compacted(Struct, frozen=True):
    """What became of a day."""

    day: str
    rows: int
    before_bytes: int
    after_bytes: int


def closed(days: Iterable[Day]) -> list[str]:
    """Return the days that can be compacted."""
    return [day.day for day in days if day.state == "closed"]


def compact(root: Path, day: str) -> Compacted:
    """Write a day's rows into one Parquet file and remove the files they came from.

    It can be cut short anywhere and repeated: no row is lost, and none is read twice. Rows that
    come late are merged by the next call.

    Raises:
        MissingLibraryError: Without the extra `log`.
        DamagedError: If a file cannot be read; every file stays.
        StoreError: If the disk refuses, or another compaction is at work.
    """
    days, target = Days(root), root / day / PARQUET
    with _alone(root):
        before = days.size_bytes(day)
        written = [path for path in sorted(target.parent.iterdir()) if is_written(path.name)]
        inside = parquet.sources_of(target)
        fresh = [path for path in written if path.name not in inside]
        if fresh or not target.exists():
            _fold(fresh, target, inside)
        for path in written:
            _remove(path)
        with contextlib.closing(opened(target)) as part:
            ((rows,),) = part.select("SELECT count(*) FROM predictions")
        return Compacted(day, rows, before, days.size_bytes(day))


def _fold(fresh: list[Path], target: Path, inside: set[str]) -> None:
    """Write what is in the target and in fresh files to the target."""
    for path in fresh:
        seal(path)
    with contextlib.ExitStack() as stack:
        paths = [*fresh, *([target] if target.exists() else [])]
        parts = [stack.enter_context(contextlib.closing(opened(path))) for path in paths]
        parquet.write(target, _merged(parts), inside | {path.name for path in fresh})


def _merged(parts: list[Part]) -> Iterator[Values]:
    last = None
    for values in heapq.merge(*(part.select(_SORTED) for part in parts), key=_ID):
        if values[0] != last:
            last = values[0]
            yield values


def _remove(path: Path) -> None:
    """Remove a file whose rows are elsewhere; where it is in use the next call does."""
    with contextlib.suppress(OSError):
        path.unlink()
        for companion in ("-wal", "-shm"):
            path.with_name(path.name + companion).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one compaction at a time work on a log; a killed one holds nobody up."""
    path = root / _LOCK
    try:
        make_file(path)
    except OSError as error:
        raise StoreError(
            path, f"cannot be made: {error.strerror}", "check its owner and mode"
        ) from error
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        with contextlib.closing(connection):
            connection.execute("BEGIN EXCLUSIVE")
            yield
    except sqlite3.Error as error:
        raise StoreError(
            path, f"cannot be locked: {error}", "wait until the other compaction is done"
        ) from error
