"""Counts of days: they add up in any order, and fit one reference or not."""

from tests.core.drift.daily import CATEGORY, NUMBER, REFERENCE, calm, day, like_training

from holdfast.core.drift.drift_counts import FeatureCounts, is_closed_set, summed, trained
from holdfast.core.drift.drift_reference import CategoryReference


def test_counts_add_up_in_any_order() -> None:
    first = day(0, {"kind": FeatureCounts((1, 2, 3), 4, 5)}, refused=1)
    second = day(0, {"kind": FeatureCounts((10, 20, 30), 40, 50), "age": like_training(NUMBER)})

    both = first.plus(second)

    assert both.features["kind"] == FeatureCounts((11, 22, 33), 44, 55)
    assert both.requests == first.requests + second.requests
    assert both.refused == 1
    assert second.plus(first).features == both.features


def test_training_counts_itself() -> None:
    assert trained(NUMBER).rows == REFERENCE.rows
    assert trained(CATEGORY).rows == REFERENCE.rows


def test_days_are_summed_for_a_feature_where_they_have_it() -> None:
    days = [calm(0), day(1, {}), calm(2)]

    assert summed(days, "age", NUMBER).rows == 2 * like_training(NUMBER).rows
    assert summed([], "age", NUMBER).rows == 0


def test_counts_of_another_reference_do_not_fit() -> None:
    assert calm(0).fits(REFERENCE)
    assert not calm(0, features={"age": FeatureCounts((1, 2))}).fits(REFERENCE)
    assert not calm(0, features={"weight": FeatureCounts((1, 2))}).fits(REFERENCE)


def test_values_that_were_cut_off_leave_a_set_open() -> None:
    assert is_closed_set(CATEGORY)
    assert not is_closed_set(CategoryReference({'"a"': 10}, strange=5, others=2))
    assert not is_closed_set(NUMBER)
