"""What is watched of a feature: each event, and the share that training leads to expect."""

import pytest
from tests.core.drift.daily import CATEGORY, NUMBER, ZEROS, like_training

from holdfast.core.drift.drift_counts import FeatureCounts
from holdfast.core.drift.drift_evidence import BETS_ON_COMMON, BETS_ON_RARE
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    FeatureReference,
    NumberReference,
)
from holdfast.core.drift.watched_events import watched


def test_a_number_is_watched_at_each_cut_and_between_nested_pairs() -> None:
    names = [event.name for event, _ in watched(NUMBER, [])]

    assert len(names) == 22 + 8 + 2
    assert names[:2] == ["at or under 1", "over 1"]
    assert "outside 1 to 11" in names
    assert "inside 4 to 8" in names
    assert "inside 5 to 7" not in names
    assert names[-2:] == ["missing", "not a number"]


def test_each_value_is_watched_as_it_rises_and_as_it_falls() -> None:
    events = {event.name: (event, tally) for event, tally in watched(CATEGORY, [
        FeatureCounts((5, 3, 1), nulls=2, strange=4)
    ])}  # fmt: skip

    assert list(events) == [
        *('equal to "a"', 'not "a"', 'equal to "b"', 'not "b"', 'equal to "c"', 'not "c"'),
        *("unseen in training", "missing"),
    ]
    assert events['not "b"'][1][1:3] == ([10], [13])
    assert events["unseen in training"][1][1:3] == ([4], [13])
    assert events["missing"][1][1:3] == ([2], [15])
    assert events['equal to "a"'][0].share == pytest.approx(0.6006, abs=0.001)


def test_where_values_were_cut_off_unseen_ones_are_not_told_from_them() -> None:
    feature = CategoryReference({'"a"': 900}, strange=100, others=40)

    assert [event.name for event, _ in watched(feature, [])][2] == "any other value"


def test_a_day_that_was_not_measured_has_no_rows() -> None:
    tally = watched(NUMBER, [None, like_training(NUMBER)])[0][1]

    assert tally.rows == [0, 999]


def test_a_share_that_cannot_rise_is_not_watched() -> None:
    constant = CategoryReference({"1": 100_000})

    assert [event.name for event, _ in watched(constant, [])] == [
        *("not 1", "unseen in training", "missing"),
    ]


@pytest.mark.parametrize(("cuts", "pairs"), [(0, 0), (1, 0), (2, 1), (3, 1), (9, 3), (11, 4)])
def test_pairs_are_as_many_as_the_cuts_allow(cuts: int, pairs: int) -> None:
    feature = NumberReference(tuple(map(float, range(cuts))), (100,) * (cuts + 1))
    names = [event.name for event, _ in watched(feature, [])]

    assert sum(name.startswith("outside") for name in names) == pairs


def test_rows_beyond_nearly_all_of_training_have_bets_on_what_is_rare() -> None:
    ranges = {
        event.name: tally for event, tally in watched(NUMBER, []) if event.kind == "range"
    }  # fmt: skip

    assert list(ranges) == ["at or under 1", "over 11", "outside 1 to 11"]
    assert all(tally.bets == BETS_ON_RARE for tally in ranges.values())


def test_a_first_cut_that_many_rows_are_under_is_no_range() -> None:
    """Nine of ten are nought: that half of them no longer are is a shift, not another unit."""
    events = {event.name: (event, tally) for event, tally in watched(ZEROS, [])}

    assert events["at or under 0"][0].kind == "shift"
    assert events["at or under 0"][1].bets == BETS_ON_COMMON
    assert events["over 9"][0].kind == "range"


@pytest.mark.parametrize("feature", [NUMBER, CATEGORY, ZEROS])
def test_stakes_and_bets_are_parts_of_a_whole(feature: FeatureReference) -> None:
    tallies = [tally for _, tally in watched(feature, [])]

    assert sum(tally.stake for tally in tallies) == pytest.approx(1)
    assert all(sum(bet.stake for bet in tally.bets) == pytest.approx(1) for tally in tallies)
