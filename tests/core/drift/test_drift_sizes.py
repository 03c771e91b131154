"""Sizes of a shift: nothing from nothing, and what the textbook says."""

import pytest
from tests.core.drift.daily import CATEGORY, NUMBER, like_training

from holdfast.core.drift.drift_counts import FeatureCounts
from holdfast.core.drift.drift_reference import CategoryReference, NumberReference
from holdfast.core.drift.drift_sizes import shift_sizes


def test_the_same_shares_have_no_size() -> None:
    sizes = shift_sizes(NUMBER, like_training(NUMBER, 10_000))

    assert sizes.psi == pytest.approx(0, abs=0.003)
    assert sizes.psi_floor is not None
    assert sizes.psi_floor > 0
    assert sizes.ks == pytest.approx(0, abs=0.001)
    assert sizes.outside == pytest.approx(0.02, abs=0.001)


def test_numbers_a_thousandfold_lie_beyond_the_last_cut() -> None:
    sizes = shift_sizes(NUMBER, FeatureCounts((0,) * 11 + (1000,)))

    assert sizes.ks == pytest.approx(0.99, abs=0.001)
    assert sizes.outside == 1
    assert sizes.psi is not None
    assert sizes.psi > 4


def test_missing_and_strange_rows_are_shares_of_all() -> None:
    sizes = shift_sizes(CATEGORY, FeatureCounts((10, 10, 10), nulls=30, strange=40))

    assert (sizes.rows, sizes.missing, sizes.strange) == (100, 0.3, 0.4)
    assert sizes.missing_in_training == 0.001
    assert sizes.ks is None
    assert sizes.outside is None


def test_what_cannot_be_measured_has_no_figure() -> None:
    nothing = shift_sizes(NUMBER, FeatureCounts((0,) * 12))
    constant = shift_sizes(NumberReference((), (1000,)), FeatureCounts((5,)))
    empty = shift_sizes(NumberReference((), (0,), nulls=1000), FeatureCounts((5,)))
    one_value = shift_sizes(CategoryReference({"1": 1000}), FeatureCounts((50,)))

    assert (nothing.psi, nothing.ks, nothing.outside) == (None, None, None)
    assert constant.psi is None
    assert constant.outside is None
    assert empty.ks is None
    assert one_value.psi is not None
