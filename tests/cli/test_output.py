"""Lines on the standard streams."""

import io
import sys

import pytest

from holdfast.cli.output import echo


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class _Pipe(io.StringIO):
    encoding = "utf-8"


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = _Terminal(), _Pipe()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", pipe)
    echo("\x1b[1;32mlive\x1b[0m")
    echo("\x1b[1;32mlive\x1b[0m", err=True)

    assert terminal.getvalue() == "\x1b[1;32mlive\x1b[0m\n"
    assert pipe.getvalue() == "live\n"


@pytest.mark.parametrize("encoding", ["ascii", "US-ASCII", "utf8", "latin-1"])
def test_a_stream_of_any_encoding_takes_the_line(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="replace"))
    echo("größer")

    assert raw.getvalue().decode("latin-1" if encoding == "latin-1" else "utf-8") == "größer\n"
