"""Simulated A/B tests: false decisions, power, and the same numbers as the core's.

The bounds follow from the promised share and the number of runs (`bounds.py`): no seed fails them.
"""

import math

import numpy as np
import pytest
from msgspec import UNSET
from tests.rollouts.bounds import least, most

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcome_band import asymptotic_difference, bounded_difference
from holdfast.core.rollout.outcome_bets import OutcomeBets
from holdfast.core.rollout.outcomes import ArmOutcomes, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError
from holdfast.rollouts import SimulationSettings, scenario, simulate_ab
from holdfast.rollouts.ab_simulation import (
    KeySums,
    bands_look,
    bets_look,
    least_pair,
    log_e_values,
)
from holdfast.rollouts.results import AbScenarioResult

RUNS = 50
SHARE = OutcomeTest("accuracy", minimum_effect=0.1)
NUMBER = OutcomeTest("feedback:amount", clip=(0.0, 200.0), minimum_effect=20.0)


def plan(weight: float = 0.5) -> Plan:
    return Plan(strategy="ab", steps=(weight,))


def play(
    test: OutcomeTest, *texts: str, weight: float = 0.5, keys: int = 1500, runs: int = RUNS
) -> tuple[AbScenarioResult, ...]:
    scenarios = [scenario.parse(text) for text in texts]
    setting = SimulationSettings(requests=keys, runs=runs)
    return simulate_ab(plan(weight), Analysis(outcome=test), scenarios, setting).outcomes


@pytest.mark.parametrize("weight", [0.1, 0.5])
@pytest.mark.parametrize("test", [SHARE, NUMBER])
def test_equal_versions_are_told_apart_at_most_as_often_as_alpha(
    weight: float, test: OutcomeTest
) -> None:
    texts = ("70%:70%", "2%:2%", "40%:40%,answers=4")
    if test is NUMBER:
        texts = ("10%:10%", "5%:5%,spread=1.5", "30%:30%,spread=1")
    for found in play(test, *texts, weight=weight):
        assert found.false == found.won + found.lost
        assert found.false <= most(0.05, RUNS)


@pytest.mark.parametrize(
    ("test", "texts"),
    [(SHARE, ("70%:80%", "80%:70%", "2%:12%")), (NUMBER, ("10%:20%", "20%:10%,spread=1"))],
)
def test_a_difference_that_matters_is_seldom_denied_or_turned_round(
    test: OutcomeTest, texts: tuple[str, ...]
) -> None:
    for found in play(test, *texts):
        assert found.false <= most(0.05, RUNS)


def test_what_differs_is_found_and_what_does_not_is_said() -> None:
    better, worse, same = play(SHARE, "50%:70%", "50%:30%", "3%:3%", keys=3000)
    more, less, alike = play(NUMBER, "20%:30%", "30%:20%", "10%:10%", keys=3000)

    assert min(better.won, worse.lost, more.won, less.lost) >= least(0.95, RUNS)
    assert min(same.no_difference, alike.no_difference) >= least(0.85, RUNS)
    assert better.keys_median is not None
    assert better.keys_median < 1000


def drawn(weight: float, keys: int = 300) -> tuple[KeySums, list[tuple[bool, float]]]:
    random = np.random.default_rng(9)
    is_candidate = (random.random(keys) < weight).astype(np.int64)
    outcomes = random.choice([0.0, 0.0, 1.0, 0.25], keys)
    pairs = [(bool(side), float(value)) for side, value in zip(is_candidate, outcomes, strict=True)]
    return KeySums.of(is_candidate, outcomes), pairs


@pytest.mark.parametrize("weight", [0.1, 0.5])
def test_the_bets_are_the_cores_after_every_key(weight: float) -> None:
    sums, keys = drawn(weight)
    bets = OutcomeBets(weight)
    by_core = []
    for of_candidate, outcome in keys:
        bets.add(of_candidate=of_candidate, outcome=outcome)
        by_core.append(bets.log_e_values())

    np.testing.assert_allclose(np.array(log_e_values(sums, weight)).T, by_core, rtol=0, atol=1e-9)


def arms_at(sums: KeySums, place: int) -> tuple[ArmOutcomes, ArmOutcomes]:
    known, totals = sums.known[:, place], sums.totals[:, place]
    variances = sums.squares[:, place] / known - (totals / known) ** 2
    candidate, active = (
        ArmOutcomes(int(count), int(count), float(total / count), float(variance))
        for count, total, variance in zip(known, totals, variances, strict=True)
    )
    return candidate, active


def test_a_difference_is_ruled_out_where_the_cores_band_ends() -> None:
    sums, _ = drawn(0.4)
    place = np.array([299])
    candidate, active = arms_at(sums, 299)
    band = bounded_difference(candidate, active, 0.025)
    needed = math.log(1 / 0.025)

    for sides, edge in (((0, 1), band.high), ((1, 0), -band.low)):
        assert least_pair(sums, place, sides, edge + 1e-6, sections=60)[0] > needed
        assert least_pair(sums, place, sides, edge - 1e-6, sections=60)[0] < needed
        assert least_pair(sums, place, sides, edge, sections=0)[0] >= needed - 1e-9


def test_a_test_of_numbers_ends_where_the_cores_band_does() -> None:
    sums, _ = drawn(0.5, 3000)
    wide = OutcomeTest("feedback:amount", clip=(0.0, 1.0), minimum_effect=0.08)
    places = bands_look(sums, 0.5, wide, 0.05)
    place = min(places)
    now, before = (
        asymptotic_difference(*arms_at(sums, look), alpha=0.05) for look in (place, place - 1)
    )

    assert place == places[2] < 3000
    assert -0.08 < now.low <= now.high < 0.08
    assert not -0.08 < before.low <= before.high < 0.08


def test_without_an_effect_it_never_says_that_nothing_differs() -> None:
    sums, _ = drawn(0.5, 3000)

    assert bets_look(sums, 0.5, OutcomeTest("accuracy"), 0.05)[2] == 3000
    assert bands_look(sums, 0.5, OutcomeTest("feedback:x", clip=(0, 1)), 0.05)[2] == 3000


def test_the_same_seed_gives_the_same_table() -> None:
    first, other = (play(SHARE, "50%:60%,answers=3", keys=300, runs=20) for _ in range(2))

    assert first == other


def test_what_it_cannot_play_is_refused() -> None:
    some = [scenario.parse("1%:1%")]
    with pytest.raises(InvalidInputError, match="plan is a canary rollout; give the strategy ab"):
        simulate_ab(Plan(), Analysis(outcome=SHARE), some)
    with pytest.raises(InvalidInputError, match="plan has no outcome"):
        simulate_ab(plan(), Analysis(outcome=UNSET), some)
    with pytest.raises(InvalidInputError, match="has slower, which an A/B test does not play"):
        play(SHARE, "1%:1%,slower=2")
