"""Losses row by row: read from files and arrays, and paired by a bootstrap.

Kept they are bare numbers, eight bytes a row: float64, little-endian, in the order of the set.
"""

import csv
import math
import sys
from array import array
from pathlib import Path
from typing import Any, Final

from holdfast.core.paired import LEVEL, NEAR_ZERO, RESAMPLES
from holdfast.errors import DamagedError, InvalidInputError, MissingLibraryError
from holdfast.formats import arrays

MOST_ROWS: Final = 5_000_000
_DRAWN: Final = 20_000
"""Units that are resampled at most; of more rows, neighbours are taken together."""

_AT_ONCE: Final = 1 << 21
_SEED: Final = 20_261_121
_FARTHEST: Final = 1e9
"""A share beyond this is cut: a resample's mean may come close to 0, and JSON holds no infinity."""


def taken(name: str, source: object) -> bytes:
    """Read one value a row from a path (`.csv`, `.npy`), a list or a one-dimensional array.

    Raises:
        InvalidInputError: If it cannot be read, is empty, or a value is no finite number.
    """
    subject = f"losses {name!r}"
    values = _from_file(subject, Path(source)) if isinstance(source, str | Path) else source
    listed = arrays.unwrapped(values)
    if not isinstance(listed, list | tuple):
        raise InvalidInputError(subject, f"{type(values).__name__} has no rows", "give an array")
    try:
        numbers = array("d", (_number(one) for one in listed))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(subject, str(error), "give one finite number a row") from error
    if not 0 < len(numbers) <= MOST_ROWS:
        problem = f"{len(numbers):,} rows"
        raise InvalidInputError(subject, problem, f"give 1 to {MOST_ROWS:,}")
    return _little(numbers)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, str | bytes) or not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number


def _from_file(subject: str, path: Path) -> object:
    try:
        return _from_npy(path) if path.suffix == ".npy" else _from_csv(path)
    except OSError as error:
        problem = f"{str(path)!r} cannot be read: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its path") from error
    except ValueError as error:
        raise InvalidInputError(subject, f"{str(path)!r}: {error}", "mend it") from error


def _from_npy(path: Path) -> object:
    return _numpy().load(path, allow_pickle=False)


def _from_csv(path: Path) -> list[float]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 1 for row in rows):
        raise ValueError("has several columns; one value a row is wanted")
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
    numbers = array("d")
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return math.fsum(numbers) / len(numbers)


def rows(raw: bytes, subject: str) -> int:
    """Return how many rows kept losses have.

    Raises:
        DamagedError: If the bytes are no losses.
    """
    if len(raw) % 8 or not raw:
        raise DamagedError(subject, "are not losses: eight bytes a row", "evaluate it again")
    return len(raw) // 8


def interval(before: bytes, after: bytes) -> tuple[float, float, float, bool]:
    """Bootstrap the change of the mean from *before* to *after*, the rows of both drawn in pairs.

    2,000 resamples with a fixed seed, percentile interval of 95 %. Of more than 20,000 rows,
    neighbours are drawn together, which also does justice to rows that depend on each other.

    Returns:
        The change, as a share of the mean of *before* in magnitude, and both ends of its interval;
        and whether it is the plain difference, which it is where that mean is almost 0.

    Raises:
        MissingLibraryError: If numpy is not installed.

    Source:
        B. Efron (1979), Ann. Statist. 7, 1-26; percentile method.
    """
    np = _numpy()
    one, other, sizes = _units(before, after)
    absolute = bool(abs(one.sum() / sizes.sum()) < NEAR_ZERO)
    generator = np.random.default_rng(_SEED)
    count = len(one)
    changes = []
    at_once = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, at_once):
        shape = (min(at_once, RESAMPLES - start), count)
        drawn = generator.integers(0, count, shape)
        sums = (values[drawn].sum(axis=-1) for values in (one, other, sizes))
        changes.append(_change(*sums, absolute=absolute))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(np.concatenate(changes), [tail, 100 - tail])
    whole = _change(one.sum(), other.sum(), sizes.sum(), absolute=absolute)
    return float(whole), float(low), float(high), absolute


def _units(before: bytes, after: bytes) -> tuple[Any, Any, Any]:
    """Return the sums of both sides and the rows of each unit that is drawn."""
    np = _numpy()
    one, other = (np.frombuffer(raw, dtype="<f8") for raw in (before, after))
    starts = np.unique(np.linspace(0, len(one), min(len(one), _DRAWN), endpoint=False, dtype=int))
    sizes = np.diff(np.append(starts, len(one)))
    return np.add.reduceat(one, starts), np.add.reduceat(other, starts), sizes


def _change(one: Any, other: Any, size: Any, *, absolute: bool) -> Any:
    np = _numpy()
    difference = (other - one) / size
    if absolute:
        return difference
    with np.errstate(divide="ignore", invalid="ignore"):
        share = difference / np.abs(one / size)
    return np.clip(np.nan_to_num(share, nan=0.0), -_FARTHEST, _FARTHEST)


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingLibraryError("numpy", "simulate", "pairing losses needs it") from error
    return np
