"""Dates and times of a column, read by themselves and brought to the schema's zone."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from tests.serving.facing import Does, made

from holdfast.core import schema
from holdfast.core.schema import Column
from holdfast.errors import UnsupportedError
from holdfast.formats import example
from holdfast.rows import times
from holdfast.rows.checking import Checker
from holdfast.rows.refusal import Refusal


def words(dtype: str, **more: Any) -> dict[str, Any]:
    day = {"type": "string", "dtype": dtype, **more}
    return {"type": "object", "properties": {"day": day}, "required": ["day"], "order": ["day"]}


def fed(dtype: str, *texts: Any, **more: Any) -> Any:
    """Return the column that a model is fed for these texts."""
    seen: list[Any] = []

    def predict(frame: Any) -> Any:
        seen.append(frame)
        return [0] * len(frame)

    loaded = made(Does(predict), input_schema=words(dtype, **more))
    loaded.predict(Checker(loaded.input_schema)([[text] for text in texts]))
    return seen[0]["day"]


@pytest.mark.parametrize(
    ("dtype", "text", "moment"),
    [
        ("datetime64[ns]", "2026-02-01", "2026-02-01"),
        ("datetime64", "2026-02-01 10:30", "2026-02-01T10:30"),
        ("datetime64[ns]", "2026-02-01T10:30:15.123456789", "2026-02-01T10:30:15.123456789"),
        ("datetime64[s]", "0800-12-25", "0800-12-25"),
        ("datetime64[us, UTC]", "2026-02-01T10:30:00+02:00", "2026-02-01T08:30:00Z"),
        ("datetime64[ns, UTC]", "2026-02-01", "2026-02-01T00:00:00Z"),
        ("datetime64[ns, Europe/Zurich]", "2026-07-01T10:00Z", "2026-07-01T12:00:00+02:00"),
        ("datetime64[ns, Europe/Zurich]", "2026-07-01T12:00", "2026-07-01T10:00:00Z"),
        ("datetime64[ns, UTC+05:30]", "2026-07-01T12:00", "2026-07-01T06:30:00Z"),
        ("datetime64[ns, UTC-05:30]", "2026-07-01T12:00", "2026-07-01T17:30:00Z"),
    ],
)
def test_a_time_is_fed_in_the_unit_and_zone_of_the_schema(
    dtype: str, text: str, moment: str
) -> None:
    column = fed(dtype, text)

    assert column.iloc[0] == pd.Timestamp(moment)
    assert column.dtype == (dtype if "[" in dtype else "datetime64[ns]")


def test_null_is_a_time_that_is_not_known() -> None:
    column = fed("datetime64[ns, UTC]", None, "2026-02-01", type=["string", "null"])

    assert column.isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("dtype", "text", "message"),
    [
        ("datetime64[ns]", "01/02/2026", "must be a time of ISO 8601"),
        ("datetime64[ns]", "tomorrow", "must be a time of ISO 8601"),
        ("datetime64[ns]", "", "must be a time of ISO 8601"),
        ("datetime64[ns]", "2026-01-01\n", "must be a time of ISO 8601"),
        ("datetime64[ns]", "２０２６-01-01", "must be a time of ISO 8601"),
        ("datetime64[ns]", "2026-02-30", ": day is out of range"),
        ("datetime64[ns]", "2026-02-01T25:00", ": hour must be"),
        ("datetime64[ns]", "1600-01-01", "does not fit datetime64[ns]"),
        ("datetime64[s, UTC]", "0001-01-01T00:00+14:00", "does not fit datetime64[s]"),
        ("datetime64[ns]", "2026-01-01T00:00Z", "with an offset, but the column's times have none"),
        ("datetime64[ns, Europe/Zurich]", "2026-10-25T02:30", "which is not one moment in Europe/"),
        ("datetime64[ns, Europe/Zurich]", "2026-03-29T02:30", "which is not one moment in Europe/"),
    ],
)
def test_what_is_not_one_moment_is_the_callers_fault(dtype: str, text: str, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        fed(dtype, text)

    assert (caught.value.status, message in caught.value.message) == (422, True), (
        caught.value.message
    )
    assert caught.value.message.startswith("day ")


def test_a_number_is_not_a_time_even_where_the_schema_takes_any_value() -> None:
    column_times = times.of(Column("day", "any", dtype="datetime64[ns]"))

    assert column_times is not None
    assert "must be a time of ISO 8601" in str(column_times.problem(20260101))


def test_a_zone_that_is_not_known_here_is_told_when_the_version_is_loaded() -> None:
    with pytest.raises(
        UnsupportedError, match="time zone 'Mars/Olympus' for day, which is unknown"
    ):
        made(Does(len), input_schema=words("datetime64[ns, Mars/Olympus]"))


def test_a_zone_is_no_path() -> None:
    with pytest.raises(UnsupportedError, match="is unknown here"):
        made(Does(len), input_schema=words("datetime64[ns, ../../etc/passwd]"))


@pytest.mark.parametrize("library", ["pandas", "arrow", "polars"])
def test_the_schema_of_a_frame_takes_the_frame_s_own_times(library: str) -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    if library == "polars":
        frame: Any = pytest.importorskip("polars").DataFrame({"at": [moment]})
    else:
        frame = pd.DataFrame({"at": pd.to_datetime([moment])})
        if library == "arrow":
            frame = frame.astype("timestamp[us, tz=UTC][pyarrow]")
    shown = example.describe(frame)

    assert shown.schema["properties"]["at"] == {"type": "string", "dtype": "datetime64[UTC]"}
    assert len(Checker(schema.parse(shown.schema, "input_schema"))(shown.rows)) == 1
