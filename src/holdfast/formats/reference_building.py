"""From the rows a model was trained on to what is kept of them for drift."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, UnsetType

from holdfast import named_files
from holdfast.core.drift.drift_reference import (
    FEWEST_OF_A_VALUE,
    MOST_FEATURES,
    MOST_VALUES,
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
    packed,
    unpacked,
)
from holdfast.core.drift.feature_values import value_text
from holdfast.errors import InvalidInputError
from holdfast.formats.bootstrap import numpy
from holdfast.formats.training_columns import columns_of

if TYPE_CHECKING:
    import numpy as np

_QUANTILES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_OUTER: Final = (0.01, 0.99)
_ROWS_FOR_OUTER: Final = 1000
"""Below so many, a hundredth of the rows is fewer than ten."""

_NEIGHBOURS: Final = FEWEST_OF_A_VALUE // 2
_RARE: Final = 0.005
_DIGITS: Final = ".7g"


def built(source: object) -> DriftReference:
    """Count training data, before any preprocessing, in bins of its own.

    Raises:
        InvalidInputError: If it is not a table, or nothing in it can be measured.
        MissingLibraryError: If pyarrow is not installed, for a file, or numpy.
    """
    if isinstance(source, DriftReference):
        return unpacked(packed(source), "reference")
    columns = columns_of(source)
    if len(columns) > MOST_FEATURES:
        problem = f"has {len(columns):,} columns"
        raise InvalidInputError("reference", problem, f"give at most {MOST_FEATURES:,}")
    features: dict[str, FeatureReference] = {}
    unmeasured: dict[str, str] = {}
    for name, column in columns.items():
        feature = _feature(column)
        if isinstance(feature, str):
            unmeasured[name] = feature
        else:
            features[name] = feature
    if not features:
        advice = "give columns of numbers, text or booleans"
        raise InvalidInputError("reference", "has no column that can be measured", advice)
    rows = len(next(iter(columns.values())))
    reference = DriftReference(
        rows=rows, features=features, unmeasured=unmeasured, source=_digest(source)
    )
    return unpacked(packed(reference), "reference")


def _digest(source: object) -> str | UnsetType:
    """Hash the file, by which an evaluation knows it again."""
    if not isinstance(source, str | PathLike):
        return UNSET
    with named_files.opened(Path(source)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _feature(column: Any) -> FeatureReference | str:
    """Return what is kept of a column, or why it is not measured."""
    np = numpy()
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiu":
        return _of_numbers(column.astype(np.float64))
    values = [None if _is_missing(value) else value for value in column]
    kinds = {type(value) for value in values if value is not None}
    if all(issubclass(kind, int | float | Decimal) and kind is not bool for kind in kinds):
        return _of_numbers(np.array([_float(value) for value in values]))
    if not all(issubclass(kind, str | bool | int | float) for kind in kinds):
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        return f"it holds {names}: neither numbers nor text"
    return _of_values(Counter(map(value_text, values)))


def _is_missing(value: Any) -> bool:
    """Tell whether a value is null: None, NaN, or what pandas has in their place."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value  # noqa: PLR0124


def _float(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _of_numbers(numbers: "np.ndarray[Any, np.dtype[np.float64]]") -> FeatureReference:
    np = numpy()
    there = numbers[~np.isnan(numbers)]
    nulls = len(numbers) - len(there)
    distinct, counts = np.unique(there, return_counts=True)
    if 0 < len(distinct) <= MOST_VALUES:
        counter: Counter[str | None] = Counter()
        for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            counter[value_text(value)] += count
        counter[None] = nulls
        return _of_values(counter)
    cuts = _cuts(np.sort(there))
    bins = np.bincount(np.searchsorted(cuts, there, side="left"), minlength=len(cuts) + 1)
    return NumberReference(tuple(cuts), tuple(bins.tolist()), nulls)


def _cuts(ordered: "np.ndarray[Any, np.dtype[np.float64]]") -> list[float]:
    """Cut at quantiles: each is the mean of ten neighbours, so that no single row is told."""
    np = numpy()
    rows = len(ordered)
    levels: Sequence[float] = _QUANTILES
    if rows >= _ROWS_FOR_OUTER:
        levels = (_OUTER[0], *_QUANTILES, _OUTER[1])
    cuts = set()
    for level in levels if rows else ():
        index = round(level * rows)
        around = ordered[max(index - _NEIGHBOURS, 0) : index + _NEIGHBOURS]
        around = around[np.isfinite(around)]
        if len(around):
            cuts.add(float(f"{float(np.mean(around)):{_DIGITS}}") + 0.0)
    return sorted(cut for cut in cuts if math.isfinite(cut))


def _of_values(counts: Counter[str | None]) -> CategoryReference:
    """Keep the most frequent values; of the rest, how many rows and how many values they were."""
    nulls = counts.pop(None, 0)
    rows = sum(counts.values())
    fewest = max(FEWEST_OF_A_VALUE, math.ceil(_RARE * (rows + nulls)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    kept = {str(text): count for text, count in ordered[:MOST_VALUES] if count >= fewest}
    strange = rows - sum(kept.values())
    return CategoryReference(kept, nulls, strange, len(counts) - len(kept))
