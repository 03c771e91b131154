"""A PostgreSQL server for the whole session, started when the first test asks for it."""

from collections.abc import Iterator

import pytest
from tests.predictions.rows import Rows
from tests.servers.postgres import Postgres, postgres
from tests.servers.running import NoServerError


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
