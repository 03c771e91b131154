"""What is told of each version, and how answers are compared with the truth."""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.predictions.rows import NOON, Rows

from holdfast.predictions import ALL, Filter, Label, Log, Prediction
from holdfast.predictions.stats import flat, quantile, stats

Filled = Callable[[Sequence[Prediction]], Log]


def test_versions_are_counted_by_role(filled: Filled, row: Rows) -> None:
    rows = [
        *(row(latency_us=latency) for latency in range(1, 101)),
        row(latency_us=500, status=503, error="timeout"),
        row(latency_us=500, status=422),
        row(version="1.1.0", role="canary", rollout=7),
    ]
    old, new = stats(filled(rows), ALL)

    assert (old.version, old.role, old.requests, old.failed, old.refused) == (
        "1.0.0", "active", 102, 1, 1,
    )  # fmt: skip
    assert old.latency_us == {"p50": 51, "p90": 92, "p99": 500}
    assert (old.first_us, old.last_us) == (rows[0].at_us, rows[101].at_us)
    assert (new.version, new.role, new.requests) == ("1.1.0", "canary", 1)


def test_only_wanted_rows_are_counted(filled: Filled, row: Rows) -> None:
    log = filled([row(), row(version="1.1.0")])

    assert [version_stats.version for version_stats in stats(log, Filter(version="1.1.0"))] == [
        "1.1.0"
    ]


def test_classes_are_right_or_wrong(filled: Filled, row: Rows) -> None:
    rows = [row(output={"predictions": [number % 2]}) for number in range(10)]
    log = filled(rows)
    log.feedback.add([Label(prediction.prediction_id, 1, NOON, "ana") for prediction in rows[:4]])
    (version_stats,) = stats(log, ALL)

    assert version_stats.accuracy.accuracy == 0.5
    assert (
        version_stats.accuracy.labelled,
        version_stats.accuracy.unlabelled,
        version_stats.accuracy.classes,
    ) == (4, 6, 4)
    assert version_stats.accuracy.mae is None


def test_numbers_are_near_or_far(filled: Filled, row: Rows) -> None:
    rows = [row(output=[[2.5], [4.0]]), row(output=7.0)]
    log = filled(rows)
    log.feedback.add(
        [Label(rows[0].prediction_id, [2.0, 4], NOON, "a"), Label(rows[1].prediction_id, 9, 1, "a")]
    )
    accuracy = stats(log, ALL)[0].accuracy

    assert accuracy.numbers == 3
    assert accuracy.mae == pytest.approx(2.5 / 3)
    assert accuracy.rmse == pytest.approx(math.sqrt(4.25 / 3))
    assert accuracy.accuracy is None


@pytest.mark.parametrize(
    ("output", "label"), [(None, 1), ([1, 2], 1), ({"a": 1}, 1), (1, {"a": 1}), (1, None)]
)
def test_what_cannot_be_compared_is_counted(
    filled: Filled, row: Rows, output: Any, label: Any
) -> None:
    prediction = row(output=output)
    log = filled([prediction])
    log.feedback.add([Label(prediction.prediction_id, label, NOON, "ana")])
    accuracy = stats(log, ALL)[0].accuracy

    assert (accuracy.labelled, accuracy.incomparable, accuracy.classes) == (1, 1, 0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"predictions": ["cat"]}, ["cat"]),
        ({"outputs": [{"name": "y", "shape": [2], "data": [1, 2]}]}, [1, 2]),
        ([[0.1], [0.2]], [0.1, 0.2]),
        ("cat", ["cat"]),
        ([], []),
        ({"b": 2}, [{"b": 2}]),
    ],
)
def test_answers_are_found_in_every_wire_format(answer: Any, expected: list[Any]) -> None:
    assert flat(answer) == expected


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99, 1]))
def test_a_quantile_is_the_value_at_its_rank(values: list[int], share: float) -> None:
    random.Random(1).shuffle(values)
    ranked = sorted(values)

    assert quantile(Counter(values), share) == ranked[math.ceil(share * len(values) - 1e-9) - 1]
