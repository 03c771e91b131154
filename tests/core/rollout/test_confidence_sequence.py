"""The band for one rate."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.rollout.confidence_sequence import ConfidenceSequence, confidence_sequence
from holdfast.errors import InvalidInputError


def test_nothing_seen_leaves_everything_possible() -> None:
    assert confidence_sequence(0, 0) == ConfidenceSequence(0, 1)


@pytest.mark.parametrize(("limit", "needed"), [(0.10, 53), (0.05, 116), (0.02, 320), (0.01, 680)])
def test_how_many_requests_without_a_failure_rule_a_rate_out(limit: float, needed: int) -> None:
    assert confidence_sequence(0, needed).high <= limit
    assert confidence_sequence(0, needed - 1).high > limit


@given(st.integers(1, 10**9), st.floats(0, 1), st.floats(1e-12, 0.5))
def test_the_band_holds_the_rate_seen_and_stays_within_0_and_1(
    requests: int, share: float, alpha: float
) -> None:
    failures = round(requests * share)
    interval = confidence_sequence(failures, requests, alpha)

    assert 0 <= interval.low <= failures / requests <= interval.high <= 1
    assert (interval.low == 0) == (failures == 0)


@given(st.integers(1, 2000), st.floats(0, 1))
def test_failures_and_successes_are_mirror_images(requests: int, share: float) -> None:
    failures = round(requests * share)
    interval, mirrored = (
        confidence_sequence(failures, requests),
        confidence_sequence(requests - failures, requests),
    )

    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-9)


def test_its_edges_solve_the_equation() -> None:
    k, n, alpha = 7, 400, 0.05
    mixture = math.lgamma(k + 0.5) + math.lgamma(n - k + 0.5) - math.lgamma(n + 1)
    beta = mixture - math.log(math.pi)
    for edge in confidence_sequence(k, n, alpha):
        seen = k * math.log(edge) + (n - k) * math.log(1 - edge) - math.log(alpha)

        assert seen == pytest.approx(beta, abs=1e-9)


def test_more_failures_than_requests_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="3 failures in 2 requests"):
        confidence_sequence(3, 2)
