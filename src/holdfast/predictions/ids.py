"""Ids of predictions: UUIDv7; its time names the day a row is kept under, its mark the worker.

    unix ms (48) | 7 (4) | counter (12) | variant (2) | mark of the worker (16) | random (46)

They rise within a process, also while its clock stands still or steps back.

A row of a batch is written `BATCH:ROW`. Its own id is the batch's with the row's number, 0-based,
added without carry to the random bits: the same length, the same day, and row 0 has the batch's.
"""

import functools
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from holdfast import forks
from holdfast.errors import InvalidInputError

_DAY_MS: Final = 86_400_000
_RANDOM_BITS: Final = 46
_MARK_BITS: Final = 16
_LAST_BITS: Final = 48
_VARIANT: Final = 2 << 62
_FORM: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ROW: Final = re.compile(r"([0-9a-f-]{36}):([0-9]{1,14})", re.IGNORECASE | re.ASCII)
_MOST_ROWS: Final = 1 << _RANDOM_BITS
_POOL: Final = struct.Struct("512Q")
_EPOCH: Final = date(1970, 1, 1)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def mark_of(worker: str) -> str:
    """Return the 4 hex digits by which an id names its worker; others may share them."""
    return f"{zlib.crc32(worker.encode('utf-8', 'surrogatepass')) & 0xFFFF:04x}"


class _Randomness:
    """Random bits of the system, asked for in large pieces: an id needs few of them."""

    def __init__(self) -> None:
        self._pool: list[int] = []

    def __call__(self, bits: int) -> int:
        try:
            taken = self._pool.pop()  # by one thread alone
        except IndexError:
            self._pool += _POOL.unpack(os.urandom(_POOL.size))
            taken = self._pool.pop()
        return taken & (1 << bits) - 1


class Mint:
    """Makes the ids of one worker; any thread may call it.

    Args:
        worker: Its name.
        clock_ms: Returns milliseconds since 1970, UTC.
        random_bits: Returns so many random bits as a number.
    """

    def __init__(
        self,
        worker: str,
        clock_ms: Callable[[], int] = _clock_ms,
        random_bits: Callable[[int], int] | None = None,
    ) -> None:
        fixed = _VARIANT | int(mark_of(worker), 16) << _RANDOM_BITS
        self._fourth = f"{fixed >> _LAST_BITS:04x}"
        self._last_part = fixed & (1 << _LAST_BITS) - 1
        self._clock_ms = clock_ms
        self._random_bits = random_bits or _Randomness()
        self._lock = threading.Lock()
        forks.tell(self)
        self._last = 0
        self._start = (0, "")  # of the last id: its milliseconds, and how they are written

    def after_fork(self) -> None:
        """Draw other random bits than the parent does."""
        self._lock = threading.Lock()
        if isinstance(self._random_bits, _Randomness):
            self._random_bits = _Randomness()

    def __call__(self) -> str:
        """Return a new id, greater than every one before."""
        with self._lock:  # 4,096 in a millisecond; more of them run ahead of the clock
            tick = self._last = max(self._clock_ms() << 12, self._last + 1)
        known, start = self._start
        if known != tick >> 12:
            digits = f"{tick >> 12:012x}"
            start = f"{digits[:8]}-{digits[8:]}"
            self._start = tick >> 12, start
        last = self._last_part | self._random_bits(_RANDOM_BITS)
        return f"{start}-7{tick & 0xFFF:03x}-{self._fourth}-{last:012x}"


def parse(text: str) -> str:
    """Return an id in its canonical form; of `BATCH:ROW`, that of the row.

    Raises:
        InvalidInputError: If it is not a UUIDv7, or a row has a number that no batch has.
    """
    if _FORM.fullmatch(text):
        return text
    row = _ROW.fullmatch(text.strip())
    if row is not None:
        return of_row(parse(row[1]), int(row[2]))
    canonical_id = text.strip().lower()
    if not _FORM.fullmatch(canonical_id):
        raise InvalidInputError(
            f"prediction id {text!r}",
            "is not a UUIDv7",
            "copy it from the answer's prediction_id or the header X-Prediction-Id",
        )
    return canonical_id


def of_row(batch_id: str, row: int) -> str:
    """Return the id of a batch's row.

    Raises:
        InvalidInputError: If no batch has so many rows.
    """
    if not 0 <= row < _MOST_ROWS:
        raise InvalidInputError(f"row {row}", "is beyond every batch", "check the number")
    return f"{batch_id[:24]}{int(batch_id[24:], 16) ^ row:012x}"


def row_between(batch_id: str, prediction_id: str) -> int | None:
    """Return the number of the row that an id is of, if it may be one of this batch."""
    row = int(batch_id[24:], 16) ^ int(prediction_id[24:], 16)
    return row if batch_id[:24] == prediction_id[:24] and row < _MOST_ROWS else None


def bounds_of_batch(prediction_id: str) -> tuple[str, str]:
    """Return the least and the greatest id that a batch with this row may have."""
    start, last = prediction_id[:24], int(prediction_id[24:], 16)
    return f"{start}{last & -_MOST_ROWS:012x}", f"{start}{last | _MOST_ROWS - 1:012x}"


def time_ms(prediction_id: str) -> int:
    """Return when an id was made, in milliseconds since 1970."""
    return int(prediction_id[:8] + prediction_id[9:13], 16)


def day_of(prediction_id: str) -> str:
    """Return the day in UTC under which the row of an id is kept: `2026-11-25`."""
    return day_at(time_ms(prediction_id))


def day_at(moment_ms: int) -> str:
    """Return the day in UTC of a moment.

    Raises:
        InvalidInputError: If no calendar has it.
    """
    return _day(moment_ms // _DAY_MS)


@functools.lru_cache(maxsize=64)
def _day(number: int) -> str:
    try:
        return (_EPOCH + timedelta(days=number)).isoformat()
    except OverflowError:
        raise InvalidInputError(
            "prediction id", "has a time beyond the year 9999", "check where it comes from"
        ) from None


def mark_in(prediction_id: str) -> str:
    """Return the mark of the worker that made an id, if one of ours did."""
    bits = int(prediction_id[19:23] + prediction_id[24:26], 16)  # 24 bits from the variant on
    return f"{bits >> 6 & 0xFFFF:04x}"


def bounds_of(day: str) -> tuple[str, str]:
    """Return the least id of a day and the least one behind it."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    start_ms = int(start.timestamp() * 1000)
    return _least(start_ms), _least(start_ms + _DAY_MS)


def _least(moment_ms: int) -> str:
    digits = f"{moment_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
