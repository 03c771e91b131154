"""Slots: one form in UTC, whatever the clocks show, and what is due by a period."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.retraining import slots
from holdfast.core.retraining.slots import Window
from holdfast.errors import InvalidInputError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-29T02:00:00Z", "2026-11-29T02:00Z", "2026-11-29 02:00", " 2026-11-29T02:00 "),
        *("2026-11-29T03:00+01:00", "2026-11-28T21:00:00-05:00", "2026-11-29T02:00:00.75Z"),
    ],
)
def test_one_time_is_one_slot_however_it_is_written(text: str) -> None:
    assert slots.named(text) == "2026-11-29T02:00:00Z"


def test_a_date_is_its_first_moment() -> None:
    assert slots.named("2026-11-29") == "2026-11-29T00:00:00Z"


def test_the_slot_of_a_finding_stays_as_it_is() -> None:
    slot = slots.of_finding(datetime(2026, 11, 29, 2, tzinfo=UTC), "drift-7")

    assert slot == slots.named(slot) == "2026-11-29T02:00:00Z/drift-7"
    assert slots.time_of(slot) == datetime(2026, 11, 29, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01", "2026-02-30T00:00:00Z", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a time; write 2026-11-29T02:00Z"):
        slots.named(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_a_local_time_beyond_the_calendar_is_refused(text: str) -> None:
    zone = ZoneInfo("Asia/Tokyo" if text < "2" else "America/New_York")

    with pytest.raises(InvalidInputError, match="is not a time"):
        slots.named(text, zone)


@pytest.mark.parametrize("finding", ["", "a/b", "a b", "ü", "x" * 101])
def test_a_finding_without_an_id_gives_no_slot(finding: str) -> None:
    with pytest.raises(InvalidInputError, match="is not an id"):
        slots.of_finding(datetime(2026, 11, 29, 2, tzinfo=UTC), finding)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29T01:59", "2026-03-29T00:59:00Z"),
        ("2026-03-29T03:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T01:59", "2026-10-24T23:59:00Z"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
    ],
)
def test_around_a_change_of_clocks_a_local_time_is_one_slot(local: str, utc: str) -> None:
    assert slots.named(local, BERLIN) == utc


def test_a_time_that_the_clocks_skip_is_no_slot() -> None:
    with pytest.raises(InvalidInputError, match="does not exist in Europe/Berlin"):
        slots.named("2026-03-29T02:30", BERLIN)


def test_a_time_that_the_clocks_show_twice_is_no_slot_without_its_offset() -> None:
    with pytest.raises(InvalidInputError, match="exists twice in Europe/Berlin"):
        slots.named("2026-10-25T02:30", BERLIN)

    assert slots.named("2026-10-25T02:30+02:00", BERLIN) == "2026-10-25T00:30:00Z"
    assert slots.named("2026-10-25T02:30+01:00", BERLIN) == "2026-10-25T01:30:00Z"


def test_a_window_comes_from_the_slot() -> None:
    window = slots.window_before("2026-11-29T02:00:00Z/drift-7", 90)

    assert str(window) == "2026-08-31T02:00:00Z/2026-11-29T02:00:00Z"
    assert slots.window_of(str(window)) == window
    assert slots.window_of("2026-08-31/2026-11-29T02:00+02:00") == Window(
        "2026-08-31T00:00:00Z", "2026-11-29T00:00:00Z"
    )


def test_a_window_that_begins_before_the_calendar_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has no 90 days before it"):
        slots.window_before("0001-02-01T00:00:00Z", 90)


@pytest.mark.parametrize("text", ["2026-11-29/2026-08-31", "2026-11-29/2026-11-29"])
def test_a_window_has_a_length(text: str) -> None:
    with pytest.raises(InvalidInputError, match="ends before it starts"):
        slots.window_of(text)


def test_a_period_is_counted_from_one_moment_whoever_asks() -> None:
    day = 86_400.0
    noon = datetime(2026, 11, 29, 12, tzinfo=UTC)

    assert slots.latest(noon, day) == datetime(2026, 11, 29, tzinfo=UTC)
    assert slots.latest(noon.astimezone(BERLIN), day) == datetime(2026, 11, 29, tzinfo=UTC)
    assert slots.latest(datetime(2026, 11, 29, tzinfo=UTC), day).day == 29


def test_what_is_due_is_listed_oldest_first_and_no_more_than_asked() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def previous(moment: datetime) -> datetime:
        return slots.latest(moment, 86_400)

    due = slots.between(now - timedelta(days=3), now, previous, 10)

    assert [slot.day for slot in due] == [27, 28, 29]
    assert slots.between(now - timedelta(days=3), now, previous, 1) == due[-1:]
    assert slots.between(now, now, previous, 10) == []


def test_a_run_is_late_after_a_period_and_a_quarter() -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)

    assert not slots.is_late(now, now - timedelta(hours=30), 86_400)
    assert slots.is_late(now, now - timedelta(hours=31), 86_400)
    assert not slots.is_late(now, now + timedelta(days=400), 86_400)


def test_a_slot_that_lies_ahead_stands_for_nothing() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    ahead = ["2026-12-01T12:00:00Z", "2026-12-01T12:00:01Z", "2029-01-01T00:00:00Z/drift-7"]

    assert slots.come(["2026-11-01T00:00:00Z", *ahead], now) == [
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC),
    ]  # fmt: skip
    for slot in (ahead[0], ahead[2]):
        slots.require_come(slot, now)
    with pytest.raises(InvalidInputError, match="has not come"):
        slots.require_come(ahead[1], now)
