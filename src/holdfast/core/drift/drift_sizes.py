"""How large a shift is: figures to read beside the verdict, never the alarm."""

from itertools import accumulate

from msgspec import Struct

from holdfast.core.drift.drift_counts import FeatureCounts, trained
from holdfast.core.drift.drift_reference import FeatureReference, NumberReference
from holdfast.core.rollout.drift import psi


class ShiftSizes(Struct, frozen=True, kw_only=True):
    """One feature over some days, against the reference.

    Attributes:
        psi: Population stability index over the bins, less what chance makes of it on average; of
            missing and strange rows it knows nothing.
        psi_floor: What chance makes of the index once in a thousand times, less the same.
        ks: Greatest distance of the distribution functions, at the cuts; `None` for categories.
        missing: Share of the rows, and in training.
        strange: Share of what is not a number, or not a value that was kept.
        outside: Share of the numbers beyond the outermost cuts; `None` for categories.
    """

    rows: int
    psi: float | None
    psi_floor: float | None
    ks: float | None
    missing: float
    missing_in_training: float
    strange: float
    strange_in_training: float
    outside: float | None = None
    outside_in_training: float | None = None


def shift_sizes(feature: FeatureReference, live: FeatureCounts) -> ShiftSizes:
    """Measure *live* against the reference."""
    training = trained(feature)
    is_number = isinstance(feature, NumberReference)
    index, floor = _index(feature, training, live)
    rows, trained_rows = max(live.rows, 1), max(training.rows, 1)
    return ShiftSizes(
        rows=live.rows,
        psi=index,
        psi_floor=floor,
        ks=_distance(training, live) if is_number else None,
        missing=live.nulls / rows,
        missing_in_training=training.nulls / trained_rows,
        strange=live.strange / rows,
        strange_in_training=training.strange / trained_rows,
        outside=_outside(live) if is_number else None,
        outside_in_training=_outside(training) if is_number else None,
    )


def _index(
    feature: FeatureReference, training: FeatureCounts, live: FeatureCounts
) -> tuple[float | None, float | None]:
    here, there = list(training.bins), list(live.bins)
    if not isinstance(feature, NumberReference):
        here, there = [*here, training.strange], [*there, live.strange]
    if len(here) == 1:
        return None, None
    shift = psi(here, there)
    if shift is None:
        return None, None
    mean = (len(here) - 1) * (1 / sum(here) + 1 / sum(there))
    return shift.psi - mean, shift.floor - mean


def _distance(training: FeatureCounts, live: FeatureCounts) -> float | None:
    rows, trained_rows = sum(live.bins), sum(training.bins)
    if not rows or not trained_rows:
        return None
    upto = zip(accumulate(live.bins), accumulate(training.bins), strict=True)
    return max(abs(here / rows - there / trained_rows) for here, there in upto)


def _outside(counts: FeatureCounts) -> float | None:
    numbers, beyond = sum(counts.bins), counts.bins[0] + counts.bins[-1]
    return beyond / numbers if numbers and len(counts.bins) > 1 else None
