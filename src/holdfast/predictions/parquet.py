"""A closed day as one Parquet file: sorted by id, compressed, asked through DuckDB."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import DamagedError, MissingLibraryError, NewerFormatError, StoreError
from holdfast.predictions.columns import INTEGERS, NAMES, REALS, Values
from holdfast.predictions.private_files import opened_for_writing

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET: Final = "predictions.parquet"
FORMAT: Final = 1
_SOURCES: Final = b"holdfast.sources"
_FORMAT: Final = b"holdfast.format"
_GROUP: Final = 16_384
_PAGE: Final = 1000
_ENGINE: Final = ":memory:holdfast-predictions"
_COLUMNS: Final = ", ".join(NAMES)
_GET: Final = f"SELECT {_COLUMNS} FROM predictions WHERE prediction_id = $id"  # noqa: S608


@contextlib.contextmanager
def _library() -> Iterator[None]:
    """Turn the want of a library into advice; import it within."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "pyarrow").partition(".")[0]
        raise MissingLibraryError(name, "log", "compacted days of the log need it") from error


def _damage(path: Path, error: BaseException) -> DamagedError:
    first = str(error).partition("\n")[0]
    return DamagedError(str(path), f"cannot be read: {first}", "restore it from a copy")


def sources_of(path: Path) -> set[str]:
    """Return the names of the files whose rows it holds.

    Raises:
        MissingLibraryError: Without the extra `log`.
        DamagedError: If it cannot be read, or is not a file of a log.
        NewerFormatError: If a later version of Holdfast wrote it.
    """
    with _library():
        import pyarrow.parquet as pq
    try:
        metadata = pq.read_schema(path).metadata or {}
        version = int(metadata[_FORMAT])
        sources = set(map(str, json.loads(metadata[_SOURCES])))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damage(path, error) from error
    if version > FORMAT:
        raise NewerFormatError(str(path), f"format {version}", f"format {FORMAT}")
    return sources


class ParquetPart:
    """A Parquet file being read, by any thread.

    Raises:
        FileNotFoundError: If it is gone.
        MissingLibraryError: Without the extra `log`.
        DamagedError: If it is not a file of a log.
    """

    def __init__(self, path: Path) -> None:
        with _library():
            import duckdb
        self.path = path
        path.stat()
        sources_of(path)
        self._kept = duckdb.connect(_ENGINE)  # as long as it is open, the engine stays
        try:
            with self._connected():  # it has the columns
                pass
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _connected(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """Lend a connection for one query; all of the process share one engine and its threads."""
        import duckdb

        quoted = str(self.path.absolute()).replace("'", "''")
        rows = f"SELECT {_COLUMNS} FROM read_parquet('{quoted}')"  # noqa: S608
        try:
            with duckdb.connect(_ENGINE) as connection:
                connection.execute(f"CREATE TEMP VIEW predictions AS {rows}")
                yield connection
        except duckdb.Error as error:
            raise _damage(self.path, error) from error

    def get(self, prediction_id: str) -> Values | None:
        """Return one row."""
        return next(self.select(_GET, {"id": prediction_id}), None)

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Return the rows of a query, a page at a time."""
        with self._connected() as connection:
            connection.execute(sql, dict(parameters or {}))
            while page := connection.fetchmany(_PAGE):
                yield from page

    def close(self) -> None:
        """Let go of the engine."""
        self._kept.close()


def _schema(sources: Iterable[str]) -> "pa.Schema":
    import pyarrow as pa

    kinds = dict.fromkeys(INTEGERS, pa.int64()) | dict.fromkeys(REALS, pa.float64())
    metadata = {_FORMAT: str(FORMAT), _SOURCES: json.dumps(sorted(sources))}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in NAMES], metadata)


def write(path: Path, rows: Iterable[Values], sources: Iterable[str]) -> int:
    """Write a file in place of any that was there, whole or not at all; return its number of rows.

    Args:
        rows: Sorted by id.
        sources: Names of the files that they come from.

    Raises:
        MissingLibraryError: Without the extra `log`.
        StoreError: If the disk refuses.
    """
    with _library():
        import pyarrow.parquet as pq
    schema = _schema(sources)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with opened_for_writing(temporary) as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                count = sum(_written(writer, table) for table in _tables(iter(rows), schema))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        problem = f"cannot be compacted: {error.strerror or error}"
        raise StoreError(path, problem, "check the disk, then compact again") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return count


def _written(writer: "pq.ParquetWriter", table: "pa.Table") -> int:
    writer.write_table(table)
    return len(table)


def _tables(rows: Iterator[Values], schema: "pa.Schema") -> Iterator["pa.Table"]:
    """Turn rows into tables, one for each row group."""
    import pyarrow as pa

    while group := list(islice(rows, _GROUP)):
        columns = zip(zip(*group, strict=True), schema, strict=True)
        yield pa.table([pa.array(column, field.type) for column, field in columns], schema)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
