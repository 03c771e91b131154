"""Bets on which side has the better outcomes: fair, and the same by another computation."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rollouts.bounds import most

from holdfast.core.rollout.outcome_bets import EFFECTS, OutcomeBets, stakes

weights = st.sampled_from([0.01, 0.05, 0.3, 0.5, 0.9, 0.99])
inner = st.floats(0.001, 0.999)
shares = st.floats(0, 1)

Key = tuple[bool, float]


def wealth(weight: float, keys: list[Key], sign: int) -> float:
    """Return the wealth by the definition: no running sums, no logarithms of factors."""
    products = []
    for effect in EFFECTS:
        product = Fraction(1)
        for index, (of_candidate, outcome) in enumerate(keys):
            before = [other for _, other in keys[:index]]
            mean = sum(before) / len(before) if before else 0.5
            wide = [0.0, 1.0, *before]
            centre = sum(wide) / len(wide)
            variance = sum((other - centre) ** 2 for other in wide) / len(wide)
            worst = [(0.0 - mean) / weight, (mean - 1.0) / (1 - weight)]
            if sign < 0:
                worst = [(mean - 1.0) / weight, (0.0 - mean) / (1 - weight)]
            stake = min(effect * weight * (1 - weight) / math.sqrt(variance), -0.9 / min(worst))
            z = (outcome - mean) / weight if of_candidate else (mean - outcome) / (1 - weight)
            product *= Fraction(1 + sign * stake * z)
        products.append(product)
    return float(sum(products) / len(products))


@pytest.mark.parametrize("weight", [0.05, 0.5, 0.9])
def test_wealth_is_the_product_of_the_bets_over_all_keys(weight: float) -> None:
    chance = random.Random(3)
    keys = [
        (chance.random() < weight, chance.choice([0.0, 1.0, chance.random()])) for _ in range(200)
    ]
    bets = OutcomeBets(weight)
    for of_candidate, outcome in keys:
        bets.add(of_candidate=of_candidate, outcome=outcome)
    better, worse = bets.log_e_values()

    assert math.exp(better) == pytest.approx(wealth(weight, keys, 1), rel=1e-9)
    assert math.exp(worse) == pytest.approx(wealth(weight, keys, -1), rel=1e-9)


@given(weights, inner, st.floats(0.001, 0.5), shares, shares, st.sampled_from([0.0, 0.3, 1.0]))
def test_no_bet_gains_on_average_while_neither_is_better(
    weight: float, mean: float, deviation: float, one: float, part: float, split: float
) -> None:
    """The mean factor of one key, whose outcomes are 0, *split* and 1 in any proportion."""
    values = (0.0, split, 1.0)
    chances = (1 - one, one * part, one * (1 - part))
    for _, up, down in stakes(weight, mean, deviation):
        for stake in (up, -down):
            factors = [
                (share, chance * (1 + stake * (value - mean) * sign))
                for value, chance in zip(values, chances, strict=True)
                for share, sign in ((weight, 1 / weight), (1 - weight, -1 / (1 - weight)))
            ]

            assert all(factor >= 0 for _, factor in factors)
            assert sum(share * factor for share, factor in factors) == pytest.approx(1, abs=1e-9)


def test_more_outcomes_are_no_better_outcomes() -> None:
    """One side's users tell twice as often what became of a prediction."""
    chance = random.Random(7)
    bets = OutcomeBets(0.5)
    for _ in range(6000):
        bets.add(of_candidate=chance.random() < 2 / 3, outcome=float(chance.random() < 0.9))

    assert max(bets.log_e_values()) < math.log(2)


@pytest.mark.parametrize("outcome", [0.0, 0.3, 1.0])
def test_outcomes_of_one_side_alone_that_are_all_alike_say_nothing(outcome: float) -> None:
    bets = OutcomeBets(0.5)
    for _ in range(1000):
        bets.add(of_candidate=True, outcome=outcome)

    assert max(bets.log_e_values()) < 1


def test_a_better_and_a_worse_candidate_are_told_soon() -> None:
    for candidate, place in ((0.8, 0), (0.6, 1)):
        chance = random.Random(5)
        bets = OutcomeBets(0.5)
        for _ in range(2000):
            of_candidate = chance.random() < 0.5
            rate = candidate if of_candidate else 0.7
            bets.add(of_candidate=of_candidate, outcome=float(chance.random() < rate))

        assert bets.log_e_values()[place] > math.log(40)
        assert bets.log_e_values()[1 - place] < 0


@pytest.mark.parametrize("weight", [0.1, 0.5])
@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_equal_versions_looked_at_after_every_key_are_seldom_told_apart(
    weight: float, rate: float
) -> None:
    """At full length: `holdfast rollout simulate --strategy ab`."""
    chance, runs, decided = random.Random(11), 60, 0
    for _ in range(runs):
        bets, spoke = OutcomeBets(weight), False
        for _ in range(300):
            outcome = float(chance.random() < rate)
            bets.add(of_candidate=chance.random() < weight, outcome=outcome)
            spoke |= max(bets.log_e_values()) >= math.log(40)
        decided += spoke

    assert decided / runs <= most(0.05, runs)
