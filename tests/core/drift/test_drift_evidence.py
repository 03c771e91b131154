"""Evidence of drift: against its definition, window by window, and what it never does."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.drift.daily import NUMBER, REFERENCE, ZEROS, calm, day, evidence

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.drift_evidence import (
    LOG_ALARM,
    DailyTally,
    log_evidence,
    log_growth,
    log_sum,
)
from holdfast.core.drift.drift_judgement import judge
from holdfast.core.drift.drift_reference import CategoryReference, DriftReference

bin_counts = st.integers(0, 3000)
numbers = st.builds(
    FeatureCounts,
    st.tuples(*[bin_counts] * len(NUMBER.counts)),
    st.integers(0, 50),
    st.integers(0, 50),
)
categories = st.builds(
    FeatureCounts,
    st.tuples(bin_counts, bin_counts, bin_counts),
    st.integers(0, 9),
    st.integers(0, 9),
)
drawn_days = st.lists(st.tuples(numbers, categories, st.integers(0, 40)), min_size=1, max_size=40)


def agree(days: list[DayCounts], period: int) -> None:
    ours, theirs = judge(REFERENCE, days, period).log_evidence, evidence(REFERENCE, days, period)
    for here, there in zip(ours, theirs, strict=True):
        assert here == there or abs(here - there) <= 1e-9 * max(1.0, abs(there))


@given(drawn_days, st.sampled_from((1, 2, 7)))
def test_evidence_is_what_the_formulas_say(drawn: list[Any], period: int) -> None:
    agree(
        [
            day(index, {"age": age, "kind": kind}, refused=refused)
            for index, (age, kind, refused) in enumerate(drawn)
        ],
        period,
    )


def test_evidence_of_few_cuts_and_of_values_cut_off_is_what_the_formulas_say() -> None:
    many = CategoryReference({'"a"': 9000, '"b"': 600}, strange=400, others=40)
    reference = DriftReference(rows=10_000, features={"paid": ZEROS, "town": many})
    days = [
        day(index, {"paid": FeatureCounts((400, 300, 200, 100)), "town": FeatureCounts((700, 200))})
        for index in range(20)
    ]

    ours = judge(reference, days).log_evidence[-1]
    assert ours == pytest.approx(evidence(reference, days, 7)[-1], rel=1e-9)
    assert judge(reference, days).kind == "drift"


@pytest.mark.parametrize("rows", [40, 1000, 100_000, 30_000_000])
def test_a_calm_year_agrees_however_many_rows_a_day_has(rows: int) -> None:
    chance = random.Random(rows)
    days = []
    for index in range(120):
        shift = tuple(
            max(0, round(chance.gauss(count * rows / 10_000, math.sqrt(rows) / 10)))
            for count in NUMBER.counts
        )
        days.append(calm(index, rows, {"age": FeatureCounts(shift)}))

    agree(days, 7)


def test_a_shift_agrees_where_evidence_leaves_the_range_of_floats() -> None:
    gone = FeatureCounts((0,) * 12, nulls=50_000)

    days = [calm(index, 50_000, {"age": gone} if index > 10 else {}) for index in range(60)]

    agree(days, 7)
    assert judge(REFERENCE, days).log_evidence[-1] > 709


def test_before_the_first_whole_window_there_is_no_evidence() -> None:
    tally = DailyTally(0.1, [5] * 10, [10] * 10)

    assert log_growth(tally, 7)[:6] == [-math.inf] * 6
    assert log_growth(DailyTally(0.1, [5] * 3, [10] * 3), 7) == [-math.inf] * 3


def test_a_share_at_its_tolerance_never_alarms_however_long_one_looks() -> None:
    tally = DailyTally(0.1, [100] * 3650, [1000] * 3650)

    assert log_evidence([[tally]], 7).first_alarm() is None


def test_weekends_that_average_out_over_the_week_never_alarm() -> None:
    weekly = [40, 40, 40, 40, 40, 250, 250]
    tally = DailyTally(0.101, weekly * 52, [1000] * 364)

    assert log_evidence([[tally]], 7).first_alarm() is None
    assert log_evidence([[tally]], 1).first_alarm() is not None


def test_each_stream_has_an_equal_part_of_the_budget() -> None:
    wild = DailyTally(0.1, [30] * 30, [100] * 30)
    quiet = DailyTally(0.1, [1] * 30, [100] * 30)
    alone, among = log_evidence([[wild]], 7), log_evidence([[wild], [quiet], [quiet]], 7)

    assert among.streams[0][-1] == pytest.approx(alone.total[-1] - math.log(3))
    assert among.first_alarm() is not None
    assert alone.total[-1] > among.total[-1] > LOG_ALARM


@given(st.lists(st.floats(-800, 600), min_size=1, max_size=8))
def test_a_sum_of_logarithms_is_the_logarithm_of_the_sum(logs: list[float]) -> None:
    most = max(logs)
    expected = most + math.log(math.fsum(math.exp(log - most) for log in logs))

    assert log_sum(logs) == pytest.approx(expected)


def test_nothing_and_nothing_is_nothing() -> None:
    assert log_sum([-math.inf, -math.inf]) == -math.inf
