"""Folders for a while go with their process, and with no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import scratch

_PATIENCE_S = 60


def ran(program: str, *arguments: object) -> list[str]:
    """Return the words that a program of its own process prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_S,
    )
    return ended.stdout.split()


def test_a_folder_is_there_for_a_block(tmp_path: Path) -> None:
    with scratch.folder(tmp_path, "mine-") as folder:
        (folder / "part").mkdir()
        (folder / "part" / "file").touch(0o400)

        assert folder.parent == tmp_path
        assert folder.name.startswith("mine-")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_goes_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"), scratch.folder(tmp_path):
        raise RuntimeError("stopped")

    assert list(tmp_path.iterdir()) == []


def test_what_was_made_read_only_goes_too_and_what_it_links_to_stays() -> None:
    program = (
        "import os, shutil, tempfile\n"  # while their files can be read
        "from holdfast import scratch\n"
        "if os.getuid() == 0:\n"
        "    os.setuid(65534)\n"  # whom modes keep out
        "with scratch.folder() as other:\n"
        "    (other / 'file').touch(0o440)\n"
        "    with scratch.folder() as folder:\n"
        "        (folder / 'part').mkdir()\n"
        "        (folder / 'part' / 'file').touch(0o400)\n"
        "        (folder / 'part' / 'link').symlink_to(other / 'file')\n"
        "        (folder / 'part').chmod(0o500)\n"
        "    print(folder.is_absolute(), folder.exists())\n"
        "    print(oct((other / 'file').stat().st_mode))\n"
    )

    assert ran(program) == ["True", "False", "0o100440"]


@pytest.mark.parametrize("end", ["sys.exit()", "raise KeyboardInterrupt"])
def test_a_forked_child_that_leaves_the_block_leaves_the_folder(tmp_path: Path, end: str) -> None:
    program = (
        "import os, sys\n"
        "from holdfast import scratch\n"
        "with scratch.folder(sys.argv[1]) as folder:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        f"        {end}\n"
        "    os.waitpid(child, 0)\n"
        "    print(folder.exists())\n"
        "print(folder.exists())\n"
    )

    assert ran(program, tmp_path) == ["True", "False"]


def test_a_folder_until_exit_goes_with_its_process_and_not_with_a_child_of_it() -> None:
    program = (
        "import os, sys\n"
        "from holdfast import scratch\n"
        "folder = scratch.until_exit()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "print(folder, folder.exists())\n"
    )
    folder, existed = ran(program)

    assert existed == "True"
    assert not Path(folder).exists()


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_a_folder_of_a_child_of_multiprocessing_goes_with_it(how: str, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "from holdfast import scratch\n"
        "def work(answers):\n"
        "    folder = scratch.until_exit()\n"
        "    answers.put((str(folder), folder.exists()))\n"
    )
    program = (
        "import multiprocessing, os, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import worker\n"
        "if __name__ == '__main__':\n"
        "    processes = multiprocessing.get_context(sys.argv[2])\n"
        "    answers = processes.Queue()\n"
        "    child = processes.Process(target=worker.work, args=(answers,))\n"
        "    child.start()\n"
        "    folder, existed = answers.get()\n"
        "    child.join()\n"
        "    print(existed, os.path.exists(folder))\n"
    )

    assert ran(program, tmp_path, how) == ["True", "False"]


def test_a_folder_that_is_removed_twice_leaves_what_is_around_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    program = (
        "import multiprocessing.util, sys, tempfile\n"  # which removes it too, at exit
        "tempfile.tempdir = sys.argv[1]\n"
        "from holdfast import scratch\n"
        "print(scratch.until_exit().parent)\n"
    )

    assert ran(program, tmp_path) == [str(tmp_path)]
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), scratch.folder(tmp_path / "missing"):
        pass


def test_a_folder_that_is_gone_already_is_no_failure_and_changes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with scratch.folder(tmp_path) as folder:
        os.rmdir(folder)

    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o755
