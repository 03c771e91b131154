"""Latencies by blocks of calls: what they cannot be made to say, and what they see."""

import math
import random
from itertools import product

import pytest
from tests.rollouts.bounds import least, most

from holdfast.core.rollout import blocks, evidence
from holdfast.core.rollout.analysis import Relative
from holdfast.core.rollout.blocks import Block, Blocking, Blocks
from holdfast.core.rollout.evidence import Tally

RULE = Relative(margin=0.0)
HALTS = math.log(60)  # alpha of 5 %, in three parts
RUNS = 60


@pytest.mark.parametrize(
    ("weight", "calls"), [(0.05, 80), (0.25, 16), (0.5, 8), (0.95, 80), (0.001, 400), (1.0, 400)]
)
def test_a_block_is_as_long_as_the_rarer_side_needs(weight: float, calls: int) -> None:
    assert blocks.size(weight) == calls


@pytest.mark.parametrize(
    "block", [Block(5, 0, 5, 0), Block(0, 5, 0, 5), Block(4, 4, 0, 0), Block(4, 4, 4, 4)]
)
def test_a_block_with_one_side_or_one_outcome_says_nothing(block: Block) -> None:
    assert blocks.won(RULE.ratios, block) == pytest.approx((0.0,) * 7, abs=1e-12)


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.9])
@pytest.mark.parametrize(("canary", "active"), [(1, 7), (4, 4), (6, 2)])
def test_no_bet_wins_on_the_mean_against_a_healthy_canary(
    rate: float, canary: int, active: int
) -> None:
    def chance(slow: int, calls: int, probability: float) -> float:
        return math.comb(calls, slow) * probability**slow * (1 - probability) ** (calls - slow)

    means = [0.0] * len(RULE.ratios)
    for ours, theirs in product(range(canary + 1), range(active + 1)):
        weight = chance(ours, canary, rate) * chance(theirs, active, rate)
        for at, log in enumerate(blocks.won(RULE.ratios, Block(canary, active, ours, theirs))):
            means[at] += weight * math.exp(log)

    assert max(means) <= 1 + 1e-12


def test_what_workers_saw_is_added_up_and_what_is_of_other_bets_left_out() -> None:
    parts = [Blocks((0.1, 0.2), 3), Blocks((0.3, -0.2), 4), Blocks((9.0,), 5)]

    assert blocks.united(parts, 2) == Blocks((math.fsum((0.1, 0.3)), 0.0), 7)
    assert blocks.united([], 2) == Blocks((0.0, 0.0), 0)


def busy_traffic(
    chance: random.Random, calls: int, weight: float, slower: float
) -> list[tuple[bool, bool, int]]:
    """Draw calls of a busy machine with a few heavy users: side, whether slow, requests.

    Users stay on one side; the machine has spells in which every call is slow; a call answers
    several requests.
    """
    users = [(chance.random() < weight, 1 / (rank + 1)) for rank in range(60)]
    sides, activity = zip(*users, strict=True)
    observations, spell = [], 0
    for of_canary in chance.choices(sides, activity, k=calls):
        spell = max(0, spell - 1) if chance.random() < 0.99 else 40
        rate = 0.9 if spell else 0.1 * (slower if of_canary else 1.0)
        observations.append((of_canary, chance.random() < rate, chance.choice((1, 1, 2, 6))))
    return observations


def by_blocks(calls: list[tuple[bool, bool, int]], weight: float) -> bool:
    blocking = Blocking(RULE.ratios, weight, [0.9])
    for of_canary, slow, requests in calls:
        blocking.note(of_canary=of_canary, requests=requests, slow={0.9: slow})
        ((_, full),) = blocking.full()
        if evidence.mean_of_logs(full.logs) >= HALTS:
            return True
    return False


def by_requests(calls: list[tuple[bool, bool, int]], weight: float) -> bool:
    """Judge as if each request were for itself, and the canary had its share of them."""
    counts = [0, 0, 0, 0]
    for of_canary, slow, requests in calls:
        counts[not of_canary] += requests
        counts[2 + (not of_canary)] += slow * requests
        if slow and evidence.log_e_value(RULE, [Tally(weight, *counts)]) >= HALTS:
            return True
    return False


@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_a_busy_machine_and_heavy_users_halt_no_healthy_canary(weight: float) -> None:
    chance = random.Random(7)
    runs = [busy_traffic(chance, 3_000, weight, 1.0) for _ in range(RUNS)]
    halted = sum(by_blocks(calls, weight) for calls in runs)
    naive = sum(by_requests(calls, weight) for calls in runs[:20])

    assert halted / RUNS <= most(0.05, RUNS)
    assert naive / 20 >= least(0.3, 20)  # what must not be done


@pytest.mark.parametrize(("weight", "slower"), [(0.5, 2.0), (0.25, 2.0), (0.25, 3.0)])
def test_a_canary_that_is_slower_is_seen_all_the_same(weight: float, slower: float) -> None:
    chance = random.Random(8)
    runs = [busy_traffic(chance, 6_000, weight, slower) for _ in range(30)]

    assert sum(by_blocks(calls, weight) for calls in runs) / 30 >= least(0.9, 30)
