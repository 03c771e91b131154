"""Outcomes of an A/B test by key: which rows and labels count, in each kind of log."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from tests.predictions.rows import NOON, Rows, arrived_when_told

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.outcomes import ArmOutcomes, Outcomes, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions import Log, Prediction
from holdfast.predictions.key_outcomes import key_outcomes, outcome_of
from holdfast.predictions.log import Label

Filled = Callable[[Sequence[Prediction]], Log]
MINUTE = 60_000_000
HOUR = 60 * MINUTE
ACCURACY = OutcomeTest("accuracy", within_s=3600.0)
CLICKED = OutcomeTest("feedback:clicked", within_s=3600.0)
AMOUNT = OutcomeTest("feedback:amount", within_s=3600.0, clip=(-100.0, 100.0))
ROLLOUT = Rollout(
    number=42,
    seq=17,
    version="1.1.0",
    was="1.0.0",
    plan=Plan(strategy="ab", steps=(0.5,)),
    analysis=Analysis(outcome=ACCURACY),
    by="ana",
    started_at="2026-03-03T11:00:00.000000Z",
    since="2026-03-03T11:00:00.000000Z",
    sticky="header:X-User",
)


@pytest.fixture
def answer(row: Rows) -> Callable[..., Prediction]:
    def make(key: str | None = "a1", at: int = 0, **facts: Any) -> Prediction:
        """Make a row of a key; *at* counts from noon, in microseconds."""
        known = {"rollout": 42, "weight": 0.5, "output": {"predictions": [1]}}
        return row(key=key, at_us=NOON + at, **known | facts)

    return make


Answer = Callable[..., Prediction]


def tell(log: Log, prediction: Prediction, label: Any, after: int = MINUTE) -> None:
    """Tell what became of a prediction, so long after its answer."""
    at_us = prediction.at_us + after
    assert log.feedback.add([Label(prediction.prediction_id, label, at_us, "ana")]) == []


def count(log: Log, test: OutcomeTest = ACCURACY, at: int = 3 * HOUR) -> Outcomes:
    now = datetime.fromtimestamp((NOON + at) / 1e6, UTC)
    arrived_when_told(log)
    return key_outcomes(log, "iris", ROLLOUT, test, now)


def arms(found: Outcomes) -> tuple[ArmOutcomes, ArmOutcomes]:
    return found.candidate, found.active


def test_a_key_counts_once_with_the_mean_over_its_requests(filled: Filled, answer: Answer) -> None:
    rows = [answer("a1", minute * MINUTE) for minute in range(4)]
    rows += [answer("c1", role="canary"), answer("c2", role="canary"), answer("a2")]
    log = filled(rows)
    for prediction, label in zip(rows, (1, 0, 1, 1, 0, 1), strict=False):
        tell(log, prediction, label)
    found = count(log)

    assert found.active == ArmOutcomes(keys=2, known=1, mean=0.75)
    assert found.candidate == ArmOutcomes(keys=2, known=2, mean=0.5, variance=0.25)
    assert found.log_better != 0


def test_a_key_matures_once_and_nothing_later_changes_it(filled: Filled, answer: Answer) -> None:
    first, late = answer("a1"), answer("a1", 61 * MINUTE)
    log = filled([first, late])
    tell(log, first, 1)
    before = [count(log, at=minutes * MINUTE) for minutes in (30, 60, 61)]
    tell(log, first, 0, after=61 * MINUTE)
    tell(log, late, 0)

    assert [found.active.keys for found in before] == [0, 0, 1]
    assert count(log).active == before[-1].active == ArmOutcomes(1, 1, 1.0)


def test_the_last_label_told_in_time_counts(filled: Filled, answer: Answer) -> None:
    row = answer()
    log = filled([row])
    tell(log, row, 0, after=2 * MINUTE)
    tell(log, row, 1, after=3 * MINUTE)
    tell(log, row, 0, after=MINUTE)

    assert count(log).active.mean == 1.0


def test_of_a_field_the_last_label_that_has_it_counts(filled: Filled, answer: Answer) -> None:
    row = answer()
    log = filled([row])
    tell(log, row, {"clicked": True}, after=MINUTE)
    tell(log, row, {"bought": False}, after=2 * MINUTE)

    assert count(log, CLICKED).active == ArmOutcomes(1, 1, 1.0)
    assert count(log, replace(CLICKED, outcome="feedback:bought")).active.mean == 0.0
    assert count(log, replace(CLICKED, outcome="feedback:other")).active == ArmOutcomes(1)


def test_a_key_on_both_sides_is_left_out_if_it_crossed_before_it_matured(
    filled: Filled, answer: Answer
) -> None:
    rows = [
        answer("b1"), answer("b1", MINUTE, role="canary"),
        answer("b2"), answer("b2", 61 * MINUTE, role="canary"),
    ]  # fmt: skip
    log = filled(rows)
    for row in rows:
        tell(log, row, 1)
    found = count(log)

    assert found.crossed == 1
    assert arms(found) == (ArmOutcomes(), ArmOutcomes(1, 1, 1.0))


def test_other_rows_do_not_count(filled: Filled, answer: Answer) -> None:
    rows = [
        answer("x1", weight=0.0), answer("x2", role="pinned"), answer("x3", rollout=41),
        answer("x4", model="other"), answer(None), answer(None, role="canary"),
    ]  # fmt: skip
    log = filled(rows)
    for row in rows:
        tell(log, row, 1)
    found = count(log)

    assert arms(found) == (ArmOutcomes(), ArmOutcomes())
    assert (found.keyless, found.crossed) == (2, 0)


def test_what_is_no_outcome_is_counted_as_that(filled: Filled, answer: Answer) -> None:
    values: list[Any] = ["yes", None, 5, -0.1, 1e300, [], {}, 0.5, True]
    rows = [answer(f"a{index}") for index in range(len(values))]
    log = filled(rows)
    for row, value in zip(rows, values, strict=True):
        tell(log, row, {"clicked": value, "amount": value})
    shares, numbers = count(log, CLICKED), count(log, AMOUNT)

    assert (shares.active.keys, shares.active.known, shares.active.mean) == (9, 2, 0.75)
    assert shares.unusable == 7
    assert (numbers.active.known, numbers.unusable) == (5, 4)
    assert numbers.log_better == numbers.log_worse == 0.0


def test_a_label_that_is_dated_back_counts_from_when_the_log_had_it(
    filled: Filled, answer: Answer
) -> None:
    rows = [answer("a1"), answer("c1", role="canary")]
    log = filled(rows)
    for prediction in rows:
        tell(log, prediction, 1)
    now = datetime.fromtimestamp((NOON + 3 * HOUR) / 1e6, UTC)

    before = key_outcomes(log, "iris", ROLLOUT, ACCURACY, now)

    assert (before.active.keys, before.active.known) == (1, 0)  # it came months later
    assert count(log).active.known == 1


def test_a_heavy_key_is_one_key(filled: Filled, answer: Answer) -> None:
    heavy = [answer("a1", index * 1000) for index in range(3000)]
    rest = [answer(f"b{index:02}") for index in range(10)]
    log = filled([*heavy, *rest])
    log.feedback.add([Label(row.prediction_id, 0, row.at_us, "ana") for row in heavy])
    log.feedback.add([Label(row.prediction_id, 1, row.at_us, "ana") for row in rest])
    found = count(log)

    assert (found.active.keys, found.active.known) == (11, 11)
    assert found.active.mean == pytest.approx(10 / 11)


def test_keys_are_counted_in_the_order_in_which_they_mature(filled: Filled, answer: Answer) -> None:
    """Later looks bet on the same keys first: they go on where earlier ones stood."""
    rows = [
        answer(f"{index:04x}", (index % 37) * MINUTE, role="canary" if index % 3 else "active")
        for index in range(90)
    ]
    log = filled(rows)
    for index, row in enumerate(rows):
        tell(log, row, index % 2)
    some, more = count(log, at=80 * MINUTE), count(log, at=3 * HOUR)
    again = count(log, at=80 * MINUTE)

    assert some == again
    assert 0 < some.active.keys < more.active.keys
    assert more.active.keys + more.candidate.keys == 90


@pytest.mark.parametrize(
    ("output", "label", "outcome"),
    [
        ('{"predictions":[1,0,1,1]}', [1, 1, 1, 1], 0.75),
        ('["cat"]', "cat", 1.0),
        ('["cat"]', ["dog"], 0.0),
        ("[1.0]", 1, 1.0),
        ("[true]", 1, 1.0),
        ("[1]", "1", 0.0),
        ("[0.25]", 0.25, None),
        ("[1]", [1, 1], None),
        ("[1]", None, None),
        ("[]", [], None),
        (None, 1, None),
        ("[1", 1, None),
    ],
)
def test_accuracy_is_the_share_of_the_answers_that_equal_the_label(
    output: str | None, label: Any, outcome: float | None
) -> None:
    assert outcome_of(ACCURACY, 200, output, label) == outcome


def test_a_request_that_failed_was_not_answered_right() -> None:
    assert outcome_of(ACCURACY, 503, None, 1) == 0.0
    assert outcome_of(CLICKED, 503, None, {"clicked": 1}) == 1.0


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        ({"amount": 50}, 0.75),
        ([{"amount": 50}, {"amount": -50}], 0.5),
        ([{"amount": 50}, {}], None),
        ({"amount": 10**400}, 1.0),
        ({"amount": -1e300}, 0.0),
        ({"amount": float("nan")}, None),
        ({"amount": float("inf")}, 1.0),
        ({"amount": "50"}, None),
        (50, None),
    ],
)
def test_a_field_is_a_number_cut_to_its_bounds(label: Any, outcome: float | None) -> None:
    assert outcome_of(AMOUNT, 200, None, label) == outcome


def test_a_label_nested_without_end_is_of_another_kind() -> None:
    label: Any = 1
    for _ in range(100_000):
        label = [label]

    assert outcome_of(ACCURACY, 200, "[1]", label) is None
