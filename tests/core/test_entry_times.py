"""Times of entries: their form, their order whatever the clock does, and how people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.entry import format_time, next_time, parse_time
from holdfast.errors import InvalidInputError

AT = "2026-03-01T12:00:00.000000Z"
moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from((UTC, timezone(timedelta(hours=5, minutes=30)))),
)


@given(moments)
def test_a_time_is_utc_with_microseconds(moment: datetime) -> None:
    text = format_time(moment)

    assert datetime.fromisoformat(text) == moment
    assert len(text) == len(AT)
    assert text.endswith("Z")


@given(moments, moments)
def test_times_as_text_are_in_the_order_of_time(one: datetime, other: datetime) -> None:
    assert (format_time(one) < format_time(other)) == (one < other)


@given(st.lists(moments, min_size=1, max_size=20))
def test_times_rise_strictly_however_the_clock_jumps(clock: list[datetime]) -> None:
    times: list[str] = []
    for now in clock:
        times.append(next_time(now, times[-1] if times else None))

    assert times == sorted(set(times))


def test_a_clock_that_stands_behind_adds_a_microsecond() -> None:
    early = datetime(2020, 1, 1, tzinfo=UTC)

    assert next_time(early, AT) == "2026-03-01T12:00:00.000001Z"


def test_a_clock_that_stands_still_adds_a_microsecond() -> None:
    assert next_time(datetime(2026, 3, 1, 12, tzinfo=UTC), AT) == "2026-03-01T12:00:00.000001Z"


def test_a_clock_that_goes_on_is_believed() -> None:
    assert next_time(datetime(2026, 3, 2, tzinfo=UTC), AT) == "2026-03-02T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-03", "2026-03-03T23:59:59.999999Z"),
        ("20260303", "2026-03-03T23:59:59.999999Z"),
        (" 2026-03-03 ", "2026-03-03T23:59:59.999999Z"),
        ("2026-03-03 14:00", "2026-03-03T14:00:00.000000Z"),
        ("2026-03-03T14", "2026-03-03T14:00:00.000000Z"),
        ("2026-03-03T14:00:05", "2026-03-03T14:00:05.000000Z"),
        ("2026-03-03T14:00:05.25", "2026-03-03T14:00:05.250000Z"),
        ("2026-03-03T14:00Z", "2026-03-03T14:00:00.000000Z"),
        ("2026-03-03T14:00:00+01:00", "2026-03-03T13:00:00.000000Z"),
        ("2026-03-03 00:30-05:00", "2026-03-03T05:30:00.000000Z"),
        ("9999-12-31", "9999-12-31T23:59:59.999999Z"),
        (AT, AT),
    ],
)
def test_times_are_read_as_people_write_them(text: str, time: str) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03",
        "03.03.2026",
        "2026-02-30",
        "2026-03-03T25:00",
        "1772542800",
        "0001-01-01T00:00+05:00",
        "9999-12-31T23:00-05:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="write 2026-03-03 or 2026-03-03T14:00Z"):
        parse_time(text)


@given(moments)
def test_a_time_of_an_entry_reads_back_the_same(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == format_time(moment)


def test_a_date_of_long_ago_is_before_every_entry() -> None:
    assert parse_time("0999-01-01") < AT
