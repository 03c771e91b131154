"""A log in PostgreSQL: one table for any number of servers, filled by COPY."""

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from holdfast import forks
from holdfast.errors import MissingLibraryError, NotFoundError, StoreError
from holdfast.predictions import ids
from holdfast.predictions.batch_record import BatchRecord, row_in
from holdfast.predictions.batch_records import decoded, not_kept
from holdfast.predictions.columns import INTEGERS, NAMES, REALS, Values, row_of, values_of
from holdfast.predictions.feedback import is_young, label_of, of_batches, told, unknown
from holdfast.predictions.filters import Filter, where
from holdfast.predictions.log import Day, Label, Sync
from holdfast.predictions.row import Prediction

if TYPE_CHECKING:
    import psycopg

_TYPES: Final = (
    {"prediction_id": "uuid PRIMARY KEY"}
    | dict.fromkeys(INTEGERS, "bigint")
    | dict.fromkeys(REALS, "double precision")
)
_COLUMNS: Final = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in NAMES)
_LABELS: Final = (
    "number bigserial PRIMARY KEY, prediction_id uuid NOT NULL, at_us bigint NOT NULL, "
    "label text NOT NULL, by text NOT NULL, "
    "kept_us bigint DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
)
_ARRIVED: Final = "coalesce((to_jsonb(holdfast_labels) ->> 'kept_us')::bigint, 0)"
"""When a label arrived; a table of an older Holdfast has no such column."""

_BATCHES: Final = "batch_id uuid PRIMARY KEY, model text NOT NULL, record text NOT NULL"
_OF_ROLLOUTS: Final = "ON holdfast_predictions (rollout) WHERE rollout IS NOT NULL"
_LOCK: Final = 0x48466C67
_CREATE: Final = (
    f"SELECT pg_advisory_xact_lock({_LOCK})",  # two servers may start at once
    f"CREATE TABLE IF NOT EXISTS holdfast_predictions ({_COLUMNS})",
    f"CREATE TABLE IF NOT EXISTS holdfast_labels ({_LABELS})",
    f"CREATE TABLE IF NOT EXISTS holdfast_batches ({_BATCHES})",
    "CREATE INDEX IF NOT EXISTS holdfast_predictions_at ON holdfast_predictions (model, at_us)",
    f"CREATE INDEX IF NOT EXISTS holdfast_predictions_rollout {_OF_ROLLOUTS}",
    "CREATE INDEX IF NOT EXISTS holdfast_labels_of ON holdfast_labels (prediction_id, at_us)",
)
_NAMES: Final = ", ".join(NAMES)
_SELECTED: Final = ", ".join(("prediction_id::text", *NAMES[1:]))
_COPY: Final = f"COPY holdfast_predictions ({_NAMES}) FROM STDIN"
_PLACES: Final = ", ".join(["%s"] * len(NAMES))
_INSERT: Final = (
    f"INSERT INTO holdfast_predictions ({_NAMES}) VALUES ({_PLACES}) ON CONFLICT DO NOTHING"  # noqa: S608
)
_GET: Final = f"SELECT {_SELECTED} FROM holdfast_predictions WHERE prediction_id = %s"  # noqa: S608
_LABEL: Final = (
    "INSERT INTO holdfast_labels (prediction_id, at_us, label, by) VALUES (%s, %s, %s, %s)"
)
_LABELS_OF: Final = (
    "SELECT prediction_id::text, at_us, label, by FROM holdfast_labels "
    "WHERE prediction_id = %s ORDER BY at_us, number"
)
_LAST: Final = (
    "SELECT DISTINCT ON (prediction_id) prediction_id, at_us AS told_us, label, by "
    "FROM holdfast_labels ORDER BY prediction_id, at_us DESC, number DESC"
)
_KEPT: Final = (
    "SELECT 1 FROM (SELECT prediction_id FROM holdfast_predictions UNION ALL "
    "SELECT batch_id FROM holdfast_batches) AS kept WHERE prediction_id BETWEEN %s AND %s LIMIT 1"
)
_KEPT_OF: Final = (
    "SELECT prediction_id::text FROM holdfast_predictions WHERE prediction_id = ANY(%s::uuid[])"
)
_MS: Final = "('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint"
_DAYS: Final = (
    f"SELECT to_char(to_timestamp({_MS} / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, "  # noqa: S608
    "sum(one) FROM (SELECT prediction_id AS id, 1 AS one FROM holdfast_predictions UNION ALL "
    "SELECT batch_id, 0 FROM holdfast_batches) AS kept GROUP BY day ORDER BY day"
)
_ADD_BATCH: Final = "INSERT INTO holdfast_batches (batch_id, model, record) VALUES (%s, %s, %s)"
_BATCHES_OF: Final = (
    "SELECT record FROM holdfast_batches WHERE batch_id >= %s AND batch_id <= %s "
    "AND (%s::text IS NULL OR model = %s) ORDER BY batch_id"
)
_TABLES: Final = {
    "holdfast_predictions": "prediction_id", "holdfast_labels": "prediction_id",
    "holdfast_batches": "batch_id",
}  # fmt: skip
_PARAMETER: Final = re.compile(r"\$(\w+)")
_PAGE: Final = 1000
_CONNECT_S: Final = 5


class PostgresLog:
    """A log in a database; the table is made when it is opened.

    Args:
        url: `postgresql://user:password@host/database`.
        sync: `normal` lets the server answer before a commit is on its disk.

    Raises:
        MissingLibraryError: Without the extra `postgres`.
        StoreError: If the server cannot be reached, or refuses.
    """

    def __init__(self, url: str, *, sync: Sync = "normal") -> None:
        try:
            import psycopg
        except ModuleNotFoundError as error:
            purpose = "a log in PostgreSQL needs it"
            raise MissingLibraryError("psycopg", "postgres", purpose) from error
        self._psycopg = psycopg
        self._url = url
        self._sync = sync
        self._lock = threading.RLock()
        self._open: psycopg.Connection[Any] | None = None
        forks.tell(self)
        self.feedback = PostgresFeedback(self)
        self.batches = PostgresBatches(self)
        with self.connected() as connection, connection.transaction():
            for statement in _CREATE:
                connection.execute(statement)

    @property
    def name(self) -> str:
        """The address without its password."""
        address = urlsplit(self._url)
        user, at, host = address.netloc.rpartition("@")
        return f"{address.scheme}://{user.partition(':')[0]}{at}{host}{address.path}"

    def after_fork(self) -> None:
        """Connect anew: to close the parent's connection here would end its session."""
        forks.abandon(self._open)
        self._lock = threading.RLock()
        self._open = None

    @contextlib.contextmanager
    def connected(self) -> Iterator["psycopg.Connection[Any]"]:
        """Lend the connection to one thread, made anew where the last one broke."""
        with self._lock:
            try:
                yield self._connection()
            except self._psycopg.Error as error:
                if self._open is not None and self._open.broken:
                    self.close()
                problem = _problem(error)
                advice = "check the server and the address, then repeat"
                raise StoreError(self.name, problem, advice) from error

    def _connection(self) -> "psycopg.Connection[Any]":
        if self._open is None or self._open.closed:
            self._open = self._psycopg.connect(
                self._url, autocommit=True, connect_timeout=_CONNECT_S
            )
            durably = "on" if self._sync == "full" else "off"
            self._open.execute(f"SET synchronous_commit = {durably}")
        return self._open

    def write(self, rows: Sequence[Prediction]) -> None:
        """Return once all rows are committed; see `Log`."""
        values = [(ids.parse(row.prediction_id), *values_of(row)[1:]) for row in rows]
        with self.connected() as connection:
            try:
                _copy(connection, values)
            except self._psycopg.errors.UniqueViolation:  # a batch that came through, unanswered
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany(_INSERT, values)

    def get(self, prediction_id: str) -> Prediction:
        """Return one row; see `Log`."""
        canonical_id = ids.parse(prediction_id)
        with self.connected() as connection:
            values = connection.execute(_GET, (canonical_id,)).fetchone()
        if values is None:
            advice = "it was never kept (see sampling), or has expired"
            raise NotFoundError(f"prediction {canonical_id}", advice=advice)
        return row_of(values, self.name)

    def scan(self, criteria: Filter) -> Iterator[Prediction]:
        """Return rows by id; see `Log`."""
        condition, parameters = where(criteria)
        down = " DESC" if criteria.order == "newest" else ""
        sql = (
            f"SELECT {_SELECTED} FROM holdfast_predictions "  # noqa: S608
            f"WHERE {condition} ORDER BY prediction_id{down}"
        )
        rows = (row_of(values, self.name) for values in self.stream(sql, parameters))
        return islice(rows, criteria.limit)

    def select(self, sql: str, criteria: Filter, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Ask the table; see `Log`."""
        condition, chosen = where(criteria)
        rows = f"SELECT * FROM holdfast_predictions WHERE {condition}"  # noqa: S608
        yield from self.stream(f"WITH rows AS ({rows}) {sql}", {**chosen, **parameters})

    def stream(self, sql: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        """Return the rows of a query, a page at a time, over a connection of their own."""
        text = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
        try:
            with (
                self._psycopg.connect(self._url, connect_timeout=_CONNECT_S) as connection,
                connection.cursor(name="rows") as cursor,
            ):
                cursor.itersize = _PAGE
                cursor.execute(text, dict(parameters))
                yield from cursor
        except self._psycopg.Error as error:
            problem = _problem(error)
            raise StoreError(self.name, problem, "check the server, then repeat") from error

    def days(self) -> list[Day]:
        """Return the days that are kept; see `Log`."""
        today = datetime.now(UTC).date().isoformat()
        with self.connected() as connection:
            day_counts = connection.execute(_DAYS).fetchall()
        return [
            Day(day, int(rows), None, "live" if day >= today else "closed")
            for day, rows in day_counts
        ]

    def drop(self, day: str) -> None:
        """Remove a day with its labels, for good."""
        bounds = ids.bounds_of(day)
        with self.connected() as connection, connection.transaction():
            for table, name in _TABLES.items():
                sql = f"DELETE FROM {table} WHERE {name} >= %s AND {name} < %s"  # noqa: S608
                connection.execute(sql, bounds)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None


def _problem(error: Exception) -> str:
    return "cannot be used: " + str(error).strip().partition("\n")[0]


def _copy(connection: "psycopg.Connection[Any]", values: Sequence[Values]) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for some in values:
            copy.write_row(some)


class PostgresFeedback:
    """Labels in a table of their own."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log

    def add(self, labels: Sequence[Label]) -> list[str]:
        """Keep labels, all or none; see `Feedback`."""
        rows = [told(label) for label in labels]
        prediction_ids = [row[0] for row in rows]
        with self._log.connected() as connection, connection.transaction():
            for day, prediction_id in {
                ids.day_of(row_id): row_id for row_id in prediction_ids
            }.items():
                bounds = ids.bounds_of(day)
                some = [row_id for row_id in prediction_ids if ids.day_of(row_id) == day]
                if any(map(is_young, some)):
                    continue
                if connection.execute(_KEPT, bounds).fetchone() is None:
                    advice = f"the log has nothing of {day}"
                    raise NotFoundError(f"prediction {prediction_id}", advice=advice)
            with connection.cursor() as cursor:
                cursor.executemany(_LABEL, rows)
            stored_ids = {
                row_id for (row_id,) in connection.execute(_KEPT_OF, (prediction_ids,)).fetchall()
            }
        missing = {*prediction_ids} - stored_ids
        for day in {ids.day_of(row_id) for row_id in missing}:
            stored_ids |= of_batches(self._log.batches.of_day(day), missing)
        return unknown(prediction_ids, stored_ids)

    def of(self, prediction_id: str) -> list[Label]:
        """Return all labels of a prediction, the one that counts last."""
        with self._log.connected() as connection:
            rows = connection.execute(_LABELS_OF, (ids.parse(prediction_id),)).fetchall()
        return [label_of(values, self._log.name) for values in rows]

    def arrivals(self, criteria: Filter) -> Iterator[tuple[Label, int]]:
        """Return all labels of the rows wanted; see `Feedback`."""
        condition, parameters = where(criteria)
        wanted = f"SELECT prediction_id FROM holdfast_predictions WHERE {condition}"  # noqa: S608
        sql = (
            f"SELECT prediction_id::text, at_us, label, by, {_ARRIVED} FROM holdfast_labels "  # noqa: S608
            f"WHERE prediction_id IN ({wanted}) ORDER BY prediction_id, at_us, number"
        )
        for *values, kept_us in self._log.stream(sql, parameters):
            yield label_of(values, self._log.name), int(kept_us)

    def joined(self, criteria: Filter) -> Iterator[tuple[Prediction, Label]]:
        """Return the rows that have a label, each with the one that counts."""
        condition, parameters = where(criteria)
        sql = (
            f"WITH last AS ({_LAST}) SELECT {_SELECTED}, told_us, label, by FROM last "  # noqa: S608
            f"JOIN holdfast_predictions USING (prediction_id) WHERE {condition}"
        )
        for values in self._log.stream(sql, parameters):
            *columns, at_us, label, by = values
            yield (
                row_of(columns, self._log.name),
                label_of((columns[0], at_us, label, by), self._log.name),
            )


class PostgresBatches:
    """Records of batches in a table of their own."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log

    def add(self, record: BatchRecord) -> None:
        """Keep a record; see `Batches`."""
        values = ids.parse(record.batch_id), record.model, msgspec.json.encode(record).decode()
        with self._log.connected() as connection:
            connection.execute(_ADD_BATCH, values)

    def find(self, prediction_id: str) -> BatchRecord:
        """Return the batch that an id is of; see `Batches`."""
        canonical_id = ids.parse(prediction_id)
        for record in self._between(*ids.bounds_of_batch(canonical_id), None):
            if row_in(record, canonical_id) is not None:
                return record
        raise not_kept(canonical_id)

    def of_day(self, day: str, model: str | None = None) -> list[BatchRecord]:
        """Return the batches of a day; see `Batches`."""
        return self._between(*ids.bounds_of(day), model)

    def _between(self, first: str, last: str, model: str | None) -> list[BatchRecord]:
        with self._log.connected() as connection:
            rows = connection.execute(_BATCHES_OF, (first, last, model, model)).fetchall()
        return [decoded(text, self._log.name) for (text,) in rows]
