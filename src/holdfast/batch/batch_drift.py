"""What a batch held, counted in the bins of its version's training data."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from holdfast.batch.row_checks import CheckedPart
from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts, no_rows
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
)
from holdfast.core.drift.feature_values import counted, value_text
from holdfast.scoring.data_file import pyarrow

__all__ = ["BatchTally"]


class BatchTally:
    """Adds up a batch, part by part; each row counts as one request."""

    def __init__(self, reference: DriftReference) -> None:
        self._features = {name: no_rows(feature) for name, feature in reference.features.items()}
        self._reference = reference
        self._rows = self._refused = 0

    def add(self, count: int, checked: CheckedPart) -> None:
        """Count a part."""
        self._refused += len(checked.errors)
        rows = count - len(checked.errors)
        self._rows += rows
        places = None if checked.admitted is None else np.flatnonzero(checked.admitted)
        for name, feature in self._reference.features.items():
            more = _counts(feature, checked.columns, name, places, rows)
            self._features[name] = self._features[name].plus(more)

    def counts(self, day: str) -> DayCounts:
        """Return the sums, as part of a UTC day."""
        return DayCounts(
            day=day,
            requests=self._rows + self._refused,
            refused=self._refused,
            rows=self._rows,
            features=self._features if self._rows else {},
        )


def _counts(
    feature: FeatureReference,
    columns: Mapping[str, Any],
    name: str,
    places: Any,
    rows: int,
) -> FeatureCounts:
    array = columns.get(name)
    if array is None:
        return counted(feature, [None] * rows)
    if isinstance(array, list):
        return counted(feature, array if places is None else [array[place] for place in places])
    if places is not None:
        array = array.take(pyarrow().array(places))
    if isinstance(feature, NumberReference):
        types = pyarrow().types
        if types.is_integer(array.type) or types.is_floating(array.type):
            return _of_numbers(feature, array)
        return counted(feature, array.to_pylist())
    return _of_values(feature, array)


def _of_numbers(feature: NumberReference, array: Any) -> FeatureCounts:
    """Count how many are at or under each cut, as `predictions.day_counting` does."""
    numbers = array.cast("float64", safe=False).to_numpy(zero_copy_only=False)
    nulls = int(np.count_nonzero(np.isnan(numbers)))
    under = [int(np.count_nonzero(numbers <= cut)) for cut in feature.cuts]
    upto = [0, *under, len(numbers) - nulls]
    return FeatureCounts(tuple(high - low for low, high in pairwise(upto)), nulls)


def _of_values(feature: CategoryReference, array: Any) -> FeatureCounts:
    """Count values, each distinct one looked up once."""
    told: Counter[str | None] = Counter()
    for pair in array.value_counts():
        told[value_text(pair["values"].as_py())] += pair["counts"].as_py()
    nulls = told.pop(None, 0)
    bins = tuple(told.pop(text, 0) for text in feature.counts)
    return FeatureCounts(bins, nulls, sum(told.values()))
