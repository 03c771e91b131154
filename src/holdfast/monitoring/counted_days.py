"""Counts of closed days, kept beside the log: a look each day reads that day alone.

A day is counted anew until it is two days old, as rows may come late; then its counts stay as they
are, whatever becomes of its rows. Rows that come later still are not counted, and told.
"""

import contextlib
import os
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.drift.drift_counts import DayCounts
from holdfast.core.drift.drift_reference import DriftReference
from holdfast.core.names import escape
from holdfast.errors import DamagedError
from holdfast.predictions import Log
from holdfast.predictions.day_counting import count_day, rows_of_day
from holdfast.predictions.private_files import make_folder, opened_for_writing
from holdfast.store import durable

FOLDER: Final = "drift"
"""Below the log's folder; no day has this name."""

LATE_DAYS: Final = 2
_MOST_BYTES: Final = 256 << 20
_ADVICE: Final = "check who else writes to the log"


class _Seen(Struct, frozen=True, array_like=True):
    """How many rows the log had of a day when its counts were kept: in all, and of the model."""

    all: int
    own: int


class _Kept(Struct, frozen=True):
    """The file of one model and one reference."""

    days: dict[str, DayCounts]
    format: Literal[1] = 1
    seen: dict[str, _Seen] = {}


class CountedDays:
    """The days of one model's log in the bins of one reference.

    Args:
        folder: Of the log; `None` for one in a database, which is counted anew each time.
        names: Of the columns by position, for rows that are lists.
        reference: With the digest of its file, which tells counts in other bins apart.

    Attributes:
        late: Rows by day that came after its counts were kept; known once `days` was asked.
    """

    def __init__(
        self,
        log: Log,
        model: str,
        reference: tuple[str, DriftReference],
        names: Sequence[str],
        folder: Path | None,
    ) -> None:
        self._log, self._model, self._names = log, model, names
        self._digest, self._reference = reference
        self.late: dict[str, int] = {}
        self._path = folder and folder / FOLDER / escape(model) / f"{self._digest[:32]}.json"

    def days(self, since: date, until: date, today: date) -> list[DayCounts]:
        """Return the counts of each day from *since* to *until*, without a gap.

        Raises:
            StoreError: If the log cannot be read.
        """
        file = self._read()
        kept, seen = dict(file.days), dict(file.seen)
        logged = {day.day: day.rows for day in self._log.days()}
        counted, is_new = [], False
        for offset in range((until - since).days + 1):
            day = since + timedelta(days=offset)
            text = day.isoformat()
            counts = kept.get(text)
            if counts is None and text in logged:
                counts = count_day(self._log, self._model, text, self._reference, self._names)
                counts = self._with_batches(counts)
                if (today - day).days > LATE_DAYS:
                    kept[text], is_new = counts, True
                    seen[text] = _Seen(logged[text], rows_of_day(self._log, self._model, text))
            elif text in seen and logged.get(text, 0) > seen[text].all:
                self._tell_late(text, seen[text])
            counted.append(counts or DayCounts(day=text))
        if is_new:
            self._keep(_Kept(dict(sorted(kept.items())), seen=dict(sorted(seen.items()))))
        return counted

    def _tell_late(self, day: str, seen: _Seen) -> None:
        more = rows_of_day(self._log, self._model, day) - seen.own
        if more > 0:
            self.late[day] = more

    def _with_batches(self, counts: DayCounts) -> DayCounts:
        """Add the batches of a day; one that was counted in other bins is not measured.

        A version that scores the same files again says nothing new.
        """
        batches = {
            (batch.version, batch.input_digest): batch
            for batch in self._log.batches.of_day(counts.day, self._model)
        }
        for batch in batches.values():
            of_batch = batch.drift
            if of_batch is None or batch.reference != self._digest:
                answered = batch.rows - batch.refused
                of_batch = DayCounts(
                    day=counts.day, requests=batch.rows, refused=batch.refused, unmeasured=answered
                )
            elif not of_batch.fits(self._reference):
                raise DamagedError(f"batch {batch.batch_id}", "has counts in other bins", _ADVICE)
            counts = counts.plus(of_batch)
        return counts

    def first(self) -> date | None:
        """Return the first day that anything is known of."""
        known = {day.day for day in self._log.days()} | self._read().days.keys()
        return min(map(date.fromisoformat, known), default=None)

    def _read(self) -> _Kept:
        """Read what is kept; what is damaged, or of other bins, is counted anew."""
        if self._path is None:
            return _Kept({})
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                return _Kept({})
            kept = strict_json.decode(self._path.read_bytes(), _Kept)
        except (OSError, ValueError):
            return _Kept({})
        sound = all(day == item.day for day, item in kept.days.items())
        fits = all(item.fits(self._reference) for item in kept.days.values())
        return kept if sound and fits else _Kept({})

    def _keep(self, kept: _Kept) -> None:
        """Write beside it and rename; where that is not possible, the next look counts again."""
        if self._path is None:
            return
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            make_folder(self._path.parent)
            with opened_for_writing(temporary) as file:
                file.write(msgspec.json.encode(kept))
            durable.rename_over(str(temporary), str(self._path))
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
