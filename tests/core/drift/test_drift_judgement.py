"""What days say together: which alarm, about what, and which features it names."""

import pytest
from tests.core.drift.daily import CATEGORY, NUMBER, REFERENCE, calm, day, day_of, like_training

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.drift_evidence import LOG_ALARM
from holdfast.core.drift.drift_findings import DriftKind, finding_id
from holdfast.core.drift.drift_judgement import REFUSED, DriftJudgement, judge
from holdfast.core.drift.drift_reference import DriftReference


def weeks(**features: FeatureCounts) -> list[DayCounts]:
    """Return 28 days of which the last 14 have these features."""
    return [calm(index, features=features if index >= 14 else {}) for index in range(28)]


def numbers(**bins: int) -> FeatureCounts:
    counts = list(like_training(NUMBER).bins)
    for place, count in bins.items():
        counts[int(place[1:])] += count
    return FeatureCounts(tuple(counts))


def test_a_calm_month_has_no_alarm_and_names_nothing() -> None:
    judgement = judge(REFERENCE, weeks())

    assert judgement.alarm is None
    assert (judgement.kind, judgement.drifted, judgement.leading) == (None, (), ())
    assert max(judgement.log_evidence) < LOG_ALARM
    assert {feature.name for feature in judgement.features} == {"age", "kind", REFUSED}
    assert (judgement.since, judgement.until) == (day_of(0), day_of(27))


BROKEN: dict[DriftKind, dict[str, FeatureCounts]] = {
    "nulls": {"age": FeatureCounts((0,) * 12, nulls=1000)},
    "types": {"age": FeatureCounts((0,) * 12, strange=1000)},
    "units": {"age": FeatureCounts((0,) * 11 + (1000,))},
    "drift": {"age": FeatureCounts((10, 90, 100, 100, 100, 100, 100, 100, 50, 50, 50, 150))},
    "unseen": {"kind": FeatureCounts((500, 200, 100), strange=200)},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_alarm_says_what_it_is_about(kind: DriftKind) -> None:
    judgement = judge(REFERENCE, weeks(**BROKEN[kind]))

    assert judgement.kind == kind
    assert [feature.name for feature in judgement.drifted] == list(BROKEN[kind])
    assert judgement.leading == ()
    assert judgement.alarm is not None
    assert day_of(14) <= judgement.alarm <= day_of(20)
    assert judgement.features[0].name == next(iter(BROKEN[kind]))


def test_of_several_features_what_is_broken_names_the_finding() -> None:
    judgement = judge(
        REFERENCE, weeks(age=BROKEN["drift"]["age"], kind=FeatureCounts((1, 1, 1), nulls=997))
    )

    assert judgement.kind == "nulls"
    assert {feature.kind for feature in judgement.drifted} == {"nulls", "drift"}


def test_requests_that_are_refused_are_a_stream_of_their_own() -> None:
    days = [calm(index) for index in range(14)]
    usual = calm(0).features
    days += [day(index, usual, requests=1300, refused=300) for index in range(14, 28)]

    judgement = judge(REFERENCE, days)

    assert judgement.kind == "refused"
    assert [feature.name for feature in judgement.drifted] == [REFUSED]
    assert judgement.features[0].sizes is None


def test_where_no_feature_alarms_alone_the_leading_three_are_named() -> None:
    """Five features shift a little alike: none is over the line by itself, all together are."""
    reference = DriftReference(rows=10_000, features=dict.fromkeys("abcde", NUMBER))

    def shifted(rows: int) -> DriftJudgement:
        counts = numbers(b11=rows)
        days = [day(index, dict.fromkeys("abcde", counts)) for index in range(7)]
        return judge(reference, days)

    found = next(judgement for rows in range(1, 200) if (judgement := shifted(rows)).alarm)

    assert found.drifted == ()
    assert [feature.name for feature in found.leading] == ["a", "b", "c"]
    assert found.leading[0].event == "over 11"


def test_days_without_requests_are_named_and_alarm_nothing() -> None:
    days = [calm(index) for index in range(10)] + [day(index, {}) for index in range(10, 40)]

    judgement = judge(REFERENCE, days)

    assert judgement.silent == tuple(map(day_of, range(10, 40)))
    assert judgement.alarm is None
    assert judgement.features[0].share is None or judgement.features[0].name == REFUSED


def test_days_whose_inputs_were_not_kept_are_named_unmeasured() -> None:
    days = [calm(0), day(1, {}, requests=500, unmeasured=500), calm(2)]

    assert judge(REFERENCE, days).unmeasured == (day_of(1),)


def test_before_a_whole_window_nothing_is_said() -> None:
    judgement = judge(REFERENCE, [calm(0), calm(1)])

    assert judgement.alarm is None
    assert judgement.features[0].log_evidence == float("-inf")


def test_a_period_of_a_day_needs_no_week() -> None:
    days = [calm(index) for index in range(3)] + [calm(3, features=BROKEN["nulls"])]

    assert judge(REFERENCE, days, 1).alarm == day_of(3)


@pytest.mark.parametrize("rows", [50, 200, 10_000])
def test_thirty_days_like_training_have_no_finding(rows: int) -> None:
    assert judge(REFERENCE, [calm(index, rows) for index in range(30)]).alarm is None


def test_values_in_their_training_order_are_judged_by_place() -> None:
    swapped = like_training(CATEGORY).bins[::-1]

    assert judge(REFERENCE, weeks(kind=FeatureCounts(swapped))).kind == "drift"


def test_a_finding_is_named_by_kind_and_day() -> None:
    assert finding_id("drift", "2026-11-29") == "drift-2026-11-29"
