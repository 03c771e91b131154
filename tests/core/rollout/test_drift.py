"""Drift of scores: the index, and the floor below which samples cannot tell."""

import random

import pytest

from holdfast.core.rollout.drift import psi
from holdfast.errors import InvalidInputError


def test_equal_shares_have_no_drift() -> None:
    drift = psi([100, 200, 300], [1000, 2000, 3000])

    assert drift is not None
    assert drift.psi == pytest.approx(0, abs=1e-4)


def test_the_index_is_the_textbooks() -> None:
    """Two bins, 50:50 against 60:40: 0.1 log 1.2 - 0.1 log 0.8."""
    drift = psi([500_000, 500_000], [600_000, 400_000])

    assert drift is not None
    assert drift.psi == pytest.approx(0.0405465, abs=1e-5)


@pytest.mark.parametrize(("size", "floor"), [(200, 0.279), (1000, 0.0558), (10_000, 0.00558)])
def test_the_floor_is_the_chi_square_point_of_the_samples(size: int, floor: float) -> None:
    drift = psi([size // 10] * 10, [size // 10] * 10)

    assert drift is not None
    assert drift.floor == pytest.approx(floor, rel=0.01)


def test_small_samples_without_drift_rarely_pass_the_limit() -> None:
    """The bare limit of 0.1 is passed by several in a hundred pairs of 200 scores."""
    chance = random.Random(5)
    drifts = []
    for _ in range(2000):
        sides = [[0] * 10, [0] * 10]
        for side in sides:
            for _ in range(200):
                side[int(chance.random() * 10)] += 1
        drifts.append(psi(*sides))
    bare = sum(drift.psi > 0.1 for drift in drifts if drift)

    assert bare > 40
    assert sum(drift.exceeds(0.1) for drift in drifts if drift) <= 8


def test_a_real_shift_of_a_thousand_scores_is_told() -> None:
    drift = psi([100] * 10, [200] + [100] * 8 + [0])

    assert drift is not None
    assert drift.exceeds(0.1)


def test_an_empty_side_says_nothing() -> None:
    assert psi([0, 0], [5, 5]) is None
    assert psi([5, 5], [0, 0]) is None


@pytest.mark.parametrize("bins", [([1], [1]), ([1, 2], [1, 2, 3]), ([1, -1], [1, 1])])
def test_bins_that_do_not_match_are_refused(bins: tuple[list[int], list[int]]) -> None:
    with pytest.raises(InvalidInputError, match="cannot be compared"):
        psi(*bins)
