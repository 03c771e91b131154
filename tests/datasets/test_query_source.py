"""Results of queries as data, with what ran them and without what let them in."""

import sqlite3
from pathlib import Path

import pytest

from holdfast.datasets import query_source
from holdfast.errors import InvalidInputError


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as opened:
        opened.execute("create table sales (day text, amount real)")
        opened.executemany("insert into sales values (?, ?)", [("a", 1.5), ("b", None)])
    opened.close()
    return f"sqlite:///{path}"


def test_a_query_is_described_by_its_rows(database: str) -> None:
    found = query_source.described("select * from sales where day < :day", {"day": "b"}, database)

    assert (found.row_count, found.digest) == (1, None)
    assert [(one.name, one.type) for one in found.columns] == [
        ("day", "string"),
        ("amount", "double"),
    ]
    assert found.query is not None
    assert found.query.parameters == {"day": "b"}
    assert found.query.engine.startswith("sqlite 3")


def test_the_same_rows_have_the_same_digest_whatever_ran_the_query(database: str) -> None:
    text = "select * from (values ('a', cast(1.5 as double)), ('b', null)) as sales(day, amount)"
    of_sqlite = query_source.described("select * from sales order by day", {}, database)

    assert query_source.described(text, {}, "duckdb:").rows == of_sqlite.rows


def test_sums_in_duckdb_are_the_same_every_time() -> None:
    text = "select i % 7 as k, avg(sin(i)) as m from range(300000) t(i) group by k order by k"

    assert len({query_source.described(text, {}, "duckdb:").rows for _ in range(4)}) == 1


def test_a_database_is_not_written_to(database: str) -> None:
    with pytest.raises(InvalidInputError, match="query failed with attempt to write a readonly"):
        query_source.described("delete from sales", {}, database)


@pytest.mark.parametrize(
    ("text", "connection", "problem"),
    [
        ("select nothing", "duckdb:", "query failed with Binder Error"),
        ("select 1", "duckdb:///none.db", "database 'none.db' does not exist"),
        ("select 1", "sqlite:///none.db", "database 'none.db' does not exist"),
        ("select 1", "mysql://host/db", "connection names no database"),
        ("create table t (a int)", "sqlite:///none.db", "does not exist"),
        ("select 1 union select 'x'", "sqlite", "not of one type"),
    ],
)
def test_what_fails_is_said(database: str, text: str, connection: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        query_source.described(text, {}, database if connection == "sqlite" else connection)


def test_a_password_is_neither_recorded_nor_told() -> None:
    address = "postgresql://ann:geheim@127.0.0.1:9/shop"

    with pytest.raises(InvalidInputError) as caught:
        query_source.described("select 1", {}, address)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_result_is_kept_as_parquet(database: str, tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    found = query_source.described("select * from sales", {}, database, path)

    from pyarrow import parquet

    assert parquet.read_table(path).num_rows == found.row_count == 2
