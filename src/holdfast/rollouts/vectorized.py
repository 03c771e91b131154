"""The formulas of `core.rollout` over arrays: the bets are the core's own, the sums numpy's."""

import math

import numpy as np
from numpy.typing import NDArray

from holdfast.core.rollout.confidence_sequence import log_mixture

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_HALVINGS = 60


def mean_of_logs(logs: Floats) -> Floats:
    """Return the logarithm of the mean of exponentials over the last axis, without overflow."""
    top = logs.max(axis=-1, keepdims=True)
    mean = np.exp(logs - top).mean(axis=-1)
    return np.asarray(top[..., 0] + np.log(mean), dtype=np.float64)


def block_bets(ratios: tuple[float, ...], counts: Counts) -> Floats:
    """Return what each bet wins with blocks of calls, as `core.rollout.blocks.won` does.

    Args:
        counts: Calls of the canary, of the active version, and the slow ones of each; shape (4, n).

    Returns:
        Log e-values, shape (n, bets).
    """
    canary, active, canary_slow, active_slow = counts
    if not counts.shape[1]:
        return np.zeros((0, len(ratios)))
    slow = canary_slow + active_slow
    possible = np.arange(int(np.minimum(canary, slow).max()) + 1)[:, None]
    with np.errstate(invalid="ignore"):
        ways = _log_ways(canary, possible) + _log_ways(active, slow - possible)
    odds = np.log(np.array((1.0, *ratios)))
    terms = ways[..., None] + possible[..., None] * odds
    top = terms.max(axis=0)
    chances = canary_slow[:, None] * odds - top - np.log(np.exp(terms - top).sum(axis=0))
    lacking = (canary == 0) | (active == 0)
    return np.where(lacking[:, None], 0.0, chances[:, 1:] - chances[:, :1])


_LOG_FACTORIALS = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 1001)))])


def _log_ways(whole: Counts, part: Counts) -> Floats:
    """Return log C(whole, part), minus infinity where there is none; of at most 1,000."""
    inside = (part >= 0) & (part <= whole)
    some = np.where(inside, part, 0)
    ways = _LOG_FACTORIALS[whole] - _LOG_FACTORIALS[some] - _LOG_FACTORIALS[whole - some]
    return np.where(inside, ways, -np.inf)


def confidence_sequences(failures: Counts, requests: Counts, alpha: float) -> tuple[Floats, Floats]:
    """Bound failure rates as `core.rollout.confidence_sequence` does.

    Shapes (n,); requests at least 1.
    """
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
        is_inside = likelihood > floor
        inside, outside = np.where(is_inside, middle, inside), np.where(is_inside, outside, middle)
    return outside


_SHIFT = 8


def log_gammas(values: Floats) -> Floats:
    """Return log of the gamma function of values from 1/2 on, to some 1e-13: Stirling's series."""
    shifted = values + _SHIFT
    steps = np.log(math.prod(values + step for step in range(_SHIFT)))
    square = shifted**-2
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / shifted
    curve = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * math.log(2 * math.pi)
    return np.asarray(curve + series - steps, dtype=np.float64)
