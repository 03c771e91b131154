"""One of each server for the whole session, started when the first test asks for it."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from tests.servers import amazon, azure, ceph, google, stand_in
from tests.servers.lossy import Lossy, lossy
from tests.servers.postgres import Postgres, postgres
from tests.servers.running import Endpoint, NoServerError

Folders = pytest.TempPathFactory


def _served(
    manager: Callable[[], contextlib.AbstractContextManager[Endpoint]],
) -> Iterator[Endpoint]:
    """Run a server, or skip what needs it and say why."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(manager())
        except NoServerError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: Folders) -> Iterator[Endpoint]:
    """Return a running moto: S3's answers, one at a time."""
    yield from _served(lambda: amazon.moto(tmp_path_factory.mktemp("moto")))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: Folders) -> Iterator[Endpoint]:
    """Return a running Azurite: Azure's protocol."""
    yield from _served(lambda: azure.azurite(tmp_path_factory.mktemp("azurite")))


@pytest.fixture(scope="session")
def stand_in_for_google() -> Iterator[Endpoint]:
    """Return a running stand-in for Google's service."""
    with stand_in.google() as server:
        yield server


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: Folders) -> Iterator[Endpoint]:
    """Return a running LocalStack: S3's protocol."""
    yield from _served(lambda: amazon.localstack(tmp_path_factory.mktemp("localstack")))


@pytest.fixture(scope="session")
def ceph_gateway() -> Iterator[Endpoint]:
    """Return a running gateway of Ceph: S3's protocol on a real store."""
    yield from _served(ceph.gateway)


@pytest.fixture(scope="session")
def s3rver(tmp_path_factory: Folders) -> Iterator[Endpoint]:
    """Return a running s3rver, which ignores conditions."""
    yield from _served(lambda: amazon.s3rver(tmp_path_factory.mktemp("s3rver")))


@pytest.fixture(scope="session")
def gcs_emulator(tmp_path_factory: Folders) -> Iterator[Endpoint]:
    """Return a running gcp-storage-emulator, which ignores conditions."""
    yield from _served(lambda: google.emulator(tmp_path_factory.mktemp("gcs")))


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """Return a running PostgreSQL, which makes databases."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres())
        except NoServerError as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture
def lose() -> Iterator[Callable[[Endpoint], Lossy]]:
    """Return a function that puts a lossy proxy in front of a server."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(lossy(server.address))


LONG = pytest.mark.long


@pytest.fixture(
    params=[
        "moto",
        "azurite",
        "stand_in_for_google",
        pytest.param("localstack", marks=LONG),
        pytest.param("ceph_gateway", marks=LONG),
    ]
)
def server(request: pytest.FixtureRequest) -> Endpoint:
    """Return each server that keeps its word, one after the other."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return endpoint
