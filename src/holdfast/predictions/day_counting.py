"""What a log had in one day, counted in the bins of a reference.

Rows of the roles that answer callers count: not those of a shadow, to which the same request was
mirrored. Of each key the first answered request of the day counts, and the first refused one: a
caller that repeats itself says nothing new. Failures (5xx) are not about inputs.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from operator import attrgetter
from typing import Any, Final

import msgspec

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts, no_rows
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    NumberReference,
)
from holdfast.core.drift.feature_values import counted, value_text
from holdfast.errors import MissingLibraryError
from holdfast.predictions.filters import Filter
from holdfast.predictions.log import Log
from holdfast.predictions.logged_rows import columns_of

_ROLES: Final = "role IN ('active', 'canary', 'pinned')"
_REFUSED: Final = "(status >= 400 AND status < 500)"
_FIRST: Final = f"""
SELECT key, CASE WHEN {_REFUSED} THEN 1 ELSE 0 END, min(CAST(prediction_id AS TEXT)) FROM rows
WHERE {_ROLES} AND status < 500 AND key IS NOT NULL GROUP BY 1, 2
"""  # noqa: S608
_ROWS: Final = f"""
SELECT prediction_id, key, CASE WHEN {_REFUSED} THEN 1 ELSE 0 END,
  CASE WHEN status < 400 THEN input END
FROM rows WHERE {_ROLES} AND status < 500
"""  # noqa: S608
_COUNT: Final = f"SELECT count(*) FROM rows WHERE {_ROLES} AND status < 500"  # noqa: S608
_AT_ONCE: Final = 20_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Number = float | None
_Value = str | int | float | bool | None


def bounds_us(day: str) -> tuple[int, int]:
    """Return when a UTC day begins and ends, in microseconds since 1970."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    microsecond = timedelta(microseconds=1)
    return (start - _EPOCH) // microsecond, (start + timedelta(days=1) - _EPOCH) // microsecond


def count_day(
    log: Log, model: str, day: str, reference: DriftReference, names: Sequence[str] = ()
) -> DayCounts:
    """Count the requests of a UTC day.

    Args:
        names: Of the columns by position, for rows that are lists.

    Raises:
        MissingLibraryError: If numpy is not installed.
        StoreError: If the log cannot be read.
    """
    since_us, until_us = bounds_us(day)
    criteria = Filter(model=model, since_us=since_us, until_us=until_us)
    first: dict[tuple[str, int], str] = {}
    for key, refused, prediction_id in log.select(_FIRST, criteria, {}):
        first_row = first.get((key, refused))
        first[key, refused] = (
            str(prediction_id) if first_row is None else min(first_row, str(prediction_id))
        )
    tally = _DayTally(reference, names)
    rows = log.select(_ROWS, criteria, {})
    for batch in _batches(rows, first):
        tally.add(batch)
    return tally.counts(day)


def rows_of_day(log: Log, model: str, day: str) -> int:
    """Tell how many rows of a UTC day there are to count, repeated keys among them.

    Raises:
        StoreError: If the log cannot be read.
    """
    since_us, until_us = bounds_us(day)
    criteria = Filter(model=model, since_us=since_us, until_us=until_us)
    return sum(int(found[0]) for found in log.select(_COUNT, criteria, {}))


def _batches(
    rows: Iterable[Any], first: dict[tuple[str, int], str]
) -> Iterator[list[tuple[int, str | None]]]:
    """Pass on which rows were refused, and their inputs: of each key the first ones."""
    batch: list[tuple[int, str | None]] = []
    for prediction_id, key, refused, document in rows:
        if key is not None and first.get((key, refused)) != str(prediction_id):
            continue
        batch.append((refused, document))
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    yield batch


class _DayTally:
    """Adds up one day, many requests at a time."""

    def __init__(self, reference: DriftReference, names: Sequence[str]) -> None:
        self._reference = reference
        self._names = tuple(names)
        self._row, self._attributes = _row_type(reference)
        self._readers = _readers(self._row)
        self._reader = self._readers[0]
        self._nothing = self._row()
        self._features = {name: no_rows(feature) for name, feature in reference.features.items()}
        self._requests = self._refused = self._rows = self._unmeasured = 0
        numbers = {
            name: feature
            for name, feature in reference.features.items()
            if isinstance(feature, NumberReference)
        }
        self._numbers = (
            _Numbers(numbers, [self._attributes[name] for name in numbers]) if numbers else None
        )

    def add(self, batch: Sequence[tuple[int, str | None]]) -> None:
        """Count requests, given by whether each was refused, and its input."""
        self._requests += len(batch)
        self._refused += sum(refused for refused, _ in batch)
        answered = [document for refused, document in batch if not refused]
        documents = [document for document in answered if document is not None]
        self._unmeasured += len(answered) - len(documents)
        rows: list[Any] = []
        for document in documents:
            named = self._named(document)
            if named is None:
                self._add_other(document)
            else:
                rows += named
        self._add_rows(rows)

    def _named(self, document: str) -> list[Any] | None:
        """Read rows by name; `None` if they have another form or type."""
        try:
            rows = self._reader(document)
        except (msgspec.MsgspecError, RecursionError):
            rows = self._by_another(document)
        if not rows or rows[0] == self._nothing:  # names of another form, such as tensors
            return None
        return rows

    def _by_another(self, document: str) -> list[Any]:
        for reader in self._readers:
            with contextlib.suppress(msgspec.MsgspecError, RecursionError):
                rows = reader(document)
                self._reader = reader
                return rows
        return []

    def _add_rows(self, rows: list[Any]) -> None:
        """Count rows whose numbers are numbers, column by column."""
        self._rows += len(rows)
        if not rows:
            return
        for name, counts in self._numbers(rows) if self._numbers else ():
            self._put(name, counts)
        for name, feature in self._reference.features.items():
            if isinstance(feature, CategoryReference):
                values = list(map(attrgetter(self._attributes[name]), rows))
                self._put(name, _count_values(feature, values))

    def _add_other(self, document: str) -> None:
        """Count an input of another form, or with a value of another type, value by value."""
        try:
            columns = columns_of(msgspec.json.decode(document), self._names)
        except (msgspec.DecodeError, RecursionError):
            columns = None
        if columns is None or not columns.keys() & self._reference.features.keys():
            self._unmeasured += 1
            return
        rows = len(next(iter(columns.values())))
        self._rows += rows
        for name, feature in self._reference.features.items():
            self._put(name, counted(feature, columns.get(name, [None] * rows)))

    def _put(self, name: str, more: FeatureCounts) -> None:
        self._features[name] = self._features[name].plus(more)

    def counts(self, day: str) -> DayCounts:
        """Return the sums."""
        return DayCounts(
            day=day,
            requests=self._requests,
            refused=self._refused,
            rows=self._rows,
            unmeasured=self._unmeasured,
            features=self._features if self._rows else {},
        )


def _row_type(reference: DriftReference) -> tuple[Any, dict[str, str]]:
    """Make the type of a row by name, which a decoder fills fast; and its attribute by feature."""
    attributes = {name: f"f{index}" for index, name in enumerate(reference.features)}
    fields = [
        (attributes[name], _Number if isinstance(feature, NumberReference) else _Value, None)
        for name, feature in reference.features.items()
    ]
    renamed = {attribute: name for name, attribute in attributes.items()}
    row = msgspec.defstruct("Row", fields, rename=renamed, gc=False)
    return row, attributes


_Reader = Callable[[str], list[Any]]


def _readers(row: Any) -> list[_Reader]:
    """Return readers of the usual bodies; each fails on any other."""
    fields = ("instances", "inputs", "dataframe_records")
    return [*(_reader(row, field) for field in fields), msgspec.json.Decoder(list[row]).decode]


def _reader(row: Any, field: str) -> _Reader:
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", [(field, list[row])], gc=False)).decode
    rows_of = attrgetter(field)

    def read(text: str) -> list[Any]:
        rows: list[Any] = rows_of(decode(text))
        return rows

    return read


class _Numbers:
    """Counts the numeric features of many rows at once."""

    def __init__(self, features: Mapping[str, NumberReference], attributes: Sequence[str]) -> None:
        try:
            import numpy as np
        except ImportError as error:
            raise MissingLibraryError("numpy", "simulate", "counting numbers needs it") from error
        self._np = np
        self._features = features
        self._get = attrgetter(*attributes)

    def __call__(self, rows: list[Any]) -> Iterator[tuple[str, FeatureCounts]]:
        """Return each feature's counts: how many are at or under each cut, then the differences.

        A null becomes NaN, which no comparison holds for. Comparing with eleven cuts takes a tenth
        of the time in which a binary search places each number.
        """
        np, width = self._np, len(self._features)
        got = map(self._get, rows)
        values = got if width == 1 else chain.from_iterable(got)
        flat = np.fromiter(values, np.float64, len(rows) * width)
        columns = np.ascontiguousarray(flat.reshape(len(rows), width).T)
        for (name, feature), column in zip(self._features.items(), columns, strict=True):
            nulls = int(np.count_nonzero(np.isnan(column)))
            under = [int(np.count_nonzero(column <= cut)) for cut in feature.cuts]
            upto = [0, *under, len(rows) - nulls]
            bins = tuple(high - low for low, high in pairwise(upto))
            yield name, FeatureCounts(bins, nulls)


def _count_values(feature: CategoryReference, values: list[Any]) -> FeatureCounts:
    """Count values, each distinct one looked up once; 1 and `true` are not one."""
    bins = dict.fromkeys(feature.counts, 0)
    nulls = strange = 0
    for (value, _), count in Counter(zip(values, map(type, values), strict=True)).items():
        text = value_text(value)
        if text is None:
            nulls += count
        elif text in bins:
            bins[text] += count
        else:
            strange += count
    return FeatureCounts(tuple(bins.values()), nulls, strange)
