"""A log in PostgreSQL: the contract, many servers, a server that goes away."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.predictions.contract import LogContract
from tests.predictions.rows import Rows
from tests.servers.postgres import Postgres

from holdfast.errors import MissingLibraryError, StoreError
from holdfast.predictions import ALL, Log, Recorder, open_log, open_recorder


@pytest.fixture
def url(database_server: Postgres) -> str:
    return database_server.new_database()


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    opened = open_log(url)
    yield opened
    opened.close()


@pytest.fixture
def again(url: str) -> Iterator[Log]:
    opened = open_log(url)
    yield opened
    opened.close()


class TestPostgresLog(LogContract):
    """One table of a real server."""


def test_many_servers_start_and_write_at_once(url: str) -> None:
    def serve(number: int) -> int:
        recorder, make = open_recorder(url, f"host-{number}", sync="full"), Rows(f"host-{number}")
        for _ in range(300):
            recorder.record(make())
        recorder.close()
        return recorder.kept

    with ThreadPoolExecutor(4) as pool:
        row_count = sum(pool.map(serve, range(4)))
    log = open_log(url)

    assert row_count == 1200
    assert len({row.prediction_id for row in log.scan(ALL)}) == 1200
    log.close()


def test_a_server_that_went_away_costs_rows_and_no_request(
    database_server: Postgres, url: str, row: Rows
) -> None:
    recorder = open_recorder(url, "host-1")
    recorder.record(row())
    assert recorder.flush()
    database_server.stop()
    recorder.record(row())
    assert recorder.flush(30)
    assert (recorder.kept, recorder.lost) == (1, 1)
    assert "check the server" in (recorder.problem or "")
    database_server.start()
    recorder.record(row())

    assert recorder.close()
    assert (recorder.kept, recorder.lost, recorder.problem) == (2, 1, None)


def test_a_restarted_server_costs_nothing(database_server: Postgres, log: Log, row: Rows) -> None:
    recorder = Recorder(log, "host-1")
    recorder.record(row())
    assert recorder.flush()
    database_server.stop()
    database_server.start()
    recorder.record(row())

    assert recorder.close()
    assert (recorder.kept, recorder.lost) == (2, 0)


@pytest.mark.parametrize("password", ["hush", "hu:hush", "%2Fhush"])
def test_a_server_that_is_not_there_is_told_without_the_password(password: str) -> None:
    with pytest.raises(StoreError, match=r"ana@127.*check the server") as failure:
        open_log(f"postgresql://ana:{password}@127.0.0.1:1/log?application_name=hush")

    assert "hush" not in str(failure.value)


def test_a_stream_from_a_server_that_went_away_is_told(database_server: Postgres, log: Log) -> None:
    database_server.stop()
    try:
        with pytest.raises(StoreError, match="check the server"):
            list(log.scan(ALL))
    finally:
        database_server.start()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingLibraryError, match=r"holdfast\[postgres\]"):
        open_log("postgresql://127.0.0.1/log")
