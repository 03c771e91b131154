"""What a user keeps of what was checked: bounded, the least used goes, losing it loses nothing."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.store import private_cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of one kind, below a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    private_cache.keep("folds", "first", b"1")
    return tmp_path / ".cache" / "holdfast-checked" / "folds"


def aged(folder: Path) -> None:
    """Let all that is there be of an hour ago."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3000, time.time() - 3000))


def test_what_is_kept_is_read_again_and_is_its_owners_alone(folder: Path) -> None:
    assert private_cache.read("folds", "first", 10) == b"1"
    assert private_cache.read("folds", "second", 10) is None
    assert folder.stat().st_mode & 0o077 == 0


def test_beyond_so_many_files_the_least_used_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_cache, "_MOST_FILES", 10)
    for number in range(9):
        private_cache.keep("folds", f"old {number}", b"x")
    aged(folder)
    private_cache.read("folds", "first", 10)  # used last

    private_cache.keep("folds", "new", b"y")

    assert len(list(folder.iterdir())) == 8
    assert private_cache.read("folds", "first", 10) == b"1"
    assert private_cache.read("folds", "new", 10) == b"y"


def test_beyond_so_many_bytes_the_least_used_go_and_the_newest_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_cache, "_MOST_BYTES", 100)
    private_cache.keep("folds", "small", b"x" * 50)
    private_cache.keep("folds", "large", b"x" * 500)

    assert private_cache.read("folds", "large", 1000) == b"x" * 500
    assert len(list(folder.iterdir())) == 1


def test_drafts_of_killed_processes_go_and_those_of_others_stay(folder: Path) -> None:
    for name, age_s in ((".killed", 7200), (".busy", 0)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s, time.time() - age_s))

    private_cache._counters.clear()  # as in a new process
    private_cache.keep("folds", "new", b"y")

    assert not (folder / ".killed").exists()
    assert (folder / ".busy").exists()


def test_a_process_looks_at_the_folder_for_each_64th_of_its_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    look = os.scandir

    def watched(path: str) -> object:
        looked.append(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", watched)
    for number in range(200):
        private_cache.keep("folds", f"model {number}", b"x")

    assert len(list(folder.iterdir())) == 201
    assert len(looked) <= 200 // 64 + 1


def test_many_at_once_lose_nothing_that_was_just_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_cache, "_MOST_FILES", 20)
    wrong: list[str] = []

    def work(name: str) -> None:
        for number in range(50):
            private_cache.keep("folds", f"{name} {number}", name.encode())
            if private_cache.read("folds", f"{name} {number}", 10) not in (None, name.encode()):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    # a count may miss the files that two others publish meanwhile, and each of three adds one
    assert len(list(folder.iterdir())) <= 20 + 2 + 3


def test_what_takes_the_place_of_another_looks_at_no_other_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_cache, "_MOST_FILES", 0)

    private_cache.keep("folds", "first", b"2")

    assert private_cache.read("folds", "first", 10) == b"2"
    (folder / ".killed").write_bytes(b"x")
    os.utime(folder / ".killed", (0, 0))
    private_cache.keep("folds", "first", b"3")
    assert (folder / ".killed").exists()


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="Linux alone")
def test_what_cannot_be_kept_leaves_nothing(folder: Path) -> None:
    (folder / private_cache._name("taken")).mkdir()
    (folder / private_cache._name("taken") / "inside").touch()

    private_cache.keep("folds", "taken", b"x")

    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


_PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to somebody's file": lambda path: path.symlink_to("/etc/passwd"),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
@pytest.mark.parametrize("plant", _PLANTED.values(), ids=_PLANTED)
def test_what_is_no_file_of_ours_is_not_read_and_keeps_nobody_waiting(
    folder: Path, plant: Callable[[Path], object]
) -> None:
    (path,) = folder.iterdir()
    path.unlink()
    plant(path)

    assert private_cache.read("folds", "first", 10) is None

    private_cache.keep("folds", "first", b"2")
    assert private_cache.read("folds", "first", 10) == (None if path.is_dir() else b"2")
