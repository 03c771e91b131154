"""The simulation and the core come to the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rollout import evidence
from holdfast.core.rollout.analysis import RATIOS, Absolute, Relative
from holdfast.core.rollout.blocks import Blocking
from holdfast.core.rollout.confidence_sequence import confidence_sequence
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.rollouts.simulation import BlockEValues, EValues
from holdfast.rollouts.traffic import Arms, Stretch
from holdfast.rollouts.vectorized import block_bets, confidence_sequences, mean_of_logs

PLAN = Plan(steps=(0.05, 0.3, 1.0))
SHADOW = Plan(strategy="shadow", steps=(1.0,))
RULES = [Relative(), Absolute(), Relative(margin=0.1, ratios=(2.0, 7.0)), Absolute(margin=0.01)]


def drawn(seed: int, plan: Plan) -> tuple[Stretch, np.ndarray, np.ndarray]:
    """Draw requests of five runs, how many count up to each, and each run's step."""
    random = np.random.default_rng(seed)
    shape = (5, 400)
    canary = random.random(shape) < 0.3
    active = canary if plan is SHADOW else ~canary
    arms = Arms(canary & (random.random(shape) < 0.2), active & (random.random(shape) < 0.1))
    asked = np.cumsum(canary | active, axis=1)
    stretch = Stretch(canary, active, arms.canary, arms, ())
    return stretch, asked, random.integers(0, max(1, len(plan.steps) - 1), 5)


def by_core(rule: Relative | Absolute, plan: Plan, arms: Arms, asked: int, step: int) -> float:
    """Return log E of one run from its counts."""
    failed, theirs = int(arms.canary.sum()), int(arms.active.sum())
    if plan is SHADOW:
        both = int((arms.canary & arms.active).sum())
        return evidence.log_pair_e_value(rule, Pairs(asked, failed - both, theirs - both, both))
    tally = Tally(plan.steps[step], failed, asked - failed, failed, theirs)
    return evidence.log_e_value(rule, [tally])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("plan", [PLAN, SHADOW])
@pytest.mark.parametrize("seed", range(10))
def test_wealth_over_arrays_is_the_cores_at_the_end_of_a_stretch(
    rule: Relative | Absolute, plan: Plan, seed: int
) -> None:
    stretch, asked, steps = drawn(seed, plan)
    arms, test = stretch.errors, EValues.of(rule, 0.05, plan, 5)
    test.look(arms, stretch, steps, 3)
    expected = [
        by_core(rule, plan, Arms(arms.canary[run], arms.active[run]), asked[run, -1], steps[run])
        for run in range(5)
    ]

    assert mean_of_logs(test.log_e_values) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("plan", [PLAN, SHADOW])
@pytest.mark.parametrize("seed", range(4))
def test_it_speaks_at_the_request_at_which_the_core_would(
    rule: Relative | Absolute, plan: Plan, seed: int
) -> None:
    stretch, asked, steps = drawn(seed, plan)
    arms = stretch.errors
    first_positions = EValues.of(rule, 0.3, plan, 5).look(arms, stretch, steps, 3)
    expected = []
    for run in range(5):
        places = [
            index
            for index in range(400)
            if arms.canary[run, : index + 1].sum() >= 3
            and by_core(
                rule,
                plan,
                Arms(arms.canary[run, : index + 1], arms.active[run, : index + 1]),
                asked[run, index],
                steps[run],
            )
            >= np.log(1 / 0.3)
        ]
        expected.append(places[0] if places else 400)

    assert first_positions.tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_blocks_over_arrays_are_the_cores(seed: int) -> None:
    plan = Plan(steps=(0.05, 0.3, 0.5, 1.0))
    random = np.random.default_rng(seed)
    test = BlockEValues.of(RATIOS, 0.3, plan, 6)
    steps = np.array([0, 1, 2, 0, 2, 3])
    blockings = [Blocking(RATIOS, plan.steps[step], [0.9]) for step in steps]
    places: list[int] = []
    expected = [[400, 400] for _ in steps]
    for turn in range(2):
        canary = random.random((6, 400)) < 0.3
        slow = random.random((6, 400)) < np.where(canary, 0.5, 0.2)
        arms = Arms(canary & slow, ~canary & slow)
        first_positions = test.look(arms, Stretch(canary, ~canary, canary, arms, ()), steps, 3)
        places += first_positions.tolist()
        for run, blocking in enumerate(blockings[:5]):
            for index in range(400):
                is_slow = {0.9: bool(slow[run, index])}
                blocking.note(of_canary=bool(canary[run, index]), requests=1, slow=is_slow)
                ((_, full),) = blocking.full()
                speaks = evidence.mean_of_logs(full.logs) >= np.log(1 / 0.3) and full.events >= 3
                if speaks and index < expected[run][turn]:
                    expected[run][turn] = index
    core = [blocking.full()[0][1] for blocking in blockings]

    assert test.log_e_values == pytest.approx(np.array([full.logs for full in core]), abs=1e-9)
    assert test.events.tolist() == [full.events for full in core]
    # a test that has spoken before may speak again only where a block ends
    assert places[:6] == [positions[0] for positions in expected]
    assert any(position < 400 for position in places)


def test_a_block_begins_anew_with_a_step() -> None:
    plan = Plan(steps=(0.5, 0.75, 1.0))
    test = BlockEValues.of(RATIOS, 0.3, plan, 1)
    canary = np.array([[True, False] * 3])
    arms = Arms(canary, np.zeros_like(canary))
    stretch = Stretch(canary, ~canary, canary, arms, ())
    test.look(arms, stretch, np.array([0]), 3)
    test.look(arms, stretch, np.array([1]), 3)

    assert test.opened.tolist() == [[3], [3], [0], [6]]
    assert test.events.tolist() == [0]


def test_of_no_blocks_nothing_is_said() -> None:
    assert block_bets(RATIOS, np.zeros((4, 0), dtype=np.int64)).shape == (0, 7)


@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(1e-9, 0.5))
def test_bands_over_arrays_are_the_cores(requests: int, share: float, alpha: float) -> None:
    failures = round(requests * share)
    low, high = confidence_sequences(np.array([failures]), np.array([requests]), alpha)

    assert (low[0], high[0]) == pytest.approx(
        confidence_sequence(failures, requests, alpha), abs=1e-9
    )
