"""`holdfast data`: added, listed, shown and verified, through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Holdfast = Callable[..., Any]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n2,\n")
    return path


@pytest.mark.usefixtures("rows")
def test_what_is_added_is_listed_and_shown(holdfast: Holdfast) -> None:
    said = holdfast("data", "add", "sales", "rows.csv", "--window", "2026-08-31/2026-11-29")
    assert said.out.startswith("added sales@v1\n  file     ")
    assert "2 rows" in said.out
    assert "window   2026-08-31T00:00:00Z/2026-11-29T00:00:00Z" in said.out

    assert holdfast("data", "ls").out.splitlines()[1].startswith("sales@v1  2")
    shown = holdfast("data", "show", "sales").out
    assert "a       string  0" in shown
    assert "reader   csv, cells as text" in shown
    assert holdfast("data", "show", "sales", "--json").data["row_count"] == 2


@pytest.mark.usefixtures("rows")
def test_the_same_again_is_there_already(holdfast: Holdfast) -> None:
    holdfast("data", "add", "sales", "rows.csv")

    assert holdfast("data", "add", "sales", "rows.csv").out.startswith("already there: sales@v1")


def test_versions_of_a_name_are_listed_the_latest_first(holdfast: Holdfast, rows: Path) -> None:
    holdfast("data", "add", "sales", "rows.csv", "--reason", "monthly")
    rows.write_text("a,b\n")
    holdfast("data", "add", "sales", "rows.csv")

    listed = holdfast("data", "ls", "sales", "--json").data
    assert [(one["ref"], one["reason"]) for one in listed] == [
        ("sales@v2", None),
        ("sales@v1", "monthly"),
    ]


def test_nothing_is_listed_where_there_is_nothing(holdfast: Holdfast) -> None:
    assert holdfast("data", "ls").out.startswith("no data")


def test_verify_tells_by_its_status(holdfast: Holdfast, rows: Path) -> None:
    holdfast("data", "add", "sales", "rows.csv")
    assert holdfast("data", "verify", "sales").status == 0

    rows.write_text("a,b\n1,x\n")
    said = holdfast("data", "verify", "sales")
    assert (said.status, "bytes: sha256:" in said.out) == (1, True)

    rows.unlink()
    assert holdfast("data", "verify", "sales").status == 3
    assert holdfast("data", "verify", "nothing").status == 3


@pytest.mark.usefixtures("rows")
def test_a_query_is_shown_with_its_parameters(holdfast: Holdfast) -> None:
    query = "select * from 'rows.csv' where a = $a"
    said = holdfast("data", "add", "q", "--sql", query, "--param", "a=2", "--keep")
    assert (said.status, "kept     in the store" in said.out) == (0, True)

    shown = holdfast("data", "show", "q").out
    assert f"query    {query}" in shown
    assert "with     a=2" in shown


@pytest.mark.usefixtures("rows")
def test_options_of_a_query_need_one(holdfast: Holdfast) -> None:
    said = holdfast("data", "add", "q", "rows.csv", "--param", "a=2")

    assert (said.status, "need --sql" in said.err) == (2, True)


def test_many_columns_are_cut_and_json_has_all(holdfast: Holdfast, tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"c{one}" for one in range(50)) + "\n")
    holdfast("data", "add", "wide", "wide.csv")

    assert "10 more columns" in holdfast("data", "show", "wide").out
    assert len(holdfast("data", "show", "wide", "--json").data["columns"]) == 50
