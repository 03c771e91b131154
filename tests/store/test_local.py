"""A store of files: the contract both ways of creating, and what only a file system has."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.contract import BLOBS, KEY, PREFIX, StoreContract, read

from holdfast.errors import StoreError
from holdfast.store import Ingested, NoFileError, TakenError
from holdfast.store.local import LocalStore

CHUNK = 4 << 20


class TestLinkingStore(StoreContract):
    """Where the file system has hard links."""


class TestRenamingStore(StoreContract):
    """Where it has none, and names are given by a rename that refuses a taken one."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        """Return an empty store that does without links."""
        return LocalStore(tmp_path / "store", links=False)


def leftovers(store: LocalStore) -> list[str]:
    """Return the files being written anywhere in a store."""
    return [path.name for path in store.root.rglob(".tmp-*")]


def test_a_key_is_a_path_below_the_root(store: LocalStore) -> None:
    store.create(KEY, b"one")

    assert Path(store.path(KEY)) == store.root / KEY
    assert (store.root / KEY).read_bytes() == b"one"


def test_a_store_opened_by_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path("here"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.create(KEY, b"one")

    assert (tmp_path / "here" / KEY).read_bytes() == b"one"


def test_written_objects_are_read_only(store: LocalStore, source: Path) -> None:
    store.create(KEY, b"one")
    digest = store.ingest(source, BLOBS, None).sha256
    modes = [os.stat(store.path(key)).st_mode for key in (KEY, f"{BLOBS}/{digest}")]

    assert [mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) for mode in modes] == [0, 0]


def test_writing_leaves_no_files_behind(store: LocalStore, source: Path) -> None:
    store.create(KEY, b"one")
    with pytest.raises(TakenError):
        store.create(KEY, b"two")
    store.replace(KEY, b"three")
    store.ingest(source, BLOBS, None)
    store.ingest(source, BLOBS, None)

    assert leftovers(store) == []


def test_files_being_written_are_items_and_no_objects(store: LocalStore) -> None:
    store.create(KEY, b"one")
    Path(store.path(f"{PREFIX}/.tmp-1-ab")).write_bytes(b"half")

    assert list(store.list(PREFIX)) == ["0000000001.json"]
    assert {item.name: item.size_bytes for item in store.items(PREFIX)} == {
        "0000000001.json": 3,
        ".tmp-1-ab": 4,
    }


def test_items_tell_when_an_object_was_written(store: LocalStore) -> None:
    store.create(KEY, b"one")
    os.utime(store.path(KEY), (1_000, 2_000))

    assert [item.modified for item in store.items(PREFIX)] == [2_000.0]


def test_what_is_removed_while_items_are_told_is_passed_over(store: LocalStore) -> None:
    for name in "abc":
        store.create(f"{PREFIX}/{name}", b"one")
    items = store.items(PREFIX)
    first = next(items)
    for name in {"a", "b", "c"} - {first.name}:
        store.delete(f"{PREFIX}/{name}")

    assert list(items) == []


def test_folders_and_links_are_no_items(store: LocalStore) -> None:
    store.create(KEY, b"one")
    Path(store.path("models/iris/link")).symlink_to(store.path(KEY))

    assert list(store.items("models/iris")) == []
    assert list(store.items("models/none")) == []


def test_bytes_and_size_of_what_is_absent_are_none(store: LocalStore) -> None:
    store.create(KEY, b"one")

    assert (store.read(KEY), store.size(KEY)) == (b"one", 3)
    assert (store.read(f"{PREFIX}/x"), store.size(f"{PREFIX}/x")) == (None, None)


def test_a_link_is_the_same_file(store: LocalStore) -> None:
    store.create(KEY, b"one")

    assert store.link(KEY, "models/iris/versions/1.0.0/model.bin")
    assert store.same(KEY, "models/iris/versions/1.0.0/model.bin")


def test_equal_bytes_are_not_the_same_file(store: LocalStore) -> None:
    store.create(KEY, b"one")
    store.create(f"{PREFIX}/other", b"one")

    assert not store.same(KEY, f"{PREFIX}/other")
    assert not store.same(KEY, f"{PREFIX}/none")


def test_a_symbolic_link_is_another_file(store: LocalStore) -> None:
    store.create(KEY, b"one")
    Path(store.path(f"{PREFIX}/other")).symlink_to(store.path(KEY))

    assert not store.same(KEY, f"{PREFIX}/other")


def _symlink(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"one")
    path.symlink_to("elsewhere")


INTRUDERS: dict[str, Callable[[Path], None]] = {
    "symbolic link": _symlink,
    "folder": Path.mkdir,
    "device": os.mkfifo,
}


@pytest.mark.parametrize("kind", INTRUDERS)
def test_what_is_no_regular_file_is_not_opened_and_keeps_nobody_waiting(
    store: LocalStore, kind: str
) -> None:
    Path(store.path(PREFIX)).mkdir(parents=True)
    INTRUDERS[kind](Path(store.path(KEY)))

    with pytest.raises(NoFileError, match=f"is a {kind}, not a file"):
        store.open(KEY)


def test_a_folder_of_the_store_may_lie_elsewhere(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    Path(store.path("blobs")).parent.mkdir(exist_ok=True)
    Path(store.path("blobs")).symlink_to(tmp_path / "large disk")
    store.create("blobs/sha256/one", b"one")

    assert store.read("blobs/sha256/one") == b"one"


def test_a_link_takes_no_name_away(store: LocalStore) -> None:
    store.create(KEY, b"one")
    store.create(f"{PREFIX}/other", b"two")

    assert not store.link(KEY, f"{PREFIX}/other")
    assert store.read(f"{PREFIX}/other") == b"two"


def test_there_are_no_links_where_the_probe_found_none(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, links=False)
    store.create(KEY, b"one")

    assert not store.link(KEY, f"{PREFIX}/other")
    assert store.size(f"{PREFIX}/other") is None


def test_an_object_can_be_moved_over_another(store: LocalStore) -> None:
    store.create(KEY, b"one")
    store.move(KEY, "trash/one")
    store.create(KEY, b"two")
    store.move(KEY, "trash/one")

    assert store.read("trash/one") == b"two"
    assert store.size(KEY) is None


def test_moving_what_is_absent_is_an_error(store: LocalStore) -> None:
    with pytest.raises(StoreError, match="No such file"):
        store.move(KEY, "trash/one")


def test_a_folder_goes_with_everything_in_it(store: LocalStore) -> None:
    store.create(f"{PREFIX}/deeper/a", b"")
    store.create("models/other/a", b"")
    store.remove_folder("models/iris")
    store.remove_folder("models/iris")

    assert sorted(store.list("models")) == ["other"]


def test_removing_a_linked_folder_leaves_what_it_names(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_bytes(b"keep")
    store.create("models/other/a", b"")
    Path(store.path("models/linked")).symlink_to(tmp_path / "mine")
    store.remove_folder("models/linked")

    assert (tmp_path / "mine" / "file").read_bytes() == b"keep"
    assert sorted(store.list("models")) == ["other"]


def test_a_folder_that_cannot_be_listed_is_an_error_of_the_store(store: LocalStore) -> None:
    store.create(KEY, b"one")
    Path(store.path("models/loop")).symlink_to("loop")

    with pytest.raises(StoreError, match=r"models/loop cannot be read: Too many levels"):
        list(store.list("models/loop"))


@pytest.mark.parametrize("verb", ["create", "replace"])
def test_an_object_below_a_file_cannot_be_written(store: LocalStore, verb: str) -> None:
    store.create("models", b"a file")

    with pytest.raises(StoreError, match="Not a directory"):
        getattr(store, verb)(KEY, b"one")


def test_a_second_ingestion_makes_the_object_young(store: LocalStore, source: Path) -> None:
    key = f"{BLOBS}/{store.ingest(source, BLOBS, None).sha256}"
    os.utime(store.path(key), (1_000, 1_000))
    store.ingest(source, BLOBS, None)

    assert os.stat(store.path(key)).st_mtime > 1_000


def test_an_expected_ingestion_makes_the_object_young(store: LocalStore, source: Path) -> None:
    digest = store.ingest(source, BLOBS, None).sha256
    os.utime(store.path(f"{BLOBS}/{digest}"), (1_000, 1_000))
    store.ingest(source, BLOBS, digest)

    assert os.stat(store.path(f"{BLOBS}/{digest}")).st_mtime > 1_000


@pytest.mark.parametrize("expect", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_a_truncated_object_is_healed_by_the_whole_file(
    tmp_path: Path, source: Path, *, links: bool, expect: bool
) -> None:
    store = LocalStore(tmp_path / "store", links=links)
    digest = store.ingest(source, BLOBS, None).sha256
    os.chmod(store.path(f"{BLOBS}/{digest}"), 0o644)
    os.truncate(store.path(f"{BLOBS}/{digest}"), 10)

    healed = store.ingest(source, BLOBS, digest if expect else None)

    assert healed == Ingested(digest, source.stat().st_size, created=True)
    assert read(store, f"{BLOBS}/{digest}") == source.read_bytes()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
@pytest.mark.parametrize("copy_method", ["kernel", "by hand", "plainly"])
def test_the_digest_is_of_the_stored_bytes(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, copy_method: str
) -> None:
    if copy_method != "kernel":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    if copy_method == "plainly":
        monkeypatch.delattr(os, "pread")
    source = tmp_path / "sized.bin"
    source.write_bytes(os.urandom(size))

    ingested = store.ingest(source, BLOBS, None)

    assert ingested.size_bytes == size
    assert ingested.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert read(store, f"{BLOBS}/{ingested.sha256}") == source.read_bytes()


def after_the_first_piece(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen between the first piece that the kernel copies and the second."""
    copy_file_range = os.copy_file_range
    pieces = 0

    def copy(source: int, target: int, length: int) -> int:
        nonlocal pieces
        pieces += 1
        if pieces == 2:
            happens()
        return copy_file_range(source, target, length)

    monkeypatch.setattr(os, "copy_file_range", copy)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(os.urandom(CHUNK))


def shrink(path: Path) -> None:
    os.truncate(path, CHUNK + 5)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(2 * CHUNK))


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the kernel copies no ranges")
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_source_that_changes_meanwhile_is_stored_under_what_was_kept(
    store: LocalStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
) -> None:
    source = tmp_path / "changing.bin"
    before = os.urandom(3 * CHUNK)
    source.write_bytes(before)
    after_the_first_piece(monkeypatch, lambda: change(source))

    ingested = store.ingest(source, BLOBS, None)
    stored_bytes = read(store, f"{BLOBS}/{ingested.sha256}")

    assert stored_bytes != before
    assert hashlib.sha256(stored_bytes).hexdigest() == ingested.sha256
    assert len(stored_bytes) == ingested.size_bytes


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the kernel copies no ranges")
def test_what_the_kernel_stops_copying_is_copied_by_hand(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(errno.EXDEV, "refused")

    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(2 * CHUNK + 9))
    after_the_first_piece(monkeypatch, refuse)

    ingested = store.ingest(source, BLOBS, None)

    assert ingested.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert read(store, f"{BLOBS}/{ingested.sha256}") == source.read_bytes()


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the kernel copies no ranges")
def test_a_read_error_stores_nothing(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(2 * CHUNK))
    after_the_first_piece(monkeypatch, fail)

    with pytest.raises(StoreError, match="Input/output error"):
        store.ingest(source, BLOBS, None)
    assert list(store.items(BLOBS)) == []


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="the kernel copies no ranges")
def test_a_new_file_that_shrinks_while_it_is_hashed_is_not_stored(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(2 * CHUNK))
    pread = os.pread

    def cut_short(descriptor: int, length: int, offset: int) -> bytes:
        return b"" if offset else pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", cut_short)

    with pytest.raises(StoreError, match="the file shrank while it was written"):
        store.ingest(source, BLOBS, None)
    assert list(store.items(BLOBS)) == []
