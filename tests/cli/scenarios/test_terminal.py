"""What others wrote never steers the terminal of whoever reads it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

pty = pytest.importorskip("pty", reason="there are no such terminals on Windows")
STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\u202e"
HOLDFAST = (sys.executable, "-m", "holdfast")
COLOUR = "\x1b["


def on_a_terminal(*arguments: str) -> str:
    """Run a command on a terminal of its own and return all that it sends there."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [*HOLDFAST, *arguments], stdout=follower, stderr=follower, stdin=follower, env=environment
    )
    os.close(follower)
    sent = b""
    try:
        while piece := os.read(leader, 1 << 16):
            sent += piece
    except OSError:  # how a terminal says that nobody is left
        pass
    process.wait(60)
    os.close(leader)
    return sent.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals there")
@pytest.mark.parametrize(
    "verb",
    ["history", "status", "ls", "show", "compare", "card", "card as JSON", "show as JSON"],
)
def test_a_reason_cannot_steer_the_terminal(tmp_path: Path, verb: str) -> None:
    (tmp_path / "model.txt").write_text("words")
    registry = holdfast.open(tmp_path / "store", by=f"eve{STEERING}")
    for _ in range(2):
        registry.register(
            "iris", tmp_path / "model.txt", reason=f"why{STEERING}", description=f"what{STEERING}"
        )
    registry.promote("iris@1.0.0", reason=f"good{STEERING}")
    registry.note("iris@1.0.0", f"seen{STEERING}")
    arguments = {
        "history": ["iris"], "status": ["iris"], "ls": ["iris"], "show": ["iris@1.0.0"],
        "compare": ["iris@1.0.0", "iris@1.1.0"], "card": ["iris@1.0.0", "--format", "markdown"],
        "card as JSON": ["iris@1.0.0"], "show as JSON": ["iris@1.0.0", "--json"],
    }[verb]  # fmt: skip
    sent = on_a_terminal(verb.partition(" ")[0], *arguments, "--store", str(tmp_path / "store"))

    assert sent
    without_colours = "".join(
        part.partition("m")[2] if index else part for index, part in enumerate(sent.split(COLOUR))
    )
    assert not set(without_colours) & set("\x1b\x07\x9b\u202e")
    assert f"{COLOUR}2J" not in sent
