"""Several objects written at once; the order of the system calls is shown in `tests/faults`."""

from pathlib import Path

import pytest

from holdfast.core.manifest import Manifest, digest_of, encode
from holdfast.errors import StoreError
from holdfast.store import batch_writes
from holdfast.store.blobs import Blobs
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore

LINKS = pytest.mark.parametrize("links", [True, False])
OBJECTS = [(f"journal/{number}", b"%d" % number) for number in range(1, 6)]


def manifest(version: str) -> Manifest:
    at = "2026-11-20T10:00:00.000000Z"
    return Manifest(
        name="iris",
        version=version,
        number=1,
        registered_at=at,
        registered_by="ada",
        artifacts={},
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@LINKS
def test_objects_in_order_end_before_one_that_is_taken(tmp_path: Path, *, links: bool) -> None:
    store = LocalStore(tmp_path, links=links)
    first = batch_writes.create_in_order(store, OBJECTS[:2])
    store.create("journal/4", b"a rival's")
    second = batch_writes.create_in_order(store, OBJECTS[2:])

    assert (first, second) == (2, 1)
    expected = {"1": b"1", "2": b"2", "3": b"3", "4": b"a rival's"}
    assert content(tmp_path / "journal") == expected


@LINKS
def test_objects_together_leave_those_that_are_there(tmp_path: Path, *, links: bool) -> None:
    store = LocalStore(tmp_path, links=links)
    store.create("journal/2", b"before")
    batch_writes.create_together(store, OBJECTS[:3])

    assert content(tmp_path / "journal") == {"1": b"1", "2": b"before", "3": b"3"}


def test_nothing_at_once_is_nothing(tmp_path: Path) -> None:
    batch_writes.create_together(LocalStore(tmp_path), [])

    assert batch_writes.create_in_order(LocalStore(tmp_path), []) == 0
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_without_a_name_each_is_created_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.durable._NAMELESS", None)

    assert batch_writes.create_in_order(LocalStore(tmp_path), OBJECTS) == 5
    assert content(tmp_path / "journal") == {str(n): b"%d" % n for n in range(1, 6)}


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(StoreError):
        batch_writes.create_in_order(LocalStore(tmp_path), OBJECTS)


def test_entries_and_blobs_go_by_their_names(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    manifests = [manifest("1.0.0"), manifest("1.1.0"), manifest("1.0.0")]
    raws = list(map(encode, manifests))
    blobs = Blobs(store)
    blobs.add_manifests(list(zip(raws, manifests, strict=True)))
    count = Journal(store, "models/iris").append_all(1, [b"first", b"second"])

    assert [Blobs(store).read(digest_of(raw)) for raw in raws] == raws
    assert blobs.manifest(digest_of(raws[1])) is manifests[1]
    assert Blobs(store).manifest(digest_of(raws[1])) == manifests[1]
    assert count == 2
    assert Journal(store, "models/iris").read(2) == b"second"
