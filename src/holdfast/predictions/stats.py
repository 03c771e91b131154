"""What a log tells of each version: how much it answered, how fast, how often wrong."""

import bisect
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct

from holdfast.predictions.filters import FAILED, Filter
from holdfast.predictions.log import Log
from holdfast.predictions.row import Prediction

_QUANTILES: Final = (0.5, 0.9, 0.99)
_SQL: Final = f"""
SELECT model, version, role, latency_us, count(*),
  sum(CASE WHEN {FAILED} THEN 1 ELSE 0 END),
  sum(CASE WHEN status >= 400 AND status < 500 THEN 1 ELSE 0 END), min(at_us), max(at_us)
FROM rows GROUP BY model, version, role, latency_us
"""  # noqa: S608
_MOST_ERROR: Final = 1e140
"""Squares of such errors can be added up, however many there are."""
_WRAPPINGS: Final = ("predictions", "outputs", "data")


class Accuracy(Struct, frozen=True):
    """Answers against the truth that was told later.

    Attributes:
        labelled: Rows with a label.
        unlabelled: Rows without one.
        classes: Answers compared as classes, and `accuracy`, the share that was right.
        numbers: Answers compared as numbers, with mean absolute and root mean square error.
        incomparable: Rows whose answer and label have different shapes or kinds, or are numbers
            too far apart to have a square.
    """

    labelled: int
    unlabelled: int
    classes: int = 0
    accuracy: float | None = None
    numbers: int = 0
    mae: float | None = None
    rmse: float | None = None
    incomparable: int = 0


class ServedVersion(Struct, frozen=True):
    """One version in one role.

    Attributes:
        failed: Answered with 5xx: the version's failures.
        refused: Answered with 4xx: what callers got wrong.
        latency_us: By quantile.
        first_us: Its first answer, in microseconds since 1970.
    """

    model: str
    version: str
    role: str
    requests: int
    failed: int
    refused: int
    latency_us: dict[str, int]
    first_us: int
    last_us: int
    accuracy: Accuracy


Group = tuple[str, str, str]


@dataclass(slots=True)
class _Sums:
    latencies: Counter[int] = field(default_factory=Counter)
    failed: int = 0
    refused: int = 0
    first_us: int = 1 << 62
    last_us: int = 0
    labelled: int = 0
    incomparable: int = 0
    classes: int = 0
    right: int = 0
    numbers: int = 0
    absolute: float = 0.0
    squared: float = 0.0

    def compare(self, answer: Any, label: Any) -> None:
        """Add one labelled row."""
        self.labelled += 1
        answers, labels = flat(answer), flat(label)
        if len(answers) != len(labels) or not all(map(is_plain, (*answers, *labels))):
            self.incomparable += 1
            return
        pairs = list(zip(answers, labels, strict=True))
        errors = [_error(*pair) for pair in pairs if _are_numbers(*pair)]
        if not all(error <= _MOST_ERROR for error in errors):  # NaN, too, is not
            self.incomparable += 1
            return
        self.numbers += len(errors)
        self.absolute += sum(errors)
        self.squared += sum(error * error for error in errors)
        for prediction, true in pairs:
            if not _are_numbers(prediction, true):
                self.classes += 1
                self.right += prediction == true

    def accuracy(self) -> Accuracy:
        """Return what the labels tell."""
        return Accuracy(
            labelled=self.labelled,
            unlabelled=max(self.latencies.total() - self.labelled, 0),
            classes=self.classes,
            accuracy=self.right / self.classes if self.classes else None,
            numbers=self.numbers,
            mae=self.absolute / self.numbers if self.numbers else None,
            rmse=math.sqrt(self.squared / self.numbers) if self.numbers else None,
            incomparable=self.incomparable,
        )


def _are_numbers(prediction: Any, true: Any) -> bool:
    """Tell whether an error is measured; whole numbers on both sides are classes."""
    are = is_number(prediction) and is_number(true)
    return are and float in (type(prediction), type(true))


def _error(prediction: float, true: float) -> float:
    """Return how far apart two numbers are; infinite if one is a whole number beyond all floats."""
    try:
        return abs(prediction - true)
    except OverflowError:
        return math.inf


def stats(log: Log, criteria: Filter) -> list[ServedVersion]:
    """Count the wanted rows, by model, version and role; of what is kept, sampled or not."""
    groups: dict[Group, _Sums] = {}
    for model, version, role, latency_us, count, failed, refused, first, last in log.select(
        _SQL, criteria, {}
    ):
        sums = groups.setdefault((model, version, role), _Sums())
        sums.latencies[latency_us] += count
        sums.failed += int(failed)
        sums.refused += int(refused)
        sums.first_us = min(sums.first_us, first)
        sums.last_us = max(sums.last_us, last)
    for row, label in log.feedback.joined(criteria):
        known = groups.get(_group(row))
        if known is not None:  # written since it was counted
            known.compare(row.output, label.label)
    return [_served(group, sums) for group, sums in sorted(groups.items())]


def _group(row: Prediction) -> Group:
    return row.model, row.version, row.role


def _served(group: Group, sums: _Sums) -> ServedVersion:
    model, version, role = group
    return ServedVersion(
        model=model,
        version=version,
        role=role,
        requests=sums.latencies.total(),
        failed=sums.failed,
        refused=sums.refused,
        latency_us={f"p{100 * share:.0f}": quantile(sums.latencies, share) for share in _QUANTILES},
        first_us=sums.first_us,
        last_us=sums.last_us,
        accuracy=sums.accuracy(),
    )


def quantile(counted: Mapping[int, int], share: float) -> int:
    """Return the least value that this share of all does not exceed.

    Args:
        counted: How often each value came, at least once.
        share: In (0, 1].
    """
    values = sorted(counted)
    upto = list(itertools.accumulate(counted[value] for value in values))
    return values[bisect.bisect_left(upto, math.ceil(share * upto[-1] - 1e-9))]


def flat(value: Any) -> list[Any]:
    """Return the answers of one request: `{"predictions": [0]}`, `[[0]]` and `0` are all `[0]`."""
    if isinstance(value, dict):
        inside = next((value[name] for name in _WRAPPINGS if name in value), None)
        return [value] if inside is None else flat(inside)
    if isinstance(value, list):
        return [item for part in value for item in flat(part)]
    return [value]


def is_plain(value: Any) -> bool:
    """Tell whether a value can be compared as a class or a number."""
    return isinstance(value, str | int | float)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which no truth value is."""
    return isinstance(value, int | float) and not isinstance(value, bool)
