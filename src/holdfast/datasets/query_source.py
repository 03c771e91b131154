"""The result of a query as data: run by DuckDB, SQLite or PostgreSQL, and digested as it comes.

DuckDB runs on one thread: sums in another order are other numbers. Whoever may write to the store
may have written the query that `data verify` runs again, so each engine is held to one statement
that reads.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

from holdfast.core.redaction import recordable
from holdfast.datasets import data_source, postgres_query
from holdfast.datasets.data_records import DataDescription, DataQuery
from holdfast.errors import InvalidInputError, MissingLibraryError

__all__ = ["KEPT_NAME", "described"]

KEPT_NAME: Final = "result.parquet"
_LONGEST: Final = 1 << 20
_ROWS_AT_ONCE: Final = 65_536
_STEPS: Final = 1_000_000
"""Of SQLite's machine between two looks at whether somebody wants it to stop: some 10 ms."""

_ORDERED: Final = re.compile(r"\border\s+by\b", re.IGNORECASE)
_UNORDERED: Final = "the query has no ORDER BY: run again, it may give its rows in another order"
_ONE_SELECT: Final = "write one SELECT"
_DUCKDB: Final[Any] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,  # one of them speaks to the network
    "python_enable_replacements": False,  # which would take variables of this program for tables
}
_ADVICE: Final = "write duckdb:///file.db, sqlite:///file.db or postgresql://host/database"


def described(
    text: str, parameters: Mapping[str, Any], connection: str, keep: Path | None = None
) -> DataDescription:
    """Run a query and describe its result.

    Args:
        text: The SQL; its parameters are `$name` in DuckDB, `:name` in SQLite, `%(name)s` in
            PostgreSQL.
        parameters: By name.
        connection: `duckdb:`, which reads files of this machine, `duckdb:///file.db`,
            `sqlite:///file.db` or `postgresql://host/database`.
        keep: A file to write the result to, as Parquet.

    Raises:
        InvalidInputError: If the query fails, or the connection is malformed.
        MissingLibraryError: If what runs it is not installed.
    """
    _check(text, parameters)
    scheme = connection.partition(":")[0]
    runners = {"duckdb": _duckdb, "sqlite": _sqlite, "postgresql": _postgres, "postgres": _postgres}
    if scheme not in runners:
        raise InvalidInputError("connection", "names no database that is known here", _ADVICE)
    engine, batches = runners[scheme](text, dict(parameters), connection)
    plain = recordable(connection) if "://" in connection else "duckdb:"
    query = DataQuery(text, dict(parameters), plain, engine)
    remark = "" if _ORDERED.search(text) else _UNORDERED
    description = DataDescription(
        kind="query", source="", query=query, reader=engine, remark=remark
    )
    if keep is None:
        return data_source.with_rows(description, batches)
    return data_source.with_rows(description, _written(batches, keep))


def _check(text: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what is too large to be recorded of a query, or cannot be.

    Raises:
        InvalidInputError: If it is.
    """
    try:
        length = len(msgspec.json.encode([text, parameters]))
    except (TypeError, UnicodeEncodeError, OverflowError, RecursionError) as error:
        problem = f"cannot be recorded: {next(iter(str(error).splitlines()), '')}"
        advice = "give texts, numbers and lists of them"
        raise InvalidInputError("parameters of the query", problem, advice) from error
    if length > _LONGEST:
        problem = f"has {length:,} bytes with its parameters, more than {_LONGEST:,}"
        raise InvalidInputError("query", problem, "read what is large from a file or a table")


def _written(batches: Iterator[Any], path: Path) -> Iterator[Any]:
    from pyarrow import parquet

    writer = None
    try:
        for batch in batches:
            writer = writer or parquet.ParquetWriter(path, batch.schema, compression="zstd")
            writer.write_batch(batch)
            yield batch
    finally:
        if writer is not None:
            writer.close()


def _file_of(connection: str) -> Path | None:
    """Return the file of `duckdb:///file.db`: relative, or absolute with one slash more."""
    path = unquote(urlsplit(connection).path).removeprefix("/")
    return Path(path) if path and path != ":memory:" else None


def _refused(error: Exception, secrets: Iterable[str] = ()) -> InvalidInputError:
    message = next(iter(str(error).splitlines()), type(error).__name__)
    for secret in secrets:
        message = message.replace(secret, "…")
    return InvalidInputError("query", f"failed with {message[:300]}", "fix it, or the connection")


def _secrets(connection: str) -> set[str]:
    """Return what an address may let somebody in with, as it stands there and as it is meant."""
    parts = urlsplit(connection)
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    written = {one for one in (parts.password, *values) if one}
    return written | {unquote(one) for one in written}


def _duckdb(text: str, parameters: dict[str, Any], connection: str) -> tuple[str, Iterator[Any]]:
    try:
        import duckdb
        import pyarrow  # noqa: F401, ICN001 - DuckDB hands its rows to it
    except ImportError as error:
        raise MissingLibraryError("duckdb", "log", "running a query needs it") from error
    path = _file_of(connection)
    try:
        if path is not None and not path.is_file():
            raise InvalidInputError(f"database {str(path)!r}", "does not exist", "check its path")
        statements = duckdb.extract_statements(text)
        if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
            raise InvalidInputError("query", "is not one statement that reads", _ONE_SELECT)
        opened = duckdb.connect(str(path or ":memory:"), read_only=path is not None, config=_DUCKDB)
        result: Any = opened.sql(text, params=parameters or None)
    except duckdb.Error as error:
        raise _refused(error) from error

    def batches() -> Iterator[Any]:
        with opened:
            try:  # DuckDB 1 has another word for it
                read = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
                reader = read(_ROWS_AT_ONCE)
                yield _empty(reader.schema)
                yield from reader
            except (duckdb.Error, OSError) as error:
                raise _refused(error) from error
            except RuntimeError as error:
                if "interrupted" not in str(error):
                    raise
                raise KeyboardInterrupt from error  # DuckDB was busy when a signal came

    return f"duckdb {duckdb.__version__}, 1 thread", batches()


def _sqlite(text: str, parameters: dict[str, Any], connection: str) -> tuple[str, Iterator[Any]]:
    import sqlite3

    path = _file_of(connection)
    if path is None or not path.is_file():
        raise InvalidInputError(f"database {str(path)!r}", "does not exist", "check its path")
    reads = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )

    def batches() -> Iterator[Any]:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as opened:
                opened.execute("BEGIN")  # a long result is read twice, from one state
                opened.set_authorizer(  # VACUUM INTO and ATTACH write other files
                    lambda action, *_: sqlite3.SQLITE_OK if action in reads else sqlite3.SQLITE_DENY
                )
                opened.set_progress_handler(lambda: 0, _STEPS)  # Python looks at signals before
                yield from _of_cursors(lambda: opened.execute(text, parameters))
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise KeyboardInterrupt from error
            raise _refused(error) from error

    return f"sqlite {sqlite3.sqlite_version}", batches()


def _postgres(text: str, parameters: dict[str, Any], connection: str) -> tuple[str, Iterator[Any]]:
    try:
        import psycopg
        import pyarrow  # noqa: F401, ICN001 - rows become its batches
    except ImportError as error:
        library = "pyarrow" if error.name == "pyarrow" else "psycopg"
        extra = "log" if library == "pyarrow" else "postgres"
        raise MissingLibraryError(library, extra, "running a query needs it") from error
    secrets = _secrets(connection)
    try:
        opened = psycopg.connect(connection, connect_timeout=10)
    except (psycopg.Error, ValueError) as error:
        raise _refused(error, secrets) from None
    version = opened.info.server_version // 10_000

    def batches() -> Iterator[Any]:
        try:
            yield from postgres_query.batches(opened, text, parameters)
        except (psycopg.Error, ValueError) as error:
            raise _refused(error, secrets) from None

    return f"postgresql {version}, 1 process", batches()


def _of_cursors(run: Callable[[], Any]) -> Iterator[Any]:
    """Go through the rows of a query, some at a time: of each column the type of all its values.

    A database without types of columns says only with its last row what they are, so the query of a
    long result is run once more.

    Args:
        run: Runs it, and returns its cursor.
    """
    cursor = run()
    names = [column[0] for column in cursor.description or ()]
    if not names:
        raise InvalidInputError("query", "has no result", _ONE_SELECT)
    rows = cursor.fetchmany(_ROWS_AT_ONCE)
    first = _columns(rows, [None] * len(names))
    types = [column.type for column in first]
    if len(rows) < _ROWS_AT_ONCE:
        yield _batch(names, first)
        return
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        later = [column.type for column in _columns(rows, [None] * len(names))]
        types = [_wider(*pair) for pair in zip(types, later, strict=True)]
    yield _batch(names, _columns([], types))
    cursor = run()
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield _batch(names, _columns(rows, types))


def _columns(rows: Sequence[Sequence[Any]], types: Sequence[Any]) -> list[Any]:
    """Return rows as columns of given types, or, where `None` is given, of the one that they have.

    Raises:
        InvalidInputError: If the values of one are of several.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingLibraryError("pyarrow", "log", "a digest of rows needs it") from error
    try:
        return [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    except (pa.ArrowException, OverflowError) as error:
        raise _of_several_types(next(iter(str(error).splitlines()), "")) from error


def _wider(one: Any, other: Any) -> Any:
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    raise _of_several_types(f"{one} and {other}")


def _of_several_types(message: str) -> InvalidInputError:
    problem = f"has a column whose values are not of one type: {message}"
    return InvalidInputError("query", problem, "CAST it in the query")


def _batch(names: Sequence[str], columns: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(columns, list(names))


def _empty(schema: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
