"""A disk that cannot be written: everything can be read, and writing is refused in our words."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults import shelf
from tests.faults.disks import Disk
from tests.faults.shelf import MODEL, Shelf

from holdfast.errors import ReadOnlyStoreError
from holdfast.store import config, durable, layout, locks, projections
from holdfast.store.blobs import Blobs
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore

Mount = Callable[[str], Disk]
ENTRY = "models/iris/journal/0000000001.json"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A store with one version on a disk that cannot be written any more."""

    shelf: Shelf
    known: Path
    new: Path
    disk: Disk

    @property
    def store(self) -> LocalStore:
        """The store itself."""
        return self.shelf.store


@pytest.fixture
def frozen(disk: Mount, tmp_path: Path) -> Frozen:
    small = disk("size=4m")
    shelf.make_store(small.path / "store")
    known, new = tmp_path / "known", tmp_path / "new"
    known.write_bytes(b"known" * 1_000)
    new.write_bytes(b"new" * 1_000)
    opened = Shelf(small.path / "store")
    opened.register(known)
    opened.project()
    small.remount("ro")
    return Frozen(opened, known, new, small)


DEEDS: dict[str, Callable[[Frozen], object]] = {
    "create": lambda it: it.store.create("models/new", b"new"),
    "create below a new folder": lambda it: it.store.create("a/b/c", b"new"),
    "create a taken name": lambda it: it.store.create(ENTRY, b"new"),
    "replace": lambda it: it.store.replace(layout.pointer(MODEL), b"{}"),
    "take in a new file": lambda it: it.shelf.blobs.add(it.new),
    "take in a stored file": lambda it: it.shelf.blobs.add(it.known),
    "take in an expected file": lambda it: it.shelf.blobs.add(it.known, [5_000]),
    "add bytes": lambda it: it.shelf.blobs.add_bytes(b"new"),
    "append": lambda it: it.shelf.journal.append(2, b"new", "c0" * 16),
    "register": lambda it: it.shelf.register(it.new),
    "delete": lambda it: it.store.delete(ENTRY),
    "move": lambda it: it.store.move(ENTRY, "trash/entry"),
    "remove a folder": lambda it: it.store.remove_folder("models/iris"),
    "ask the time": lambda it: durable.now_of(it.store.path("")),
    "share a lock": lambda it: locks.shared(it.store.path("lock"), "testing").__enter__(),
    "lock": lambda it: locks.exclusive(it.store.path("lock"), "testing").__enter__(),
    "make a store": lambda it: shelf.make_store(it.disk.path / "another"),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_writing_is_refused_and_changes_nothing(
    frozen: Frozen, deed: Callable[[Frozen], object]
) -> None:
    before = sorted(os.walk(frozen.disk.path))

    with pytest.raises(ReadOnlyStoreError, match="cannot be written; check the mount"):
        deed(frozen)
    assert sorted(os.walk(frozen.disk.path)) == before


def test_everything_can_be_read(frozen: Frozen) -> None:
    opened = Shelf(frozen.disk.path / "store")
    state = opened.state()
    record = state.versions["1.1.0"]
    [file] = opened.blobs.manifest(record.manifest).artifacts["model"].files

    assert opened.violations([]) == []
    assert opened.journal.tail() == 1
    assert opened.blobs.read(file.sha256) == frozen.known.read_bytes()
    assert projections.read_pointer(opened.store, MODEL) is not None


def test_blobs_can_be_copied_out(frozen: Frozen, tmp_path: Path) -> None:
    manifest = frozen.shelf.blobs.manifest(frozen.shelf.state().versions["1.1.0"].manifest)
    [file] = manifest.artifacts["model"].files
    frozen.shelf.blobs.copy_out(file, tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == frozen.known.read_bytes()


def test_a_link_that_cannot_be_made_is_no_failure(frozen: Frozen) -> None:
    assert not frozen.store.link(ENTRY, "models/iris/versions/9.0.0/model.bin")


def test_a_disk_that_can_be_written_again_is(frozen: Frozen) -> None:
    frozen.disk.remount("rw")
    keys = frozen.shelf.register(frozen.new)

    assert frozen.shelf.violations(keys) == []
    assert Journal(frozen.store, layout.model(MODEL)).tail() == 2
    assert config.find(frozen.disk.path / "store") is not None
    assert Blobs(frozen.store).add(frozen.new).created is False
