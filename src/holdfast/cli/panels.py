"""A framed screen of facts and a table, drawn without the library that draws the others.

`status` is typed more often than any other command, and importing rich takes longer than all it
does. Words wrap, and long ones fold, as rich has them.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from holdfast.cli.tables import cells, cut, inert, one_line

Styled = tuple[tuple[str, str], ...]
"""A text in pieces, each with its style: words such as `bold green`, or none."""

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_COLOURLESS: Final = ("1", "2")
_WORD: Final = r"\s*\S+\s*"
_GAP: Final = 2
"""Columns between those of a table."""


def styled(*pieces: str | tuple[str, str]) -> Styled:
    """Join texts, those without a style of their own plain."""
    return tuple(piece if isinstance(piece, tuple) else (piece, "") for piece in pieces)


def frame(title: str, lines: Iterable[Styled], columns: int) -> list[str]:
    """Draw lines that fit within a frame of so many columns, in colour where a terminal shows it.

    Args:
        title: On the upper edge; must leave six columns.
    """
    head = f"─ {inert(title)} "
    colours = _colours()
    framed = [f"┌{head}{'─' * (columns - 2 - cells(head))}┐"]
    for line in lines:
        blank = " " * (columns - 4 - cells(_plain(line)))
        framed.append(f"│ {''.join(_shown(piece, colours) for piece in line)}{blank} │")
    return [*framed, f"└{'─' * (columns - 2)}┘"]


def facts(rows: Sequence[tuple[str, Styled | str]], columns: int, least: int) -> Iterator[Styled]:
    """Go through the lines of labels and texts; texts wrap beside their label.

    Args:
        least: Columns of the labels, which stand to the right; longer ones need more.
    """
    widest = min(max(least, *(cells(label) for label, _ in rows)), columns // 2)
    for label, text in rows:
        shown = cut(one_line(label), widest)
        whole = styled(text) if isinstance(text, str) else text
        for number, line in enumerate(wrapped(whole, columns - widest - 1)):
            beside = shown if number == 0 else ""
            indent = " " * (widest - cells(beside))
            yield ((indent, ""), (beside, "bold"), (" ", ""), *line)


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], sizes: Sequence[int]
) -> list[Styled]:
    """Draw cells one line each, cut to the size of their column."""
    return [
        styled((_row(header, sizes), "dim")),
        *(styled(_row(row, sizes)) for row in rows),
    ]


def _row(row: Sequence[str], sizes: Sequence[int]) -> str:
    texts = [cut(one_line(cell), size) for cell, size in zip(row, sizes, strict=True)]
    padded = [text + " " * (size - cells(text)) for text, size in zip(texts, sizes, strict=True)]
    return (" " * _GAP).join(padded)


def wrapped(text: Styled, columns: int) -> Iterator[Styled]:
    """Break a text between words where it is too long, and a word that is too long anywhere."""
    line = tuple((one_line(piece), style) for piece, style in text)
    plain = _plain(line)
    if cells(plain) <= columns:
        yield line
        return
    ends = [*_breaks(plain, columns), len(plain)]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        yield _part(line, start, start + len(plain[start:end].rstrip()))


def _breaks(plain: str, columns: int) -> Iterator[int]:
    """Go through the places where new lines begin."""
    taken = 0
    for match in re.finditer(_WORD, plain):
        word, start = match[0], match.start()
        long = cells(word.rstrip())
        if taken + long <= columns:
            taken += cells(word)
        elif long <= columns:
            yield start
            taken = cells(word)
        else:
            if start:
                yield start
            folds = _folds(word.rstrip(), columns)
            yield from (start + fold for fold in folds)
            taken = cells(word[folds[-1] if folds else 0 :])


def _folds(word: str, columns: int) -> list[int]:
    """Return where a word that is too long goes on in a new line."""
    folds, taken = [], 0
    for index, character in enumerate(word):
        wide = cells(character)
        if taken + wide > columns:
            folds.append(index)
            taken = 0
        taken += wide
    return folds


def _part(line: Styled, start: int, end: int) -> Styled:
    """Cut a text from one character to another."""
    pieces, at = [], 0
    for piece, style in line:
        chosen = piece[max(0, start - at) : max(0, end - at)]
        if chosen:
            pieces.append((chosen, style))
        at += len(piece)
    return tuple(pieces)


def _plain(line: Styled) -> str:
    return "".join(piece for piece, _ in line)


def _shown(piece: tuple[str, str], colours: Sequence[str]) -> str:
    text, style = piece
    codes = [code for word in style.split() if (code := _CODES[word]) in colours]
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes and text.strip() else text


def _colours() -> Sequence[str]:
    """Return the codes that may be used, by the variables that other programs obey, and rich."""
    forced = os.environ.get("FORCE_COLOR")
    compatible = os.environ.get("TTY_COMPATIBLE", "")
    if compatible in ("0", "1"):
        terminal = compatible == "1"
    else:
        terminal = sys.stdout.isatty() if forced is None else forced != ""
    if not terminal or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return ()
    return _COLOURLESS if os.environ.get("NO_COLOR") else (*_CODES.values(),)
