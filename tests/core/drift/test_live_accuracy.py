"""Live accuracy: only mature days count, and what is not measured is said."""

import math
from collections.abc import Sequence

import pytest
from tests.core.drift.daily import day_of

from holdfast.core.drift.live_accuracy import LabelledDay, judge_accuracy, label_delay
from holdfast.errors import InvalidInputError


def days(errors: Sequence[float], answers: int = 200, labelled: float = 1.0) -> list[LabelledDay]:
    known = round(answers * labelled)
    return [
        LabelledDay(day=day_of(index), answers=answers, labelled=known, wrong=round(known * error))
        for index, error in enumerate(errors)
    ]


@pytest.mark.parametrize(
    ("answers", "error", "most"),
    [(10, 0.2, 45), (50, 0.2, 13), (200, 0.2, 7), (1000, 0.2, 7), (200, 0.15, 18)],
)
def test_twice_the_errors_are_found_in_days(answers: int, error: float, most: int) -> None:
    judgement = judge_accuracy(days([error] * 60, answers), 0.1, 0.02, 0)

    assert judgement.verdict == "worse"
    assert judgement.alarm is not None
    assert judgement.alarm <= day_of(most)
    assert judgement.error == pytest.approx(error, abs=0.01)


@pytest.mark.parametrize("error", [0.0, 0.1, 0.12])
def test_errors_up_to_the_margin_never_alarm(error: float) -> None:
    judgement = judge_accuracy(days([error] * 365, 1000), 0.1, 0.02, 0)

    assert (judgement.verdict, judgement.alarm) == ("no alarm", None)
    assert judgement.tolerated == pytest.approx(0.12)


def test_a_margin_is_at_least_a_point() -> None:
    assert judge_accuracy(days([0.0] * 20), 0.02, 0.0, 0).tolerated == pytest.approx(0.03)


def test_days_that_are_not_mature_do_not_count() -> None:
    """Wrong answers are known after 3 days and right ones after 20: the last weeks look bad."""
    truth = days([0.1] * 40)
    early = [
        LabelledDay(day=item.day, answers=200, labelled=20, wrong=20) for item in days([0.1] * 20)
    ]
    played = truth + [
        LabelledDay(day=day_of(40 + index), answers=200, labelled=item.labelled, wrong=item.wrong)
        for index, item in enumerate(early)
    ]

    judgement = judge_accuracy(played, 0.1, 0.02, 20)

    assert judgement.verdict == "no alarm"
    assert (judgement.mature, judgement.immature) == (40, 20)


def test_a_day_with_few_labels_is_not_mature_however_old() -> None:
    judgement = judge_accuracy(days([1.0] * 30, labelled=0.4), 0.1, 0.02, 0)

    assert judgement.verdict == "not measured"
    assert judgement.why == "0 mature labels; 30 are needed"
    assert judgement.error is None


def test_29_mature_labels_judge_nothing() -> None:
    assert judge_accuracy(days([1.0], answers=29), 0.1, 0.02, 0).verdict == "not measured"
    assert judge_accuracy(days([1.0], answers=30), 0.1, 0.02, 0, 1).verdict == "worse"


def test_a_day_without_answers_is_neither_mature_nor_not() -> None:
    judgement = judge_accuracy(days([0.1] * 10, answers=0), 0.1, 0.02, 0)

    assert (judgement.mature, judgement.immature) == (0, 0)


def test_the_label_delay_is_when_nine_of_ten_had_come() -> None:
    assert label_delay([1.0] * 89 + [20.0] * 11) == 20
    assert label_delay([0.2] * 100) == 1
    assert label_delay([-3.0, 5000.0]) == 365
    assert label_delay([]) == 0


@pytest.mark.parametrize(
    ("expected", "margin", "delay"),
    [(1.0, 0.1, 0), (-0.1, 0.1, 0), (math.nan, 0.1, 0), (0.1, 0, -1)],
)
def test_figures_that_cannot_be_are_refused(expected: float, margin: float, delay: int) -> None:
    with pytest.raises(InvalidInputError, match="error share"):
        judge_accuracy(days([0.1] * 10), expected, margin, delay)
