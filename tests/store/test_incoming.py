"""Files that others send piece by piece: into a folder, and into a bucket."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from tests.servers.running import Endpoint

import holdfast
from holdfast.errors import InvalidInputError, NotFoundError, StoreFullError
from holdfast.store import layout
from holdfast.store.incoming import IncomingFiles, UploadAbout
from holdfast.store.open_store import OpenStore

DATA = b"piece by piece"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    if request.param == "folder":
        registry = holdfast.open(tmp_path / "store")
    else:
        moto: Endpoint = request.getfixturevalue("moto")
        url = f"s3://{moto.make_bucket()}/registry"
        registry = holdfast.open(url, options=moto.options, cache=tmp_path / "cache")
    registry.init()
    return registry._session.open_store


def begun(files: IncomingFiles, upload: str = "a" * 32) -> str:
    files.begin(UploadAbout(SHA256, len(DATA), "ana", 4e9), upload)
    return upload


def test_a_file_is_named_once_it_is_whole(store: OpenStore) -> None:
    files = IncomingFiles(store)
    with files.room(len(DATA)), files.once() as incoming:
        for start in range(0, len(DATA), 4):
            incoming.write(DATA[start : start + 4])
        assert store.store.size(layout.blob(SHA256)) is None
        taken = incoming.keep(store, SHA256)

    assert (taken.sha256, taken.size_bytes, taken.created) == (SHA256, len(DATA), True)
    with store.blobs.open(SHA256) as file:
        assert file.read() == DATA
    with files.once() as incoming:
        incoming.write(DATA)
        assert incoming.keep(store, SHA256).created is False


def test_other_bytes_are_thrown_away(store: OpenStore) -> None:
    with IncomingFiles(store).once() as incoming:
        incoming.write(b"other")
        with pytest.raises(InvalidInputError, match="has other bytes"):
            incoming.keep(store, SHA256)

    assert store.store.size(layout.blob(SHA256)) is None


def test_a_file_in_parts_is_gone_on_with_by_another_process(store: OpenStore) -> None:
    one = IncomingFiles(store)
    upload = begun(one)
    with one.part(upload, 0) as incoming:
        incoming.write(DATA[:5])
    assert one.about(upload)[1] == 5
    two = IncomingFiles(store)
    two._folder = one._folder  # a folder's is the store's own; a bucket's, this machine's
    with two.part(upload, 5) as incoming:
        incoming.write(DATA[5:])
        incoming.keep(store, SHA256)
    two.remove(upload)

    with pytest.raises(NotFoundError):
        one.about(upload)
    assert store.blobs.check(SHA256) is None


def test_room_is_set_aside_for_all_that_come_at_once(
    store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=200 << 20))
    files = IncomingFiles(store)
    with files.room(100 << 20):
        with pytest.raises(StoreFullError, match="has room for"), files.room(100 << 20):
            pass
        with files.room(10 << 20):
            pass
    with files.room(100 << 20):
        pass


def test_what_was_begun_too_long_ago_is_swept(store: OpenStore) -> None:
    files = IncomingFiles(store)
    files.sweep()  # where nothing ever came
    upload = begun(files)
    files.begin(UploadAbout(SHA256, 1, "ana", 1.0), "b" * 32)
    files.sweep()

    assert files.about(upload)[1] == 0
    names = [path.name for path in Path(files._folder).iterdir() if "upload-" in path.name]
    assert names == [f".tmp-upload-{upload}"]


def test_the_folder_of_all_blobs_is_listed_once_a_minute(
    store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, others = IncomingFiles(store), IncomingFiles(store)
    others._folder = files._folder
    upload = begun(others)
    lists: list[str] = []
    listed = os.listdir

    def listing(folder: str) -> list[str]:
        lists.append(folder)
        return listed(folder)

    monkeypatch.setattr(os, "listdir", listing)
    own = begun(files, "b" * 32)

    assert len(files.sweep()) == len(files.sweep()) == 2
    others.remove(upload)
    assert [about.owner for about in files.sweep()] == ["ana"]
    files.remove(own)
    assert files.sweep() == []
    assert lists == [files.folder]
