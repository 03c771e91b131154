"""`copy`: between folders and buckets, resumable, checked, with all of the history."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError, DamagedError, NotFoundError, UntrustedError
from holdfast.store import layout
from holdfast.store.local import LocalStore

Make = Callable[[str], Registry]


@pytest.fixture
def make(moto: Endpoint, tmp_path: Path) -> Make:
    """Return a function that makes an empty registry in a folder or a bucket."""

    def of_kind(kind: str) -> Registry:
        if kind == "folder":
            return holdfast.open(tmp_path / "copy", by="bob", clock=Clock())
        bucket = moto.make_bucket()
        return holdfast.open(
            f"s3://{bucket}/x", by="bob", options=moto.options, cache=tmp_path / "cache"
        )

    return of_kind


@pytest.fixture
def lived(registry: Registry, grow: Grow) -> Registry:
    """Return a registry whose two models have a history."""
    grow(3)
    grow(1, name="rose")
    registry.promote("iris@1.0.0", reason="first")
    registry.promote("iris@1.1.0", reason="second")
    registry.rollback("iris", reason="worse")
    registry.purge("iris", versions=["1.2.0"], grace_s=0)
    return registry


def told(registry: Registry) -> dict[str, object]:
    """Return all that a registry tells of its models."""
    return {
        info.model: (registry.history(info.model), registry.versions(info.model))
        for info in registry.models()
    }


KINDS = pytest.mark.parametrize("kind", ["folder", "bucket"])


@KINDS
def test_a_copy_tells_the_same_history_and_holds_the_same_bytes(
    lived: Registry, make: Make, kind: str
) -> None:
    copy = make(kind)
    done = lived.copy(copy)

    assert done.models == ("iris", "rose")
    assert told(copy) == told(lived)
    assert copy.verify().whole
    assert copy.load("iris@production").model.read_text() == "iris 0\n"


def test_a_bucket_is_copied_back_to_a_folder(lived: Registry, make: Make) -> None:
    bucket, folder = make("bucket"), make("folder")
    lived.copy(bucket)
    bucket.copy(folder)

    assert told(folder) == told(lived)
    assert folder.verify().whole


@KINDS
def test_a_copy_of_what_is_there_carries_nothing(lived: Registry, make: Make, kind: str) -> None:
    copy = make(kind)
    first = lived.copy(copy)
    second = lived.copy(copy)

    assert (first.files, first.entries) == (7, 8)
    assert (second.files, second.entries, second.size_bytes) == (0, 0, 0)


def test_one_model_is_copied_by_name(lived: Registry, make: Make) -> None:
    copy = make("folder")
    lived.copy(copy, "rose")

    assert [info.model for info in copy.models()] == ["rose"]


def test_what_is_new_is_carried_by_the_next_copy(lived: Registry, make: Make, text: Text) -> None:
    copy = make("folder")
    lived.copy(copy)
    lived.promote(lived.register("iris", text("new")))
    done = lived.copy(copy, "iris")

    assert (done.entries, done.files) == (2, 2)
    assert copy.load("iris@production").model.read_text() == "new"


def test_a_copy_that_went_its_own_way_is_left_alone(
    lived: Registry, make: Make, text: Text, tmp_path: Path
) -> None:
    copy = make("folder")
    lived.copy(copy)
    copy.stage("iris@1.1.0")
    lived.register("iris", text("new"))
    before = disk.journals(tmp_path / "copy")

    with pytest.raises(ConflictError, match="has a different history here: entry 8 differs"):
        lived.copy(copy)

    assert disk.journals(tmp_path / "copy") == before


def test_a_copy_cut_short_goes_on_where_it_stood(
    lived: Registry, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = make("folder")
    create = LocalStore.create
    left = iter(range(5))

    def fail_at_the_sixth(store: LocalStore, key: str, data: bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        create(store, key, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "create", fail_at_the_sixth)
        with pytest.raises(KeyboardInterrupt):
            lived.copy(copy)
    cut = disk.journals(tmp_path / "copy")
    again = holdfast.open(tmp_path / "copy", by="bob", clock=Clock())
    lived.copy(again)

    assert 0 < len(cut) < len(disk.journals(tmp_path / "copy"))
    assert told(again) == told(lived)
    assert again.verify().whole


def test_bytes_damaged_at_the_source_are_not_carried(
    lived: Registry, make: Make, store: Path, tmp_path: Path
) -> None:
    digest = lived.manifest("iris@1.1.0").artifacts["model"].digest
    disk.flip(disk.blob(store, digest))

    with pytest.raises(DamagedError, match=digest):
        lived.copy(make("folder"))

    assert not (tmp_path / "copy" / "models").exists()


def test_bytes_damaged_at_the_target_are_mended(
    lived: Registry, make: Make, tmp_path: Path
) -> None:
    copy = make("folder")
    lived.copy(copy)
    digest = lived.manifest("iris@1.1.0").artifacts["model"].digest
    disk.flip(disk.blob(tmp_path / "copy", digest))
    done = lived.copy(copy)

    assert done.files == 1
    assert copy.verify().whole


def test_code_outside_the_allow_list_needs_a_reason_there_too(
    registry: Registry, make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([os.getcwd]))
    registry.register("iris", path, trust="ours")
    copy = make("folder")

    with pytest.raises(UntrustedError):
        registry.copy(copy)
    registry.copy(copy, trust="ours, too")

    assert copy.history("iris") == registry.history("iris")


def test_an_unknown_model_cannot_be_copied(lived: Registry, make: Make) -> None:
    with pytest.raises(NotFoundError, match="model irris not found; nearest: iris"):
        lived.copy(make("folder"), "irris")


def test_progress_is_told(lived: Registry, make: Make) -> None:
    reports: list[tuple[int, int]] = []
    lived.copy(make("folder"), "iris", progress=lambda done, total: reports.append((done, total)))

    assert reports[-1][0] == reports[-1][1] > 0
    assert sorted(reports) == reports


def test_the_store_that_a_copy_makes_has_an_id_of_its_own(
    lived: Registry, make: Make, store: Path, tmp_path: Path
) -> None:
    lived.copy(make("folder"))

    ids = {(folder / layout.CONFIG).read_bytes() for folder in (store, tmp_path / "copy")}
    assert len(ids) == 2
