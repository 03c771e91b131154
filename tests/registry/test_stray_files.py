"""Files of systems and synchronisers in a store: remarked, never damage, never in the way."""

import os
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow
from tests.store.test_foreign import CONFLICTS, LEFT

import holdfast
from holdfast import Registry

FOLDERS = (
    "", "blobs", "blobs/sha256", "models", "models/iris", "models/iris/journal",
    "models/iris/versions", "models/iris/versions/1.0.0", "trash",
)  # fmt: skip


@pytest.fixture
def store(registry: Registry, store: Path, grow: Grow) -> Path:
    grow(3)
    registry.promote("iris@1.0.0")
    (store / "trash").mkdir(exist_ok=True)
    return store


@pytest.mark.parametrize("name", [*LEFT, *CONFLICTS])
def test_whatever_is_left_anywhere_is_no_damage_and_is_left_alone(store: Path, name: str) -> None:
    for folder in FOLDERS:
        (store / folder / name).write_bytes(b"not ours")
    registry = holdfast.open(store, by="bob")

    verification = registry.verify()

    assert verification.damages == ()
    assert {remark.subject for remark in verification.remarks} == {
        f"blobs/sha256/{name}", f"models/iris/journal/{name}"
    }  # fmt: skip
    assert registry.repair().mends == ()
    registry.gc(grace_s=0)
    assert registry.promote("iris@1.1.0").changed
    assert [info.model for info in registry.models()] == ["iris"]
    assert len([path for path in disk.files(store) if path.name == name]) == len(FOLDERS)


def test_a_conflict_over_an_entry_is_told_as_what_it_is(store: Path) -> None:
    journal = store / "models" / "iris" / "journal"
    same, other = CONFLICTS[:2]
    entry = (journal / "0000000003.json").read_bytes()
    (journal / same).write_bytes(entry)
    (journal / other).write_bytes(entry.replace(b"ann", b"bob"))
    (journal / "README").write_text("about the journal")
    (journal / "notes (conflicted copy).txt").symlink_to(store)

    texts = {
        Path(remark.subject).name: remark.text for remark in holdfast.open(store).verify().remarks
    }

    assert texts[same] == "a copy of entry 3 that a synchroniser made; may be deleted"
    assert texts[other].startswith(
        "another entry 3, set aside by a synchroniser: two machines wrote"
    )
    assert texts["README"] == "is not an entry and is ignored"
    assert texts["notes (conflicted copy).txt"].endswith("it is ignored")


@pytest.mark.skipif(os.name == "nt", reason="links are for administrators there")
def test_what_is_left_is_never_followed(store: Path) -> None:
    os.mkfifo(store / "models" / "iris" / "journal" / CONFLICTS[0])

    (remark,) = holdfast.open(store).verify().remarks

    assert remark.text.startswith("another entry 3")


def test_a_blob_that_is_missing_is_damage_though_a_copy_of_it_is_left(store: Path) -> None:
    blob = next(disk.files(store / "blobs"))
    blob.rename(blob.with_name(f"{blob.name} (conflicted copy)"))

    assert not holdfast.open(store).verify().whole
