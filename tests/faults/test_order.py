"""The order of the system calls: bytes are durable before their name, names before an answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.faults.crash_states import is_temporary
from tests.faults.tracing import Run, traced

PROGRAM = """
import os, sys
from pathlib import Path
from holdfast.store import TakenError
from holdfast.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]), links=sys.argv[2] == "links")
key, source = "models/iris/journal/0000000001.json", Path(sys.argv[3])
{before}
os.getsid(0)
{deed}
os.getsid(0)
"""
CREATE = "store.create(key, b'one')"
CREATE_IF_FREE = """
try:
    store.create(key, b'two')
except TakenError:
    pass
"""
INGEST = "store.ingest(source, 'blobs/sha256', None)"
REPLACE = "store.replace('models/active', b'{}')"
WITH_LINK = ["link NAME", "unlink TEMPORARY"]
WITH_RENAME = ["renameat2 NAME"]
WAYS = pytest.mark.parametrize(
    ("method", "publishing"), [("links", WITH_LINK), ("renames", WITH_RENAME)]
)


def steps(
    tmp_path: Path,
    deed: str,
    *,
    before: str = "",
    method: str = "links",
    inject: Sequence[str] = (),
) -> list[str]:
    """Run a deed under strace; return what it did to which file or folder, failures left out."""
    tmp_path.mkdir(exist_ok=True)
    program = tmp_path / "deed.py"
    program.write_text(PROGRAM.replace("{before}", before).replace("{deed}", deed))
    source = tmp_path / "source"
    source.write_bytes(b"weights" * 1_000)
    run = traced(program, tmp_path / "store", method, source, inject=inject)
    assert run.status == 0, run.stderr
    return list(_told(run, tmp_path / "store"))


def _told(run: Run, root: Path) -> Iterator[str]:
    for call in run.calls:
        if call.error is not None or call.result == "?":
            continue
        match call.name:
            case "write" | "fchmod" | "fsync":
                yield f"{call.name} {_named(call.file, root)}"
            case "copy_file_range" if call.result != "0":
                yield f"{call.name} {_named(call.target, root)}"
            case "link" | "linkat" | "rename" | "renameat2":
                yield f"{call.name} {_named(call.texts[1], root)}"
            case "unlink" | "mkdir" | "utimensat":
                yield f"{call.name} {_named(call.texts[0], root)}"


def _named(path: str, root: Path) -> str:
    if is_temporary(path):
        return "TEMPORARY"
    if path == str(root):
        return "ROOT"
    name = path.removeprefix(f"{root}/")
    return name if name.count("/") < 2 or name.endswith("journal") else "NAME"


@pytest.mark.parametrize(
    ("method", "publishing"),
    [
        ("links", ["fsync TEMPORARY", "linkat NAME"]),
        ("renames", ["fchmod TEMPORARY", "fsync TEMPORARY", *WITH_RENAME]),
    ],
)
def test_an_entry_is_durable_before_it_has_a_name(
    tmp_path: Path, method: str, publishing: list[str]
) -> None:
    done = steps(tmp_path, CREATE, before="store.create(key + '0', b'')", method=method)

    assert done == ["write TEMPORARY", *publishing, "fsync models/iris/journal"]


def test_where_no_file_can_be_without_a_name_an_entry_is_durable_before_it_has_one(
    tmp_path: Path,
) -> None:
    inject = ["linkat:error=EOPNOTSUPP:when=1+"]
    done = steps(tmp_path, CREATE, before="store.create(key + '0', b'')", inject=inject)

    assert done[-6:] == [
        "write TEMPORARY",
        "fchmod TEMPORARY",
        "fsync TEMPORARY",
        *WITH_LINK,
        "fsync models/iris/journal",
    ]


def test_every_new_folder_is_synced_in_its_parent_before_anything_is_in_it(tmp_path: Path) -> None:
    done = steps(tmp_path, CREATE, before="store.root.mkdir()")

    assert done[:6] == [
        "mkdir models",
        "fsync ROOT",
        "mkdir models/iris",
        "fsync models",
        "mkdir models/iris/journal",
        "fsync models/iris",
    ]
    assert done[6] == "write TEMPORARY"


@WAYS
def test_a_blob_is_durable_before_it_has_a_name(
    tmp_path: Path, method: str, publishing: list[str]
) -> None:
    done = steps(tmp_path, INGEST, before="store.create('blobs/sha256/other', b'')", method=method)

    assert done == [
        "copy_file_range TEMPORARY",
        "fsync TEMPORARY",
        "fchmod TEMPORARY",
        "fsync TEMPORARY",
        *publishing,
        "fsync blobs/sha256",
    ]


def test_a_taken_name_is_durable_before_the_loser_hears_of_it(tmp_path: Path) -> None:
    done = steps(tmp_path, CREATE_IF_FREE, before=CREATE)

    assert done == [
        "write TEMPORARY",
        "fsync TEMPORARY",
        "fsync models/iris/journal",
    ]


def test_a_stored_blobs_name_is_durable_before_it_is_built_upon(tmp_path: Path) -> None:
    done = steps(tmp_path, INGEST, before=INGEST)

    assert done[-3:] == ["utimensat NAME", "unlink TEMPORARY", "fsync blobs/sha256"]


def test_an_expected_blob_is_not_written_again(tmp_path: Path) -> None:
    before = f"digest = {INGEST}.sha256"
    done = steps(tmp_path, "store.ingest(source, 'blobs/sha256', digest)", before=before)

    assert done == ["utimensat NAME", "fsync blobs/sha256"]


def test_a_projection_is_put_in_place_in_one_step(tmp_path: Path) -> None:
    first = steps(tmp_path / "first", REPLACE, before=REPLACE)
    often = steps(tmp_path / "often", REPLACE, before=f"for _ in range(8): {REPLACE}")

    assert first == ["write TEMPORARY", "rename models/active"]
    assert often == ["write TEMPORARY", "renameat2 models/active", "unlink TEMPORARY"]


AT_ONCE = "batch_writes.{way}(store, [(f'{{key}}{{n}}', b'{{n}}') for n in range(3)])"
IMPORTED = "from holdfast.store import batch_writes; store.create(key, b'')"


def test_entries_written_at_once_are_durable_before_any_has_a_name_and_then_one_by_one(
    tmp_path: Path,
) -> None:
    done = steps(tmp_path, AT_ONCE.format(way="create_in_order"), before=IMPORTED)

    assert done[:6] == ["write TEMPORARY"] * 3 + ["fsync TEMPORARY"] * 3
    assert done[6:] == ["linkat NAME", "fsync models/iris/journal"] * 3


def test_blobs_written_at_once_are_durable_before_any_has_a_name(tmp_path: Path) -> None:
    done = steps(tmp_path, AT_ONCE.format(way="create_together"), before=IMPORTED)

    assert done[:6] == ["write TEMPORARY"] * 3 + ["fsync TEMPORARY"] * 3
    assert done[6:] == ["linkat NAME"] * 3 + ["fsync models/iris/journal"]
