"""The bar of long work: on a terminal, as wide as it is; nothing where nobody looks."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Holdfast

fcntl = pytest.importorskip("fcntl", reason="there are no such terminals on Windows")
pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
TELLS = """
import select, sys
from holdfast.cli.progress import progress

with progress("verify", shown=True) as told:
    done = 0
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        done = min(done + 10**7, 9 * 10**9)
        told(done, 10 * 10**9)
    told(10 * 10**9, 10 * 10**9)
"""
STEERED = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WIDTHS = pytest.mark.parametrize("width", [60, 80, 100, 200])


def until(leader: int, text: str) -> str:
    """Read what a terminal shows until *text* is there, or nobody writes any more."""
    sent = b""
    while text not in STEERED.sub("", sent.decode(errors="replace")):
        try:
            sent += os.read(leader, 1 << 16)
        except OSError:
            break
    return STEERED.sub("", sent.decode(errors="replace"))


def terminal(width: int) -> tuple[int, int]:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    return leader, follower


@WIDTHS
def test_the_bar_tells_bytes_and_time_left_in_one_line_at_any_width(width: int) -> None:
    leader, follower = terminal(width)
    process = subprocess.Popen(
        [sys.executable, "-c", TELLS],
        stdin=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(follower)
    sent = until(leader, " left")
    assert process.stdin is not None
    process.stdin.close()
    sent += until(leader, "never")
    os.close(leader)

    lines = re.split(r"[\r\n]+", sent)
    assert process.wait(60) == 0
    assert max(map(len, lines)) <= width
    assert any(
        re.fullmatch(r"verify .*[0-9.]+ [MG]B of 10\.0 GB \d+:\d\d:\d\d left", line.strip())
        for line in lines
    )
    assert any(line.startswith("verify: checking") for line in lines)


@pytest.mark.parametrize("verb", ["register", "verify", "export", "import", "copy", "backup"])
def test_a_command_on_a_terminal_shows_its_bar(
    holdfast: Holdfast, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "model.bin").write_bytes(os.urandom(1 << 20) * 9)
    holdfast("register", "big", "model.bin")
    holdfast("export", "big", "big.tar")
    words = {
        "register": ["other", "model.bin"], "verify": [], "export": ["big", "more.tar"],
        "import": ["big.tar", "--store", "new"], "copy": ["store", "new"], "backup": ["new"],
    }[verb]  # fmt: skip
    leader, follower = terminal(80)
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast", verb, *words],
        stdout=subprocess.DEVNULL,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
    )
    os.close(follower)
    sent = until(leader, "never")
    os.close(leader)

    assert process.wait(60) == 0
    assert re.search(rf"{verb} .*[0-9.]+ \w?B of 9\.[45] MB", sent)


@pytest.mark.parametrize("words", [["verify"], ["export", "big", "big.tar"], ["backup", "new"]])
def test_nothing_is_drawn_off_a_terminal(
    holdfast: Holdfast, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "model.bin").write_bytes(b"bytes")
    holdfast("register", "big", "model.bin")

    assert holdfast(*words).err == ""
