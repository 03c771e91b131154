"""Screens and tables on terminals of several widths."""

import os
import re
import struct
import subprocess
import sys
from typing import Any

import pytest

from holdfast.cli import tables

termios = pytest.importorskip("termios")  # there is no such terminal on Windows
LONG = "first release of the year, agreed with risk and compliance at the weekly meeting"


def on_terminal(columns: int, *words: str) -> list[str]:
    """Run a command on a terminal so wide; return the lines that it shows, without colours."""
    import fcntl
    import pty

    inside, outside = pty.openpty()
    fcntl.ioctl(outside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "holdfast", *words]
    with subprocess.Popen(command, stdout=outside, stderr=outside, env=environment) as process:
        os.close(outside)
        shown = b""
        try:
            while read := os.read(inside, 65536):
                shown += read
        except OSError:  # how the end of a terminal is told on Linux
            pass
        os.close(inside)
    assert process.returncode == 0, shown
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    return text.replace("\r\n", "\n").splitlines()


@pytest.fixture
def crowded(churn: Any, model: Any) -> Any:
    words = ("--metric", "roc_auc=0.83", "--metric", "recall=0.7312", "--metric", "log_loss=0.31")
    churn("register", "churn", model("four"), *words, "--by", "a-service-account-of-the-ci")
    churn("promote", "churn@latest", "--force", "--reason", LONG, "--by", "a-service-account")
    churn("policy", "set", "churn", "--approvals", "1", "--metric", "recall:min=0.5,max=0.9")
    return churn


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("columns", [60, 80, 100, 200])
@pytest.mark.parametrize(
    "words",
    [("status", "churn"), ("ls", "churn"), ("ls",), ("history", "churn"), ("status",)],
    ids=" ".join,
)
def test_a_screen_fits_its_terminal(columns: int, words: tuple[str, ...]) -> None:
    lines = on_terminal(columns, *words)

    assert lines
    assert max(map(len, lines)) <= columns


def test_what_is_cut_says_so_and_what_is_piped_is_whole(crowded: Any) -> None:
    whole = crowded("history", "churn").out.splitlines()
    narrow = on_terminal(60, "history", "churn")

    assert max(map(len, whole)) > 100
    assert "…" not in "".join(whole)
    for full, cut in zip(whole, narrow, strict=True):
        assert "…" in cut or cut.split() == full.split()


@pytest.mark.usefixtures("crowded")
def test_columns_that_are_left_out_are_told_in_the_header() -> None:
    header = on_terminal(60, "ls", "churn")[0]

    assert "DIGEST" not in header
    assert header.endswith("…")


@pytest.mark.usefixtures("crowded")
def test_a_wide_terminal_shows_more() -> None:
    narrow, wide = (" ".join(on_terminal(columns, "ls", "churn")) for columns in (60, 200))

    assert "DIGEST" not in narrow
    assert "DIGEST" in wide
    assert "log_loss 0.31" in wide


@pytest.mark.usefixtures("crowded")
def test_the_way_back_is_whole_on_every_screen() -> None:
    for columns in (60, 200):
        shown = " ".join(on_terminal(columns, "status", "churn"))
        assert "holdfast rollback churn --expect 1.3.0" in shown
        assert "every byte verified" in shown


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("2026-03-02T11:00:00.000000Z", "1 h 0 m"),
        ("2026-03-02T12:00:30.000000Z", "0 s"),
        ("2035-03-02T12:00:00.000000Z", "in the future: a clock was wrong"),
    ],
)
def test_no_age_is_shown_of_what_is_yet_to_come(at: str, text: str) -> None:
    assert tables.ago(at, "2026-03-02T12:00:00.000000Z") == text
