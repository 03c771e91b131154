"""A day's counts from the log: by name, each key once, of the roles that answer, in every place."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.predictions.rows import DAY, NOON, Rows

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.drift_reference import CategoryReference, DriftReference, NumberReference
from holdfast.core.drift.feature_values import counted
from holdfast.predictions import Log, Prediction
from holdfast.predictions.day_counting import _DayTally, bounds_us, count_day

Filled = Callable[[Sequence[Prediction]], Log]
AGE = NumberReference((20.0, 40.0, 60.0), (10, 40, 40, 10))
PLAN = CategoryReference({'"a"': 70, '"b"': 30})
ROOMS = CategoryReference({"1": 50, "2": 50})
REFERENCE = DriftReference(rows=100, features={"age": AGE, "plan": PLAN, "rooms": ROOMS})
NAMES = ("age", "plan", "rooms")


def body(*rows: Any) -> bytes:
    return msgspec.json.encode({"instances": list(rows)})


def one(age: Any = 30.0, plan: Any = "a", rooms: Any = 1) -> dict[str, Any]:
    return {"age": age, "plan": plan, "rooms": rooms}


def test_rows_of_a_day_are_counted_by_column(filled: Filled, row: Rows) -> None:
    log = filled([
        row(input=body(one(10), one(20), one(21.5, "b", 2))),
        row(input=body(one(None, None, None))),
        row(input=body(one(1e9, "c", 3))),
        row(input=[[50, "a", 1]]),
    ])  # fmt: skip

    counts = count_day(log, "iris", DAY, REFERENCE, NAMES)

    assert counts == DayCounts(
        day=DAY,
        requests=4,
        rows=6,
        features={
            "age": FeatureCounts((2, 1, 1, 1), nulls=1),
            "plan": FeatureCounts((3, 1), nulls=1, strange=1),
            "rooms": FeatureCounts((3, 1), nulls=1, strange=1),
        },
    )


def test_each_key_counts_once_a_day(filled: Filled, row: Rows) -> None:
    log = filled([
        *(row(key="00000000000000aa", input=body(one(30 + time))) for time in range(20)),
        *(row(key="00000000000000bb", input=body(one(70))) for _ in range(3)),
        row(key="00000000000000aa", status=422, error="bad"),
        row(key="00000000000000aa", status=422, error="bad"),
        row(input=body(one(10))),
        row(input=body(one(10))),
    ])  # fmt: skip

    counts = count_day(log, "iris", DAY, REFERENCE)

    assert counts.features["age"] == FeatureCounts((2, 1, 0, 1))
    assert (counts.requests, counts.refused, counts.rows) == (5, 1, 4)


def test_shadows_failures_and_other_models_and_days_do_not_count(filled: Filled, row: Rows) -> None:
    log = filled([
        row(input=body(one())),
        row(input=body(one()), role="canary", version="1.1.0"),
        row(input=body(one()), role="pinned"),
        row(input=body(one()), role="shadow"),
        row(input=body(one()), status=500),
        row(input=body(one()), model="other"),
        row(input=body(one()), at_us=NOON + 86_400_000_000),
    ])  # fmt: skip

    counts = count_day(log, "iris", DAY, REFERENCE)

    assert (counts.requests, counts.rows) == (3, 3)


def test_inputs_that_are_not_kept_are_not_measured(filled: Filled, row: Rows) -> None:
    log = filled([
        row(input="sha256:" + "0" * 64),
        row(input=None),
        row(input=b"not json"),
        row(input=[[1, 2]]),
        row(input=body({"income": 4})),
    ])  # fmt: skip

    counts = count_day(log, "iris", DAY, REFERENCE, NAMES)

    assert (counts.requests, counts.rows, counts.unmeasured) == (5, 0, 5)
    assert counts.features == {}


def test_numbers_turned_to_text_are_not_numbers(filled: Filled, row: Rows) -> None:
    log = filled([row(input=body(one("30", 1, "1"), one(age=True, rooms=True)))])

    counts = count_day(log, "iris", DAY, REFERENCE)

    assert counts.features["age"] == FeatureCounts((0, 0, 0, 0), strange=2)
    assert counts.features["plan"] == FeatureCounts((1, 0), strange=1)
    assert counts.features["rooms"] == FeatureCounts((0, 0), strange=2)


def test_a_renamed_feature_is_missing(filled: Filled, row: Rows) -> None:
    log = filled([row(input=body({"Age": 30, "plan": "a", "rooms": 1}))])

    assert count_day(log, "iris", DAY, REFERENCE).features["age"].nulls == 1


def test_a_day_without_rows_counts_nothing(filled: Filled, row: Rows) -> None:
    log = filled([row(input=body(one()))])

    assert count_day(log, "iris", "2026-03-04", REFERENCE) == DayCounts(day="2026-03-04")


def test_a_day_is_that_of_utc() -> None:
    assert bounds_us("1970-01-02") == (86_400_000_000, 2 * 86_400_000_000)


numbers = st.one_of(
    st.floats(-100, 100),
    st.integers(-(10**30), 10**30),
    st.none(),
    st.booleans(),
    st.text(max_size=3),
)
plans = st.one_of(st.sampled_from(["a", "b", "c"]), st.none(), st.integers(0, 3), st.booleans())
rooms = st.one_of(
    st.sampled_from([1, 2, 3, 1.0, 2.5]), st.none(), st.booleans(), st.text(max_size=2)
)
tables = st.lists(st.tuples(numbers, plans, rooms), min_size=1, max_size=12)


@given(st.lists(tables, min_size=1, max_size=6), st.sampled_from(["instances", "inputs", "lists"]))
def test_counting_fast_is_counting_value_by_value(requests: list[Any], form: str) -> None:
    tally = _DayTally(REFERENCE, NAMES)
    documents = []
    for table in requests:
        rows = [dict(zip(NAMES, values, strict=True)) for values in table]
        given_rows = [list(values) for values in table] if form == "lists" else rows
        field = "instances" if form == "lists" else form
        documents.append((0, msgspec.json.encode({field: given_rows}).decode()))
    tally.add(documents)

    counts = tally.counts(DAY)

    values = [values for table in requests for values in table]
    for place, name in enumerate(NAMES):
        expected = counted(REFERENCE.features[name], [row[place] for row in values])
        assert counts.features[name] == expected


@pytest.mark.parametrize("text", ["[" * 100_000, '{"instances": [{"age": 1e999}]}', "[[[]]]", '""'])
def test_hostile_inputs_are_counted_or_left_out(text: str) -> None:
    tally = _DayTally(REFERENCE, NAMES)
    tally.add([(0, text)])

    assert tally.counts(DAY).rows + tally.counts(DAY).unmeasured == 1
