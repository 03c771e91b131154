"""What a day looked like: integers alone, which add up in any order."""

from collections.abc import Iterable
from functools import reduce
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.core.drift.drift_reference import (
    CategoryReference,
    Count,
    DriftReference,
    FeatureReference,
)

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]


class FeatureCounts(Struct, frozen=True, array_like=True, gc=False):
    """One feature on one day, in the bins of the reference.

    Attributes:
        bins: Numbers in each bin, or rows with each value, in the reference's order.
        nulls: Rows without a value.
        strange: Rows with something that is not a number, or with another value.
    """

    bins: tuple[Count, ...]
    nulls: Count = 0
    strange: Count = 0

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.bins) + self.nulls + self.strange

    def plus(self, other: "FeatureCounts") -> "FeatureCounts":
        """Add another part of the same rows' feature."""
        bins = tuple(here + there for here, there in zip(self.bins, other.bins, strict=True))
        return FeatureCounts(bins, self.nulls + other.nulls, self.strange + other.strange)


class DayCounts(Struct, frozen=True, kw_only=True):
    """The requests of one UTC day, counted against one reference.

    Attributes:
        requests: Answered or refused, in the roles that count.
        refused: Answered with 4xx: what the model's schema, or the server, would not take.
        rows: Rows of answered requests whose inputs are kept.
        unmeasured: Answered requests whose inputs are hashed, left out or of another form.
        features: Empty where nothing was counted.
    """

    day: Day
    requests: Count = 0
    refused: Count = 0
    rows: Count = 0
    unmeasured: Count = 0
    features: dict[str, FeatureCounts] = {}

    def plus(self, other: "DayCounts") -> "DayCounts":
        """Add another part of the same day."""
        features = dict(self.features)
        for name, counts in other.features.items():
            features[name] = features[name].plus(counts) if name in features else counts
        return DayCounts(
            day=self.day,
            requests=self.requests + other.requests,
            refused=self.refused + other.refused,
            rows=self.rows + other.rows,
            unmeasured=self.unmeasured + other.unmeasured,
            features=features,
        )

    def fits(self, reference: DriftReference) -> bool:
        """Tell whether every feature has the bins that the reference has."""
        return self.features.keys() <= reference.features.keys() and all(
            len(counts.bins) == len(reference.features[name].counts)
            for name, counts in self.features.items()
        )


def trained(feature: FeatureReference) -> FeatureCounts:
    """Return the counts of training in the form of a day's."""
    bins = feature.counts
    bins = tuple(bins.values()) if isinstance(bins, dict) else bins
    return FeatureCounts(bins, feature.nulls, feature.strange)


def no_rows(feature: FeatureReference) -> FeatureCounts:
    """Return the counts of a feature before any row."""
    return FeatureCounts((0,) * len(feature.counts))


def summed(days: Iterable[DayCounts], name: str, feature: FeatureReference) -> FeatureCounts:
    """Add up one feature over days."""
    of_days = (counts.features[name] for counts in days if name in counts.features)
    return reduce(FeatureCounts.plus, of_days, no_rows(feature))


def is_closed_set(feature: FeatureReference) -> bool:
    """Tell whether all values of training are kept, so that any other value is unseen."""
    return isinstance(feature, CategoryReference) and not feature.others
