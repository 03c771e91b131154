"""A store whose folder was copied to another disk: what the disk can do is looked at again."""

import os
from pathlib import Path

import pytest
from tests.faults.tracing import traced
from tests.registry import disk

import holdfast
from holdfast.errors import InvalidInputError
from holdfast.store import probe
from holdfast.store.folder import FolderLocation

PROGRAM = """
import os, sys
from pathlib import Path
import holdfast
from holdfast import HoldfastError
store, model = map(Path, sys.argv[1:])
os.getsid(0)
try:
    registry = holdfast.open(store, by="ann")
    registry.register("iris", model)
    registry.promote("iris@latest")
    print("done", registry.verify().whole)
except HoldfastError as error:
    print(type(error).__name__, error)
os.getsid(0)
"""
NO_LINKS = ("link:error=EPERM", "linkat:error=EPERM")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store that was made where there are links and locks."""
    (tmp_path / "first.txt").write_text("first")
    holdfast.open(tmp_path / "store", by="ann").register("iris", tmp_path / "first.txt")
    return tmp_path / "store"


def run(store: Path, *faults: str) -> str:
    folder = store.parent
    (folder / "program.py").write_text(PROGRAM)
    (folder / "second.txt").write_text("second")
    arguments = (store, folder / "second.txt")
    done = traced(folder / "program.py", *arguments, inject=faults, environment=os.environ)
    return done.stdout.strip()


def test_copied_to_a_disk_without_links_it_goes_on_by_renames(store: Path) -> None:
    assert run(store, *NO_LINKS) == "done True"
    assert disk.leftovers(store) == []
    assert holdfast.open(store).resolve("iris@production").version == "1.1.0"


def test_copied_to_a_disk_that_keeps_no_names_nothing_is_written(store: Path) -> None:
    before = disk.truth(store)

    assert run(store, *NO_LINKS, "renameat2:error=EINVAL").startswith("UnfitStoreError")
    assert disk.journals(store) == {key: before[key] for key in before if "/journal/" in key}


def test_copied_to_a_shared_disk_its_locks_are_not_trusted(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder = FolderLocation(store).find()
    assert open_folder is not None
    assert (open_folder.config.probe.locks, open_folder.least_grace_s) == (True, 0.0)
    mounts = store.parent / "mounts"
    mounts.write_text(f"server:/export {store.parent.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(probe, "_MOUNTS", mounts)

    copied = FolderLocation(store).find()

    assert copied is not None
    assert (copied.config.probe.locks, copied.least_grace_s) == (False, 86_400.0)
    with pytest.raises(InvalidInputError, match="too short; give at least one day"):
        holdfast.open(store).gc(grace_s=0)
