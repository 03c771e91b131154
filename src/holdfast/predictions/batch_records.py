"""The records of batches in a folder's log: one small SQLite file beside each day's rows."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core import strict_json
from holdfast.errors import DamagedError, NotFoundError, StoreError
from holdfast.predictions import ids
from holdfast.predictions.batch_record import BatchRecord, row_in
from holdfast.predictions.parts import Days
from holdfast.predictions.private_files import make_file, make_folder

__all__ = ["BATCHES", "FolderBatches", "decoded", "not_kept"]

BATCHES: Final = "batches.sqlite"
_COLUMNS: Final = "batch_id TEXT PRIMARY KEY, model TEXT NOT NULL, record TEXT NOT NULL"
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS batches ({_COLUMNS}) WITHOUT ROWID",
    "PRAGMA user_version = 1",
)
_INSERT: Final = "INSERT INTO batches VALUES (?, ?, ?)"
_BETWEEN: Final = "SELECT record FROM batches WHERE batch_id BETWEEN ? AND ?"
_ALL: Final = "SELECT record FROM batches ORDER BY batch_id"
_OF_MODEL: Final = "SELECT record FROM batches WHERE model = ? ORDER BY batch_id"
_PATIENCE_S: Final = 5.0


class FolderBatches:
    """Records, each beside the day of its batch, with which they go."""

    def __init__(self, days: Days) -> None:
        self._days = days

    def add(self, record: BatchRecord) -> None:
        """Keep a record; see `Batches`."""
        batch_id = ids.parse(record.batch_id)
        path = self._days.root / ids.day_of(batch_id) / BATCHES
        try:
            make_folder(path.parent)
            make_file(path)
        except OSError as error:
            problem = f"cannot be made: {error.strerror}"
            raise StoreError(path, problem, "check its owner and mode") from error
        text = msgspec.json.encode(record).decode()
        with _told(path), contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as file:
            file.execute("PRAGMA synchronous = FULL")
            with file:
                for statement in _CREATE:
                    file.execute(statement)
                file.execute(_INSERT, (batch_id, record.model, text))

    def find(self, prediction_id: str) -> BatchRecord:
        """Return the batch that an id is of; see `Batches`."""
        canonical_id = ids.parse(prediction_id)
        day = ids.day_of(canonical_id)
        for record in self._read(day, _BETWEEN, ids.bounds_of_batch(canonical_id)):
            if row_in(record, canonical_id) is not None:
                return record
        raise not_kept(canonical_id)

    def of_day(self, day: str, model: str | None = None) -> list[BatchRecord]:
        """Return the batches of a day; see `Batches`."""
        if model is None:
            return list(self._read(day, _ALL, ()))
        return list(self._read(day, _OF_MODEL, (model,)))

    def _read(self, day: str, sql: str, parameters: tuple[str, ...]) -> Iterator[BatchRecord]:
        path = self._days.root / day / BATCHES
        if not path.exists():
            return
        with _told(path), contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as file:
            file.execute("PRAGMA trusted_schema = OFF")
            if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone():
                return  # made, and nothing written yet
            for (text,) in file.execute(sql, parameters):
                yield decoded(text, path)


def decoded(text: str, subject: object) -> BatchRecord:
    """Read a record.

    Raises:
        DamagedError: If it is not one; *subject* names where it comes from.
    """
    try:
        return strict_json.decode(text.encode(), BatchRecord)
    except (ValueError, AttributeError) as error:
        problem = f"has an invalid record of a batch: {error}"
        raise DamagedError(str(subject), problem, "check who else writes to it") from error


def not_kept(canonical_id: str) -> NotFoundError:
    """Say that there is no such batch."""
    advice = "no record of a batch has it, or it has expired"
    return NotFoundError(f"batch of {canonical_id}", advice=advice)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        problem = f"cannot be used: {error}"
        raise StoreError(path, problem, "check the disk, then repeat") from error
    except sqlite3.DatabaseError as error:
        problem, advice = f"cannot be read: {error}", "move it away; its records are lost"
        raise DamagedError(str(path), problem, advice) from error
