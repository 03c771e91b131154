"""Files for people and tools that know nothing of Holdfast, derived from the journal."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import AnyEvent, Promoted, Purged, Registered, Staged
from holdfast.core.manifest import Artifact, File, Manifest, encode
from holdfast.core.state import State, empty, fold
from holdfast.store import layout, projections
from holdfast.store.blobs import Blobs
from holdfast.store.local import LocalStore
from holdfast.store.projections import Pointer

MODEL = "Fraud/EU"
POINTER = layout.pointer(MODEL)
FOLDER = layout.version(MODEL, "1.0.0")
NOW = datetime(2026, 3, 3, 14, tzinfo=UTC)


@pytest.fixture
def blobs(store: LocalStore) -> Blobs:
    return Blobs(store)


def after(state: State, event: AnyEvent) -> State:
    """Fold one more event, through the bytes of a real entry."""
    seq = state.seq + 1
    at = entries.next_time(NOW, state.at)
    raw, _ = entries.write(MODEL, seq, state.head, at, Stamp(NOW, "ana", "c0" * 16), event)
    entry = entries.read(raw, MODEL, seq, state.head)
    return fold(state, [(entry, entries.digest(raw))])


def registered(blobs: Blobs, source: Path, state: State, version: str = "1.0.0") -> State:
    """Register a version with a file of its own and a folder with one file in it."""
    taken = blobs.add(source)
    nested = File("tokenizer/vocab/words.txt", blobs.add_bytes(b"words"), 5)
    manifest = Manifest(
        name=MODEL,
        version=version,
        number=state.next_number,
        registered_at=entries.format_time(NOW),
        registered_by="ana",
        artifacts={
            "model": Artifact(
                "model.bin", "file", (File("model.bin", taken.sha256, taken.size_bytes),)
            ),
            "tokenizer": Artifact("tokenizer", "folder", (nested,)),
        },
    )
    event = Registered(
        version=version,
        number=manifest.number,
        manifest=blobs.add_bytes(encode(manifest)),
        size_bytes=manifest.size_bytes,
        metrics={},
        why="the first",
    )
    return after(state, event)


def written(store: LocalStore, blobs: Blobs, source: Path) -> State:
    """Register 1.0.0 and write its projections."""
    state = registered(blobs, source, empty(MODEL))
    projections.write(store, blobs, state, state.versions)
    return state


def document(store: LocalStore, key: str) -> dict[str, object]:
    fields = json.loads(store.read(key) or b"null")
    assert isinstance(fields, dict)
    return fields


def test_the_pointer_says_what_is_live_and_what_was_seen(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = registered(blobs, source, empty(MODEL))
    state = registered(blobs, source, state, "1.1.0")
    state = after(state, Promoted(version="1.0.0", was=None))
    state = after(state, Promoted(version="1.1.0", was="1.0.0"))
    store.create(f"{layout.journal(layout.model(MODEL))}/0000000004.json", b"the last entry")
    projections.write(store, blobs, state, [])

    pointer = {
        "current": "1.1.0",
        "previous": "1.0.0",
        "seq": 4,
        "head": state.head,
        "sum": "",
        "place": projections.mark(store, MODEL),
    }
    sealed = {"sum": hashlib.sha256(msgspec.json.encode(pointer)).hexdigest()}
    assert document(store, POINTER) == pointer | sealed
    assert projections.is_true(projections.read_pointer(store, MODEL), state)


def test_a_copy_of_a_model_has_another_mark_and_a_renamed_store_the_same(
    store: LocalStore, blobs: Blobs, source: Path, tmp_path: Path
) -> None:
    written(store, blobs, source)
    store.create(f"{layout.journal(layout.model(MODEL))}/0000000001.json", b"an entry")
    mark, root = projections.mark(store, MODEL), Path(store.path(""))
    shutil.copytree(root, tmp_path / "copy")
    root.rename(tmp_path / "renamed")

    assert projections.mark(LocalStore(tmp_path / "copy"), MODEL) != mark
    assert projections.mark(LocalStore(tmp_path / "renamed"), MODEL) == mark


def test_a_pointer_of_the_first_stores_says_no_place_and_is_read() -> None:
    old = Pointer("1.0.0", None, 2, "a" * 64)
    raw = projections.encode(old)

    assert b"place" not in raw
    assert projections.decode(raw) == old


def test_a_model_without_a_live_version_has_a_pointer_to_nothing(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = written(store, blobs, source)

    pointer = projections.read_pointer(store, MODEL)

    assert pointer is not None
    assert (pointer.current, pointer.previous, pointer.seq) == (None, None, 1)
    assert pointer.head == state.head


def test_a_version_has_a_folder_that_holds_everything(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    written(store, blobs, source)
    files = [path for path in Path(store.path(FOLDER)).rglob("*") if path.is_file()]

    assert {path.relative_to(store.path(FOLDER)).as_posix() for path in files} == {
        "manifest.json",
        "model.bin",
        "tokenizer/vocab/words.txt",
    }
    assert store.read(f"{FOLDER}/model.bin") == source.read_bytes()


def test_the_files_of_a_version_are_the_blobs_themselves(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    written(store, blobs, source)
    digest = blobs.add(source).sha256

    assert store.same(layout.blob(digest), f"{FOLDER}/model.bin")
    assert os.stat(store.path(f"{FOLDER}/model.bin")).st_mode & 0o222 == 0


def test_two_versions_may_share_a_blob(store: LocalStore, blobs: Blobs, source: Path) -> None:
    state = registered(blobs, source, written(store, blobs, source), "1.1.0")
    projections.write(store, blobs, state, ["1.1.0"])

    assert store.same(f"{FOLDER}/model.bin", f"{layout.version(MODEL, '1.1.0')}/model.bin")


def test_the_manifest_of_a_folder_tells_digests_and_status(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = written(store, blobs, source)
    manifest = document(store, f"{FOLDER}/manifest.json")

    assert manifest["name"] == MODEL
    assert manifest["status"] == "registered"
    assert manifest["model_sha256"] == blobs.add(source).sha256
    assert manifest["digest"] == f"sha256:{state.versions['1.0.0'].manifest}"
    assert len(str(manifest["tokenizer_sha256"])) == 64


def test_the_manifest_of_a_folder_tells_todays_status(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = after(written(store, blobs, source), Staged(version="1.0.0", was=None))
    projections.write(store, blobs, state, ["1.0.0"])

    assert document(store, f"{FOLDER}/manifest.json")["status"] == "staging"


def test_without_links_a_folder_holds_the_manifest_alone(tmp_path: Path, source: Path) -> None:
    store = LocalStore(tmp_path / "store", links=False)
    written(store, Blobs(store), source)

    assert list(store.list(FOLDER)) == ["manifest.json"]


def test_a_purged_version_keeps_its_manifest_alone(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = after(written(store, blobs, source), Purged(reasons={"1.0.0": "too old"}))
    projections.write(store, blobs, state, ["1.0.0"])

    assert list(store.list(FOLDER)) == ["manifest.json"]
    assert document(store, f"{FOLDER}/manifest.json")["status"] == "purged"
    assert blobs.check(blobs.add(source).sha256) is None


def test_writing_again_changes_no_link(store: LocalStore, blobs: Blobs, source: Path) -> None:
    state = written(store, blobs, source)
    before = os.stat(store.path(f"{FOLDER}/model.bin")).st_ctime_ns
    projections.write(store, blobs, state, ["1.0.0"])

    assert os.stat(store.path(f"{FOLDER}/model.bin")).st_ctime_ns == before


def test_a_file_that_was_tampered_with_is_the_blob_again(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = written(store, blobs, source)
    store.replace(f"{FOLDER}/model.bin", b"tampered")
    projections.write(store, blobs, state, ["1.0.0"])

    assert store.read(f"{FOLDER}/model.bin") == source.read_bytes()


def test_a_folder_deleted_by_hand_comes_back(store: LocalStore, blobs: Blobs, source: Path) -> None:
    state = written(store, blobs, source)
    store.remove_folder(layout.model(MODEL))
    projections.write(store, blobs, state, ["1.0.0"])

    assert store.read(f"{FOLDER}/model.bin") == source.read_bytes()
    assert projections.read_pointer(store, MODEL) is not None


def test_the_last_copy_of_lost_bytes_is_not_taken_away(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    state = written(store, blobs, source)
    store.delete(layout.blob(blobs.add(source).sha256))
    projections.write(store, blobs, state, ["1.0.0"])

    assert store.read(f"{FOLDER}/model.bin") == source.read_bytes()


def test_without_a_pointer_there_is_none(store: LocalStore) -> None:
    assert projections.read_pointer(store, MODEL) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(200),
        b"null",
        b"{}",
        b'{"current": "1.0.0"}',
        b'{"current": 1, "previous": null, "seq": 1, "head": null}',
        b'{"current": "\xff", "previous": null, "seq": 1, "head": null}',
        b'{"current": null, "more": ' + b"[" * 100_000,
    ],
)
def test_a_broken_pointer_counts_as_absent(store: LocalStore, content: bytes) -> None:
    store.create(POINTER, content)

    assert projections.read_pointer(store, MODEL) is None


def test_a_pointer_cut_anywhere_counts_as_absent(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    written(store, blobs, source)
    whole = (store.read(POINTER) or b"").rstrip()
    for length in range(len(whole)):
        store.replace(POINTER, whole[:length])

        assert projections.read_pointer(store, MODEL) is None


def test_a_folder_in_place_of_the_pointer_counts_as_absent(store: LocalStore) -> None:
    Path(store.path(POINTER)).mkdir(parents=True)

    assert projections.read_pointer(store, MODEL) is None


def test_projections_lag_until_the_pointer_has_seen_the_last_entry(
    store: LocalStore, blobs: Blobs, source: Path
) -> None:
    old = written(store, blobs, source)
    new = after(old, Staged(version="1.0.0", was=None))
    pointer = projections.read_pointer(store, MODEL)

    assert projections.behind(None, old)
    assert not projections.behind(pointer, old)
    assert projections.behind(pointer, new)


TURNS = """
import sys
from pathlib import Path
from holdfast.store import projections
from holdfast.store.local import LocalStore
from holdfast.store.locks import Limit
store = LocalStore(Path(sys.argv[1]))
counter = Path(sys.argv[1], "counter")
for _ in range(200):
    with projections.turn(store, "iris", Limit(60)):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_processes_take_turns(tmp_path: Path) -> None:
    (tmp_path / "models" / "iris").mkdir(parents=True)
    (tmp_path / "counter").write_text("0")
    rivals = [subprocess.Popen([sys.executable, "-c", TURNS, tmp_path]) for _ in range(3)]

    assert [rival.wait(60) for rival in rivals] == [0, 0, 0]
    assert (tmp_path / "counter").read_text() == "600"


def test_where_locks_reach_nobody_none_is_taken(store: LocalStore, tmp_path: Path) -> None:
    with projections.turn(store, "iris", None):
        assert list(tmp_path.rglob(".lock")) == []
