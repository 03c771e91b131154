"""Bands for a difference of outcomes, against other ways to compute them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar  # type: ignore[import-untyped]
from scipy.special import betaln  # type: ignore[import-untyped]

from holdfast.core.rollout.outcome_band import (
    asymptotic_difference,
    bounded_difference,
)
from holdfast.core.rollout.outcomes import ArmOutcomes

shares = st.floats(0, 1)


def arm(known: int, mean: float, variance: float = 0.0) -> ArmOutcomes:
    return ArmOutcomes(known, known, mean, variance)


def by_scipy(ours: ArmOutcomes, theirs: ArmOutcomes, alpha: float) -> float:
    """Return the greatest possible difference: by the pair with a difference that is least out."""

    def out(side: ArmOutcomes, mean: float) -> float:
        ones, zeros = side.mean * side.known, side.known - side.mean * side.known
        return float(
            betaln(ones + 0.5, zeros + 0.5)
            - math.log(math.pi)
            - ones * math.log(mean)
            - zeros * math.log1p(-mean)
        )

    def beyond(difference: float) -> float:
        low, high = max(0.0, -difference), min(1.0, 1 - difference)
        pair = minimize_scalar(
            lambda mean: out(ours, mean + difference) + out(theirs, mean),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-13, "maxiter": 2000},
        )
        return float(pair.fun) + math.log(alpha)

    return float(brentq(beyond, ours.mean - theirs.mean, 1 - 1e-9, xtol=1e-13))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (arm(900, 0.71), arm(1100, 0.69)),
        (arm(50, 0.5), arm(950, 0.52)),
        (arm(5000, 0.0123), arm(5000, 0.0101)),
        (arm(300, 0.6543), arm(280, 0.7001)),
    ],
)
def test_the_band_of_the_difference_is_that_of_an_independent_computation(
    ours: ArmOutcomes, theirs: ArmOutcomes
) -> None:
    band = bounded_difference(ours, theirs, 0.025)

    assert band.high == pytest.approx(by_scipy(ours, theirs, 0.025), abs=1e-9)
    assert band.low == pytest.approx(-by_scipy(theirs, ours, 0.025), abs=1e-9)


@given(st.integers(0, 500), st.integers(0, 500), shares, shares)
def test_the_band_holds_what_was_seen_and_is_never_beyond_what_can_be(
    ours: int, theirs: int, mean: float, other: float
) -> None:
    band = bounded_difference(arm(ours, mean), arm(theirs, other), 0.025)

    assert -1 <= band.low <= band.high <= 1
    assert band.low - 1e-9 <= mean - other <= band.high + 1e-9


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_sides_that_are_all_alike_leave_a_difference_possible(mean: float) -> None:
    band = bounded_difference(arm(1000, mean), arm(1000, mean), 0.025)

    assert 0.003 < band.high < 0.02
    assert band.low == pytest.approx(-band.high)


def test_the_asymptotic_band_is_that_of_the_paper() -> None:
    random_ = np.random.default_rng(5)
    candidate, active = random_.random(400) ** 2, random_.random(600) ** 2
    ours, theirs = (
        arm(len(side), float(side.mean()), float(side.var())) for side in (candidate, active)
    )
    band = asymptotic_difference(ours, theirs, 0.05)
    ends = [0.0, 0.0, 1.0, 1.0]
    n, rho2 = 1000, (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 2000
    sigma2 = sum(
        n / len(side) * np.mean((np.concatenate([side, ends]) - side.mean()) ** 2)
        for side in (candidate, active)
    )
    width = math.sqrt(
        sigma2 * 2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / 0.05)
    )

    assert (band.high - band.low) / 2 == pytest.approx(width, rel=1e-9)
    assert (band.high + band.low) / 2 == pytest.approx(candidate.mean() - active.mean(), rel=1e-9)


def test_no_variance_yet_is_no_certainty() -> None:
    band = asymptotic_difference(arm(100, 0.0), arm(100, 0.0), 0.05)

    assert band.high > 0.03
