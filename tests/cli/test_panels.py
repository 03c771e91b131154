"""The screen of `status`, held against rich, whose rules of wrapping it keeps."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from holdfast.cli import panels
from holdfast.cli.panels import Styled, styled

letters = st.sampled_from("ab字é")
words = st.text(letters, min_size=1, max_size=30)
pieces = st.lists(words, min_size=1, max_size=8).map(" ".join)
styles = st.sampled_from(["", "bold", "red", "bold green", "dim", "yellow"])
texts = st.lists(st.tuples(pieces, styles), min_size=1, max_size=3).map(tuple)
labels = st.text(st.sampled_from("live "), min_size=1, max_size=14).map(str.strip)


def drawn_by_rich(
    title: str, rows: list[tuple[str, Styled]], columns: int, monkeypatch: Any
) -> str:
    monkeypatch.setenv("FORCE_COLOR", "1")
    facts = Table.grid(padding=(0, 1))
    facts.add_column(justify="right", style="bold", no_wrap=True, min_width=10)
    facts.add_column(overflow="fold")
    for label, text in rows:
        facts.add_row(label, Text.assemble(*text))
    panel = Panel(facts, title=title, title_align="left", box=box.SQUARE, width=columns)
    console = Console(width=columns, highlight=False, emoji=False, markup=False)
    with console.capture() as captured:
        console.print(panel)
    return captured.get()


def cells_of(screen: str) -> list[tuple[str, str]]:
    """Return each visible character with its style; spaces have none."""
    style, found = "", []
    for match in re.finditer(r"\x1b\[([0-9;]*)m|(.|\n)", screen):
        if match[1] is not None:
            style = match[1] if match[1] != "0" else ""
        else:
            found.append((match[2], "" if match[2].isspace() else style))
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(labels, texts), min_size=1, max_size=4), st.integers(40, 120))
def test_facts_wrap_and_are_coloured_as_rich_does_it(
    rows: list[tuple[str, Styled]], columns: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        theirs = drawn_by_rich("iris", rows, columns, patched)
        patched.setenv("TERM", "xterm")
        patched.delenv("NO_COLOR", raising=False)
        ours = panels.frame("iris", panels.facts(rows, columns - 4, 10), columns)

    assert cells_of("\n".join(ours) + "\n") == cells_of(theirs)


@pytest.mark.parametrize(
    ("environment", "codes"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False),
        ({"TTY_COMPATIBLE": "1"}, True),
        ({"FORCE_COLOR": "1", "TTY_COMPATIBLE": "0"}, False),
    ],
)
def test_colours_come_where_other_programs_show_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], codes: Any
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lines = panels.frame("iris", [styled(("live", "bold green"))], 40)

    assert ("\x1b[1;32mlive\x1b[0m" in lines[1]) is codes


def test_without_colour_what_is_bold_stays_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = panels.frame("iris", [styled(("live", "bold green"), (" red", "red"))], 40)

    assert "\x1b[1mlive\x1b[0m red" in lines[1]


def test_a_label_takes_half_of_the_screen_at_most() -> None:
    [line] = panels.facts([("vs " + "9" * 80, "same")], 60, 10)

    assert "".join(text for text, _ in line).endswith("9… same")


def test_cells_of_a_table_stay_on_their_line() -> None:
    lines = panels.table(("when", "why"), [("today", "one\ntwo \x1b[31m three")], (5, 12))

    assert [text for line in lines for text, _ in line] == [
        "when   why         ",
        "today  one two �[3…",
    ]
