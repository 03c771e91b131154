"""The tests that may be looked at after every request: wealth won by betting against health.

A request goes to the canary with probability rho, whatever its outcome will be. Health is
`p_c <= (1 + r) (p_a + m)` for the two failure rates, which may change with time together. A gambler
who starts with 1 and stakes the fraction f on "the canary fails more" multiplies their wealth with
every request by

    1 + f z / B,   z = C Y / (rho (1 + r)) - (1 - C) Y / (1 - rho) - m,   B = 1 / (1 - rho) + m

(C: the canary answered, Y: it failed). Under health the mean of z is at most 0, so wealth is a
supermartingale, and by Ville's inequality

    P(wealth >= 1 / alpha, ever) <= alpha

for any number of looks. The wealth E of a mixture of bets, the mean of theirs, has the same bound.
It is never set back between steps: each reset would spend alpha again.

A bet's log wealth is a sum over outcomes, so it depends on counts alone. Counts of workers and
steps add up in any order to the same number to the last bit.

Which failures are counted is the caller's rule. Failures of one user are not independent: where
routing is sticky, only the first failure of a key counts, on whichever side it was. The bound
holds for counts made that way; counting every failure of heavy users breaks it.

Sources:
    J. Ville (1939), Étude critique de la notion de collectif.
    M. Lindon, A. Malek, arXiv 2011.03567: errors as coin flips between the arms.
    R. Turner, P. Grünwald, arXiv 2302.11401: safe tests of two proportions.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from holdfast.core.rollout.analysis import Absolute, Relative, SampleRatio
from holdfast.core.rollout.plan import typed
from holdfast.errors import InvalidInputError

_ALL: Final = 1.0
"""The weight at which no control is left, and nothing can be learnt by comparing."""

_PLAIN: Final = 700.0
"""Greatest logarithm whose exponential is a float."""


class Tally(Struct, frozen=True, forbid_unknown_fields=True):
    """What one worker counted at one weight; *failures* of a latency test are exceedances.

    Attributes:
        weight: Share of the traffic that the canary was to get, in (0, 1].
        canary: Requests that it answered.
        active: Requests that the active version answered.
        canary_failures: Of the first; where routing is sticky, keys that failed for the first time.
        active_failures: Of the second, counted the same way.
    """

    weight: float
    canary: int = 0
    active: int = 0
    canary_failures: int = 0
    active_failures: int = 0


class Pairs(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that both versions answered.

    Attributes:
        mirrored: All of them.
        canary_only: Those at which the canary alone failed.
        active_only: Those at which the active version alone failed.
        both: Those at which both failed.
    """

    mirrored: int = 0
    canary_only: int = 0
    active_only: int = 0
    both: int = 0


class Bet(NamedTuple):
    """Log wealth that one bet wins with a canary failure, an active failure, any success."""

    canary_failure: float
    active_failure: float
    success: float


class PairBet(NamedTuple):
    """Log wealth that one bet wins with each outcome of a mirrored request."""

    canary_only: float
    active_only: float
    both: float
    neither: float


def checked(tally: Tally) -> Tally:
    """Return *tally* if its counts are possible.

    Raises:
        InvalidInputError: If one is negative, there are more failures than requests, or the
            weight is outside (0, 1].
    """
    tally = typed(tally, "tally")
    if not 0 < tally.weight <= 1:
        problem = f"has the weight {tally.weight:g}, which is not a share"
        raise InvalidInputError("tally", problem, "give one in (0, 1]")
    for arm, requests, failures in (
        ("canary", tally.canary, tally.canary_failures),
        ("active", tally.active, tally.active_failures),
    ):
        if not 0 <= failures <= requests:
            problem = f"has {failures} failures in {requests} requests of the {arm}"
            raise InvalidInputError("tally", problem, "count failures among the requests")
    return tally


def checked_pairs(pairs: Pairs) -> Pairs:
    """Return *pairs* if its counts are possible.

    Raises:
        InvalidInputError: If one is negative or there are more failures than requests.
    """
    pairs = typed(pairs, "pairs")
    failures = (pairs.canary_only, pairs.active_only, pairs.both)
    if min(failures) < 0 or sum(failures) > pairs.mirrored:
        problem = f"have {failures} failures in {pairs.mirrored} mirrored requests"
        raise InvalidInputError("pairs", problem, "count failures among the requests")
    return pairs


def pooled(tallies: Iterable[Tally]) -> dict[float, Tally]:
    """Add tallies up by weight, whoever counted them, lowest weight first."""
    sums: dict[float, list[int]] = {}
    for tally in tallies:
        row = sums.setdefault(tally.weight, [0, 0, 0, 0])
        row[0] += tally.canary
        row[1] += tally.active
        row[2] += tally.canary_failures
        row[3] += tally.active_failures
    return {weight: Tally(weight, *sums[weight]) for weight in sorted(sums)}


def bets(rule: Relative | Absolute, weight: float) -> tuple[Bet, ...]:
    """Return the bets of a rule's mixture at a weight below 1.

    Relative (m = 0): a bet on the rate ratio L beyond the margin makes a failure the canary's with
    probability `q1 = o L / (1 + o L)` where health has at most `q0 = o / (1 + o)`, with the odds
    `o = rho (1 + r) / (1 - rho)`; a failure wins `log(q1 / q0)` or `log((1 - q1) / (1 - q0))`, a
    success nothing. Staked is `f = o (L - 1) / (1 + o L)`.

    Absolute (r = 0): plain fractions f.
    """
    if isinstance(rule, Relative):
        odds = weight * (1 + rule.margin) / (1 - weight)
        return tuple(_ratio_bet(odds, ratio) for ratio in rule.ratios)
    margin = rule.margin
    bound = 1 / (1 - weight) + margin
    return tuple(
        Bet(
            math.log1p(fraction * (1 / weight - margin) / bound),
            math.log1p(-fraction),
            math.log1p(-fraction * margin / bound),
        )
        for fraction in rule.fractions
    )


def _ratio_bet(odds: float, ratio: float) -> Bet:
    won = (ratio - 1) / (1 + odds * ratio)
    return Bet(math.log1p(won), math.log1p(-odds * won), 0.0)


def pair_bets(rule: Relative | Absolute) -> tuple[PairBet, ...]:
    """Return the bets of a rule's mixture on mirrored requests.

    Both versions answer, so `z = Y_c / (1 + r) - Y_a - m` and `B = 1 + m`. With r = 0 a request at
    which both fail changes nothing: only discordant pairs count, as in McNemar's test. With r > 0
    it costs a little, because the margin is a share of all failures of the active version; ignoring
    it would halt a healthy candidate that fails where the active version fails too.
    """
    if isinstance(rule, Relative):
        share = 1 + rule.margin
        won = [(ratio - 1) / (1 + share * ratio) for ratio in rule.ratios]
        return tuple(
            PairBet(
                math.log1p(gain), math.log1p(-share * gain), math.log1p(-rule.margin * gain), 0.0
            )
            for gain in won
        )
    margin = rule.margin
    bound = 1 + margin
    return tuple(
        PairBet(
            math.log1p(fraction * (1 - margin) / bound),
            math.log1p(-fraction),
            math.log1p(-fraction * margin / bound),
            math.log1p(-fraction * margin / bound),
        )
        for fraction in rule.fractions
    )


def log_e_value(rule: Relative | Absolute, tallies: Iterable[Tally]) -> float:
    """Return log E of failures: halt at `log(1 / alpha)`.

    Tallies at weight 1 say nothing here: there is no control.
    """
    counts: list[tuple[Sequence[Bet], Tally]] = [
        (bets(rule, weight), tally) for weight, tally in pooled(tallies).items() if weight < _ALL
    ]
    mixture = len(rule.ratios if isinstance(rule, Relative) else rule.fractions)
    return mean_of_logs(
        [
            math.fsum(term for row, tally in counts for term in _terms(row[index], tally))
            for index in range(mixture)
        ]
    )


def _terms(bet: Bet, tally: Tally) -> tuple[float, float, float]:
    failures = tally.canary_failures + tally.active_failures
    return (
        tally.canary_failures * bet.canary_failure,
        tally.active_failures * bet.active_failure,
        (tally.canary + tally.active - failures) * bet.success,
    )


def log_pair_e_value(rule: Relative | Absolute, pairs: Pairs) -> float:
    """Return log E of mirrored requests: halt at `log(1 / alpha)`."""
    failures = pairs.canary_only + pairs.active_only + pairs.both
    counts = (pairs.canary_only, pairs.active_only, pairs.both, pairs.mirrored - failures)
    return mean_of_logs(
        [
            math.fsum(count * won for count, won in zip(counts, bet, strict=True))
            for bet in pair_bets(rule)
        ]
    )


def log_ratio_e_value(rule: SampleRatio, tallies: Iterable[Tally]) -> float:
    """Return log E of the assignments against their weights, two-sided.

    The same wealth with margin 0, every assignment in the place of a failure, and bets to both
    sides. Assignments are independent: where routing is sticky that is one for each key, at its
    first request, and not one for each request.
    """
    assigned = (
        Tally(tally.weight, tally.canary, tally.active, tally.canary, tally.active)
        for tally in tallies
    )
    return log_e_value(Relative(margin=0.0, ratios=rule.ratios), assigned)


def mean_of_logs(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean of exponentials, without overflow."""
    top = max(logs)
    return top + math.log(math.fsum(math.exp(log - top) for log in logs) / len(logs))


def odds(log_e: float) -> float:
    """Return wealth itself, as far as floats go."""
    return math.exp(min(log_e, _PLAIN))
