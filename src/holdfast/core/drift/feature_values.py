"""Values as they are counted, whatever they came in: JSON, Parquet, a frame."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.drift.drift_counts import FeatureCounts
from holdfast.core.drift.drift_reference import FeatureReference, NumberReference

_LONGEST: Final = 150
_encode: Final = msgspec.json.encode


def value_text(value: Any) -> str | None:
    """Write a value as references name it; `None` for a null, NaN among them.

    Numbers have 7 significant digits, so that 0.1 is the same in 32 and in 64 bits, and 1.0 is 1.
    """
    if isinstance(value, str):
        sound = value[:_LONGEST].encode("utf-8", "replace").decode()
        return _encode(sound).decode()[:_LONGEST]
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _number(value)
    if number is not None:
        return None if math.isnan(number) else f"{number:.7g}"
    return None if value is None else "other"


def _number(value: Any) -> float | None:
    """Return a number's value; of one that no float holds, infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:  # a signalling NaN of `decimal`
        return math.nan


def counted(feature: FeatureReference, values: Iterable[Any]) -> FeatureCounts:
    """Count values in the bins of a reference, one by one: what every faster way must equal."""
    bins = [0] * len(feature.counts)
    nulls = strange = 0
    places = None if isinstance(feature, NumberReference) else _places(feature.counts)
    cuts = feature.cuts if isinstance(feature, NumberReference) else ()
    for value in values:
        text = number = None
        if places is None:
            number = _number(value)
            is_null = value is None or (number is not None and math.isnan(number))
        else:
            text = value_text(value)
            is_null = text is None
        if is_null:
            nulls += 1
        elif number is not None:
            bins[bisect_left(cuts, number)] += 1
        elif places is not None and text in places:
            bins[places[text]] += 1
        else:
            strange += 1
    return FeatureCounts(tuple(bins), nulls, strange)


def _places(counts: Mapping[str, int]) -> dict[str, int]:
    return {text: index for index, text in enumerate(counts)}
