"""Data in a bucket, and data by name of a registry that is in one."""

import os
from pathlib import Path

import pytest
from tests.registry.conftest import Clock
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError
from holdfast.store.objects.object_store import ObjectStore

ROWS = b"a,b\n1,x\n2,y\n"


@pytest.fixture
def store(moto: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Return a bucket whose credentials are in the environment, as clouds' tools have them."""
    for name, value in moto.options.items():
        monkeypatch.setitem(os.environ, f"AWS_{name.upper()}", str(value))
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL_S3", str(moto.options["endpoint"]))
    return moto.store(moto.make_bucket(), tmp_path)


def address(store: ObjectStore, key: str) -> str:
    return f"{store.url.partition('?')[0]}/{key}"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store")


def test_an_object_is_recorded_like_a_file(
    registry: Registry, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)
    store.create("feeds/rows.csv", ROWS)
    there = registry.data.add("sales", address(store, "feeds/rows.csv"))
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
    registry: Registry, store: ObjectStore, tmp_path: Path
) -> None:
    folder = tmp_path / "days"
    for name in ("1.csv", "deep/2.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ROWS)
        store.create(f"days/{name}", ROWS)
    there = registry.data.add("days", address(store, "days/"), keep=True).version.added

    assert there.digest == registry.data.add("here", str(folder)).version.added.digest
    with pytest.raises(InvalidInputError, match="has no objects"):
        registry.data.add("none", address(store, "none/"))
    with pytest.raises(InvalidInputError, match="does not exist"):
        registry.data.add("none", address(store, "none.csv"))


def test_a_registry_in_a_bucket_has_data_by_name_too(
    moto: Endpoint, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)

    def opened(cache: str) -> Registry:
        where = f"{store.url.partition('?')[0]}/registry"
        options = moto.options
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
