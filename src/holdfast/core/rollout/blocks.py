"""The latency test by blocks: calls of about the same moment, however they fell to the two sides.

That the canary gets a share rho of the requests does not make rho of the slow ones its own. Where
routing is sticky, a few users send most requests, and their side has more than its share for as
long as they are there. Requests that share a call of the model are slow together, and a machine
that is busy makes all slow at once. So a call is one observation, however many requests it
answered, and N of them that follow each other are a block.

In a block with n_c calls of the canary and n_a of the active version, s of them slow, healthy is
that the odds of being slow are at most those of the active version, whatever these are at the
moment. What is slow differs: a margin of time is granted to the canary (`Latency.candidate_us`).
Given n_c, n_a and s, the slow calls of the canary then follow Fisher's noncentral hypergeometric
distribution with an odds ratio w of at most 1,

    P(k; w) = C(n_c, k) C(n_a, s - k) w^k / Z(w),   Z(w) = sum over j of C(n_c, j) C(n_a, s - j) w^j

and a bet on L wins P(k; L) / P(k; 1). Its mean under health is at most 1, for the ratio rises
with k. The product over blocks is a supermartingale, and Ville's bound holds for it. A block in
which all calls are slow, or none, wins and loses nothing. N depends on the weight alone; a block is
looked at when it is full, never before.

Calls are compared with calls that answered about as many requests, for those take about as long.

Sources:
    R. A. Fisher (1935), J. R. Stat. Soc. 98, 39-82: the logic of inductive inference.
    R. Turner, P. Grünwald, arXiv 2302.11401: safe tests of two proportions, by blocks.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

__all__ = ["Block", "Blocking", "Blocks", "size", "united", "won"]

_RARER: Final = 4.0
_LEAST: Final = 8
_MOST: Final = 400


class Block(Struct):
    """Calls of about the same moment.

    Attributes:
        canary: Calls of the canary.
        active: Of the active version.
        canary_slow: Of the first, those slower than a quantile of the baseline.
        active_slow: Of the second.
    """

    canary: int = 0
    active: int = 0
    canary_slow: int = 0
    active_slow: int = 0


class Blocks(Struct, frozen=True, forbid_unknown_fields=True):
    """The sums of full blocks.

    Attributes:
        logs: Log e-value that each bet of the mixture has won.
        events: Slow calls of the canary.
    """

    logs: tuple[float, ...]
    events: int = 0


def size(weight: float) -> int:
    """Return the calls of a block: four of the rarer side are expected in it."""
    rarer = min(weight, 1 - weight)
    return _MOST if rarer * _MOST <= _RARER else max(_LEAST, math.ceil(_RARER / rarer))


def won(ratios: tuple[float, ...], block: Block) -> tuple[float, ...]:
    """Return the log e-value that each bet wins with a block; nothing where one side lacks."""
    return _won(ratios, block.canary, block.active, block.canary_slow, block.active_slow)


@lru_cache(maxsize=4096)  # the counts of small blocks recur
def _won(
    ratios: tuple[float, ...], canary: int, active: int, canary_slow: int, active_slow: int
) -> tuple[float, ...]:
    slow = canary_slow + active_slow
    if not canary or not active or not slow:
        return (0.0,) * len(ratios)
    possible = range(max(0, slow - active), min(canary, slow) + 1)
    ways = [
        math.log(math.comb(canary, count) * math.comb(active, slow - count)) for count in possible
    ]

    def log_chance(odds: float) -> float:
        """Return log of P(k; odds), but for what does not depend on the odds."""
        terms = [log_ways + count * odds for log_ways, count in zip(ways, possible, strict=True)]
        top = max(terms)
        total = top + math.log(math.fsum(math.exp(term - top) for term in terms))
        return canary_slow * odds - total

    base = log_chance(0.0)
    return tuple(log_chance(math.log(ratio)) - base for ratio in ratios)


def united(parts: Iterable[Blocks], bets: int) -> Blocks:
    """Add up the blocks of several workers and steps; those of other bets are left out."""
    fitting = [part for part in parts if len(part.logs) == bets]
    logs = zip(*(part.logs for part in fitting), strict=True)
    sums = tuple(math.fsum(column) for column in logs) if fitting else (0.0,) * bets
    return Blocks(sums, sum(part.events for part in fitting))


class Blocking:
    """Groups calls into blocks and sums the blocks up, for each quantile of a baseline.

    Args:
        ratios: Odds ratios that are bet on.
        weight: The canary's.
        quantiles: That are watched.
    """

    def __init__(
        self, ratios: tuple[float, ...], weight: float, quantiles: Iterable[float]
    ) -> None:
        self._ratios = ratios
        self._size = size(weight)
        self._open: dict[tuple[float, int], Block] = {}
        self._full = {quantile: Blocks((0.0,) * len(ratios)) for quantile in quantiles}

    def note(self, *, of_canary: bool, requests: int, slow: Mapping[float, bool]) -> None:
        """Add a call.

        Args:
            requests: That it answered.
            slow: Whether it was slower than each quantile.
        """
        kind = requests.bit_length()
        for quantile, is_slow in slow.items():
            block = self._open.setdefault((quantile, kind), Block())
            if of_canary:
                block.canary += 1
                block.canary_slow += is_slow
            else:
                block.active += 1
                block.active_slow += is_slow
            if block.canary + block.active >= self._size:
                self._close(quantile, self._open.pop((quantile, kind)))

    def _close(self, quantile: float, block: Block) -> None:
        before = self._full[quantile]
        logs = zip(before.logs, won(self._ratios, block), strict=True)
        events = before.events + block.canary_slow
        self._full[quantile] = Blocks(tuple(map(sum, logs)), events)

    def full(self) -> tuple[tuple[float, Blocks], ...]:
        """Return the sums of full blocks, by quantile."""
        return tuple(sorted(self._full.items()))
