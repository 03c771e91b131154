"""Plain text for people: columns, times, lengths, numbers."""

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

_WIDTH: Final = 100
"""Columns of a screen where there is no terminal."""
_NARROWEST: Final = 60
_NARROW: Final = 80
"""Columns below which times lose their year."""
_WIDEST: Final = 200
_LEAST: Final = 6
"""Columns that a cell keeps, however narrow the terminal is."""
_LAST: Final = 16
"""Columns that the last cell keeps before others are narrowed."""
_READABLE: Final = 30
"""Columns of the last cell, the longest text, for which others are left out."""
_FIRST: Final = 24
"""Columns that the first cell keeps, if it is not something that must be whole."""

_BESIDE: Final = 24
"""Columns that a text needs beside its label; where there are fewer it begins below."""
_INDENT: Final = 4

_COLOUR = r"\x1b\[[0-9;]*m"
_STEERING = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""Characters that move, clear or reverse what a terminal shows, except line feed and tab."""
_BREAK = r"\s*[\n\r\v\f\x85\u2028\u2029]\s*"
# `re` compiles these where they are used, which most texts, all printable, do not need


def inert(text: str) -> str:
    """Show text from elsewhere without characters that would control the terminal."""
    if text.isprintable():
        return text
    return re.sub(_STEERING, "\N{REPLACEMENT CHARACTER}", text)


def inert_in_colour(text: str) -> str:
    """Do the same to text that may contain our own colours."""
    if text.isprintable():
        return text
    pattern = f"({_COLOUR})|{_STEERING}"
    return re.sub(pattern, lambda match: match[1] or "\N{REPLACEMENT CHARACTER}", text)


def inert_json(document: object) -> str:
    """Write equal JSON that cannot control the terminal; plain JSON escapes little of that."""
    import msgspec

    return _escaped(msgspec.json.format(msgspec.json.encode(document), indent=2))


def inert_json_line(document: object) -> str:
    """Write the same in one line, for streams of them."""
    import msgspec

    return _escaped(msgspec.json.encode(document))


def _escaped(raw: bytes) -> str:
    import json

    return re.sub(_STEERING, lambda match: json.dumps(match[0])[1:-1], raw.decode())


def one_line(text: str) -> str:
    """Show text of others in one line of a table."""
    return text if text.isprintable() else inert(re.sub(_BREAK, " ", text))


def width() -> int:
    """Return the columns to draw a screen on: the terminal's, from 60 to 200, else 100."""
    return min(_WIDEST, max(_NARROWEST, _told_width(sys.__stdout__) or _WIDTH))


def year() -> int:
    """Return the letters of a time that a narrow terminal does without: its year."""
    return len("2026-") if sys.stdout.isatty() and width() < _NARROW else 0


def _told_width(stream: "TextIO | None") -> int:
    """Return what `COLUMNS` or the terminal says, 0 if neither does; `shutil` is slow to come."""
    columns_text = os.environ.get("COLUMNS", "")
    if columns_text.isascii() and columns_text.isdigit() and int(columns_text) > 0:
        return int(columns_text)
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream else 0
    except (OSError, ValueError):  # it is not a terminal, or closed
        return 0


def columns(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    spare: Sequence[str] = (),
    first: int = _FIRST,
) -> list[str]:
    """Align rows below a header; the last column is not padded.

    What is piped is whole. On a terminal that is too narrow columns of *spare* are left out, the
    first one first, with an ellipsis at the header's end; then the last column is cut, and then
    the widest ones; the first one keeps *first* columns, for it names what a line is about. A row
    of nothing but its last cell belongs to the row before it and has the line for itself.
    """
    table = [[one_line(cell) for cell in row] for row in (header, *rows)]
    shown = list(range(len(header)))
    on_terminal = sys.stdout.isatty()
    below = {at for at, row in enumerate(table) if on_terminal and not any(row[:-1])}
    widths = [
        max(cells(row[column]) for at, row in enumerate(table) if at not in below)
        for column in shown
    ]
    if on_terminal:
        for name in spare:
            if _needed([widths[column] for column in shown], first) > width() - 3:
                shown.remove(header.index(name))
        if len(shown) < len(header):
            table[0][shown[-1]] += "  …"
            widths[shown[-1]] = max(widths[shown[-1]], cells(table[0][shown[-1]]))
        fitted = _fitted([widths[column] for column in shown], width(), first)
    else:
        fitted = widths
    lines = []
    for at, row in enumerate(table):
        parts = zip((row[column] for column in shown), fitted, strict=True)
        whole = "  ".join(_padded(cut(cell, most), most) for cell, most in parts).rstrip()
        lines.append(" " * (fitted[0] + 2) + row[-1] if at in below else whole)
    return lines


def _needed(widths: Sequence[int], least: int) -> int:
    """Return the columns that a line needs if its outer cells are as short as is readable."""
    first, *inner = widths[:-1] or [0]
    return min(first, least) + sum(inner) + min(widths[-1], _READABLE) + 2 * (len(widths) - 1)


def _fitted(widths: Sequence[int], limit: int, first: int) -> list[int]:
    """Narrow the last column, then the widest ones, until all fit between gaps of two."""
    fitted = list(widths)
    fitted[-1] -= min(max(0, fitted[-1] - _LAST), max(0, _whole(fitted) - limit))
    least = [first, *[_LEAST] * (len(fitted) - 1)]
    while (excess := _whole(fitted) - limit) > 0:
        wide = [column for column, most in enumerate(fitted) if most > least[column]]
        if not wide:
            fitted[0] = max(_LEAST, fitted[0] - excess)
            break
        fitted[max(wide, key=fitted.__getitem__)] -= 1
    return fitted


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def hung(label: str, text: str) -> list[str]:
    """Show a text behind its label, further lines under the first where a terminal is narrow."""
    if not sys.stdout.isatty() or cells(label) + cells(text) <= width():
        return [label + text]
    import textwrap

    beside = width() - len(label) >= _BESIDE
    indent = " " * (len(label) if beside else _INDENT)
    lines = textwrap.wrap(text, width() - len(indent), break_on_hyphens=False)
    if beside:
        first = [label + lines.pop(0)]
    else:
        first = textwrap.wrap(label.rstrip(), width(), subsequent_indent=" " * _INDENT)
    return [*first, *(indent + line for line in lines)]


def within(text: str) -> str:
    """Break lines that a terminal is too narrow for between words; a pipe gets them whole.

    What follows stands below the text beside a label, or within its branch of a tree. A word that
    fits into no line stays in one piece, as it can be copied.
    """
    if not sys.stdout.isatty():
        return text
    limit = max(_NARROWEST, _told_width(sys.__stdout__) or _WIDTH)
    return "\n".join(part for line in text.split("\n") for part in _broken(line, limit))


def _broken(line: str, limit: int) -> list[str]:
    plain = re.sub(_COLOUR, "", line)
    if cells(plain) <= limit:
        return [line]
    indent = _hanging(plain)
    lines, taken = [""], 0
    for word in re.findall(r"\s*\S+", line):
        long = cells(re.sub(_COLOUR, "", word))
        bare = word.lstrip()
        fits = taken + long <= limit
        if not fits and long - len(word) + len(bare) <= limit - len(indent):
            lines.append(indent + bare)
            taken = len(indent) + long - len(word) + len(bare)
            continue
        lines[-1] += word
        taken = taken + long if fits else (taken + long) % limit
    return lines


def _hanging(line: str) -> str:
    """Return what stands before the further lines of one that is too long."""
    if branch := re.match("[│ ]*[├└]─ ", line):
        return branch[0].replace("├", "│").replace("└", " ").replace("─", " ") + " " * _INDENT
    label = re.match(r" *\S+(?: \S+)? {2,}", line)
    if label and len(label[0]) <= _BESIDE:
        return " " * len(label[0])
    return " " * (len(line) - len(line.lstrip()) + _INDENT)


def folded(message: str) -> str:
    """Break a message on standard error between words; a command in backticks stays in one line."""
    columns = _told_width(sys.__stderr__) if sys.stderr.isatty() else 0
    if not columns or all(cells(line) <= columns for line in message.split("\n")):
        return message
    import textwrap

    held = re.sub("`[^`\n]*`", lambda match: match[0].replace(" ", "\0"), message)
    lines = itertools.chain.from_iterable(
        textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) or [""]
        for line in held.split("\n")
    )
    return "\n".join(lines).replace("\0", " ")


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: wide characters two, marks none."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _padded(text: str, length: int) -> str:
    return text + " " * (length - cells(text))


def cut(text: str, length: int) -> str:
    """Cut a text to a number of columns, the last of which says that there was more."""
    if cells(text) <= length:
        return text
    taken = itertools.accumulate(map(_cells_of, text))
    return f"{text[: sum(1 for columns_taken in taken if columns_taken < length)]}…"


def quoted(text: str | None) -> str:
    """Show what somebody wrote, on one line."""
    return f'"{one_line(text)}"' if text else "no reason given"
