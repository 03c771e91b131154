"""The simulation and the core come to the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rollout import evidence
from holdfast.core.rollout.analysis import Absolute, Relative
from holdfast.core.rollout.bands import band
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.rollouts.arrays import bands, mean_of_logs
from holdfast.rollouts.simulation import Wealth
from holdfast.rollouts.traffic import Arms

PLAN = Plan(steps=(0.05, 0.3, 1.0))
SHADOW = Plan(strategy="shadow", steps=(1.0,))
RULES = [Relative(), Absolute(), Relative(margin=0.1, ratios=(2.0, 7.0)), Absolute(margin=0.01)]


def drawn(seed: int, plan: Plan) -> tuple[Arms, np.ndarray, np.ndarray]:
    """Draw failures of five runs, the requests that count, and each run's step."""
    random = np.random.default_rng(seed)
    shape = (5, 400)
    canary = random.random(shape) < 0.3
    active = canary if plan is SHADOW else ~canary
    arms = Arms(canary & (random.random(shape) < 0.2), active & (random.random(shape) < 0.1))
    asked = np.cumsum(canary | active, axis=1)
    return arms, asked, random.integers(0, max(1, len(plan.steps) - 1), 5)


def by_core(rule: Relative | Absolute, plan: Plan, arms: Arms, asked: int, step: int) -> float:
    """Return log E of one run from its counts."""
    failed, theirs = int(arms.canary.sum()), int(arms.active.sum())
    if plan is SHADOW:
        both = int((arms.canary & arms.active).sum())
        return evidence.log_pair_wealth(rule, Pairs(asked, failed - both, theirs - both, both))
    tally = Tally(plan.steps[step], failed, asked - failed, failed, theirs)
    return evidence.log_wealth(rule, [tally])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("plan", [PLAN, SHADOW])
@pytest.mark.parametrize("seed", range(10))
def test_wealth_over_arrays_is_the_cores_at_the_end_of_a_stretch(
    rule: Relative | Absolute, plan: Plan, seed: int
) -> None:
    arms, asked, steps = drawn(seed, plan)
    test = Wealth.of(rule, 0.05, plan, 5)
    test.look(arms, asked, steps, 3)
    expected = [
        by_core(rule, plan, Arms(arms.canary[run], arms.active[run]), asked[run, -1], steps[run])
        for run in range(5)
    ]

    assert mean_of_logs(test.wealth) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("plan", [PLAN, SHADOW])
@pytest.mark.parametrize("seed", range(4))
def test_it_speaks_at_the_request_at_which_the_core_would(
    rule: Relative | Absolute, plan: Plan, seed: int
) -> None:
    arms, asked, steps = drawn(seed, plan)
    found = Wealth.of(rule, 0.3, plan, 5).look(arms, asked, steps, 3)
    expected = []
    for run in range(5):
        places = [
            place
            for place in range(400)
            if arms.canary[run, : place + 1].sum() >= 3
            and by_core(
                rule,
                plan,
                Arms(arms.canary[run, : place + 1], arms.active[run, : place + 1]),
                asked[run, place],
                steps[run],
            )
            >= np.log(1 / 0.3)
        ]
        expected.append(places[0] if places else 400)

    assert found.tolist() == expected


@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(1e-9, 0.5))
def test_bands_over_arrays_are_the_cores(requests: int, share: float, alpha: float) -> None:
    failures = round(requests * share)
    low, high = bands(np.array([failures]), np.array([requests]), alpha)

    assert (low[0], high[0]) == pytest.approx(band(failures, requests, alpha), abs=1e-9)
