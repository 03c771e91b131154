"""Buckets keep what every store keeps, and what a bucket has beyond it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.servers.lossy import Lossy, Relay, honestly
from tests.servers.running import Endpoint
from tests.store.contract import BLOBS, KEY, PREFIX, StoreContract, race, read

from holdfast.errors import DamagedError, InvalidInputError
from holdfast.store import AbsentError, Ingested
from holdfast.store.objects.object_store import ObjectStore

LARGE = 20 << 20


@pytest.fixture
def store(server: Endpoint, tmp_path: Path) -> ObjectStore:
    """Return an empty store on each server that keeps its word."""
    return server.store(server.make_bucket(), tmp_path)


@pytest.fixture
def large(source: Path) -> Path:
    """Return a file that is sent in several parts."""
    with source.open("wb") as file:
        for number in range(LARGE >> 20):
            file.write(hashlib.sha256(b"%d" % number).digest() * (1 << 15))
    return source


class TestBuckets(StoreContract):
    """Every server in turn."""


def test_a_version_can_be_written_over_once(store: ObjectStore) -> None:
    store.replace(KEY, b"one")
    tagged_object = store.tagged(KEY)

    assert tagged_object is not None
    assert tagged_object[0] == b"one"
    assert store.replace_tagged(KEY, b"two", tagged_object[1])
    assert not store.replace_tagged(KEY, b"three", tagged_object[1])
    assert store.read(KEY) == b"two"


def test_an_object_is_cut_where_no_honest_one_is_so_long(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.objects.client.MOST_READ", 1000)
    store.replace(KEY, b"x" * 1001)
    tagged_object = store.tagged(KEY)

    assert tagged_object is not None
    assert tagged_object[0] == store.read(KEY) == b"x" * 1000
    assert store.replace_tagged(KEY, b"y" * 1000, tagged_object[1])
    assert store.read(KEY) == b"y" * 1000


def test_what_is_absent_has_no_version_to_write_over(store: ObjectStore) -> None:
    store.replace(KEY, b"one")
    tagged_object = store.tagged(KEY) or (b"", "")
    store.delete(KEY)

    assert store.tagged(KEY) is None
    assert not store.replace_tagged(KEY, b"two", tagged_object[1])
    assert store.read(KEY) is None


def test_of_rivals_that_write_over_a_version_one_succeeds(store: ObjectStore) -> None:
    store.replace(KEY, b"one")
    tagged_object = store.tagged(KEY) or (b"", "")

    def rival(number: int) -> Callable[[], object]:
        return lambda: store.replace_tagged(KEY, b"rival %d" % number, tagged_object[1])

    outcomes = race([rival(number) for number in range(8)])

    assert sorted(outcomes, key=bool) == [False] * 7 + [True]
    assert store.read(KEY) == b"rival %d" % outcomes.index(True)


def test_a_large_file_is_sent_in_parts_and_comes_back(store: ObjectStore, large: Path) -> None:
    digest = hashlib.sha256(large.read_bytes()).hexdigest()

    ingested = store.ingest(large, BLOBS, None)
    fetched = store.fetch(f"{BLOBS}/{digest}", digest, LARGE)

    assert ingested == Ingested(digest, LARGE, created=True)
    assert store.ingest(large, BLOBS, None) == Ingested(digest, LARGE, created=False)
    assert fetched.read_bytes() == large.read_bytes()
    with store.open(f"{BLOBS}/{digest}") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest


@pytest.mark.parametrize("size_bytes", [1 << 16, LARGE])
def test_a_file_that_changes_after_it_was_hashed_is_not_taken_in(
    server: Endpoint,
    lose: Callable[[Endpoint], Lossy],
    tmp_path: Path,
    source: Path,
    size_bytes: int,
) -> None:
    source.write_bytes(bytes(size_bytes))
    proxy = lose(server)
    bucket = server.make_bucket()
    store = server.store(bucket, tmp_path, cached_bytes=0, endpoint=proxy.address)

    def change(relay: Relay) -> None:
        source.write_bytes(b"x" * size_bytes)
        honestly(relay)

    proxy.next("HEAD", BLOBS, change)

    with pytest.raises(InvalidInputError, match="changed while it was read"):
        store.ingest(source, BLOBS, None)
    assert proxy.left == 0
    assert list(store.list(BLOBS)) == []


@pytest.mark.parametrize("size_bytes", [1 << 16, LARGE])
def test_a_file_that_changes_after_it_was_kept_is_taken_in_as_it_was(
    server: Endpoint,
    lose: Callable[[Endpoint], Lossy],
    tmp_path: Path,
    source: Path,
    size_bytes: int,
) -> None:
    source.write_bytes(bytes(size_bytes))
    digest = hashlib.sha256(bytes(size_bytes)).hexdigest()
    proxy = lose(server)
    store = server.store(server.make_bucket(), tmp_path, endpoint=proxy.address)

    def change(relay: Relay) -> None:
        source.write_bytes(b"x" * size_bytes)
        honestly(relay)

    proxy.next("HEAD", BLOBS, change)
    ingested = store.ingest(source, BLOBS, None)
    gets = store.wire.requests["get"]
    fetched = store.fetch(f"{BLOBS}/{digest}", digest, size_bytes)

    assert (ingested.sha256, proxy.left) == (digest, 0)
    assert fetched.read_bytes() == bytes(size_bytes)
    assert store.wire.requests["get"] == gets


def test_a_blob_that_lost_bytes_is_sent_again(store: ObjectStore, source: Path) -> None:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    store.replace(f"{BLOBS}/{digest}", b"weights")

    ingested = store.ingest(source, BLOBS, digest)

    assert ingested == Ingested(digest, source.stat().st_size, created=True)
    assert read(store, f"{BLOBS}/{digest}") == source.read_bytes()


@pytest.mark.parametrize("size_bytes", [100, LARGE])
def test_a_missing_blob_cannot_be_fetched(store: ObjectStore, size_bytes: int) -> None:
    with pytest.raises(AbsentError):
        store.fetch(f"{BLOBS}/{'0' * 64}", "0" * 64, size_bytes)


@pytest.mark.parametrize("size_bytes", [100, LARGE])
@pytest.mark.parametrize("there", [b"others", b"x" * 100])
def test_a_damaged_blob_is_not_fetched(
    store: ObjectStore, tmp_path: Path, there: bytes, size_bytes: int
) -> None:
    store.replace(f"{BLOBS}/{'0' * 64}", there)

    with pytest.raises(DamagedError, match=r"has (changed|\d+ bytes instead of)"):
        store.fetch(f"{BLOBS}/{'0' * 64}", "0" * 64, size_bytes)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_fetched_blob_is_asked_for_once(store: ObjectStore, source: Path) -> None:
    blob = store.ingest(source, BLOBS, None)
    store.fetch(f"{BLOBS}/{blob.sha256}", blob.sha256, blob.size_bytes)
    before = store.wire.requests.copy()
    store.fetch(f"{BLOBS}/{blob.sha256}", blob.sha256, blob.size_bytes)

    assert store.wire.requests == before


def test_pages_of_a_listing_follow_each_other(moto: Endpoint, tmp_path: Path) -> None:
    store = moto.store(moto.make_bucket(), tmp_path)
    names = [f"{number:010d}.json" for number in range(1, 1_203)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: store.replace(f"{PREFIX}/{name}", b""), names))

    assert sorted(store.list(PREFIX)) == names
    assert sorted(item.name for item in store.items(PREFIX)) == names
    assert sorted(store.list(PREFIX, names[0])) == names[1:]
