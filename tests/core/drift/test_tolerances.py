"""What is tolerated: the figures of the documentation, and the index it comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.drift.tolerances import smoothed_share, tolerated_share, two_bin_index


@pytest.mark.parametrize(
    ("reference", "tolerated"),
    [(0.0005, 0.015), (0.01, 0.043), (0.1, 0.176), (0.5, 0.611), (0.9, 0.956)],
)
def test_the_tolerated_shares_are_those_documented(reference: float, tolerated: float) -> None:
    assert tolerated_share(reference) == pytest.approx(tolerated, abs=0.0006)


@given(st.floats(1e-6, 0.98))
def test_a_tolerated_share_is_above_the_reference_by_an_index_of_a_twentieth(share: float) -> None:
    tolerated = tolerated_share(share)

    assert share < tolerated < 1
    assert two_bin_index(tolerated, share) == pytest.approx(0.05, rel=1e-6)


def test_a_share_of_nearly_all_cannot_be_seen_to_rise() -> None:
    assert tolerated_share(1 - 1e-9) == 1.0


def test_a_smoothed_share_is_neither_none_nor_all() -> None:
    assert 0 < smoothed_share(0, 10_000) < 0.0001
    assert 0.9999 < smoothed_share(10_000, 10_000) < 1
