"""Sending to a bucket costs little more than obstore's own upload, in a bounded memory.

The server is on this machine and shares its cores: Azurite where it is installed, else moto. What
is compared ran in one session against the same server; what it takes itself is in all the figures.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import amazon, azure
from tests.servers.running import Endpoint, NoServerError

import holdfast
from holdfast import Registry
from holdfast.store.objects.object_store import ObjectStore

SIZE_BYTES = 200 << 20
HUGE_BYTES = 2 << 30
BOUND_MB = 200
ROUNDS = {"rounds": 5, "warmup_rounds": 1}
BLOBS = "blobs/sha256"
pytestmark = pytest.mark.benchmark(group="send 200 MB to a bucket")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    with (folder / "model.bin").open("wb") as file:
        for _ in range(SIZE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Endpoint]:
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(azure.azurite(folder / "server"))
        except NoServerError:
            yield stack.enter_context(amazon.moto(folder / "server"))


@pytest.fixture(scope="module")
def store(server: Endpoint, folder: Path) -> ObjectStore:
    return server.store(server.make_bucket(), folder)


def changed(path: Path) -> None:
    """Give the file other content."""
    with path.open("r+b") as file:
        file.write(os.urandom(16))
    os.sync()


def emptied(registry: Registry, cache: Path) -> None:
    """Remove large blobs of the round before, that server, disk and cache are as for the upload."""
    store = registry._session.open_store.store
    for item in list(store.items(BLOBS)):
        if item.size_bytes >= SIZE_BYTES:
            store.delete(f"{BLOBS}/{item.name}")
            (cache / "sha256" / item.name).unlink(missing_ok=True)


def test_limit_obstore_put(benchmark: Any, store: ObjectStore, folder: Path) -> None:
    """Obstore's own upload of the file: nothing is hashed."""
    import obstore

    source, bucket = folder / "model.bin", store.wire.bucket.patient

    def setup() -> None:
        store.delete("limit")
        changed(source)

    benchmark.pedantic(lambda: obstore.put(bucket, "limit", source), setup=setup, **ROUNDS)
    store.delete("limit")


def test_holdfast_ingest(benchmark: Any, store: ObjectStore, folder: Path) -> None:
    source = folder / "model.bin"

    def setup() -> None:
        for name in store.list(BLOBS):
            store.delete(f"{BLOBS}/{name}")
        changed(source)

    benchmark.pedantic(lambda: store.ingest(source, BLOBS, None), setup=setup, **ROUNDS)


def test_holdfast_register(benchmark: Any, server: Endpoint, folder: Path) -> None:
    """A whole registration: kept, sent, judged, written down."""
    registry = holdfast.open(
        f"{server.scheme}://{server.make_bucket()}/x", options=server.options, cache=folder / "kept"
    )
    registry.init()
    source = folder / "model.bin"

    def setup() -> None:
        emptied(registry, folder / "kept")
        changed(source)

    benchmark.pedantic(lambda: registry.register("iris", source), setup=setup, **ROUNDS)


def test_holdfast_copy(benchmark: Any, server: Endpoint, folder: Path) -> None:
    """A model of one version from a folder to a bucket that knows nothing of it."""
    source = holdfast.open(folder / "source")
    source.register("iris", folder / "model.bin")
    made: list[Registry] = []

    def setup() -> tuple[tuple[Registry], dict[str, Any]]:
        for target in made:
            emptied(target, folder / "copied")
        made[:] = [
            holdfast.open(
                f"{server.scheme}://{server.make_bucket()}/x",
                options=server.options,
                cache=folder / "copied",
            )
        ]
        made[0].init()
        return (made[0],), {}

    benchmark.pedantic(source.copy, setup=setup, **ROUNDS)


def test_holdfast_same_bytes_again(benchmark: Any, store: ObjectStore, folder: Path) -> None:
    store.ingest(folder / "model.bin", BLOBS, None)
    benchmark.pedantic(lambda: store.ingest(folder / "model.bin", BLOBS, None), **ROUNDS)


def test_limit_obstore_get(benchmark: Any, store: ObjectStore, folder: Path) -> None:
    """Obstore's own download to a file, from one stream: nothing is hashed."""
    import obstore

    blob, bucket = store.ingest(folder / "model.bin", BLOBS, None), store.wire.bucket.patient

    def get() -> None:
        with (folder / "copy.bin").open("wb") as copy:
            for piece in obstore.get(bucket, f"{BLOBS}/{blob.sha256}").stream():
                copy.write(piece)

    benchmark.pedantic(get, **ROUNDS)


def test_holdfast_fetch(benchmark: Any, store: ObjectStore, folder: Path) -> None:
    blob = store.ingest(folder / "model.bin", BLOBS, None)
    key = f"{BLOBS}/{blob.sha256}"

    def setup() -> None:
        (folder / "cache" / "sha256" / blob.sha256).unlink(missing_ok=True)

    benchmark.pedantic(
        lambda: store.fetch(key, blob.sha256, blob.size_bytes), setup=setup, **ROUNDS
    )


SEND = """
import json, re, sys
from pathlib import Path
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.locating import locate

url, options, source = sys.argv[1:]
store = locate(url, json.loads(options), cache=Cache(Path(source).parent / "cache"))
store.ingest(Path(source), "blobs/sha256", None)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell how much was used"
)
def test_memory_of_two_gigabytes(benchmark: Any, server: Endpoint, folder: Path) -> None:
    """A file of 2 GB is sent by a process that stays below 200 MB."""
    source = folder / "huge.bin"
    with source.open("wb") as file:
        file.truncate(HUGE_BYTES)
    url = f"{server.scheme}://{server.make_bucket()}/huge"
    command = [sys.executable, "-c", SEND, url, json.dumps(dict(server.options)), str(source)]
    said: list[str] = []

    def send() -> None:
        said.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    benchmark.pedantic(send, rounds=1)
    source.unlink()
    peak_mb = int(said[0]) >> 10
    benchmark.extra_info["peak_mb"] = peak_mb

    assert peak_mb < BOUND_MB
