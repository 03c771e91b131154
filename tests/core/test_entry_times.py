"""Times of entries: their form, their order whatever the clock does, and how people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.entry import (
    follows,
    format_time,
    format_timestamp,
    is_time,
    next_time,
    parse_time,
)
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
def test_times_as_text_are_in_the_order_of_time(moment: datetime, other: datetime) -> None:
    assert (format_time(moment) < format_time(other)) == (moment < other)


@given(
    moments.filter(lambda moment: moment.year < 8000),
    st.lists(st.timedeltas(timedelta(0), timedelta(days=29)), min_size=1, max_size=20),
)
def test_times_rise_strictly_however_clocks_differ(start: datetime, clock: list[timedelta]) -> None:
    times: list[str] = []
    for ahead in clock:
        times.append(next_time(start + ahead, times[-1] if times else None))

    assert times == sorted(set(times))


@given(moments, moments)
def test_every_time_that_is_written_is_one_that_follows(moment: datetime, other: datetime) -> None:
    first = next_time(moment, None)

    assert follows(first, None)
    assert follows(next_time(other, first), first)


LATE = "2035-03-01T12:00:00.000000Z"
END = "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("last", [LATE, END, "2026-04-01T00:00:00.000001Z"])
def test_a_clock_that_was_far_ahead_once_does_not_bind_those_that_are_right(last: str) -> None:
    assert next_time(datetime(2026, 3, 2, tzinfo=UTC), last) == "2026-03-02T00:00:00.000000Z"
    assert follows("2026-03-02T00:00:00.000000Z", last)


@pytest.mark.parametrize(
    "now", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)]
)
def test_a_clock_that_was_reset_is_not_believed(now: datetime) -> None:
    assert next_time(now, AT) == "2026-03-01T12:00:00.000001Z"
    assert not follows(format_time(now), AT)


def test_a_clock_that_is_days_behind_adds_a_microsecond() -> None:
    behind = datetime(2026, 3, 2, tzinfo=UTC)

    assert next_time(behind, "2026-03-31T00:00:00.000000Z") == "2026-03-31T00:00:00.000001Z"
    assert not follows("2026-03-02T00:00:00.000000Z", "2026-03-31T00:00:00.000000Z")


def test_after_the_last_moment_there_is_no_time() -> None:
    last = datetime.fromisoformat(END)

    assert next_time(last, None) == END
    with pytest.raises(
        InvalidInputError, match="which leaves no later time to record; set this machine"
    ):
        next_time(last, END)


@pytest.mark.parametrize("text", ["9999-12-31T23:00:00-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_moment_that_utc_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="outside the years 1 to 9999 in UTC"):
        format_time(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-03",
        "2026-03-03T14:00:00.000000",
        "2026-03-03T14:00:00.000000+00:00",
        "2026-03-03 14:00:00.000000Z",
        "2026-02-30T14:00:00.000000Z",
        "2026-03-03T24:00:00.000000Z",
        "9999-12-31T23:59:59.999999-05:00",
        "٢٠٢٦-03-03T14:00:00.000000Z",
    ],
)
def test_entries_write_times_in_one_way(text: str) -> None:
    assert not is_time(text)
    assert not follows(text, None)
    assert is_time(AT)


@pytest.mark.parametrize(
    ("microseconds", "time"),
    [
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, END),
        (10**40, END),
        (-(10**40), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_what_a_file_system_says_is_written_within_the_calendar(
    microseconds: int, time: str
) -> None:
    assert format_timestamp(microseconds) == time


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
