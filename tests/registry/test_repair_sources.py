"""Where good bytes are looked for: each place gives what it has, and is never believed."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError

CONTENT = b"iris 0\n"


@pytest.fixture
def blob(store: Path, grow: Grow) -> Path:
    """Return where the blob was that a store has lost, and with it the link to it."""
    grow(1)
    path = disk.blob_holding(store, CONTENT)
    disk.remove(store / "models" / "iris" / "versions")
    disk.delete(path)
    return path


@pytest.mark.parametrize("source", [5, b"backup", ["backup"], object()])
def test_a_source_that_is_neither_a_registry_nor_a_folder_is_refused(
    registry: Registry, blob: Path, source: object
) -> None:
    for verb in (registry.repair_plan, registry.repair):
        with pytest.raises(InvalidInputError, match="source must be a registry or a folder, not"):
            verb(source=source)  # type: ignore[arg-type]

    assert not blob.exists()


def in_the_trash(store: Path, _outside: Path) -> None:
    trash = store / "trash" / hashlib.sha256(CONTENT).hexdigest()
    trash.parent.mkdir(exist_ok=True)
    trash.write_bytes(CONTENT)


def in_a_folder(_store: Path, outside: Path) -> str:
    outside.mkdir()
    (outside / "weights.bin").write_bytes(CONTENT)
    return str(outside)


def in_another_registry(_store: Path, outside: Path) -> Registry:
    other = holdfast.open(outside / "store", by="zoe")
    (outside / "model.txt").write_bytes(CONTENT)
    other.register("rose", outside / "model.txt", outside / "model.txt")
    return other


@pytest.mark.parametrize("put", [in_the_trash, in_a_folder, in_another_registry])
def test_a_lost_blob_is_found_wherever_its_bytes_are(
    registry: Registry,
    store: Path,
    blob: Path,
    tmp_path: Path,
    put: Callable[[Path, Path], Registry | str | None],
) -> None:
    outside = tmp_path / "outside"
    if put is in_another_registry:
        outside.mkdir()
    source = put(store, outside)

    done = registry.repair(source=source)

    assert done.left == ()
    assert blob.read_bytes() == CONTENT


def test_a_copy_that_is_not_the_blob_it_is_named_for_is_passed_over(
    registry: Registry, store: Path, blob: Path
) -> None:
    trash = store / "trash" / blob.name
    trash.parent.mkdir(exist_ok=True)
    trash.write_bytes(b"something else")

    done = registry.repair()

    assert ["no copy found" in damage.problem for damage in done.left] == [True]
    assert not blob.exists()


def test_a_link_in_a_folder_is_not_followed(registry: Registry, blob: Path, tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    secret.write_bytes(CONTENT)
    folder.mkdir()
    (folder / "weights").symlink_to(secret)

    done = registry.repair(source=folder)

    assert ["no copy found" in damage.problem for damage in done.left] == [True]
    assert not blob.exists()


def test_entries_are_missed_in_a_folder_of_files_which_has_none(
    registry: Registry, store: Path, grow: Grow, tmp_path: Path
) -> None:
    grow(2)
    disk.flip(store / "models" / "iris" / "journal" / "0000000001.json")
    (tmp_path / "folder").mkdir()

    done = registry.repair(source=tmp_path / "folder")

    assert [damage.problem.endswith("; a copy: has none") for damage in done.left][:1] == [True]
