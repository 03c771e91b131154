"""An object reads like a file, from any place, and never as two versions in one."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.lossy import Lossy, resets_before
from tests.servers.running import Endpoint
from tests.store.contract import KEY

from holdfast.errors import StoreError
from holdfast.store.objects.object_store import ObjectStore

DATA = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1 << 17))


@pytest.fixture
def store(server: Endpoint, tmp_path: Path) -> ObjectStore:
    """Return a store with an object of 4 MB."""
    store = server.store(server.make_bucket(), tmp_path)
    store.replace(KEY, DATA)
    return store


def test_an_object_is_hashed_by_one_request(store: ObjectStore) -> None:
    before = store.wire.requests.copy()
    with store.open(KEY) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        length = file.tell()

    assert (digest, length) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert store.wire.requests - before == {"get": 1}


def test_an_object_is_read_from_any_place(store: ObjectStore) -> None:
    with store.open(KEY) as file:
        places = [
            (file.seek(100), file.read(10)),
            (file.seek(-5, io.SEEK_END), file.read()),
            (file.seek(3 << 20), file.read(2)),
            (file.seek(5, io.SEEK_CUR), file.read(2)),
            (file.seek(0), file.read()),
        ]

    assert places == [
        (100, DATA[100:110]),
        (len(DATA) - 5, DATA[-5:]),
        (3 << 20, DATA[3 << 20 :][:2]),
        ((3 << 20) + 7, DATA[(3 << 20) + 7 :][:2]),
        (0, DATA),
    ]


def test_there_is_nothing_after_the_end(store: ObjectStore) -> None:
    with store.open(KEY) as file:
        file.seek(len(DATA) + 5)

        assert file.read() == b""


def test_an_object_that_is_replaced_is_read_as_it_was_or_not_at_all(store: ObjectStore) -> None:
    with store.open(KEY) as file:
        file.read(1)
        store.replace(KEY, b"x" * len(DATA))
        file.seek(3 << 20)

        with pytest.raises(StoreError, match="changed while it was read; read it again"):
            file.read()


def test_a_broken_connection_is_made_again(
    server: Endpoint, lose: Callable[[Endpoint], Lossy], tmp_path: Path
) -> None:
    proxy = lose(server)
    store = server.store(server.make_bucket(), tmp_path, endpoint=proxy.address)
    store.replace(KEY, DATA)
    proxy.next("GET", KEY, resets_before)

    assert store.read(KEY) == DATA
    assert proxy.left == 0
