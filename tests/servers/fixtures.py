"""One of each server for the whole session, started when the first test asks for it."""

from collections.abc import Iterator

import pytest
from tests.servers import amazon
from tests.servers.running import Endpoint


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Return a running moto server."""
    with amazon.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server
