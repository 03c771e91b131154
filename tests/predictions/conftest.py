"""Logs of every kind; a PostgreSQL server starts when the first test asks for it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.predictions.rows import Rows
from tests.servers.postgres import Postgres, postgres
from tests.servers.running import NoServerError

from holdfast.predictions import Log, Prediction, open_log
from holdfast.predictions.compaction import compact

Filled = Callable[[Sequence[Prediction]], Log]


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    try:
        running = postgres()
        server = running.__enter__()
    except NoServerError as error:
        pytest.skip(str(error))
    yield server
    running.__exit__(None, None, None)


@pytest.fixture
def row() -> Rows:
    return Rows()


@pytest.fixture(params=["folder", "compacted", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filled]:
    """Return a function that makes a log of these rows, in each kind of place."""
    logs: list[Log] = []

    def fill(rows: Sequence[Prediction]) -> Log:
        where: str | Path = tmp_path / "log"
        if request.param == "postgres":
            where = request.getfixturevalue("database_server").new_database()
        log = open_log(where)
        logs.append(log)
        log.write(rows)
        if request.param == "compacted":
            for day in log.days():
                compact(tmp_path / "log", day.day)
        return log

    yield fill
    for log in logs:
        log.close()
