"""The wealth of the tests: against its definition, request by request, and what it never does."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rollout.analysis import Absolute, Relative, SampleRatio
from holdfast.core.rollout.evidence import (
    Pairs,
    Tally,
    bets,
    checked,
    checked_pairs,
    log_e_value,
    log_pair_e_value,
    log_ratio_e_value,
    odds,
    pair_bets,
)
from holdfast.errors import InvalidInputError

RULES = [Relative(), Relative(margin=0.0), Relative(margin=0.3), Absolute(), Absolute(margin=0.01)]
weights = st.sampled_from((0.01, 0.05, 0.25, 0.5, 0.95))
rules = st.sampled_from(RULES)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    canary, active = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    return Tally(
        draw(st.sampled_from((0.05, 0.25, 0.5, 1.0))),
        canary,
        active,
        draw(st.integers(0, canary)),
        draw(st.integers(0, active)),
    )


def fractions(rule: Relative | Absolute, weight: float) -> list[float]:
    """Stakes in their first form: `f = 1 - (1 - q1) / (1 - q0)`."""
    if isinstance(rule, Absolute):
        return list(rule.fractions)
    lifted = weight * (1 + rule.margin)
    q0 = lifted / (lifted + 1 - weight)
    stakes = []
    for ratio in rule.ratios:
        q1 = lifted * ratio / (lifted * ratio + 1 - weight)
        stakes.append(1 - (1 - q1) / (1 - q0))
    return stakes


def by_definition(
    rule: Relative | Absolute, weight: float, requests: list[tuple[int, int]]
) -> float:
    """Multiply `1 + f z / B` request by request."""
    r, m = (rule.margin, 0.0) if isinstance(rule, Relative) else (0.0, rule.margin)
    bound = 1 / (1 - weight) + m
    products = []
    for fraction in fractions(rule, weight):
        product = 1.0
        for canary, failed in requests:
            z = canary * failed / (weight * (1 + r)) - (1 - canary) * failed / (1 - weight) - m
            product *= 1 + fraction * z / bound
        products.append(product)
    return sum(products) / len(products)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weight", [0.05, 0.5, 0.95])
def test_wealth_from_counts_is_the_product_over_requests(
    rule: Relative | Absolute, weight: float
) -> None:
    chance = random.Random(7)
    requests = [(int(chance.random() < weight), int(chance.random() < 0.1)) for _ in range(300)]
    canary = sum(arm for arm, _ in requests)
    failures = sum(arm * failed for arm, failed in requests)
    others = sum((1 - arm) * failed for arm, failed in requests)
    tally = Tally(weight, canary, 300 - canary, failures, others)

    assert math.exp(log_e_value(rule, [tally])) == pytest.approx(
        by_definition(rule, weight, requests), rel=1e-9
    )


@given(rules, weights, st.floats(0, 1), st.floats(0, 1))
def test_no_bet_gains_on_average_while_the_canary_is_healthy(
    rule: Relative | Absolute, weight: float, active: float, part: float
) -> None:
    """The mean factor of one request is at most 1 on and within the margin: Ville's condition."""
    relative = isinstance(rule, Relative)
    edge = active * (1 + rule.margin) if relative else active + rule.margin
    canary = min(1.0, part * edge)
    for bet in bets(rule, weight):
        mean = (
            weight * canary * math.exp(bet.canary_failure)
            + (1 - weight) * active * math.exp(bet.active_failure)
            + (1 - weight * canary - (1 - weight) * active) * math.exp(bet.success)
        )

        assert mean <= 1 + 1e-12


@given(rules, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_no_pair_bet_gains_on_average_however_much_fails_on_both_sides(
    rule: Relative | Absolute, active: float, part: float, shared: float
) -> None:
    relative = isinstance(rule, Relative)
    edge = active * (1 + rule.margin) if relative else active + rule.margin
    canary = min(1.0, part * edge)
    least = max(0.0, active + canary - 1)
    both = least + shared * (min(active, canary) - least)
    for bet in pair_bets(rule):
        mean = (
            (canary - both) * math.exp(bet.canary_only)
            + (active - both) * math.exp(bet.active_only)
            + both * math.exp(bet.both)
            + (1 - canary - active + both) * math.exp(bet.neither)
        )

        assert mean <= 1 + 1e-12


def test_leaving_out_pairs_that_fail_twice_would_halt_a_healthy_shadow() -> None:
    """At the margin with most failures shared, discordant pairs alone gain on every request."""
    active, canary, both = 0.01, 0.0105, 0.0095
    discordant = [
        (canary - both) * math.exp(bet.canary_only)
        + (active - both) * math.exp(bet.active_only)
        + (1 - canary - active + 2 * both)
        for bet in pair_bets(Relative())
    ]

    assert max(discordant) > 1


@given(rules, st.lists(tallies(), max_size=8), st.randoms())
def test_workers_and_steps_add_up_to_the_last_bit_in_any_order(
    rule: Relative | Absolute, counted: list[Tally], chance: random.Random
) -> None:
    halves = []
    for tally in counted:
        part = Tally(tally.weight, 0, 0, tally.canary_failures // 2, 0)
        failures = part.canary_failures
        halves += [
            Tally(tally.weight, failures, 0, failures, 0),
            Tally(
                tally.weight,
                tally.canary - failures,
                tally.active,
                tally.canary_failures - failures,
                tally.active_failures,
            ),
        ]
    chance.shuffle(halves)

    assert log_e_value(rule, halves) == log_e_value(rule, counted)


def test_wealth_is_carried_over_a_change_of_weight() -> None:
    rule = Relative(ratios=(3.0,))
    steps = [Tally(0.05, 100, 1900, 4, 20), Tally(0.25, 500, 1500, 9, 15)]

    assert log_e_value(rule, steps) == pytest.approx(
        sum(log_e_value(rule, [step]) for step in steps)
    )


def test_successes_say_nothing_of_a_relative_margin() -> None:
    few = Tally(0.05, 10, 100, 3, 1)
    many = Tally(0.05, 10_000, 1_000_000, 3, 1)

    assert log_e_value(Relative(), [few]) == log_e_value(Relative(), [many])


@pytest.mark.parametrize("rule", RULES)
def test_without_control_and_without_requests_nothing_is_won(rule: Relative | Absolute) -> None:
    assert log_e_value(rule, []) == pytest.approx(0)
    assert log_e_value(rule, [Tally(1.0, 5000, 0, 4000, 0)]) == pytest.approx(0)
    assert log_pair_e_value(rule, Pairs()) == pytest.approx(0)


@pytest.mark.parametrize(("weight", "needed"), [(0.05, 2), (0.5, 7)])
def test_how_many_canary_failures_halt_when_the_active_version_never_failed(
    weight: float, needed: int
) -> None:
    wealth = [
        math.exp(log_e_value(Relative(), [Tally(weight, count, 0, count, 0)]))
        for count in range(12)
    ]

    assert next(count for count, won in enumerate(wealth) if won >= 20) == needed


def test_a_factor_is_the_ratio_of_the_chances() -> None:
    """q1 / q0 for the ratio 2 at 5 %, as exact fractions."""
    lifted = Fraction(5, 100) * Fraction(105, 100)
    q0 = lifted / (lifted + Fraction(95, 100))
    q1 = 2 * lifted / (2 * lifted + Fraction(95, 100))
    bet = bets(Relative(ratios=(2.0,)), 0.05)[0]

    assert math.exp(bet.canary_failure) == pytest.approx(float(q1 / q0))
    assert math.exp(bet.active_failure) == pytest.approx(float((1 - q1) / (1 - q0)))


def test_pairs_count_by_their_definition() -> None:
    rule, pairs = Absolute(margin=0.02, fractions=(0.1, 0.3)), Pairs(50, 4, 2, 1)
    means = []
    for fraction in rule.fractions:
        factors = [1 + fraction * z / 1.02 for z in (1 - 0.02, -1 - 0.02, -0.02)]
        means.append(factors[0] ** 4 * factors[1] ** 2 * factors[2] ** (1 + 43))

    assert math.exp(log_pair_e_value(rule, pairs)) == pytest.approx(sum(means) / 2)


@pytest.mark.parametrize("canary", [300, 700])
def test_a_sample_ratio_that_is_off_to_either_side_is_told(canary: int) -> None:
    off, balanced = Tally(0.5, canary, 1000 - canary), Tally(0.5, 500, 500)

    assert odds(log_ratio_e_value(SampleRatio(), [off])) > 1000
    assert odds(log_ratio_e_value(SampleRatio(), [balanced])) < 1


@given(weights)
def test_assignments_by_their_weight_win_nothing_on_average(weight: float) -> None:
    for bet in bets(Relative(margin=0.0, ratios=SampleRatio().ratios), weight):
        mean = weight * math.exp(bet.canary_failure) + (1 - weight) * math.exp(bet.active_failure)

        assert mean == pytest.approx(1)


def test_six_failures_of_one_user_counted_as_six_win_on_average_without_cause() -> None:
    """Why only a key's first failure counts: six coins that fall alike are one coin."""
    weight = 0.05
    healthy = weight * 1.05 / (weight * 1.05 + 1 - weight)
    for bet in bets(Relative(), weight):
        once, sixfold = (
            healthy * math.exp(times * bet.canary_failure)
            + (1 - healthy) * math.exp(times * bet.active_failure)
            for times in (1, 6)
        )

        assert once == pytest.approx(1)
        assert sixfold > 1


def test_wealth_beyond_floats_is_cut() -> None:
    assert odds(5000.0) == math.exp(700)


@pytest.mark.parametrize(
    ("tally", "message"),
    [
        (Tally(0.0), "has the weight 0, which is not a share"),
        (Tally(1.5), "has the weight 1.5, which is not a share"),
        (Tally(0.5, 3, 9, 4, 0), "4 failures in 3 requests of the canary"),
        (Tally(0.5, 3, 9, 0, -1), "-1 failures in 9 requests of the active"),
        (Tally(0.5, 1.5), "tally has a field of the wrong type: Expected `int`, got `float`"),  # type: ignore[arg-type]
    ],
)
def test_counts_that_cannot_be_are_refused(tally: Tally, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        checked(tally)

    assert message in str(caught.value)


@pytest.mark.parametrize("pairs", [Pairs(10, -1, 0, 0), Pairs(10, 5, 5, 1)])
def test_pairs_that_cannot_be_are_refused(pairs: Pairs) -> None:
    with pytest.raises(InvalidInputError, match="mirrored requests"):
        checked_pairs(pairs)


def test_good_counts_pass() -> None:
    tally, pairs = Tally(0.05, 10, 190, 1, 2), Pairs(10, 1, 2, 3)

    assert (checked(tally), checked_pairs(pairs)) == (tally, pairs)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_only_failures_of_the_canary_raise_wealth(rule: Relative | Absolute, weight: float) -> None:
    """So a simulation, or a driver, need look only after them."""
    for bet in bets(rule, weight):
        assert bet.canary_failure > 0 >= bet.success
        assert bet.active_failure < 0
