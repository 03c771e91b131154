"""How large the difference between two versions' outcomes may be, at every look at once.

Of outcomes from 0 to 1, n of which sum to S, a mean p is ruled out by the factor

    B(S + 1/2, n - S + 1/2) / B(1/2, 1/2) / (p^S (1 - p)^(n - S))

(`confidence_sequence`), and a pair of means by the product for both sides. A difference stays
possible while some pair with it has a product below 1 / alpha. Where an outcome is the mean of
several requests, the bound holds as well: it counts as y ones and 1 - y zeros. Against some q a one
has the factor a = q / p and a zero b = (1 - q) / (1 - p); a^y b^(1 - y) is at most y a + (1 - y) b,
whose mean is 1.

Of numbers, cut to the bounds given, the band is asymptotic: with n keys on both sides together and
the variances v of each,

    difference +- sqrt(v_c / n_c + v_a / n_a)
                  sqrt(2 (n e^2 + 1) / (n e^2) log(sqrt(n e^2 + 1) / alpha))

where e makes it narrowest at 2,000 keys. A variance counts as if two more keys had the least
outcome and two the greatest: it is then no zero where the rare large ones have not come yet.

Sources:
    H. Robbins (1970), Ann. Math. Stat. 41, 1397-1409: the method of mixtures.
    I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas (2021), arXiv 2103.06476:
    time-uniform central limit theory and asymptotic confidence sequences.
"""

import math
from collections.abc import Callable
from typing import Final

from holdfast.core.rollout.confidence_sequence import ConfidenceSequence, log_mixture
from holdfast.core.rollout.outcomes import ArmOutcomes

_TARGET_KEYS: Final = 2_000
ENDS: Final = 2
"""Keys at either end that are added to a variance."""
_STEPS: Final = 80
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


def bounded_difference(
    candidate: ArmOutcomes, active: ArmOutcomes, alpha: float
) -> ConfidenceSequence:
    """Bound the difference of two means of outcomes from 0 to 1, at every look at once.

    Each side's mean is taken not to change with time; `outcome_bets` does not assume that.

    Args:
        candidate: Its outcomes.
        active: Those of the active version.
        alpha: Bound of the chance that the true difference is ever left out.
    """
    low = -_greatest(active, candidate, alpha)
    return ConfidenceSequence(low, _greatest(candidate, active, alpha))


def _greatest(ours: ArmOutcomes, theirs: ArmOutcomes, alpha: float) -> float:
    """Return the greatest difference of two means that is possible.

    The possible pairs are a convex set, so the least mean of theirs is a convex function of ours,
    and the difference has one peak.
    """
    budget = -math.log(alpha)
    least_theirs = _log_ratio(theirs, theirs.mean)
    highest = _edge(ours, 1.0, budget - least_theirs)

    def difference(mean: float) -> float:
        return mean - _edge(theirs, 0.0, budget - _log_ratio(ours, mean))

    return _peak(difference, ours.mean, highest)


def _log_ratio(arm: ArmOutcomes, mean: float) -> float:
    """Return how much better the mixture of all means explains the outcomes than one, as a log."""
    ones, zeros = arm.total, arm.known - arm.total
    chance = 0.0
    for count, rate in ((ones, mean), (zeros, 1 - mean)):
        if count > 0:
            if rate <= 0:
                return math.inf
            chance += count * math.log(rate)
    return log_mixture(ones, arm.known) - chance


def _edge(arm: ArmOutcomes, outside: float, budget: float) -> float:
    """Return the mean nearest to *outside* that is not ruled out."""
    if _log_ratio(arm, outside) <= budget:
        return outside
    inside = arm.mean
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if _log_ratio(arm, middle) <= budget:
            inside = middle
        else:
            outside = middle
    return outside


def _peak(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the greatest value of a concave function, by golden sections."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_STEPS):
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
    return max(at_left, at_right, function(low), function(high))


def asymptotic_difference(
    candidate: ArmOutcomes, active: ArmOutcomes, alpha: float
) -> ConfidenceSequence:
    """Bound the difference of two means of many outcomes, at every look at once.

    Args:
        candidate: Its outcomes; at least one, as of the other side.
        active: Those of the active version.
        alpha: Bound of the chance that the true difference is ever left out, as the number of
            keys at the first look grows.
    """
    keys = candidate.known + active.known
    squared = keys * target_scale(alpha)
    width = 2 * (squared + 1) / squared * (0.5 * math.log1p(squared) - math.log(alpha))
    spread = widened(candidate) / candidate.known + widened(active) / active.known
    radius = math.sqrt(spread * width)
    difference = candidate.mean - active.mean
    return ConfidenceSequence(difference - radius, difference + radius)


def target_scale(alpha: float) -> float:
    """Return the e^2 of the formula; see the paper's section on how to choose it."""
    wished = -2 * math.log(alpha)
    return (wished + math.log(wished + 1)) / _TARGET_KEYS


def widened(arm: ArmOutcomes) -> float:
    """Return a variance as if two more keys had the least outcome and two the greatest."""
    ends = arm.mean**2 + (1 - arm.mean) ** 2
    return (arm.known * arm.variance + ENDS * ends) / (arm.known + 2 * ENDS)
