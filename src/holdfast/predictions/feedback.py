"""Labels in a folder's log: one SQLite file for each day, written by anybody."""

import contextlib
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, product
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.errors import DamagedError, InvalidInputError, NotFoundError, StoreError
from holdfast.predictions import ids
from holdfast.predictions.batch_record import Batches, BatchRecord, row_in
from holdfast.predictions.columns import json_of, row_of
from holdfast.predictions.filters import Filter, where
from holdfast.predictions.log import Label
from holdfast.predictions.parts import Days
from holdfast.predictions.private_files import make_file, make_folder
from holdfast.predictions.row import Prediction
from holdfast.predictions.sqlite import ALL_COLUMNS

FEEDBACK: Final = "feedback.sqlite"
_TABLE: Final = "prediction_id TEXT NOT NULL, at_us INTEGER NOT NULL, label TEXT NOT NULL, by TEXT"
_NOW_US: Final = "(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))"
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS labels ({_TABLE} NOT NULL, kept_us INTEGER DEFAULT {_NOW_US})",
    "CREATE INDEX IF NOT EXISTS by_prediction ON labels (prediction_id, at_us)",
    "PRAGMA user_version = 1",
)
_COLUMNS: Final = "prediction_id, at_us, label, by"
_INSERT: Final = f"INSERT INTO labels ({_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608
_OF: Final = f"SELECT {_COLUMNS} FROM labels WHERE prediction_id = ? ORDER BY at_us, rowid"  # noqa: S608
_LAST: Final = f"SELECT {_COLUMNS} FROM labels ORDER BY prediction_id, at_us, rowid"  # noqa: S608
_HAS_ARRIVALS: Final = "SELECT 1 FROM pragma_table_info('labels') WHERE name = 'kept_us'"
_ARRIVED: Final = "SELECT {}, coalesce({}, 0) FROM labels ORDER BY prediction_id, at_us, rowid"
_AT_ONCE: Final = 500
_PATIENCE_S: Final = 5.0
_SKEW_US: Final = 300_000_000
_FLUSH_MS: Final = 60_000


def told(label: Label) -> tuple[str, int, str, str]:
    """Return the columns of a label.

    Raises:
        InvalidInputError: If its prediction id is invalid, or it is dated later than now: it would
            outlive every correction.
    """
    if label.at_us > time.time_ns() // 1000 + _SKEW_US:
        raise InvalidInputError(
            f"label of {label.prediction_id}",
            "is dated in the future",
            "give the time at which it became known, with its offset",
        )
    return ids.parse(label.prediction_id), label.at_us, json_of(label.label) or "null", label.by


def is_young(prediction_id: str) -> bool:
    """Tell whether the row of a prediction may still be on its way to the log."""
    age_ms = time.time_ns() // 1_000_000 - ids.time_ms(prediction_id)
    return -_SKEW_US // 1000 <= age_ms <= _FLUSH_MS


def unknown(asked: Iterable[str], stored_ids: Collection[str]) -> list[str]:
    """Return the ids of predictions that are not kept and no more on their way, each once."""
    return [
        prediction_id
        for prediction_id in dict.fromkeys(asked)
        if prediction_id not in stored_ids and not is_young(prediction_id)
    ]


def of_batches(records: Sequence[BatchRecord], prediction_ids: Collection[str]) -> set[str]:
    """Return those of the ids that are rows of batches."""
    return {
        prediction_id
        for prediction_id in prediction_ids
        if any(row_in(record, prediction_id) is not None for record in records)
    }


class FolderFeedback:
    """Labels, each beside the day of its prediction, with which they go."""

    def __init__(self, days: Days, batches: Batches) -> None:
        self._days = days
        self._batches = batches

    def add(self, labels: Sequence[Label]) -> list[str]:
        """Keep labels, of each day all or none; see `Feedback`."""
        rows = sorted(map(told, labels), key=lambda row: ids.day_of(row[0]))  # stable
        groups = {day: list(some) for day, some in groupby(rows, lambda row: ids.day_of(row[0]))}
        days = set(self._days.names())
        for day, some in groups.items():
            if day not in days and not any(is_young(row[0]) for row in some):
                raise NotFoundError(
                    f"prediction {some[0][0]}", advice=f"the log has nothing of {day}"
                )
        missing: list[str] = []
        for day, some in groups.items():
            self._insert(self._days.root / day / FEEDBACK, some)
            stored_ids = self._kept(day, [row[0] for row in some])
            stored_ids |= of_batches(
                self._batches.of_day(day), {row[0] for row in some} - stored_ids
            )
            missing += unknown((row[0] for row in some), stored_ids)
        return missing

    def _kept(self, day: str, prediction_ids: list[str]) -> set[str]:
        """Return those of the ids that have a row."""
        stored_ids: set[str] = set()
        with self._days.opened(day) as parts:
            for part, some in product(parts, _chunks(list(dict.fromkeys(prediction_ids)))):
                places = ", ".join(f"${name}" for name in some)
                sql = f"SELECT prediction_id FROM predictions WHERE prediction_id IN ({places})"  # noqa: S608
                stored_ids.update(str(values[0]) for values in part.select(sql, some))
        return stored_ids

    def _insert(self, path: Path, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            make_folder(path.parent)
            make_file(path)
        except OSError as error:
            raise StoreError(
                path, f"cannot be made: {error.strerror}", "check its owner and mode"
            ) from error
        with _told(path), contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as file:
            file.execute("PRAGMA journal_mode = WAL")
            with file:
                for statement in _CREATE:
                    file.execute(statement)
                file.executemany(_INSERT, rows)

    def of(self, prediction_id: str) -> list[Label]:
        """Return all labels of a prediction, the one that counts last."""
        canonical_id = ids.parse(prediction_id)
        return list(self._read(ids.day_of(canonical_id), _OF, (canonical_id,)))

    def _read(self, day: str, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[Label]:
        path = self._days.root / day / FEEDBACK
        if not path.exists():
            return
        with _told(path), contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as file:
            for prediction_id, at_us, label, by in file.execute(sql, parameters):
                yield label_of((prediction_id, at_us, label, by), path)

    def arrivals(self, criteria: Filter) -> Iterator[tuple[Label, int]]:
        """Return all labels of the days that may hold rows wanted; see `Feedback`."""
        for day in self._days.of(criteria):
            path = self._days.root / day / FEEDBACK
            if path.exists():
                yield from _arrived(path)

    def joined(self, criteria: Filter) -> Iterator[tuple[Prediction, Label]]:
        """Return the rows that have a label, each with the one that counts."""
        for day in self._days.of(criteria):
            last = {label.prediction_id: label for label in self._read(day, _LAST)}
            if last:
                yield from self._join(day, criteria, last)

    def _join(
        self, day: str, criteria: Filter, last: dict[str, Label]
    ) -> Iterator[tuple[Prediction, Label]]:
        condition, parameters = where(criteria)
        with self._days.opened(day) as parts:
            for part, some in product(parts, _chunks(list(last))):
                sql = (
                    f"SELECT {ALL_COLUMNS} FROM predictions "  # noqa: S608
                    f"WHERE prediction_id IN ({', '.join(f'${name}' for name in some)}) "
                    f"AND {condition}"
                )
                for values in part.select(sql, {**some, **parameters}):
                    row = row_of(values, part.path)
                    yield row, last[row.prediction_id]


def _arrived(path: Path) -> Iterator[tuple[Label, int]]:
    """Read labels with their arrival, which files of an older Holdfast do not have."""
    with _told(path), contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as file:
        column = "kept_us" if file.execute(_HAS_ARRIVALS).fetchone() else "0"
        for *values, kept_us in file.execute(_ARRIVED.format(_COLUMNS, column)):
            yield label_of(values, path), int(kept_us)


def _chunks(names: list[str]) -> list[dict[str, str]]:
    """Return ids as parameters, no more of them together than any database takes."""
    return [
        {f"id{index}": name for index, name in enumerate(names[start : start + _AT_ONCE])}
        for start in range(0, len(names), _AT_ONCE)
    ]


def label_of(values: Sequence[Any], subject: object) -> Label:
    """Return the label of these columns.

    Raises:
        DamagedError: If they are not a label; *subject* names the file they come from.
    """
    prediction_id, at_us, label, by = values
    try:
        decoded = msgspec.json.decode(label)
        return msgspec.convert(
            {"prediction_id": prediction_id, "at_us": at_us, "label": decoded, "by": by}, Label
        )
    except (ValueError, TypeError) as error:
        raise DamagedError(
            str(subject), f"has an invalid label: {error}", "check who else writes to it"
        ) from error


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(
                path, f"cannot be used: {error}", "check the disk, then repeat"
            ) from error
        raise DamagedError(
            str(path), f"cannot be read: {error}", "move it away; its labels are lost"
        ) from error
