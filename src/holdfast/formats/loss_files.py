"""Losses row by row, read from files and arrays.

Kept they are bare numbers, eight bytes a row: float64, little-endian, in the order of the set.
"""

import csv
import math
import sys
from array import array
from pathlib import Path
from typing import Any

from holdfast.core.evaluation import MOST_ROWS
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats import arrays
from holdfast.formats.bootstrap import numpy


def taken(name: str, source: object) -> bytes:
    """Read one value a row from a path (`.csv`, `.npy`), a list or a one-dimensional array.

    Raises:
        InvalidInputError: If it cannot be read, is empty, or a value is not a finite number.
    """
    subject = f"losses {name!r}"
    values = _from_file(subject, Path(source)) if isinstance(source, str | Path) else source
    listed = arrays.unwrapped(values)
    if not isinstance(listed, list | tuple):
        raise InvalidInputError(subject, f"must be an array, not {type(values).__name__}")
    try:
        numbers = array("d", (_number(value) for value in listed))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            subject, f"cannot be used: {error}", "give one finite number per row"
        ) from error
    if not 0 < len(numbers) <= MOST_ROWS:
        problem = f"have {len(numbers):,} rows"
        raise InvalidInputError(subject, problem, f"give 1 to {MOST_ROWS:,}")
    return _little(numbers)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, str | bytes) or not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _from_file(subject: str, path: Path) -> object:
    try:
        return _from_npy(path) if path.suffix == ".npy" else _from_csv(path)
    except OSError as error:
        problem = f"cannot be read from {str(path)!r}: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its path") from error
    except ValueError as error:
        problem = f"cannot be read from {str(path)!r}: {error}"
        raise InvalidInputError(subject, problem, "fix the file") from error


def _from_npy(path: Path) -> object:
    return numpy().load(path, allow_pickle=False)


def _from_csv(path: Path) -> list[float]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 1 for row in rows):
        raise ValueError("it has several columns, but needs one value per row")
    head = rows[:1] if rows and not _is_number(rows[0][0]) else []
    return [float(row[0]) for row in rows[len(head) :]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _little(numbers: "array[float]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def mean(raw: bytes) -> float:
    """Return the mean of kept losses, exactly rounded."""
    numbers = values(raw)
    return math.fsum(numbers) / len(numbers)


def values(raw: bytes) -> list[float]:
    """Return kept losses as numbers."""
    numbers = array("d")
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def rows(raw: bytes, subject: str) -> int:
    """Return how many rows kept losses have.

    Raises:
        DamagedError: If the bytes are not losses.
    """
    if len(raw) % 8 or not raw:
        raise DamagedError(subject, "are not losses of eight bytes per row", "evaluate it again")
    return len(raw) // 8
