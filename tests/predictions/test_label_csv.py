"""Labels as people bring them."""

from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import NOON, Rows

from holdfast.errors import InvalidInputError
from holdfast.predictions import Day, Label
from holdfast.predictions.label_csv import from_csv, moment_us, value_of
from holdfast.predictions.log_retention import expired


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("2.5", 2.5), ("[0, 1]", [0, 1]), ("cat", "cat"), ("true", True)]
)
def test_a_label_is_json_where_it_is(text: str, value: Any) -> None:
    assert value_of(text) == value


def test_a_csv_brings_many_with_time_and_author_where_it_has_them(
    tmp_path: Path, row: Rows
) -> None:
    first, second = row().prediction_id, row().prediction_id
    path = tmp_path / "labels.csv"
    path.write_text(
        f"prediction_id,label,at,by\n{first},1,2026-03-03T12:00Z,ben\n{second},cat,,\n",
        encoding="utf-8-sig",
    )

    assert from_csv(path, 5, "ana") == [
        Label(first, 1, NOON, "ben"),
        Label(second, "cat", 5, "ana"),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a,b\n1,2\n", "lacks columns"),
        (b"", "lacks columns"),
        (b"prediction_id,label\nx,1\n", "line 2: prediction id 'x' is not a UUIDv7|line 2"),
        (b"prediction_id,label\n\xff,1\n", "is not CSV"),
        (b"prediction_id,label,at\n019cb391-c232-7000-af90-d492e3a6f087,1,noon\n", "line 2"),
    ],
)
def test_a_csv_that_is_no_list_of_labels_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)

    with pytest.raises(InvalidInputError, match=problem):
        from_csv(path, 5, "ana")


def test_a_csv_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        from_csv(tmp_path / "none.csv", 5, "ana")


def test_a_moment_keeps_its_microseconds() -> None:
    assert moment_us("2026-03-03T12:00:00.000007Z") == NOON + 7


def test_days_beyond_an_age_expire_and_live_ones_never() -> None:
    days = [
        Day("2026-02-01", 1, None, "compacted"),
        Day("2026-02-28", 1, None, "closed"),
        Day("2026-03-03", 1, None, "live"),
    ]

    assert expired(days, 10, "2026-03-03") == days[:1]
    assert expired(days, 3, "2026-03-03") == days[:1]
    assert expired(days, 2, "2026-03-03") == days[:2]
    assert expired(days, 0, "2026-03-04") == days[:2]
    assert expired(days, 10**9, "2026-03-04") == []  # older than the calendar
    assert expired(days, 10**30, "2026-03-04") == []
