"""A log in a folder: for each day a folder, in it one SQLite file for each worker, later Parquet.

2026-11-25/3fa2-host-1-7f.sqlite   written by one worker; its ids carry the mark 3fa2
2026-11-25/predictions.parquet     the closed day, compacted
2026-11-25/feedback.sqlite         labels of that day's predictions
2026-11-25/batches.sqlite          records of the batches that began on that day
"""

import heapq
import itertools
import os
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from holdfast import forks
from holdfast.core.names import escape
from holdfast.errors import DamagedError, NotFoundError, StoreError
from holdfast.predictions import ids
from holdfast.predictions.batch_records import FolderBatches
from holdfast.predictions.columns import Values, row_of, values_of
from holdfast.predictions.feedback import FolderFeedback
from holdfast.predictions.filters import Filter, where
from holdfast.predictions.log import Day, Sync
from holdfast.predictions.parquet import PARQUET
from holdfast.predictions.parts import Days, Part, opened
from holdfast.predictions.private_files import make_folder
from holdfast.predictions.row import Prediction
from holdfast.predictions.sqlite import ALL_COLUMNS, SUFFIX, BrokenError, SealedError, SqliteWriter

_WRITTEN_AT_ONCE: Final = 4
_READ_AT_ONCE: Final = 128
_COUNT: Final = "SELECT count(*) FROM predictions"
_FIRST: Final = itemgetter(0)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


class FolderLog:
    """A log in a folder; any number of processes may have it open.

    Args:
        root: Made by the first row.
        sync: What a commit survives.
        today: The present day in UTC.
        token: Ends the names of the files that it writes, and of no others.
    """

    def __init__(
        self,
        root: Path,
        *,
        sync: Sync = "normal",
        today: Callable[[], str] = _today,
        token: str | None = None,
    ) -> None:
        self.root = root
        self._sync: Sync = sync
        self._today = today
        self._token = token or secrets.token_hex(6)
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._writing: OrderedDict[tuple[str, str], SqliteWriter] = OrderedDict()
        self._reading: OrderedDict[Path, Part] = OrderedDict()
        self._listed: dict[str, list[Path]] = {}
        self._lock = threading.Lock()
        self._days = Days(root)
        forks.tell(self)
        self.batches = FolderBatches(self._days)
        self.feedback = FolderFeedback(self._days, self.batches)

    def after_fork(self) -> None:
        """Open files of its own: SQLite's must not be used by two processes."""
        forks.abandon(self._writing, self._reading)
        self._lock = threading.Lock()
        self._token = secrets.token_hex(6)
        self._numbers = Counter()
        self._writing, self._reading = OrderedDict(), OrderedDict()

    def write(self, rows: Sequence[Prediction]) -> None:
        """Return once all rows are committed; see `Log`."""
        groups: dict[tuple[str, str], list[Values]] = {}
        for row in rows:
            group_key = ids.day_of(ids.parse(row.prediction_id)), row.worker
            groups.setdefault(group_key, []).append(values_of(row))
        with self._lock:
            for (day, worker), values in groups.items():
                self._write(day, worker, values)

    def _write(self, day: str, worker: str, values: list[Values]) -> None:
        while True:
            file = self._writing.get((day, worker))
            if file is not None and not file.path.exists():  # compacted, or removed with its day
                self._leave(day, worker)
                file = None
            try:
                if file is None:
                    file = self._open(day, worker)
                file.write(values)
            except (SealedError, BrokenError):
                self._leave(day, worker)
            except StoreError:
                self._stop(day, worker)
                raise
            else:
                return

    def _open(self, day: str, worker: str) -> SqliteWriter:
        folder = self.root / day
        try:
            make_folder(folder)
        except OSError as error:
            raise StoreError(
                folder, f"cannot be made: {error.strerror}", "check the disk and its owner"
            ) from error
        number = self._numbers[day, worker]
        again = f".{number}" if number else ""
        name = f"{ids.mark_of(worker)}-{escape(worker)}-{self._token}{again}{SUFFIX}"
        file = self._writing[day, worker] = SqliteWriter(folder / name, self._sync)
        while len(self._writing) > _WRITTEN_AT_ONCE:  # yesterday's, after midnight
            self._writing.popitem(last=False)[1].close()
        return file

    def _leave(self, day: str, worker: str) -> None:
        """Have the next rows go to a new file."""
        self._stop(day, worker)
        self._numbers[day, worker] += 1

    def _stop(self, day: str, worker: str) -> None:
        file = self._writing.pop((day, worker), None)
        if file is not None:
            file.close()

    def get(self, prediction_id: str) -> Prediction:
        """Return one row; only files of its day are opened; see `Log`."""
        canonical_id = ids.parse(prediction_id)
        day, mark = ids.day_of(canonical_id), ids.mark_in(canonical_id)
        with self._lock:
            known = [path for path in self._listed.get(day, ()) if path.name.startswith(mark)]
            stored_row = self._find(canonical_id, known) or self._find(
                canonical_id, self._candidates(day, mark)
            )
        if stored_row is None:
            advice = "it was never kept (see sampling), or has expired"
            raise NotFoundError(f"prediction {canonical_id}", advice=advice)
        return row_of(*stored_row)

    def _candidates(self, day: str, mark: str) -> list[Path]:
        """List a day's files anew, those first that its worker may have written."""
        paths = self._listed[day] = self._days.files(day)
        return sorted(paths, key=lambda path: not path.name.startswith(mark))

    def _find(self, canonical_id: str, paths: Iterable[Path]) -> tuple[Values, Path] | None:
        damage: DamagedError | None = None
        for path in paths:
            try:
                values = self._part(path).get(canonical_id)
            except FileNotFoundError:
                self._forget(path)
            except DamagedError as error:
                self._forget(path)
                damage = damage or error
            else:
                if values is not None:
                    return values, path
        if damage is not None:
            raise damage
        return None

    def _part(self, path: Path) -> Part:
        os.stat(path)  # a removed file can be read as long as it is open, and must not be
        part = self._reading.get(path)
        if part is None:
            part = self._reading[path] = opened(path)
            while len(self._reading) > _READ_AT_ONCE:
                self._reading.popitem(last=False)[1].close()
        else:
            self._reading.move_to_end(path)
        return part

    def _forget(self, path: Path) -> None:
        part = self._reading.pop(path, None)
        if part is not None:
            part.close()

    def scan(self, criteria: Filter) -> Iterator[Prediction]:
        """Return rows by id; see `Log`."""
        days = self._days.of(criteria)
        if criteria.order == "newest":
            days.reverse()
        rows = itertools.chain.from_iterable(self._scan(day, criteria) for day in days)
        return itertools.islice(rows, criteria.limit)

    def _scan(self, day: str, criteria: Filter) -> Iterator[Prediction]:
        condition, parameters = where(criteria)
        down = criteria.order == "newest"
        sql = (
            f"SELECT {ALL_COLUMNS} FROM predictions WHERE {condition} "  # noqa: S608
            f"ORDER BY prediction_id{' DESC' if down else ''}"
        )
        if criteria.limit is not None:
            sql += f" LIMIT {criteria.limit:d}"
        with self._days.opened(day) as parts:
            streams = [
                ((*values, part.path) for values in part.select(sql, parameters)) for part in parts
            ]
            last = None
            for *values, path in heapq.merge(*streams, key=_FIRST, reverse=down):
                if values[0] != last:
                    last = values[0]
                    yield row_of(values, path)

    def select(self, sql: str, criteria: Filter, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Ask every file; see `Log`."""
        condition, chosen = where(criteria)
        whole = f"WITH rows AS (SELECT * FROM predictions WHERE {condition}) {sql}"  # noqa: S608
        for day in self._days.of(criteria):
            with self._days.opened(day) as parts:
                for part in parts:
                    yield from part.select(whole, {**chosen, **parameters})

    def days(self) -> list[Day]:
        """Return the days that are kept; see `Log`."""
        return [self._day(day) for day in self._days.names()]

    def _day(self, day: str) -> Day:
        with self._days.opened(day) as parts:
            rows = sum(sum(counts) for part in parts for counts in part.select(_COUNT))
            compacted = all(part.path.name == PARQUET for part in parts)
        size = self._days.size_bytes(day)
        if day >= self._today():
            return Day(day, rows, size, "live")
        return Day(day, rows, size, "compacted" if compacted else "closed")

    def drop(self, day: str) -> None:
        """Remove a day with its labels, for good."""
        with self._lock:
            for path in [path for path in self._reading if path.parent.name == day]:
                self._forget(path)
            self._listed.pop(day, None)
            self._days.remove(day)

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for file in self._writing.values():
                file.close()
            for part in self._reading.values():
                part.close()
            self._writing.clear()
            self._reading.clear()
