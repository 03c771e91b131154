"""Results of queries as data, with what ran them and without what let them in."""

import sqlite3
from pathlib import Path

import pytest
from tests.servers.postgres import Postgres

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
    with pytest.raises(InvalidInputError, match="query failed with not authorized"):
        query_source.described("delete from sales", {}, database)


@pytest.mark.parametrize(
    "text",
    [
        "copy (select 1) to '{out}'",
        "create table t as select 1 as a; select * from t",
        "select 1; copy (select 1) to '{out}'",
        "vacuum into '{out}'",
        "attach '{out}' as other",
        "",
    ],
)
@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_query_that_others_wrote_writes_no_file(
    database: str, tmp_path: Path, engine: str, text: str
) -> None:
    out = tmp_path / "out"
    connection = database if engine == "sqlite" else "duckdb:"

    with pytest.raises(InvalidInputError, match="query"):
        query_source.described(text.format(out=out), {}, connection)
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("select * from text", "Table with name text does not exist"),
        ("select * from 'http://127.0.0.1:9/x.csv'", "httpfs"),
    ],
)
def test_duckdb_sees_neither_variables_of_this_program_nor_the_network(
    text: str, problem: str
) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        query_source.described(text, {}, "duckdb:")
    assert "install" not in str(caught.value)


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


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann:geheim@127.0.0.1:9/shop",
        "postgresql://ann:geheim%zz@127.0.0.1:9/shop",
        "postgresql://127.0.0.1:9/shop?user=ann&password=geheim%zz",
    ],
)
def test_a_password_is_neither_recorded_nor_told(address: str) -> None:

    with pytest.raises(InvalidInputError) as caught:
        query_source.described("select 1", {}, address)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_result_is_kept_as_parquet(database: str, tmp_path: Path) -> None:
    path = tmp_path / "result.parquet"
    found = query_source.described("select * from sales", {}, database, path)

    from pyarrow import parquet

    assert parquet.read_table(path).num_rows == found.row_count == 2


def test_postgres_takes_one_query_that_reads(database_server: Postgres) -> None:
    address = database_server.new_database()

    found = query_source.described("select i from generate_series(1, %(n)s) i", {"n": 3}, address)
    assert (found.row_count, [one.name for one in found.columns]) == (3, ["i"])
    for text in (
        "set transaction read write; create table t (a int)",
        "select 1; select 2",
        "copy (select 1) to '/tmp/out'",
        "create table t (a int)",
    ):
        with pytest.raises(InvalidInputError, match="query failed"):
            query_source.described(text, {}, address)
