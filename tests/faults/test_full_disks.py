"""No room left: everything is refused whole, and works again when there is room."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.disks import Disk
from tests.faults.shelf import Shelf

import holdfast
from holdfast.core.manifest import File
from holdfast.errors import InvalidInputError, StoreFullError
from holdfast.store import config, durable
from holdfast.store.blobs import Blobs
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore

Mount = Callable[[str], Disk]
Deed = Callable[[LocalStore, Path], object]
KEY = "models/iris/journal/0000000001.json"
LARGE = bytes(200_000)

DEEDS: dict[str, Deed] = {
    "create": lambda store, _source: store.create("models/a", LARGE),
    "replace": lambda store, _source: store.replace("models/a", LARGE),
    "ingest": lambda store, source: store.ingest(source, "blobs/sha256", None),
    "add": lambda store, source: Blobs(store).add(source),
    "add_bytes": lambda store, _source: Blobs(store).add_bytes(LARGE),
    "append": lambda store, _source: Journal(store, "models/a").append(1, LARGE, "c0" * 16),
}


def files(disk: Disk) -> set[str]:
    return {str(path.relative_to(disk.path)) for path in disk.path.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(os.urandom(200_000))
    return path


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
@pytest.mark.parametrize("links", [True, False], ids=["links", "renames"])
def test_a_full_disk_takes_nothing_half(
    disk: Mount, source: Path, deed: Deed, *, links: bool
) -> None:
    small = disk("size=1m")
    store = LocalStore(small.path / "store", links=links)
    for folder in ("models/a/journal", "blobs/sha256"):
        store.create(f"{folder}/other", b"other")
    small.leave(pages=10)
    before = files(small)

    with pytest.raises(StoreFullError, match="has no space left; free some"):
        deed(store, source)
    assert files(small) == before


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_what_was_refused_works_when_there_is_room(disk: Mount, source: Path, deed: Deed) -> None:
    small = disk("size=1m")
    store = LocalStore(small.path / "store")
    small.leave(pages=10)
    with pytest.raises(StoreFullError):
        deed(store, source)
    small.ballast.unlink()
    deed(store, source)

    assert any((small.path / name).stat().st_size == len(LARGE) for name in files(small))


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_disk_without_room_for_another_name_is_full(
    disk: Mount, source: Path, deed: Deed
) -> None:
    small = disk("size=1m,nr_inodes=10")
    for number in range(9):
        (small.path / f"file-{number}").touch()
    before = files(small)

    with pytest.raises(StoreFullError):
        deed(LocalStore(small.path / "store"), source)
    assert files(small) == before


def test_a_copy_that_does_not_fit_is_taken_away(disk: Mount, tmp_path: Path, source: Path) -> None:
    small = disk("size=1m")
    blobs = Blobs(LocalStore(tmp_path / "store"))
    taken = blobs.add(source)
    small.leave(pages=10)

    with pytest.raises(InvalidInputError, match="cannot be written: No space left"):
        blobs.copy_out(File("model.bin", taken.sha256, taken.size_bytes), small.path / "out")
    assert files(small) == {"ballast"}


def test_what_a_full_disk_advises_needs_no_room(disk: Mount, tmp_path: Path) -> None:
    small = disk("size=2m")
    registry = holdfast.open(small.path / "store", by="ann")
    for _number in range(2):
        (tmp_path / "weights").write_bytes(os.urandom(300_000))
        registry.archive(registry.register("iris", tmp_path / "weights"))
    registry.purge("iris", versions=["1.0.0"])  # its bytes wait for their grace time
    small.fill()

    with pytest.raises(StoreFullError, match="`holdfast gc` needs no"):
        registry.note("iris@1.1.0", "there is no room for this")
    assert registry.gc(grace_s=0).freed_bytes == 300_000
    assert registry.note("iris@1.1.0", "there is now").changed
    assert registry.verify().whole


def test_the_time_of_a_disk_is_told_without_room_for_a_name(disk: Mount) -> None:
    small = disk("size=1m,nr_inodes=10")
    before = durable.now_of(str(small.path))
    with contextlib.suppress(OSError):
        for number in range(20):
            (small.path / f"file-{number}").touch()

    assert durable.now_of(str(small.path)) >= before


def test_no_store_is_made_on_a_full_disk(disk: Mount) -> None:
    small = disk("size=1m")
    small.fill()

    with pytest.raises(StoreFullError):
        shelf.make_store(small.path / "store")
    assert files(small) == {"ballast"}


def test_a_store_is_made_when_there_is_room_again(disk: Mount) -> None:
    small = disk("size=1m")
    small.fill()
    with pytest.raises(StoreFullError):
        shelf.make_store(small.path / "store")
    small.ballast.unlink()
    shelf.make_store(small.path / "store")

    assert config.find(small.path / "store") is not None


def test_a_disk_that_fills_up_at_any_page_keeps_what_was_acknowledged(
    disk: Mount, tmp_path: Path
) -> None:
    small = disk("size=2m")
    shelf.make_store(small.path / "store")
    source = tmp_path / "weights"
    acknowledged_keys: list[str] = []
    refused = 0
    for pages in range(24):
        small.leave(pages)
        source.write_bytes(b"weights %d " % pages * 1_000)
        holder = Shelf(small.path / "store")
        try:
            acknowledged_keys += holder.register(source)
        except StoreFullError:
            refused += 1
        else:
            holder.project()

        assert holder.violations(acknowledged_keys) == [], f"with {pages} pages left"
    small.ballast.unlink()
    acknowledged_keys += Shelf(small.path / "store").register(source)

    assert Shelf(small.path / "store").violations(acknowledged_keys) == []
    assert 3 <= refused <= 20
