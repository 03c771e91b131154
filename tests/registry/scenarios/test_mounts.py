"""Stores that can only be read, and disks that are full: on small file systems of their own."""

import gc
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text

import holdfast
from holdfast import Policy, Registry
from holdfast.errors import InvalidInputError, ReadOnlyStoreError, StoreError, StoreFullError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux has them")


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def sealed_store(registry: Registry, store: Path, grow: Grow) -> Iterator[Path]:
    """Return a store on a mount that is read-only, its models furnished before."""
    grow(3, metrics={"auc": 0.9})
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    _mount("--bind", str(store), str(store))
    try:
        _mount("-o", "remount,bind,ro", str(store))
        yield store
    finally:
        subprocess.run(["umount", str(store)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that holds 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1m", "none", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_store_can_be_read_in_every_way(
    sealed_store: Path, opened: Callable[..., Registry], tmp_path: Path
) -> None:
    before = disk.listing(sealed_store)

    reader = opened(by="bob")

    assert [info.model for info in reader.models()] == ["iris"]
    assert [info.version for info in reader.versions("iris")] == ["1.0.0", "1.1.0", "1.2.0"]
    status = reader.status("iris")
    assert status.before is not None
    assert status.before.damages == ()
    assert len(reader.history("iris")) == 5
    assert reader.load("iris@production").model.read_text() == "iris 1\n"
    assert reader.compare("iris@previous", "iris@production").metrics
    assert reader.verify().whole
    assert reader.judge("iris@1.2.0").passed
    assert reader.purge_plan("iris", keep=0).purged == ()
    assert reader.card("iris@production", "markdown")
    assert reader.checkout("iris@production", tmp_path / "out").exists()
    assert reader.export("iris", tmp_path / "iris.tar").files == 6
    assert reader.resolve("iris@production", at="2026-03-03").version == "1.1.0"
    assert disk.listing(sealed_store) == before


def test_a_read_only_store_whose_derived_files_lag_can_be_read(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    caplog: pytest.LogCaptureFixture,
) -> None:
    grow(2)
    registry.promote("iris@1.0.0")
    (store / "models/iris/active_version.json").unlink()
    subprocess.run(["rm", "-r", str(store / "models/iris/versions")], check=True)

    def look() -> tuple[str, str, bool]:
        reader = opened(by="bob")
        live = reader.resolve("iris@production").version
        return live, reader.load("iris@production").model.read_text(), reader.verify().whole

    _mount("--bind", str(store), str(store))
    try:
        _mount("-o", "remount,bind,ro", str(store))
        seen = look()
        caplog.clear()
        gc.collect()  # what a reader lays out for itself goes without complaint
    finally:
        subprocess.run(["umount", str(store)], check=True)

    assert seen == ("1.0.0", "iris 0\n", True)


WRITES: dict[str, Callable[[Registry, Path], Any]] = {
    "register": lambda registry, path: registry.register("iris", path),
    "register an object": lambda registry, _path: registry.register("iris", {"a": 1}),
    "register a new model": lambda registry, path: registry.register("rose", path),
    "promote": lambda registry, _path: registry.promote("iris@1.2.0"),
    "rollback": lambda registry, _path: registry.rollback("iris"),
    "stage": lambda registry, _path: registry.stage("iris@1.2.0"),
    "archive": lambda registry, _path: registry.archive("iris@1.2.0"),
    "alias": lambda registry, _path: registry.alias("iris@1.2.0", "eu"),
    "tag": lambda registry, _path: registry.tag("iris@1.2.0", {"a": "b"}),
    "note": lambda registry, _path: registry.note("iris@1.2.0", "seen"),
    "evaluate": lambda registry, _path: registry.evaluate("iris@1.2.0", {"auc": 1}),
    "approve": lambda registry, _path: registry.approve("iris@1.2.0"),
    "hold": lambda registry, _path: registry.hold("iris@1.2.0", reason="audit"),
    "policy": lambda registry, _path: registry.set_policy("iris", Policy(approvals=1)),
    "purge": lambda registry, _path: registry.purge("iris", versions=["1.2.0"]),
    "gc": lambda registry, _path: registry.gc(grace_s=0),
    "delete": lambda registry, _path: registry.delete("iris", reason="over", force=True),
    "adopt": lambda registry, path: registry.adopt("rose", path.with_name("old")),
}


def test_every_verb_that_writes_says_that_the_store_is_read_only_and_changes_nothing(
    sealed_store: Path, opened: Callable[..., Registry], text: Text
) -> None:
    path = text("more")
    (path.with_name("old")).mkdir()
    (path.with_name("old") / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    before = disk.listing(sealed_store)
    errors = {}
    for name, verb in WRITES.items():
        try:
            verb(opened(by="bob"), path)
        except Exception as error:  # noqa: BLE001 - its class is what is tested
            errors[name] = type(error)

    assert {name: error for name, error in errors.items() if error is not ReadOnlyStoreError} == {}
    assert set(errors) == set(WRITES)
    assert disk.listing(sealed_store) == before


def test_importing_into_a_read_only_store_says_so(sealed_store: Path, tmp_path: Path) -> None:
    registry = holdfast.open(sealed_store, by="bob")
    registry.export("iris@1.0.0", tmp_path / "bundle.tar")

    with pytest.raises(ReadOnlyStoreError):
        registry.import_(tmp_path / "bundle.tar")


def test_a_store_cannot_be_made_where_nothing_may_be_written(tmp_path: Path, text: Text) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir()
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        for store in (folder, folder / "store"):
            with pytest.raises(ReadOnlyStoreError):
                holdfast.open(store).register("iris", text("one"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("as_object", [False, True])
def test_a_full_disk_is_told_nothing_is_registered_and_afterwards_all_works(
    small_disk: Path, tmp_path: Path, *, as_object: bool
) -> None:
    registry = holdfast.open(small_disk / "store", by="ann")
    (tmp_path / "small.txt").write_text("small")
    registry.register("iris", tmp_path / "small.txt")
    registry.promote("iris@1.0.0")
    (tmp_path / "large.bin").write_bytes(disk.noise(2 << 20))
    large: object = disk.noise(2 << 20) if as_object else tmp_path / "large.bin"
    before = disk.truth(small_disk / "store")

    with pytest.raises(StoreFullError, match="no space left"):
        registry.register("iris", large)

    assert disk.truth(small_disk / "store") == before
    assert holdfast.open(small_disk / "store").verify().whole
    assert disk.leftovers(small_disk / "store") == []
    assert registry.register("iris", tmp_path / "small.txt").version.version == "1.1.0"


def test_on_a_disk_without_a_byte_left_every_verb_says_so_and_reading_works(
    small_disk: Path, tmp_path: Path
) -> None:
    store = small_disk / "store"
    registry = holdfast.open(store, by="ann")
    for content in ("one", "two", "three"):
        (tmp_path / "model.txt").write_text(content)
        registry.register("iris", tmp_path / "model.txt")
    registry.promote("iris@1.0.0")
    ballast = small_disk / "ballast"
    _fill(ballast)
    before = disk.truth(store)
    errors = {}
    for name in ("register", "register an object", "promote", "stage", "note", "policy"):
        try:
            WRITES[name](registry, tmp_path / "model.txt")
        except Exception as error:  # noqa: BLE001 - its class is what is tested
            errors[name] = type(error)

    assert set(errors.values()) == {StoreFullError}
    assert disk.truth(store) == before
    assert holdfast.open(store).load("iris@production").model.read_text() == "one"
    ballast.unlink()
    assert registry.promote("iris@1.1.0").changed
    assert holdfast.open(store).verify().whole


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


def test_a_store_cannot_be_made_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("one")
    _fill(small_disk / "ballast")

    with pytest.raises((StoreFullError, StoreError)):
        holdfast.open(small_disk / "store").register("iris", tmp_path / "model.txt")

    (small_disk / "ballast").unlink()
    made = holdfast.open(small_disk / "store").register("iris", tmp_path / "model.txt")
    assert made.created


@pytest.mark.parametrize("ref", ["iris", "iris@1.0.0"])
def test_an_import_to_a_full_disk_says_so_and_works_afterwards(
    registry: Registry, small_disk: Path, tmp_path: Path, ref: str
) -> None:
    (tmp_path / "large.bin").write_bytes(disk.noise(1 << 20))
    registry.register("iris", tmp_path / "large.bin")
    registry.export(ref, tmp_path / "iris.tar")
    other = holdfast.open(small_disk / "store", by="zoe")
    other.init()

    with pytest.raises(StoreFullError):
        other.import_(tmp_path / "iris.tar")
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)

    assert other.models() == []
    assert disk.leftovers(small_disk / "store") == []
    assert other.import_(tmp_path / "iris.tar").created
    assert other.verify().whole


def test_a_checkout_to_a_full_disk_leaves_nothing_behind(
    registry: Registry, small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "large.bin").write_bytes(disk.noise(2 << 20))
    made = registry.register("iris", tmp_path / "large.bin")

    with pytest.raises(InvalidInputError, match="No space left"):
        registry.checkout(made, small_disk / "out")
    with pytest.raises((InvalidInputError, StoreFullError), match=r"[Nn]o space left"):
        registry.export(made, small_disk / "iris.tar")

    assert list(small_disk.iterdir()) == []
