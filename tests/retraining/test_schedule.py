"""Slots by a period or by cron, on the nights on which clocks change too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.errors import InvalidInputError
from holdfast.retraining import schedule
from holdfast.retraining.schedule import Crontab, Periodic

BERLIN = ZoneInfo("Europe/Berlin")


def days(*numbers: int, month: int, hour: int = 0) -> list[datetime]:
    return [datetime(2026, month, number, hour, tzinfo=UTC) for number in numbers]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (
            datetime(2026, 3, 27, 12, tzinfo=UTC),
            ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
        ),
        (
            datetime(2026, 10, 23, 12, tzinfo=UTC),
            ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
        ),
    ],
    ids=["put forward", "put back"],
)
def test_a_daily_slot_in_berlin_comes_once_in_either_night(
    first: datetime, expected: list[str]
) -> None:
    nightly = Crontab("30 2 * * *", BERLIN)
    found, moment = [], first
    for _ in expected:
        moment = nightly.following(moment)
        found.append(moment)

    assert [slot.strftime("%Y-%m-%dT%H:%M") for slot in found] == expected
    for slot in found:
        assert nightly.previous(slot) == slot
        assert nightly.previous(slot + timedelta(minutes=59)) == slot
    assert nightly.previous(found[2] - timedelta(seconds=1)) == found[1]
    assert nightly.period_s(first) == (25 if first.month == 10 else 24) * 3600.0


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 * * * *", "*/20 1-3 * * *", "0 0 * * 0"])
@pytest.mark.parametrize("night", [*days(28, month=3, hour=22), *days(24, month=10, hour=22)])
def test_the_next_slot_lies_ahead_at_every_minute_of_either_night(
    expression: str, night: datetime
) -> None:
    """In the hour that is shown twice, the first time is over when the second one comes."""
    schedule_ = Crontab(expression, BERLIN)
    moments = [night + timedelta(minutes=7 * index) for index in range(50)]

    for moment in moments:
        before, after = schedule_.previous(moment), schedule_.following(moment)
        assert before <= moment < after
        assert schedule_.following(before) == after


def test_slots_forward_are_slots_backward_for_a_year() -> None:
    weekly = Crontab("30 2 * * 0", BERLIN)
    moment, forward = datetime(2026, 1, 1, tzinfo=UTC), []
    while moment.year == 2026:
        moment = weekly.following(moment)
        forward.append(moment)
    backward = [forward[-1]]
    while len(backward) < len(forward):
        backward.append(weekly.previous(backward[-1] - timedelta(microseconds=1)))

    assert backward[::-1] == forward
    assert len(forward) == 53


def test_cron_counts_sundays_from_nought_and_either_day_is_enough() -> None:
    """Where a day of the month and a day of the week are given, cron takes either."""
    either = Crontab("0 0 13 * 0", ZoneInfo("UTC"))

    assert either.following(datetime(2026, 11, 9, tzinfo=UTC)) == days(13, month=11)[0]
    assert either.following(days(13, month=11)[0]) == days(15, month=11)[0]


def test_weekends_are_no_misses() -> None:
    assert Crontab("0 2 * * 1-5", BERLIN).period_s(days(25, month=11)[0]) == 3 * 86_400.0


@pytest.mark.parametrize("text", ["", "2", "0 2 * *", "0 0 2 * * *", "61 * * * *", "0 0 30 2 *"])
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a cron expression"):
        Crontab(text, BERLIN)


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc", "\0"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"zone .* is unknown"):
        schedule.zone_of(name)


def test_a_period_is_counted_alike_by_everybody() -> None:
    weekly = Periodic(7 * 86_400)
    moment = datetime(2026, 11, 29, 5, tzinfo=UTC)

    assert weekly.previous(moment) == days(26, month=11)[0]
    assert weekly.following(moment) == days(3, month=12)[0]
    assert weekly.period_s(moment) == 7 * 86_400


def test_the_schedule_is_the_policys() -> None:
    moment = datetime(2026, 11, 29, 5, tzinfo=UTC)
    cron = schedule.of_terms(RetrainingTerms(cron="0 2 * * *", zone="Europe/Berlin"))
    every = schedule.of_terms(RetrainingTerms(every_s=86_400))

    assert cron is not None
    assert every is not None
    assert cron.previous(moment).hour == 1
    assert every.previous(moment).hour == 0
    assert schedule.of_terms(RetrainingTerms()) is None
