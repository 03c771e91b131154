"""Two versions at fixed shares: the evidence that one has the better outcomes, at every look.

A key goes to the candidate with probability rho, whatever its outcome y, from 0 to 1, will be. That
the candidate is not better is `E y_c <= E y_a`, for keys that mature at the same moment. A gambler
who stakes against it multiplies their wealth with each key that has an outcome by

    1 + s z,   z = C (y - m) / rho - (1 - C) (y - m) / (1 - rho)

(C: the candidate answered). That is the canary's bet with margin 0 (`evidence`), but for m: there
it is 0. Whatever m is, as long as it was known before, the mean of z is at most 0 while the
candidate is not better. So wealth is a supermartingale, and by Ville's inequality the chance that
it ever reaches 2 / alpha is at most alpha / 2; the bets on the other direction, with -z, have the
other half. Nothing is asked of how the means change with time, as long as neither is the better.

Here m is the mean of all outcomes before, of both sides. With m = 0 each key with an outcome of 1
would speak for its side, and a side whose users tell more often what became of a prediction would
win by that alone; around their own mean, more outcomes are not better ones. The stake of a bet
is `s = e rho (1 - rho) / sd` for a difference of e standard deviations, with the sd of all outcomes
before (and of a 0 and a 1 besides, so that it is never 0), but at most nine tenths of what can be
staked. Wealth is the mean over several e.

The factor is linear in y, so an outcome between 0 and 1, the mean of several requests, is bet on
like any other: only its mean matters, and no bet gains on average.

Keys come in the order in which they mature, which nothing changes later.

Sources:
    J. Ville (1939), Étude critique de la notion de collectif.
    I. Waudby-Smith, A. Ramdas, arXiv 2010.09686: means of bounded numbers, by betting.
"""

import math
from typing import Final

from holdfast.core.rollout import evidence

EFFECTS: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Differences, in standard deviations, that are bet on; equal weights."""

FIRST: Final = 0.5
"""The m of the first key: no outcome comes before it."""

LARGEST: Final = 0.9
"""Part of the wealth that one key can cost at most."""


class OutcomeBets:
    """The wealth of the bets on both directions.

    Args:
        weight: Share of the keys that the candidate gets, between 0 and 1.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._better = [0.0] * len(EFFECTS)
        self._worse = [0.0] * len(EFFECTS)
        self._count, self._total, self._squares = 0, 0.0, 0.0

    def add(self, *, of_candidate: bool, outcome: float) -> None:
        """Bet on a key, which has matured after all that were added before.

        Args:
            outcome: From 0 to 1.
        """
        mean = self._total / self._count if self._count else FIRST
        deviation = spread(self._count, self._total, self._squares)
        z = (outcome - mean) / (self._weight if of_candidate else self._weight - 1)
        for effect, up, down in stakes(self._weight, mean, deviation):
            self._better[effect] += math.log1p(up * z)
            self._worse[effect] += math.log1p(-down * z)
        self._count += 1
        self._total += outcome
        self._squares += outcome**2

    def log_e_values(self) -> tuple[float, float]:
        """Return log E that the candidate is better, and that it is worse."""
        return evidence.mean_of_logs(self._better), evidence.mean_of_logs(self._worse)


def spread(count: int, total: float, squares: float) -> float:
    """Return the standard deviation as if one key more had the outcome 0 and one had 1."""
    return math.sqrt((1 + squares) / (2 + count) - ((1 + total) / (2 + count)) ** 2)


def stakes(weight: float, mean: float, deviation: float) -> list[tuple[int, float, float]]:
    """Return the stakes on a better and on a worse candidate, for each effect by its place."""
    wished = weight * (1 - weight) / deviation
    highest_up = LARGEST / max(mean / weight, (1 - mean) / (1 - weight))
    highest_down = LARGEST / max((1 - mean) / weight, mean / (1 - weight))
    return [
        (index, min(effect * wished, highest_up), min(effect * wished, highest_down))
        for index, effect in enumerate(EFFECTS)
    ]
