"""Journals that are not there: moved, deleted, or on a disk that is not mounted.

What a store lost with them is told by every look, no byte is collected meanwhile, and nothing is
written where it would hide below the disk once that is back.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.conftest import Tally
from tests.registry import disk
from tests.registry.conftest import Grow, Text

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, HoldfastError
from holdfast.store import config, known_models, layout

Loss = Callable[[Path], object]


def _away(path: Path) -> None:
    """Move a folder out of the store."""
    root = next(folder for folder in path.parents if folder.name == "store")
    path.rename(root.with_name("away"))


def _to_nothing(path: Path) -> None:
    """Have a folder be a link to a disk that is not mounted."""
    _away(path)
    path.symlink_to(path.parent / "no" / "disk")


def _emptied(path: Path) -> None:
    """Have a folder be an empty one, as the place of a disk is."""
    _away(path)
    path.mkdir()


LOSSES: dict[str, Loss] = {
    "models gone": lambda store: _away(store / "models"),
    "models a link to nothing": lambda store: _to_nothing(store / "models"),
    "models empty": lambda store: _emptied(store / "models"),
    "a model gone": lambda store: _away(store / "models/iris"),
    "a model a link to nothing": lambda store: _to_nothing(store / "models/iris"),
    "a model empty": lambda store: _emptied(store / "models/iris"),
    "a journal gone": lambda store: _away(store / "models/iris/journal"),
    "a journal empty": lambda store: _emptied(store / "models/iris/journal"),
    "a model moved within models": lambda store: (store / "models/iris").rename(
        store / "models/iris.old"
    ),
}


@pytest.fixture
def furnished(registry: Registry, store: Path, grow: Grow) -> Registry:
    """Return the registry of a process that has two models open."""
    grow(2)
    registry.promote("iris@1.0.0")
    grow(1, name="rose")
    assert registry.verify().whole
    assert store.exists()
    return registry


@pytest.fixture(params=["the same process", "another process"])
def looking(
    request: pytest.FixtureRequest, furnished: Registry, opened: Callable[..., Registry]
) -> Registry:
    """Return who looks at the store once it lost something."""
    return furnished if request.param == "the same process" else opened()


def blobs(store: Path) -> list[str]:
    """Name the blobs that are where they belong."""
    return sorted(path.name for path in disk.files(store / "blobs"))


@pytest.mark.parametrize("loss", LOSSES)
def test_no_byte_is_collected_while_a_journal_is_not_there(
    looking: Registry, store: Path, loss: str, tally: Tally
) -> None:
    before = blobs(store)
    LOSSES[loss](store)

    with pytest.raises(HoldfastError, match="models"):
        looking.gc(grace_s=0)

    assert blobs(store) == before
    assert disk.leftovers(store) == []
    tally("collectors over stores that lost a journal, all refused", 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_journal_that_is_not_there_is_told_by_every_look(
    looking: Registry, store: Path, loss: str
) -> None:
    LOSSES[loss](store)
    answers = {}
    looks: dict[str, Callable[[], bool]] = {
        "verify": lambda: looking.verify().whole,
        "models": lambda: not any(info.damage for info in looking.models()),
        "overview": lambda: all(standing.gravity for standing in looking.overview()),
        "history": lambda: bool(looking.history("iris")),
        "heads": lambda: bool(looking.heads()),
        "models then": lambda: bool(looking.models(at="2026-03-03")),
        "repair": lambda: looking.repair_plan().whole,
        "copy": lambda: bool(looking.copy(holdfast.open(store.with_name("copy")))),
    }
    for name, look in looks.items():
        try:
            answers[name] = look()
        except HoldfastError:
            answers[name] = False

    assert answers == dict.fromkeys(looks, False)


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_is_registered_in_the_place_of_a_journal_that_is_not_there(
    looking: Registry, store: Path, text: Text, loss: str
) -> None:
    LOSSES[loss](store)
    before = disk.journals(store)

    with pytest.raises(HoldfastError, match=r"models|iris"):
        looking.register("iris", text("more"))
    with pytest.raises(HoldfastError, match=r"models|iris"):
        looking.promote("iris@1.1.0")

    assert disk.journals(store) == before


@pytest.mark.parametrize("loss", [name for name in LOSSES if name.startswith("models ")])
def test_no_model_begins_where_all_others_are_gone(
    looking: Registry, store: Path, text: Text, tmp_path: Path, loss: str
) -> None:
    other = holdfast.open(tmp_path / "other", by="bob")
    other.register("lily", text("lily"))
    other.export("lily", tmp_path / "lily.tar")
    LOSSES[loss](store)
    for write in (
        lambda: looking.register("tulip", text("tulip")),
        lambda: looking.import_(tmp_path / "lily.tar"),
        lambda: other.copy(looking),
    ):
        with pytest.raises(HoldfastError, match="models"):
            write()

    assert disk.journals(store) == {}


def test_other_models_go_on_while_one_is_gone(looking: Registry, store: Path, text: Text) -> None:
    LOSSES["a model gone"](store)

    looking.register("tulip", text("tulip"))
    looking.promote("rose@1.0.0")

    assert {info.model: bool(info.damage) for info in looking.models()} == {
        "iris": True,
        "rose": False,
        "tulip": False,
    }


def test_what_is_put_back_is_whole_again(looking: Registry, store: Path) -> None:
    LOSSES["models empty"](store)
    with pytest.raises(HoldfastError):
        looking.gc(grace_s=0)
    (store / "models").rmdir()
    (store.parent / "away").rename(store / "models")

    assert looking.verify().whole
    assert looking.gc(grace_s=0).freed_blobs == 0
    assert looking.load("iris@production").model.read_text() == "iris 0\n"


def test_a_model_that_was_removed_for_good_is_forgotten_with_its_note(
    looking: Registry, store: Path
) -> None:
    disk.remove(store / "models/iris")
    (store / "known/iris.json").unlink()

    assert [info.model for info in looking.models()] == ["rose"]
    assert looking.verify().whole


def test_journals_that_vanish_while_a_collector_works_leave_all_blobs_in_place(
    furnished: Registry, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnished.purge("iris", versions=["1.1.0"])
    before = blobs(store)
    move = os.replace

    def moved(source: str, target: str) -> None:
        move(source, target)
        if "/trash/" in target and (store / "models").exists():
            (store / "models").rename(store.parent / "away")

    monkeypatch.setattr(os, "replace", moved)
    with pytest.raises(DamagedError, match="models/iris"):
        furnished.gc(grace_s=0)
    there = blobs(store)
    monkeypatch.undo()
    (store.parent / "away").rename(store / "models")

    assert there == before
    assert furnished.gc(grace_s=0).freed_blobs == 1


def test_a_blob_stored_anew_is_not_replaced_by_a_damaged_one_from_the_trash(
    furnished: Registry, store: Path
) -> None:
    blob = disk.blob_holding(store, b"iris 0\n")
    (store / "trash").mkdir()
    shutil.copy(blob, store / "trash" / blob.name)
    disk.flip(store / "trash" / blob.name)

    furnished.gc(grace_s=0)

    assert blob.read_bytes() == b"iris 0\n"
    assert disk.leftovers(store) == []


# Registrations that were stopped before their first entry


def stop(registry: Registry, store: Path, text: Text) -> None:
    """Leave what the first registration of a model does that is stopped before its entry."""
    registry.register("tulip", text("tulip"))
    disk.remove(store / "models/tulip")
    (store / "known/tulip.json").unlink()


def test_what_a_first_registration_left_goes_where_all_models_are_noted(
    furnished: Registry, store: Path, text: Text, opened: Callable[..., Registry]
) -> None:
    stop(furnished, store, text)

    collected = opened().gc(grace_s=0)

    assert (collected.freed_blobs, collected.waiting_blobs) == (2, 0)
    assert opened().verify().whole


def test_what_a_first_registration_left_waits_where_no_model_is_noted(
    registry: Registry,
    store: Path,
    text: Text,
    opened: Callable[..., Registry],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop(registry, store, text)
    before = blobs(store)
    collected = opened().gc(grace_s=0)
    there = blobs(store)
    opened().register("tulip", text("others"))
    afterwards = opened().gc(grace_s=0)

    assert (collected.freed_blobs, collected.waiting_blobs, there) == (0, 2, before)
    assert "2 blobs are kept" in caplog.text
    assert (afterwards.freed_blobs, afterwards.waiting_blobs) == (2, 0)
    assert opened().verify().whole


def test_a_file_that_looks_like_a_manifest_keeps_nothing(
    of_old: Registry, store: Path, text: Text
) -> None:
    furnished = of_old
    for number, content in enumerate(('{"format": 1}', '{"format": 9}', '{"name"')):
        furnished.register("iris", text(content), version=f"2.{number}.0")
    furnished.purge("iris", versions=["2.0.0", "2.1.0", "2.2.0"], grace_s=0)

    assert furnished.gc(grace_s=0).waiting_blobs == 0
    assert not disk.blob_holding(store, b'{"format": 9}').exists()


# Stores of old, which note no models


@pytest.fixture
def of_old(furnished: Registry, store: Path, opened: Callable[..., Registry]) -> Registry:
    """Return a store as it was before models were noted."""
    assert furnished.verify().whole
    path = store / layout.CONFIG
    stored_config = config.decode(path.read_bytes(), str(path))
    disk.overwrite(path, config.encode(replace(stored_config, known=False)))
    disk.remove(store / "known")
    return opened()


@pytest.mark.parametrize("loss", [name for name in LOSSES if name.startswith("models ")])
def test_a_store_of_old_without_any_journal_is_damaged(
    of_old: Registry, store: Path, loss: str
) -> None:
    before = blobs(store)
    LOSSES[loss](store)

    with pytest.raises(HoldfastError, match="models"):
        of_old.gc(grace_s=0)
    assert blobs(store) == before
    try:
        assert "models" in {damage.subject for damage in of_old.verify().damages}
    except HoldfastError as error:
        assert "models" in str(error)  # noqa: PT017 - either tells it


@pytest.mark.parametrize("loss", ["a model gone", "a model empty", "a model a link to nothing"])
def test_a_store_of_old_keeps_what_manifests_name_of_a_model_that_is_gone(
    of_old: Registry, store: Path, loss: str
) -> None:
    before = blobs(store)
    LOSSES[loss](store)

    collected = of_old.gc(grace_s=0)

    assert (collected.freed_blobs, collected.waiting_blobs) == (0, 4)
    assert blobs(store) == before


@pytest.mark.parametrize("write", ["promote", "gc"])
def test_a_store_of_old_notes_its_models_when_it_is_next_written(
    of_old: Registry, store: Path, write: str
) -> None:
    if write == "promote":
        of_old.promote("rose@1.0.0")
        noted = ["rose.json"]
    else:
        of_old.gc(grace_s=0)
        noted = ["iris.json", "rose.json"]

    assert sorted(path.name for path in (store / "known").iterdir()) == noted
    assert of_old.verify().whole


# The notes themselves


@pytest.mark.parametrize("content", [b"", b"{", b'{"format":1,"model":"rose"}\n', b"[" * 9_999])
def test_a_note_that_says_something_else_is_told_and_written_anew(
    furnished: Registry, store: Path, content: bytes
) -> None:
    note = store / "known/iris.json"
    disk.overwrite(note, content)

    damages = furnished.verify().damages
    left = furnished.repair().left

    assert [damage.subject for damage in damages] == ["known/iris.json"]
    assert left == ()
    assert note.read_bytes() == known_models.encode("iris")
    assert furnished.verify().whole


def test_a_model_is_named_by_its_folder_where_its_note_cannot_be_read(
    furnished: Registry, store: Path
) -> None:
    disk.overwrite(store / "known/iris.json", b"{")
    LOSSES["a model gone"](store)

    assert [info.model for info in furnished.models() if info.damage] == ["iris"]


def test_models_whose_journals_and_notes_are_both_gone_are_told_by_what_is_left(
    furnished: Registry, store: Path, opened: Callable[..., Registry]
) -> None:
    assert furnished.verify().remarks == ()
    shutil.rmtree(store / "models")
    shutil.rmtree(store / "known")

    remarks = opened().verify().remarks

    assert [remark.model for remark in remarks] == ["iris", "rose"]
    assert all("the journal is lost" in remark.text for remark in remarks)
    assert opened().gc(grace_s=0).freed_blobs == 0
