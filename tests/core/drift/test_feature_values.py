"""Values as they are counted: the same whatever they came in."""

import math
from decimal import Decimal
from typing import Any

import pytest
from tests.core.drift.daily import CATEGORY, NUMBER

from holdfast.core.drift.drift_counts import FeatureCounts
from holdfast.core.drift.drift_reference import CategoryReference, NumberReference
from holdfast.core.drift.feature_values import counted, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((1, "1"), (1.0, "1"), (0.1, "0.1"), (0.10000000149011612, "0.1"), (True, "true")),
        *((False, "false"), ("1", '"1"'), ("a\n", '"a\\n"'), (None, None), (math.nan, None)),
        *((Decimal("2.50"), "2.5"), (Decimal("sNaN"), None), ([1], "other"), ({}, "other")),
        *((10**400, "inf"), (-(10**400), "-inf"), ("\ud800", '"?"')),
    ],
)
def test_a_value_has_one_text(value: Any, text: str | None) -> None:
    assert value_text(value) == text


def test_long_text_is_cut() -> None:
    assert len(value_text("x" * 10_000) or "") <= 150


def test_numbers_fall_at_or_under_the_first_cut_that_holds_them() -> None:
    values = [0.5, 1, 1.0001, 11, 12, 1e400, 10**400, -(10**400), None, math.nan, "7", True, [1]]

    counts = counted(NUMBER, values)

    assert counts == FeatureCounts((3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3), nulls=2, strange=3)


def test_values_fall_where_their_text_is() -> None:
    assert counted(CATEGORY, ["a", "c", "d", 1, None]) == FeatureCounts((1, 0, 1), 1, 2)


def test_a_number_turned_to_text_is_another_value() -> None:
    feature = CategoryReference({"1": 50, "2": 50})

    assert counted(feature, [1, 1.0, "1", True]) == FeatureCounts((2, 0), strange=2)


def test_without_cuts_every_number_is_in_the_only_bin() -> None:
    assert counted(NumberReference((), (9,)), [1, -5]) == FeatureCounts((2,))
