"""The collector: crash leftovers and bytes nobody names, after their time, and nothing else."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, HoldfastError, NewerFormatError, StoreError


@pytest.fixture
def littered(store: Path, grow: Grow) -> list[Path]:
    """Leave in a store what crashed writers leave everywhere; return those files."""
    grow(2)
    places = [
        store / ".tmp-holdfast-work" / "model.joblib",
        store / ".tmp-1-aa",
        store / "blobs" / "sha256" / ".tmp-2-bb",
        store / "models" / "iris" / "journal" / ".tmp-3-cc",
        store / "models" / "iris" / ".tmp-4-dd",
        store / "models" / "iris" / "versions" / "1.0.0" / ".tmp-5-ee",
        store / "blobs" / "sha256" / ("0" * 64),
    ]
    for path in places:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    (store / "blobs" / "sha256" / ("0" * 64)).rename(disk.blob_holding(store, b"half"))
    return [*places[:-1], disk.blob_holding(store, b"half")]


def age(path: Path, seconds: float) -> None:
    """Make a file or folder older."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_leftovers_and_unnamed_bytes_go_and_nothing_else(
    registry: Registry, store: Path, littered: list[Path]
) -> None:
    listing = {key: about for key, about in disk.listing(store).items() if "/models" not in key}

    collected = registry.gc(grace_s=0)

    assert not any(path.exists() for path in littered)
    assert (collected.freed_blobs, collected.freed_bytes, collected.leftovers) == (1, 4, 6)
    gone = listing.keys() - disk.listing(store).keys()
    assert gone == {path.relative_to(store).as_posix() for path in littered} | {
        ".tmp-holdfast-work"
    }
    assert registry.verify().whole
    assert registry.load("iris@1.0.0").model.read_text() == "iris 0\n"


def test_what_is_younger_than_the_grace_time_stays(
    registry: Registry, littered: list[Path]
) -> None:
    collected = registry.gc(grace_s=3600)

    assert all(path.exists() for path in littered)
    assert (collected.freed_blobs, collected.leftovers) == (0, 0)
    assert (collected.waiting_blobs, collected.waiting_bytes) == (1, 4)


def test_the_grace_time_is_a_week_unless_said_otherwise(
    registry: Registry, littered: list[Path]
) -> None:
    old, young = littered[1], littered[3]
    age(old, 8 * 86_400)
    age(young, 6 * 86_400)
    age(littered[-1], 6 * 86_400)

    registry.gc()

    assert (old.exists(), young.exists(), littered[-1].exists()) == (False, True, True)


def test_registering_the_same_bytes_renews_their_grace(
    registry: Registry, store: Path, text: Text
) -> None:
    registry.archive(registry.register("iris", text("the same")))
    registry.purge("iris", keep=0)
    blob = disk.blob_holding(store, b"the same")
    age(blob, 30 * 86_400)
    made = registry.register("rose", text("the same"))
    registry.purge("rose", versions=["1.0.0"])

    collected = registry.gc()

    assert made.version.version == "1.0.0"
    assert blob.exists()
    assert (collected.freed_blobs, collected.waiting_blobs) == (0, 1)


def test_bytes_that_lie_in_the_trash_and_are_needed_are_put_back(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(1)
    blob = disk.blob_holding(store, b"iris 0\n")
    (store / "trash").mkdir(exist_ok=True)
    blob.rename(store / "trash" / blob.name)

    registry.gc(grace_s=0)

    assert blob.read_bytes() == b"iris 0\n"
    assert disk.leftovers(store) == []
    assert registry.verify().whole


def test_what_a_killed_collector_left_in_the_trash_goes(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(1)
    (store / "trash").mkdir(exist_ok=True)
    (store / "trash" / ("0" * 64)).write_bytes(b"condemned")

    collected = registry.gc(grace_s=0)

    assert disk.leftovers(store) == []
    assert collected.freed_bytes == len(b"condemned")


@pytest.mark.parametrize("what", ["first entry", "last entry", "only entry", "manifest"])
@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
def test_nothing_is_collected_while_a_journal_or_manifest_cannot_be_read(
    registry: Registry,
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    what: str,
    hurt: disk.Hurt,
) -> None:
    grow(3)
    grow(1, name="rose")
    hurt(
        {
            "first entry": store / "models/iris/journal/0000000001.json",
            "last entry": store / "models/iris/journal/0000000003.json",
            "only entry": store / "models/rose/journal/0000000001.json",
            "manifest": disk.blob(store, registry.resolve("iris@1.1.0").digest),
        }[what]
    )
    before = disk.truth(store)

    with pytest.raises(DamagedError):
        opened().gc(grace_s=0)

    assert disk.truth(store) == before


def test_a_store_that_lost_a_whole_journal_loses_no_bytes_to_the_collector(
    opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(3)
    grow(1, name="rose")
    for path in (store / "models/iris/journal").iterdir():
        path.unlink()
    before = disk.truth(store)

    with pytest.raises(HoldfastError):
        opened().gc(grace_s=0)

    assert disk.truth(store) == before


def test_nothing_is_collected_while_a_journal_is_of_a_newer_format(
    opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(2)
    path = store / "models/iris/journal/0000000002.json"
    disk.overwrite(
        path, disk.sealed(path.read_bytes().replace(b'"min_reader":1', b'"min_reader":2'))
    )
    (store / "models/iris/active_version.json").unlink()
    before = disk.truth(store)

    with pytest.raises(NewerFormatError):
        opened().gc(grace_s=0)

    assert disk.truth(store) == before


def test_the_manifests_of_purged_versions_and_deleted_models_stay(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(3)
    digests = [info.digest for info in registry.versions("iris")]
    registry.purge("iris", versions=["1.0.0"], grace_s=0)
    registry.delete("iris", reason="over")

    registry.gc(grace_s=0)

    assert all(disk.blob(store, digest).exists() for digest in digests)
    assert len(list(disk.files(store / "blobs"))) == 3
    assert registry.verify().whole


def test_a_collector_needs_a_store(registry: Registry, store: Path) -> None:
    with pytest.raises(StoreError, match="a store yet"):
        registry.gc(grace_s=0)

    assert not store.exists()


def test_where_locks_do_not_reach_the_least_grace_is_a_day(store: Path, grow: Grow) -> None:
    grow(1)
    disk.take_locks(store)
    remote = holdfast.open(store, by="ann", clock=Clock())

    for grace_s in (0, 3600, 86_399):
        with pytest.raises(holdfast.errors.InvalidInputError, match="at least one day"):
            remote.gc(grace_s=grace_s)

    assert remote.gc(grace_s=86_400).freed_blobs == 0


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk that the store's is not, removed at the end."""
    disks = [Path(tempfile.gettempdir()), Path("/dev/shm")]  # two, on any Linux
    others = [
        disk for disk in disks if disk.is_dir() and disk.stat().st_dev != tmp_path.stat().st_dev
    ]
    if not others:
        pytest.skip("there is only one disk")
    with tempfile.TemporaryDirectory(dir=others[0]) as folder:
        yield Path(folder)


@pytest.mark.parametrize("folder", ["blobs", "trash"])
def test_bytes_on_another_disk_are_collected_and_put_back(
    registry: Registry, store: Path, grow: Grow, other_disk: Path, folder: str
) -> None:
    grow(3)
    shutil.move(store / "blobs", other_disk / "blobs")
    (store / "trash").mkdir(exist_ok=True)
    shutil.move(store / "trash", other_disk / "trash")
    (store / folder).symlink_to(other_disk / folder)
    for other in {"blobs", "trash"} - {folder}:
        shutil.move(other_disk / other, store / other)
    stale = store / "blobs/sha256/.tmp-1-a"
    stale.write_bytes(b"left by a crash")
    os.utime(stale, (0, 0))
    registry.purge("iris", versions=["1.1.0"], reason="too large")
    needed = registry.manifest("iris@1.2.0").artifacts["model"].files[0].sha256
    shutil.move(store / "blobs/sha256" / needed, store / "trash" / needed)
    assert registry.gc(grace_s=0).freed_blobs == 1

    assert not stale.exists()
    assert registry.verify().whole
    assert disk.leftovers(store) == []
