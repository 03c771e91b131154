"""One file of a log: SQLite in WAL mode, written by one worker, read by anybody."""

import contextlib
import functools
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, Literal

from holdfast.errors import DamagedError, NewerFormatError, StoreError, StoreFullError
from holdfast.predictions.columns import INTEGERS, NAMES, REALS, Values
from holdfast.predictions.private_files import make_file

SUFFIX: Final = ".sqlite"
FORMAT: Final = 1
_APPLICATION: Final = 0x48466C67  # "HFlg"
_BUSY_MS: Final = 2000
_SEALED: Final = "sealed"
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BARRED: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_PAGE: Final = 1000

_TYPES: Final = dict.fromkeys(INTEGERS, "INTEGER") | dict.fromkeys(REALS, "REAL")
_COLUMNS: Final = ", ".join(
    f"{name} {_TYPES.get(name, 'TEXT')}{' PRIMARY KEY' if name == 'prediction_id' else ''}"
    for name in NAMES
)
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS predictions ({_COLUMNS}) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS by_rollout ON predictions (rollout) WHERE rollout IS NOT NULL",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_PLACES: Final = ", ".join("?" * len(NAMES))
_TOGETHER: Final = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
"""Rows that one statement writes. After each statement this thread waits its turn among those that
answer requests, which slows both: so a batch is one, filled up with its last row if need be."""
ALL_COLUMNS: Final = ", ".join(NAMES)
_GET: Final = f"SELECT {ALL_COLUMNS} FROM predictions WHERE prediction_id = ?"  # noqa: S608
_SEAL: Final = (
    "CREATE TRIGGER IF NOT EXISTS sealed BEFORE INSERT ON predictions "
    f"BEGIN SELECT RAISE(FAIL, '{_SEALED}'); END"
)


@functools.cache
def _insert(count: int) -> str:
    rows = ", ".join([f"({_PLACES})"] * count)
    return f"INSERT INTO predictions VALUES {rows} ON CONFLICT DO NOTHING"  # noqa: S608


class SealedError(Exception):
    """The file was closed to be compacted; rows that come late go to another one."""


class BrokenError(Exception):
    """The file is no longer a database; further rows go to another one."""


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about a file into ours."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be used: {error.strerror or error}"
        raise StoreError(path, problem, "check the disk, and the owner and mode") from error
    except sqlite3.Error as error:
        code = _code(error)
        if _SEALED in str(error):
            raise SealedError(str(path)) from error
        if code in _BROKEN:
            raise BrokenError(str(path)) from error
        if code == sqlite3.SQLITE_FULL:
            advice = "free some (`holdfast predictions expire`)"
            raise StoreFullError(path, "has no space left", advice) from error
        raise StoreError(
            path, f"cannot be used: {error}", "check the disk, and the owner and mode"
        ) from error


class SqliteWriter:
    """A file being written; one thread at a time.

    Raises:
        SealedError: If it was compacted meanwhile.
        BrokenError: If it is not a database.
        StoreError: If the disk refuses.
    """

    def __init__(self, path: Path, sync: Literal["normal", "full"]) -> None:
        self.path = path
        with _told(path):
            make_file(path)
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(sync)
        except BaseException:
            self.close()
            raise

    def _prepare(self, sync: Literal["normal", "full"]) -> None:
        variables = self._file.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._sizes = [size for size in _TOGETHER if size * len(NAMES) <= variables]
        with _told(self.path):
            self._file.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute(f"PRAGMA synchronous = {sync}")
            with self._transaction():
                for statement in _CREATE:
                    self._file.execute(statement)

    def write(self, values: Sequence[Values]) -> None:
        """Commit rows, all or none; an id that is there already is passed over."""
        with _told(self.path):
            if len(values) <= self._sizes[-1]:
                self._insert(values)
                return
            with self._transaction():
                for start in range(0, len(values), self._sizes[-1]):
                    self._insert(values[start : start + self._sizes[-1]])

    def _insert(self, values: Sequence[Values]) -> None:
        size = self._sizes[bisect_left(self._sizes, len(values))]
        rows = chain(values, repeat(values[-1], size - len(values)))
        self._file.execute(_insert(size), tuple(chain.from_iterable(rows)))

    def close(self) -> None:
        """Close it; the last one to do so folds the WAL into the file."""
        with contextlib.suppress(sqlite3.Error):
            self._file.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
            raise


class SqliteReader:
    """A file being read, by any thread.

    Raises:
        FileNotFoundError: If it is gone.
        DamagedError: If it is not a file of a log.
        NewerFormatError: If a later version of Holdfast wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._is_empty = False
        path.stat()
        self._file = self._open()

    def _open(self) -> sqlite3.Connection:
        problem: BaseException | None = None
        for how in ("mode=rw", "mode=ro", "immutable=1"):  # a WAL is read by writing beside it
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?{how}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._check(connection)
            except sqlite3.Error as error:
                connection.close()
                self.path.stat()
                if _code(error) not in _BARRED:
                    raise self._damage(error) from error
                problem = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise StoreError(
            self.path, f"cannot be opened: {problem}", "check its owner and mode"
        ) from problem

    def _check(self, file: sqlite3.Connection) -> None:
        file.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        file.execute("PRAGMA trusted_schema = OFF")
        file.execute("PRAGMA query_only = ON")
        file.execute("BEGIN")  # its worker may be making the table this moment
        (version,) = file.execute("PRAGMA user_version").fetchone()
        (kind,) = file.execute("PRAGMA application_id").fetchone()
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
        file.execute("COMMIT")
        if version > FORMAT:
            raise NewerFormatError(str(self.path), f"format {version}", f"format {FORMAT}")
        self._is_empty = not tables and kind == 0
        if self._is_empty:
            return
        if kind != _APPLICATION or "predictions" not in tables:
            raise DamagedError(str(self.path), "is not a file of a prediction log", "move it away")
        file.execute(f"SELECT {ALL_COLUMNS} FROM predictions LIMIT 0")  # noqa: S608

    def _has_rows(self) -> bool:
        if self._is_empty:  # when it was opened
            self._check(self._file)
        return not self._is_empty

    def _damage(self, error: BaseException | None) -> DamagedError:
        advice = "move it away, and salvage its rows with `sqlite3 FILE .recover`"
        return DamagedError(str(self.path), f"cannot be read: {error}", advice)

    def get(self, prediction_id: str) -> Values | None:
        """Return one row."""
        try:
            with self._lock:
                if not self._has_rows():
                    return None
                values: Values | None = self._file.execute(_GET, (prediction_id,)).fetchone()
        except sqlite3.Error as error:
            raise self._damage(error) from error
        return values

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Return the rows of a query, a page at a time."""
        try:
            with self._lock:
                if not self._has_rows():
                    return
                cursor = self._file.execute(sql, parameters or {})
            while True:
                with self._lock:
                    page = cursor.fetchmany(_PAGE)
                if not page:
                    return
                yield from page
        except sqlite3.Error as error:
            raise self._damage(error) from error

    def close(self) -> None:
        """Close it."""
        self._file.close()


def seal(path: Path) -> None:
    """Refuse every row from now on, also from a worker that has the file open.

    Raises:
        DamagedError: If it is not a file of a log.
    """
    SqliteReader(path).close()
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            for statement in (*_CREATE, _SEAL):
                file.execute(statement)
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreError(
            path, f"cannot be sealed: {error}", "check the disk, then compact again"
        ) from error
