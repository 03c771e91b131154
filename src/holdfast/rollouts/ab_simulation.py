"""Many A/B tests of one plan, looked at after every key."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import UNSET

from holdfast.core.rollout import analysis as analyses
from holdfast.core.rollout import outcome_band, outcome_bets
from holdfast.core.rollout import plan as plans
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError
from holdfast.rollouts import results
from holdfast.rollouts import scenario as scenarios_
from holdfast.rollouts.results import AbScenarioResult, AbSimulation, SimulationSettings
from holdfast.rollouts.scenario import Scenario
from holdfast.rollouts.vectorized import Counts, Floats, log_gammas, mean_of_logs

_TOGETHER: Final = 64
"""Looks that are gone into together, of those at which the band may be narrow enough."""
_SECTIONS: Final = 60
_OWN: Final = 2.0
"""How alike the requests of one key are: its own rate is Beta with so many in sum."""
_ABSENT: Final = ("slower", "tail", "noise", "outage", "users")


@dataclass(frozen=True, slots=True)
class KeySums:
    """What is known after every key of one run; arrays of shape (keys,).

    Attributes:
        known: Keys of each side, shape (2, keys): the candidate's, the active version's.
        totals: Sums of their outcomes, shape (2, keys).
        squares: Sums of their squares, shape (2, keys).
    """

    known: Counts
    totals: Floats
    squares: Floats

    @classmethod
    def of(cls, is_candidate: Counts, outcomes: Floats) -> "KeySums":
        """Add up outcomes, each of a key of one side."""
        sides = np.stack([is_candidate, 1 - is_candidate])
        return cls(
            np.cumsum(sides, axis=1),
            np.cumsum(sides * outcomes, axis=1),
            np.cumsum(sides * outcomes**2, axis=1),
        )


def simulate(
    plan: Plan, analysis: Analysis, scenarios: Sequence[Scenario], setting: SimulationSettings
) -> AbSimulation:
    """Play tests against each scenario; `holdfast.rollouts.simulate_ab` is its door."""
    plan, analysis = plans.check(plan), analyses.check(analysis)
    setting = results.check(setting)
    test = analysis.outcome
    if plan.strategy != "ab" or test is UNSET:
        problem = "has no outcome" if test is UNSET else f"is a {plan.strategy} rollout"
        raise InvalidInputError("plan", problem, "give the strategy ab and an outcome")
    found = [
        play(plan.steps[0], test, analysis.alpha, scenarios_.check(scenario), setting)
        for scenario in scenarios
    ]
    return AbSimulation(plan, analysis, setting, tuple(found))


def play(
    weight: float,
    test: OutcomeTest,
    alpha: float,
    scenario: Scenario,
    setting: SimulationSettings,
) -> AbScenarioResult:
    """Play all tests of one scenario, each of so many keys as the setting has requests."""
    _require_known(scenario)
    random = np.random.default_rng(setting.seed)
    ends = []
    for _ in range(setting.runs):
        is_candidate = (random.random(setting.requests) < weight).astype(np.int64)
        means = np.where(is_candidate == 1, scenario.canary, scenario.active)
        sums = KeySums.of(is_candidate, _outcomes(means, test, scenario, random))
        look = bets_look if test.clip is None else bands_look
        firsts = look(sums, weight, test, alpha)
        ends.append(min((index, rank) for rank, index in enumerate(firsts)))
    places = np.array([index + 1 if index < setting.requests else np.inf for index, _ in ends])
    ranks = np.where(np.isfinite(places), [rank for _, rank in ends], len(ends[0]) + 1)
    lost, won, same = (float((ranks == rank).mean()) for rank in range(3))
    median, p90 = np.quantile(places, (0.5, 0.9), method="inverted_cdf")
    return AbScenarioResult(
        scenario=scenario,
        label=scenario.label,
        false=_false(scenario, test, lost, won, same),
        won=won,
        lost=lost,
        no_difference=same,
        undecided=float(np.isinf(places).mean()),
        keys_median=int(median) if np.isfinite(median) else None,
        keys_p90=int(p90) if np.isfinite(p90) else None,
    )


def _require_known(scenario: Scenario) -> None:
    plain = Scenario(scenario.active, scenario.canary)
    odd = [word for word in _ABSENT if getattr(scenario, word) != getattr(plain, word)]
    if odd:
        problem = f"has {', '.join(odd)}, which an A/B test does not play"
        raise InvalidInputError(f"scenario {scenario.label!r}", problem, "use answers or spread")


def _false(scenario: Scenario, test: OutcomeTest, lost: float, won: float, same: float) -> float:
    """Return the share of the runs with a false decision."""
    difference = test.width * (scenario.canary - scenario.active)
    effect = test.minimum_effect or math.inf
    matters = abs(difference) >= effect or math.isclose(abs(difference), effect)
    false = same if matters else 0.0
    if difference <= 0:
        false += won
    if difference >= 0:
        false += lost
    return false


def _outcomes(
    means: Floats, test: OutcomeTest, scenario: Scenario, random: np.random.Generator
) -> Floats:
    """Draw an outcome for each key, as a part of the way from the least to the greatest."""
    if test.clip is not None:  # a mean before they are cut
        noise = random.normal(-(scenario.spread**2) / 2, scenario.spread, len(means))
        return np.minimum(means * np.exp(noise), 1.0)
    if scenario.answers == 1:
        return (random.random(len(means)) < means).astype(np.float64)
    safe = np.clip(means, 1e-9, 1 - 1e-9)
    own = random.beta(_OWN * safe, _OWN * (1 - safe))
    answers = random.geometric(1 / scenario.answers, len(means))
    return np.asarray(random.binomial(answers, own) / answers)


def bets_look(sums: KeySums, weight: float, test: OutcomeTest, alpha: float) -> tuple[int, ...]:
    """Return the first key after which the candidate is worse, is better, or nothing differs.

    The number of keys stands for never.
    """
    count = sums.known.shape[1]
    better, worse = log_e_values(sums, weight)
    needed = math.log(2 / alpha)
    firsts = [
        int(logs.argmax()) if logs.any() else count for logs in (worse >= needed, better >= needed)
    ]
    if test.minimum_effect is None:
        return (*firsts, count)
    return (*firsts, _first_alike(sums, min(firsts), test.minimum_effect, alpha / 2))


def log_e_values(sums: KeySums, weight: float) -> tuple[Floats, Floats]:
    """Return log E that the candidate is better and that it is worse, after every key."""
    totals, squares = sums.totals.sum(axis=0), sums.squares.sum(axis=0)
    outcomes = np.diff(totals, prepend=0.0)
    of_candidate = np.diff(sums.known[0], prepend=0) == 1
    count = np.arange(len(totals))
    means = np.where(count > 0, (totals - outcomes) / np.maximum(count, 1), outcome_bets.FIRST)
    wide = (1 + totals - outcomes) / (2 + count)
    deviations = np.sqrt((1 + squares - outcomes**2) / (2 + count) - wide**2)
    z = (outcomes - means) / np.where(of_candidate, weight, weight - 1)
    wished = np.array(outcome_bets.EFFECTS) * (weight * (1 - weight) / deviations)[:, None]
    most = outcome_bets.LARGEST
    ups = most / np.maximum(means / weight, (1 - means) / (1 - weight))
    downs = most / np.maximum((1 - means) / weight, means / (1 - weight))
    better = np.log1p(np.minimum(wished, ups[:, None]) * z[:, None]).cumsum(axis=0)
    worse = np.log1p(-np.minimum(wished, downs[:, None]) * z[:, None]).cumsum(axis=0)
    return mean_of_logs(better), mean_of_logs(worse)


def _first_alike(sums: KeySums, before: int, effect: float, alpha: float) -> int:
    """Return the first key after which every difference beyond the effect is ruled out."""
    budget = -math.log(alpha)
    possible = np.nonzero((sums.known.min(axis=0) > 0)[:before])[0]
    for sides in ((0, 1), (1, 0)):
        tried = least_pair(sums, possible, sides, effect, sections=0)
        possible = possible[tried > budget]
    for start in range(0, len(possible), _TOGETHER):
        some = possible[start : start + _TOGETHER]
        for sides in ((0, 1), (1, 0)):
            some = some[least_pair(sums, some, sides, effect, sections=_SECTIONS) > budget]
        if len(some):
            return int(some[0])
    return int(sums.known.shape[1])


def least_pair(
    sums: KeySums, places: Counts, sides: tuple[int, int], effect: float, sections: int
) -> Floats:
    """Return how far the best pair of means with this difference is ruled out, as a logarithm.

    Args:
        sums: Of one run.
        places: Keys after which it is looked.
        sides: Whose mean is greater by *effect*, and whose is less.
        effect: The difference.
        sections: Golden sections that look for the best pair; with none, a pair near it is taken,
            and what is returned is too high.
    """
    known, totals = sums.known[:, places].astype(np.float64), sums.totals[:, places]
    ours, theirs = sides
    ways = log_gammas(totals + 0.5) + log_gammas(known - totals + 0.5) - log_gammas(known + 1.0)
    mixtures = ways.sum(axis=0) - 2 * math.log(math.pi)

    def ruled_out(mean: Floats) -> Floats:
        chance = _log_chance(totals[ours], known[ours], mean + effect)
        return np.asarray(mixtures - chance - _log_chance(totals[theirs], known[theirs], mean))

    low, high = np.zeros(len(places)), np.full(len(places), 1 - effect)
    if not sections:
        means = totals / known
        spread = (means * (1 - means) + 1 / known) / known
        rest = effect - (means[ours] - means[theirs])
        near = means[theirs] - rest * spread[theirs] / spread.sum(axis=0)
        margin = 1e-9
        found = ruled_out(np.clip(near, margin, 1 - effect - margin))
        return np.where(rest > 0, found, -np.inf)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(sections):
        left, right = high - golden * (high - low), low + golden * (high - low)
        goes_left = ruled_out(left) < ruled_out(right)
        low, high = np.where(goes_left, low, left), np.where(goes_left, right, high)
    alike = totals[ours] / known[ours] - totals[theirs] / known[theirs] < effect
    return np.where(alike, ruled_out((low + high) / 2), -np.inf)


def _log_chance(totals: Floats, known: Floats, means: Floats) -> Floats:
    zeros = known - totals
    with np.errstate(divide="ignore", invalid="ignore"):
        ones = np.where(totals > 0, totals * np.log(means), 0.0)
        others = np.where(zeros > 0, zeros * np.log1p(-means), 0.0)
    return np.asarray(ones + others)


def bands_look(sums: KeySums, weight: float, test: OutcomeTest, alpha: float) -> tuple[int, ...]:
    """Return the same for numbers, whose band says all; their shares do not matter to it."""
    del weight
    places = np.nonzero(sums.known.min(axis=0) >= test.min_keys)[0]
    known = sums.known[:, places]
    means = sums.totals[:, places] / known
    variances = np.maximum(sums.squares[:, places] / known - means**2, 0.0)
    ends = outcome_band.ENDS
    wide = known * variances + ends * (means**2 + (1 - means) ** 2)
    spread = (wide / (known + 2 * ends) / known).sum(axis=0)
    squared = known.sum(axis=0) * outcome_band.target_scale(alpha)
    factor = 2 * (squared + 1) / squared * (0.5 * np.log1p(squared) - math.log(alpha))
    radius = np.sqrt(spread * factor)
    difference = means[0] - means[1]
    effect = (test.minimum_effect or 0.0) / test.width
    inside = (difference + radius < effect) & (difference - radius > -effect)
    return tuple(
        int(places[speaks.argmax()]) if speaks.any() else sums.known.shape[1]
        for speaks in (difference < -radius, difference > radius, inside)
    )
