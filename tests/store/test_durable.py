"""Files written whole or not at all; the order of the system calls is shown in `tests/faults`."""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.errors import ReadOnlyStoreError, StoreError, StoreFullError
from holdfast.store import TakenError, durable

LINKS = pytest.mark.parametrize("links", [True, False])


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@LINKS
def test_a_file_is_created_with_its_bytes(tmp_path: Path, *, links: bool) -> None:
    durable.create(str(tmp_path / "new"), b"one", links=links)

    assert (tmp_path / "new").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["new"]


@LINKS
def test_creation_makes_all_folders(tmp_path: Path, *, links: bool) -> None:
    durable.create(str(tmp_path / "a" / "b" / "new"), b"one", links=links)

    assert (tmp_path / "a" / "b" / "new").read_bytes() == b"one"


@LINKS
def test_creation_refuses_a_taken_name(tmp_path: Path, *, links: bool) -> None:
    (tmp_path / "taken").write_bytes(b"theirs")

    with pytest.raises(TakenError, match="taken"):
        durable.create(str(tmp_path / "taken"), b"ours", links=links)
    assert (tmp_path / "taken").read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["taken"]


@LINKS
@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_creation_refuses_a_name_of_anything(tmp_path: Path, kind: str, *, links: bool) -> None:
    taken = tmp_path / "taken"
    taken.mkdir() if kind == "folder" else taken.symlink_to("nowhere")

    with pytest.raises(TakenError):
        durable.create(str(taken), b"ours", links=links)


def test_a_name_linked_by_a_lost_call_is_not_a_rivals(tmp_path: Path) -> None:
    written, path = tmp_path / "written", tmp_path / "path"
    written.write_bytes(b"ours")
    os.link(written, path)
    durable.publish(str(written), str(path))

    assert path.read_bytes() == b"ours"


def test_an_exclusive_rename_refuses_a_taken_name(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).write_text(name)

    with pytest.raises(FileExistsError):
        durable.rename_exclusively(str(tmp_path / "ours"), str(tmp_path / "theirs"))
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_an_exclusive_rename_tells_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.rename_exclusively(str(tmp_path / "none"), str(tmp_path / "new"))


def test_replacing_leaves_one_file(tmp_path: Path) -> None:
    for text in (b"one", b"two", b"three"):
        durable.replace(str(tmp_path / "file"), text)

    assert (tmp_path / "file").read_bytes() == b"three"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_somebody_holds_open_is_replaced_when_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace
    refusals = iter([PermissionError(), PermissionError()])

    def refuse_twice(written: str, path: str) -> None:
        for refusal in refusals:
            raise refusal
        replace(written, path)

    monkeypatch.setattr(durable, "_REPLACE_PATIENCE_S", 60.0)  # as on Windows
    monkeypatch.setattr(os, "replace", refuse_twice)
    durable.replace(str(tmp_path / "new"), b"one")

    assert (tmp_path / "new").read_bytes() == b"one"


def test_where_nobody_can_hold_files_a_refusal_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_written: str, _path: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)

    with pytest.raises(PermissionError):
        durable.replace(str(tmp_path / "new"), b"one")
    assert os.listdir(tmp_path) == []


WITHOUT_CTYPES = """
import sys
sys.modules["ctypes"] = None
from holdfast.store import durable
for _ in range(9):
    durable.replace(sys.argv[1], b"one")
durable.replace(sys.argv[1], b"two")
try:
    durable.rename_exclusively(sys.argv[1], sys.argv[1] + "2")
except OSError as error:
    print(error.strerror)
"""


def test_a_python_without_ctypes_replaces_files_and_renames_none_exclusively(
    tmp_path: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_CTYPES, tmp_path / "file"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == "Function not implemented\n"
    assert (tmp_path / "file").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.usefixtures("umask")
def test_a_created_file_keeps_to_the_umask_and_is_read_only(tmp_path: Path) -> None:
    durable.create(str(tmp_path / "new"), b"one")

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o440


@pytest.mark.usefixtures("umask")
def test_a_replaced_file_keeps_to_the_umask(tmp_path: Path) -> None:
    durable.replace(str(tmp_path / "new"), b"one")

    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_system_without_modes_of_open_files_creates_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "fchmod")
    durable.create(str(tmp_path / "new"), b"one")

    assert (tmp_path / "new").read_bytes() == b"one"


def test_a_failed_writer_leaves_no_temporary_file(tmp_path: Path) -> None:
    during = []

    def fail() -> None:
        with durable.temporary(str(tmp_path)):
            during.extend(os.listdir(tmp_path))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()

    assert (len(during), os.listdir(tmp_path)) == (1, [])


def test_a_temporary_file_is_told_by_its_name(tmp_path: Path) -> None:
    with durable.temporary(str(tmp_path)) as (_file, path):
        name = os.path.basename(path)

    assert name.startswith(".tmp-")


def test_bytes_are_written_however_few_are_taken_at_a_time() -> None:
    data = os.urandom(300_000)  # more than a pipe holds
    reader, writer = os.pipe()
    received = bytearray()

    def drain() -> None:
        with open(reader, "rb", buffering=0) as pipe:
            while piece := pipe.read(1_000):
                received.extend(piece)

    thread = threading.Thread(target=drain)
    thread.start()
    durable.write_all(writer, data)
    os.close(writer)
    thread.join()

    assert bytes(received) == data


def test_a_file_longer_than_the_limit_is_a_full_store(tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from holdfast.errors import StoreFullError\n"
        "from holdfast.store.local import LocalStore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "try:\n"
        "    store.create('large', bytes(150_000))\n"
        "except StoreFullError as error:\n"
        "    print(error)\n"
        "store.create('small', bytes(50_000))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )

    assert "has no space left; free some" in ended.stdout
    assert os.listdir(tmp_path) == ["small"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_a_full_store(number: int) -> None:
    with pytest.raises(StoreFullError, match=r"^there has no space left; free some"):
        _refuse(number)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_no_right_is_a_read_only_store(number: int) -> None:
    with pytest.raises(ReadOnlyStoreError, match=r"^there cannot be written; check the mount"):
        _refuse(number)


def test_any_other_refusal_is_told_in_the_systems_words() -> None:
    with pytest.raises(
        StoreError, match=r"^there cannot be used: Input/output error; check the disk, then repeat$"
    ) as caught:
        _refuse(errno.EIO)

    assert type(caught.value) is StoreError


def _refuse(number: int) -> None:
    with durable.translate_errors("there"):
        raise OSError(number, os.strerror(number))


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    durable.make_folder(str(tmp_path / "a" / "b"))
    durable.make_folder(str(tmp_path / "a" / "b"))

    assert (tmp_path / "a" / "b").is_dir()


def test_a_path_without_a_beginning_is_an_error_and_no_endless_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(FileNotFoundError):
        durable.make_folder("relative/folder")


def test_a_file_in_the_way_of_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    durable.make_folder(str(tmp_path / "file"))

    assert (tmp_path / "file").read_bytes() == b"mine"


def test_the_store_tells_its_own_time(tmp_path: Path) -> None:
    (tmp_path / "before").touch()
    now = durable.now_of(str(tmp_path))
    (tmp_path / "after").touch()

    assert (tmp_path / "before").stat().st_mtime <= now <= (tmp_path / "after").stat().st_mtime
    assert sorted(os.listdir(tmp_path)) == ["after", "before"]


def test_the_time_of_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError):
        durable.now_of(str(tmp_path / "file"))


def test_removal_takes_read_only_files_and_folders(tmp_path: Path) -> None:
    durable.create(str(tmp_path / "a" / "b" / "file"), b"one")
    durable.create(str(tmp_path / "other"), b"two")
    durable.remove(str(tmp_path / "a"))
    durable.remove(str(tmp_path / "other"))
    durable.remove(str(tmp_path / "none"))

    assert os.listdir(tmp_path) == []
