"""What is let pass: how far a share may rise above the reference's before it counts as drift."""

import functools
import math
from typing import Final

SMALLEST_INDEX: Final = 0.05
"""Population stability index, of two bins, up to which a shift is tolerated."""


def smoothed_share(count: int, rows: int) -> float:
    """Return the share that *count* of *rows* stand for: never 0 and never 1."""
    return (count + 0.5) / (rows + 1)


def two_bin_index(share: float, reference: float) -> float:
    """Return the population stability index of a share against the reference's, both in (0, 1).

    It never exceeds the index over all bins that the two shares were joined from.
    """
    odds = share * (1 - reference) / (reference * (1 - share))
    return (share - reference) * math.log(odds)


@functools.lru_cache(maxsize=65_536)
def tolerated_share(reference: float) -> float:
    """Return the share above *reference*, in (0, 1), whose index is `SMALLEST_INDEX`.

    0.0005 gives 0.015, 0.01 gives 0.043, 0.1 gives 0.176, 0.5 gives 0.611, 0.9 gives 0.956. Where
    no number below 1 has that index it is 1: such a share cannot rise far enough to be judged.
    """
    low, high = reference, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if two_bin_index(middle, reference) < SMALLEST_INDEX:
            low = middle
        else:
            high = middle
    return high
