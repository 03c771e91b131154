"""Opening: what is a store, what is not, and when it is made."""

import json
import os
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Grow, Text

import holdfast
from holdfast import Registry
from holdfast.errors import (
    DamagedError,
    InvalidInputError,
    NewerFormatError,
    NotAStoreError,
    NotFoundError,
    StoreError,
)


def test_a_store_is_made_by_the_first_verb_that_writes(
    registry: Registry, store: Path, text: Text
) -> None:
    before = store.exists()
    registry.models()
    looked = store.exists()
    registry.register("iris", text("one"))

    assert (before, looked) == (False, False)
    assert (store / "holdfast.json").exists()


def test_an_empty_folder_becomes_a_store(store: Path, text: Text) -> None:
    store.mkdir()

    holdfast.open(store).register("iris", text("one"))

    assert [info.model for info in holdfast.open(str(store)).models()] == ["iris"]


def test_init_makes_the_store_once(registry: Registry, store: Path) -> None:
    first = registry.init()
    raw = (store / "holdfast.json").read_bytes()

    again = holdfast.open(store).init()

    assert again == first
    assert (store / "holdfast.json").read_bytes() == raw
    assert set(json.loads(raw)) == {"format", "id", "created_at", "probe", "known", "sum"}
    assert first.probe.links
    assert first.probe.locks


@pytest.mark.parametrize(
    "call",
    [
        lambda registry: registry.status("iris"),
        lambda registry: registry.promote("iris@1.0.0"),
        lambda registry: registry.rollback("iris"),
        lambda registry: registry.history("iris"),
        lambda registry: registry.load("iris@latest"),
        lambda registry: registry.purge_plan("iris", keep=0),
        lambda registry: registry.delete("iris", reason="over"),
    ],
)
def test_before_the_store_is_made_nothing_is_found_and_nothing_made(
    registry: Registry, store: Path, call: "object"
) -> None:
    with pytest.raises(NotFoundError, match="no models in"):
        call(registry)  # type: ignore[operator]

    assert not store.exists()


def test_verifying_what_was_never_made_says_so(registry: Registry, store: Path) -> None:
    with pytest.raises(StoreError, match="a store yet"):
        registry.verify()

    assert not store.exists()


def test_a_folder_with_other_files_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")

    with pytest.raises(NotAStoreError, match="adopt"):
        holdfast.open(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("dear")

    with pytest.raises(NotAStoreError, match="is a file"):
        holdfast.open(tmp_path / "file")


@pytest.mark.parametrize("location", ["ftp://registry", "file:///tmp/x", "hdfs://x/y"])
def test_an_address_of_no_bucket_and_no_server_is_refused(location: str) -> None:
    with pytest.raises(InvalidInputError, match="is neither a folder on this machine, nor a buck"):
        holdfast.open(location)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"{", b'{"format": "one"}', b'{"format": 1}', b"\xff\xfe", b"[" * 100_000],
    ids=["nothing", "empty", "list", "cut", "word", "no id", "binary", "deep"],
)
def test_a_store_whose_head_cannot_be_read_is_damaged(
    store: Path, grow: Grow, content: bytes
) -> None:
    grow(1)
    disk.overwrite(store / "holdfast.json", content)

    with pytest.raises(DamagedError, match=r"holdfast\.json"):
        holdfast.open(store)


def test_a_store_of_a_newer_format_is_refused(store: Path, grow: Grow) -> None:
    grow(1)
    path = store / "holdfast.json"
    newer = json.loads(path.read_bytes()) | {"format": 2, "probe": "quite another thing"}
    disk.overwrite(path, json.dumps(newer).encode())

    with pytest.raises(NewerFormatError, match="store format 2"):
        holdfast.open(store)


def test_a_store_that_is_made_while_it_is_opened_is_opened(
    store: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.listdir
    path = text("one")

    def meanwhile(folder: str) -> list[str]:
        monkeypatch.setattr(os, "listdir", look)
        holdfast.open(store, by="rival").register("iris", path)
        return look(folder)

    store.mkdir()
    monkeypatch.setattr(os, "listdir", meanwhile)
    registry = holdfast.open(store)

    assert [info.model for info in registry.models()] == ["iris"]


def test_a_store_can_be_moved(registry: Registry, store: Path, grow: Grow) -> None:
    grow(2)
    registry.promote("iris@1.0.0")

    elsewhere = holdfast.open(store.rename(store.with_name("elsewhere")))

    assert elsewhere.verify().whole
    assert elsewhere.load("iris@production").model.read_text() == "iris 0\n"


def test_a_relative_location_stays_where_it_was(
    tmp_path: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    registry = holdfast.open("store")
    registry.register("iris", text("one"))
    monkeypatch.chdir(tmp_path / "there")

    registry.register("iris", text("two"))

    assert len(registry.versions("iris")) == 2
    assert list((tmp_path / "there").iterdir()) == []
    assert registry.verify().whole
