"""The formulas of `core.rollout` over arrays: the bets are the core's own, the sums numpy's."""

import math

import numpy as np
from numpy.typing import NDArray

from holdfast.core.rollout.bands import log_mixture

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_HALVINGS = 60


def mean_of_logs(logs: Floats) -> Floats:
    """Return the logarithm of the mean of exponentials over the last axis, without overflow."""
    top = logs.max(axis=-1, keepdims=True)
    mean = np.exp(logs - top).mean(axis=-1)
    return np.asarray(top[..., 0] + np.log(mean), dtype=np.float64)


def bands(failures: Counts, requests: Counts, alpha: float) -> tuple[Floats, Floats]:
    """Bound failure rates as `core.rollout.bands.band` does; shapes (n,), requests at least 1."""
    passed = requests - failures
    floor = np.array(
        [
            log_mixture(int(k), int(n)) + math.log(alpha)
            for k, n in zip(failures, requests, strict=True)
        ],
        dtype=np.float64,
    )
    rate = failures / requests
    low = _edge(failures, passed, floor, (rate, np.zeros_like(rate)))
    high = _edge(failures, passed, floor, (rate, np.ones_like(rate)))
    return np.where(failures > 0, low, 0.0), np.where(passed > 0, high, 1.0)


def _edge(failures: Counts, passed: Counts, floor: Floats, ends: tuple[Floats, Floats]) -> Floats:
    inside, outside = ends
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        with np.errstate(divide="ignore", invalid="ignore"):  # at 0 and 1, which `where` replaces
            likelihood = failures * np.log(middle) + passed * np.log1p(-middle)
        kept = likelihood > floor
        inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
    return outside
