"""What an A/B test is asked: which outcomes can be compared, and what is said of both sides."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from holdfast.core.rollout.outcomes import (
    ArmOutcomes,
    OutcomeComparison,
    Outcomes,
    OutcomeTest,
    check,
    checked,
)
from holdfast.errors import InvalidInputError

NUMBERS = OutcomeTest("feedback:amount", clip=(-100.0, 400.0))


@pytest.mark.parametrize(
    "test",
    [
        OutcomeTest("accuracy"),
        OutcomeTest("feedback:clicked", minimum_effect=0.01),
        NUMBERS,
        replace(NUMBERS, minimum_effect=12.5),
    ],
)
def test_shares_fields_and_bounded_numbers_can_be_compared(test: OutcomeTest) -> None:
    assert check(test) == test


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"outcome": "auc"}, "outcome 'auc' does not say what becomes of a prediction; write"),
        ({"outcome": "feedback:"}, "write accuracy or feedback:FIELD"),
        ({"outcome": "feedback:a b"}, "write accuracy or feedback:FIELD"),
        ({"outcome": 5}, "outcome test has a field of the wrong type"),
        ({"within_s": 0.0}, "outcome within_s must be 1 second or more, not 0"),
        ({"within_s": math.inf}, "outcome within_s must be"),
        ({"min_keys": 1}, "outcome min_keys must be 2 or more, not 1"),
        ({"clip": (0.0, 1.0)}, "outcome clip does not fit accuracy, a share; leave it out"),
        ({"clip": (5.0, 5.0)}, "outcome clip must be two numbers that rise, not 5 and 5"),
        ({"clip": (0.0, math.inf)}, "outcome clip must be two numbers that rise"),
        ({"clip": (-1.7e308, 1.7e308)}, "outcome clip must be two numbers that rise"),
        ({"minimum_effect": 0.0}, "outcome minimum_effect must be above 0 and below 1, not 0"),
        ({"minimum_effect": 1.0}, "must be above 0 and below 1, not 1"),
        ({"minimum_effect": math.nan}, "must be above 0 and below 1, not nan"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_advice(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(OutcomeTest(**{"outcome": "accuracy"} | fields))

    assert message in str(caught.value)


def test_numbers_are_cut_and_shares_that_are_none_are_passed_over() -> None:
    clicks = OutcomeTest("feedback:clicked")

    assert [NUMBERS.unit(value) for value in (-1e300, -100, 150, 400, 1e300)] == [0, 0, 0.5, 1, 1]
    assert [clicks.unit(value) for value in (0, 0.25, 1, True, -0.1, 5)] == [
        0, 0.25, 1, 1, None, None,
    ]  # fmt: skip
    assert (clicks.field, OutcomeTest("accuracy").field) == ("clicked", None)


@pytest.mark.parametrize(
    "arm",
    [
        ArmOutcomes(keys=1, known=2),
        ArmOutcomes(keys=1, known=-1),
        ArmOutcomes(keys=2, known=2, mean=1.5),
        ArmOutcomes(keys=2, known=2, mean=math.nan),
        ArmOutcomes(keys=2, known=2, variance=-0.1),
    ],
)
def test_counts_that_cannot_be_are_refused(arm: ArmOutcomes) -> None:
    with pytest.raises(InvalidInputError, match=r"give parts|count keys"):
        checked(Outcomes(candidate=arm))
    with pytest.raises(InvalidInputError, match=r"give parts|count keys"):
        checked(Outcomes(active=arm))


def test_a_comparison_says_both_sides_in_the_unit_of_the_outcome() -> None:
    comparison = OutcomeComparison(
        outcome="feedback:amount",
        candidate=ArmOutcomes(1500, 1203, 0.3),
        active=ArmOutcomes(7),
        unit_low=-100.0,
        unit_width=500.0,
        difference=12.0,
        low=-2.5,
        high=26.5,
        crossed=3,
        unusable=1200,
    )

    assert (
        comparison.said(comparison.candidate)
        == "mean 50 of 1,203 keys, 80.2 % of those that matured"
    )
    assert comparison.said(comparison.active) == "no outcome of 7 keys"
    assert comparison.said(ArmOutcomes(known=3)) == "no outcome of 0 keys"
    assert comparison.band == "+12 (-2.5 to +26.5)"
    assert comparison.passed_over == ["keys on both sides: 3", "labels of another kind: 1,200"]
