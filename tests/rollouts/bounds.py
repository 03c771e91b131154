"""Bounds that a simulated share keeps whatever the seed, but once in a million: exact binomials."""

import math

_ONCE_IN = 1e-6


def most(share: float, runs: int) -> float:
    """Bound a simulated share from above, if the true share is at most *share*."""
    tail = 0.0
    for count in range(runs, -1, -1):
        tail += math.comb(runs, count) * share**count * (1 - share) ** (runs - count)
        if tail > _ONCE_IN:
            return count / runs
    return 0.0


def least(share: float, runs: int) -> float:
    """Bound a simulated share from below, if the true share is at least *share*."""
    return 1 - most(1 - share, runs)
