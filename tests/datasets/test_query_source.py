"""Results of queries as data, with what ran them and without what let them in."""

import os
import signal
import sqlite3
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.servers.postgres import Postgres

from holdfast.datasets import query_source, row_digest
from holdfast.datasets.row_digest import DataColumn
from holdfast.errors import InvalidInputError
from holdfast.registry.data_verbs import DataOptions


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


_COUNT = """
    with recursive counted(i) as (select 0 union all select i + 1 from counted where i < 150000)
    select {} from counted order by i
"""


def test_a_long_result_has_the_types_that_its_last_rows_give_it(database: str) -> None:
    columns = (
        "i, case when i < 140000 then i else i + 0.5 end as x, "
        "case when i > 149000 then 'late' end as s"
    )
    of_duckdb = (
        "select i, case when i < 140000 then i else i + cast(0.5 as double) end as x, "
        "case when i > 149000 then 'late' end as s from range(150001) counted(i) order by i"
    )

    found = query_source.described(_COUNT.format(columns), {}, database)

    assert [column.type for column in found.columns] == ["int64", "double", "string"]
    assert found.rows == query_source.described(of_duckdb, {}, "duckdb:").rows


def test_a_long_result_is_refused_for_a_value_of_another_type_at_its_end(database: str) -> None:
    for last in ("i < 149000", "i < 131072"):  # within what is read at once, and from there on
        text = _COUNT.format(f"case when {last} then i else 'late' end as x")
        with pytest.raises(InvalidInputError, match="not of one type"):
            query_source.described(text, {}, database)


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


@pytest.mark.skipif(os.name == "nt", reason="there a process gets no such signal")
@pytest.mark.parametrize(
    ("text", "engine"),
    [
        (
            "with recursive c(x) as (select 1 union select x + 1 from c) select sum(x) from c",
            "sqlite",
        ),
        ("select count(*) from range(1000000000000) a, range(1000) b", "duckdb"),
    ],
)
def test_a_query_that_does_not_end_is_stopped_by_the_keyboard(
    database: str, text: str, engine: str
) -> None:
    """Somebody else may have written it, and `data verify` runs it."""
    connection = database if engine == "sqlite" else "duckdb:"
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            query_source.described(text, {}, connection)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


TABLE = """
create table sales (
    day date, at timestamptz, plain timestamp, hour time, id bigint, small smallint, share real,
    amount numeric(10,2), exact numeric, large numeric(60,3), name varchar(10), fixed char(4),
    blob bytea, about jsonb, key uuid, took interval, tags text[], ok boolean
);
insert into sales
select date '2026-01-01' + (i % 365), timestamptz '2026-01-01 12:00+02' + i * interval '1 minute',
    timestamp '2026-01-01 12:00', time '12:00:01.5', i, i % 100, i / 3.0, i / 7.0, i / 7.0, i,
    'n' || i, 'ab', decode('00ff', 'hex'), '{"b": 1, "a": [2]}', gen_random_uuid(),
    interval '1 day 2 hours', array['x', null], i % 2 = 0
from generate_series(1, 70000) i;
insert into sales (id) values (0);
"""
TYPES = {
    "day": "date32[day]", "at": "timestamp[us, tz=UTC]", "plain": "timestamp[us]",
    "hour": "time64[us]", "id": "int64", "small": "int16", "share": "float",
    "amount": "decimal128(10, 2)", "exact": "string", "large": "decimal256(60, 3)",
    "name": "string", "fixed": "string", "blob": "binary", "about": "string", "key": "string",
    "took": "string", "tags": "list<string>", "ok": "bool",
}  # fmt: skip


@pytest.fixture(scope="module")
def address(database_server: Postgres) -> str:
    import psycopg

    url = database_server.new_database()
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
    return url


def test_rows_of_postgres_have_the_types_of_its_columns(address: str, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "result.parquet"
    found = query_source.described("select * from sales order by id", {}, address, path)
    empty = query_source.described("select * from sales where false order by id", {}, address)

    assert {one.name: one.type for one in found.columns} == TYPES
    assert empty.columns == tuple(DataColumn(name, of, 0) for name, of in TYPES.items())
    assert (found.row_count, found.remark) == (70_001, "")
    assert {one.nulls for one in found.columns} == {0, 1}
    table = parquet.read_table(path)
    assert row_digest.of_rows(table) == found.rows
    first = table.slice(1, 1).to_pylist()[0]
    assert first["at"].isoformat() == "2026-01-01T10:01:00+00:00"
    assert (first["amount"], first["about"]) == (Decimal("0.14"), '{"a": [2], "b": 1}')
    assert (first["took"], first["tags"]) == ("P1DT2H", ["x", None])


def test_what_a_session_of_postgres_is_set_to_changes_no_digest(address: str) -> None:
    query = "select day, at, share, took, sum(share) over (partition by day) from sales order by id"
    options = "-c TimeZone=Asia/Tokyo -c IntervalStyle=sql_standard -c extra_float_digits=-10"
    other = f"{address}?options={quote(options)}"

    plain, strange = (query_source.described(query, {}, one) for one in (address, other))
    assert (plain.rows, plain.row_count) == (strange.rows, 70_001)
    assert "no ORDER BY" in query_source.described("select 1 as a", {}, address).remark


def test_a_table_of_postgres_is_data_by_name(address: str, tmp_path: Path) -> None:
    import psycopg

    import holdfast

    data = holdfast.open(tmp_path / "store", by="ann").data
    asked: DataOptions = {
        "sql": "select id, amount from sales where small < %(most)s order by id",
        "parameters": {"most": 3},
        "connect": address,
    }
    first, again = data.add("few", **asked), data.add("few", **asked)

    assert (first.created, again.created, first.version.added.row_count) == (True, False, 2_100)
    assert data.verify("few", connect=address).state == "same"
    with psycopg.connect(address) as connection:
        connection.execute("update sales set amount = 0 where id = 101")
    changed = data.verify("few", connect=address)
    assert "rows: " in changed.differences[0]
    assert changed.state == "changed"


def test_postgres_takes_one_query_that_reads(address: str) -> None:
    found = query_source.described("select i from generate_series(1, %(n)s) i", {"n": 3}, address)
    assert (found.row_count, [one.name for one in found.columns]) == (3, ["i"])
    for text in (
        "set transaction read write; create table t (a int)",
        "select 1; select 2",
        "copy (select 1) to '/tmp/out'",
        "create table t (a int)",
        "select 1 / (id - 5) from sales order by id",
        "select 'infinity'::timestamp as at",
    ):
        with pytest.raises(InvalidInputError, match="query failed"):
            query_source.described(text, {}, address)
    for text in ("select 'NaN'::numeric(10,2) as a", "select from sales"):
        with pytest.raises(InvalidInputError, match=r"query has (a column 'a'|no result)"):
            query_source.described(text, {}, address)
