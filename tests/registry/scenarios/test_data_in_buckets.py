"""Data in a bucket, and data by name of a registry that is in one."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.registry.conftest import Clock
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError
from holdfast.store.objects.object_store import ObjectStore

ROWS = b"a,b\n1,x\n2,y\n"


@pytest.fixture(params=["moto", "azurite"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """Return a server whose credentials are in the environment, as clouds' tools have them."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    prefix = "AWS" if endpoint.scheme == "s3" else "AZURE_STORAGE"
    for name, value in endpoint.options.items():
        if name != "endpoint":
            monkeypatch.setitem(os.environ, f"{prefix}_{name.upper()}", str(value))
    return endpoint


@pytest.fixture
def store(server: Endpoint, tmp_path: Path) -> ObjectStore:
    return server.store(server.make_bucket(), tmp_path)


@pytest.fixture
def address(server: Endpoint, store: ObjectStore) -> Callable[[str], str]:
    options = urlencode({"endpoint": server.options["endpoint"]})
    return lambda key: f"{store.url.partition('?')[0]}/{key}?{options}"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store")


def test_an_object_is_recorded_like_a_file(
    registry: Registry, store: ObjectStore, address: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)
    store.create("feeds/rows.csv", ROWS)
    there = registry.data.add("sales", address("feeds/rows.csv"))
    here = registry.data.add("local", str(tmp_path / "rows.csv"))

    assert there.version.added.digest == here.version.added.digest
    assert there.version.added.rows == here.version.added.rows
    assert registry.data.verify("sales").state == "same"
    _, path = registry.data.located("sales", tmp_path / "fetched")
    assert path.read_bytes() == ROWS
    store.replace("feeds/rows.csv", ROWS + b"3,z\n")
    assert registry.data.verify("sales").state == "changed"
    store.delete("feeds/rows.csv")
    assert registry.data.verify("sales").state == "missing"


def test_a_prefix_is_recorded_like_a_folder(
    registry: Registry, store: ObjectStore, address: Callable[[str], str], tmp_path: Path
) -> None:
    folder = tmp_path / "days"
    for name in ("1.csv", "deep/2.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ROWS)
        store.create(f"days/{name}", ROWS)
    there = registry.data.add("days", address("days/"), keep=True).version.added

    assert there.digest == registry.data.add("here", str(folder)).version.added.digest
    with pytest.raises(InvalidInputError, match="has no objects"):
        registry.data.add("none", address("none/"))
    with pytest.raises(InvalidInputError, match="does not exist"):
        registry.data.add("none", address("none.csv"))


def test_packed_rows_in_a_bucket_are_the_same_rows(
    registry: Registry, store: ObjectStore, address: Callable[[str], str]
) -> None:
    store.create("rows.csv", ROWS)
    store.create("rows.csv.gz", gzip.compress(ROWS))
    plain, packed = (
        registry.data.add(name, address(f"rows.{ending}")).version.added
        for name, ending in (("plain", "csv"), ("packed", "csv.gz"))
    )

    assert (packed.rows, packed.row_count) == (plain.rows, 2)
    assert packed.digest != plain.digest


def test_a_registry_in_a_bucket_has_data_by_name_too(
    server: Endpoint, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)

    def opened(cache: str) -> Registry:
        where = f"{store.url.partition('?')[0]}/registry"
        options = server.options
        return holdfast.open(where, options=options, cache=tmp_path / cache, clock=Clock())

    opened("one").data.add("sales", str(tmp_path / "rows.csv"), keep=True)
    (tmp_path / "rows.csv").unlink()
    other = opened("two")

    assert other.data.names() == ["sales"]
    assert other.data.located("sales", tmp_path / "out")[1].read_bytes() == ROWS
    other.gc(grace_s=86_400)
    assert other.verify().whole
    copy = holdfast.open(tmp_path / "copy")
    other.backup(copy)
    assert copy.data.find("sales").ref == "sales@v1"
