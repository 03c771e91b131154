"""Axes: round values within their reach."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.drawing import axis

numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5)


@given(numbers)
def test_values_lie_within_the_axis_and_few_are_named(values: list[float]) -> None:
    low, high = axis.reach(values)
    ticks = axis.ticks(values)

    assert low <= min(values) <= max(values) <= high
    assert len(ticks) <= 6
    assert all(math.isfinite(value) and label for value, label in ticks)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.0, 50.0], ["0", "20", "40"]),
        ([3.0], ["2.9", "3.0", "3.1"]),
    ],
)
def test_named_values_are_round(values: list[float], labels: list[str]) -> None:
    assert [label for _, label in axis.ticks(values)] == labels
