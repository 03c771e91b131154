"""A journal that is gone without a trace is brought back from a copy of the store, and no other."""

import shutil
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, NotFoundError
from holdfast.store import layout

WAYS = {
    "the model's folder": ("models/iris",),
    "its journal and pointer": ("models/iris/journal", "models/iris/active_version.json"),
    "all models": ("models",),
    "all models and their blobs": ("models", "blobs"),
}


@pytest.fixture
def furnished(registry: Registry, store: Path, grow: Grow) -> Path:
    grow(3)
    grow(1, name="rose")
    registry.promote("iris@1.1.0")
    return store


@pytest.fixture
def backup(furnished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(furnished, tmp_path / "backup"))


def lose(store: Path, *paths: str) -> None:
    for path in paths:
        disk.remove(store / path) if (store / path).is_dir() else (store / path).unlink()
    if not (store / "models").exists():
        (store / "models").mkdir()


@pytest.mark.parametrize("paths", WAYS.values(), ids=WAYS.keys())
def test_a_journal_that_is_gone_is_brought_back(
    furnished: Path, backup: Path, paths: tuple[str, ...]
) -> None:
    truth = disk.truth(furnished)
    lose(furnished, *paths)
    planned = holdfast.open(furnished).repair_plan(source=holdfast.open(backup))

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert done == planned
    assert done.left == ()
    assert disk.truth(furnished) == truth
    assert holdfast.open(furnished).resolve("iris@production").version == "1.1.0"
    assert holdfast.open(furnished).verify().whole


def test_one_model_is_brought_back_alone(furnished: Path, backup: Path) -> None:
    lose(furnished, "models")

    done = holdfast.open(furnished).repair("rose", source=holdfast.open(backup))

    assert done.left == ()
    assert holdfast.open(furnished).resolve("rose@latest").version == "1.0.0"
    with pytest.raises(DamagedError, match="is missing, although iris has had entries"):
        holdfast.open(furnished).resolve("iris@latest")


def test_without_a_copy_it_is_said_to_be_lost(furnished: Path, tmp_path: Path) -> None:
    lose(furnished, "models/iris")
    (tmp_path / "files").mkdir()

    for source in (None, tmp_path / "files"):
        done = holdfast.open(furnished).repair(source=source)

        assert [damage.model for damage in done.left] == ["iris"]
        assert done.left[0].problem.endswith("give a copy of the store with --from")


def test_the_journal_of_another_store_is_not_taken(
    furnished: Path, tmp_path: Path, backup: Path
) -> None:
    other = holdfast.open(tmp_path / "other", by="eve")
    (tmp_path / "model.txt").write_text("words")
    other.register("iris", tmp_path / "model.txt")
    lose(furnished, "models/iris")
    before = disk.listing(furnished)

    done = holdfast.open(furnished).repair(source=other)
    disk.remove(backup / "models/iris")
    without = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert "is another store, not a copy of this one" in done.left[0].problem
    assert "has no journal of it" in without.left[0].problem
    assert disk.listing(furnished) == before


def test_a_copy_older_than_what_was_seen_is_not_taken_for_the_whole(
    furnished: Path, backup: Path
) -> None:
    holdfast.open(furnished, by="ann").note("iris@1.0.0", "later")
    lose(furnished, "models/iris")

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert "does not have what was seen here before" in done.left[0].problem
    assert not (furnished / "models/iris").exists()


def test_an_entry_that_breaks_the_chain_of_the_copy_ends_what_is_taken(
    furnished: Path, backup: Path
) -> None:
    path = backup / layout.journal("models/iris") / "0000000002.json"
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw.replace(b'"by":"', b'"by":"x'))
    lose(furnished, "models/iris")

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert not done.whole
    assert "does not match its checksum" in done.left[0].problem


def test_versions_of_which_a_folder_remains_and_no_entry_are_told(
    furnished: Path, backup: Path
) -> None:
    lose(furnished, *WAYS["its journal and pointer"])
    (furnished / "models/iris/versions/9.0.0").mkdir()

    done = holdfast.open(furnished).repair(source=holdfast.open(backup))

    assert [damage.subject for damage in done.left] == ["models/iris/versions/9.0.0"]
    assert holdfast.open(furnished).resolve("iris@production").version == "1.1.0"


def test_a_model_that_never_was_is_not_brought(furnished: Path, backup: Path) -> None:
    (backup.parent / "model.txt").write_text("words")
    holdfast.open(backup, by="eve").register("tulip", backup.parent / "model.txt")

    with pytest.raises(NotFoundError):
        holdfast.open(furnished).repair("tulip", source=holdfast.open(backup))
