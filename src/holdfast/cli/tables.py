"""Plain text for people: columns, times, lengths, numbers."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

_WIDTH: Final = 100
"""Columns of a screen where there is no terminal."""
_NARROWEST: Final = 60
_WIDEST: Final = 200
_LEAST: Final = 6
"""Columns that a cell keeps, however narrow the terminal is."""
_LAST: Final = 16
"""Columns that the last cell keeps before others are narrowed."""

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_DAY = 86_400
_COLOUR = r"\x1b\[[0-9;]*m"
_STEERING = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""Characters that move, clear or reverse what a terminal shows; line feed and tab are none."""
_STEERED = re.compile(_STEERING)
_COLOURED = re.compile(f"({_COLOUR})|{_STEERING}")
_BREAK = re.compile(r"\s*[\n\r\v\f\x85\u2028\u2029]\s*")


def inert(text: str) -> str:
    """Show text of others without what would steer the terminal."""
    return _STEERED.sub("\N{REPLACEMENT CHARACTER}", text)


def inert_in_colour(text: str) -> str:
    """Do the same to text that may have been drawn in colours by us."""
    return _COLOURED.sub(lambda found: found[1] or "\N{REPLACEMENT CHARACTER}", text)


def inert_json(document: object) -> str:
    """Write JSON that says the same and steers no terminal; JSON escapes little of what does."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return _STEERED.sub(lambda found: json.dumps(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """Show text of others in one line of a table."""
    return inert(_BREAK.sub(" ", text))


def width() -> int:
    """Return the columns to draw a screen on: the terminal's, from 60 to 200, else 100."""
    return min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((_WIDTH, 24)).columns))


def columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], spare: Sequence[str] = ()
) -> list[str]:
    """Align rows below a header; the last column is not padded.

    What is piped is whole. On a terminal that is too narrow columns of *spare* are left out, the
    first one first, with an ellipsis at the header's end; then the last column is cut, and then
    the widest ones, but for the first.
    """
    table = [[one_line(cell) for cell in row] for row in (header, *rows)]
    shown = list(range(len(header)))
    widths = [max(len(row[place]) for row in table) for place in shown]
    if sys.stdout.isatty():
        for name in spare:
            if _needed([widths[place] for place in shown]) > width() - 3:
                shown.remove(header.index(name))
        if len(shown) < len(header):
            table[0][shown[-1]] += "  …"
        fitted = _fitted([widths[place] for place in shown], width())
    else:
        fitted = widths
    lines = (zip((row[place] for place in shown), fitted, strict=True) for row in table)
    return [
        "  ".join(cut(cell, most).ljust(most) for cell, most in line).rstrip() for line in lines
    ]


def _needed(widths: Sequence[int]) -> int:
    """Return the columns that a line needs if its last cell is cut as far as it may be."""
    return sum(widths[:-1]) + min(widths[-1], _LAST) + 2 * (len(widths) - 1)


def _fitted(widths: Sequence[int], limit: int) -> list[int]:
    """Narrow the last column, then the widest ones, until all fit between gaps of two."""
    fitted = list(widths)
    fitted[-1] -= min(max(0, fitted[-1] - _LAST), max(0, _whole(fitted) - limit))
    while _whole(fitted) > limit and max(fitted[1:], default=0) > _LEAST:
        widest = max(range(1, len(fitted)), key=fitted.__getitem__)
        fitted[widest] -= 1
    return fitted


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def cut(text: str, length: int) -> str:
    """Cut a text to a number of characters, the last of which says that there was more."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def moment(text: str | None) -> str:
    """Show a time of the journal to the minute, in UTC."""
    if text is None:
        return "–"
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """Show a stretch of time: `19 d`, `1 h 18 m`, `3 m 5 s`, `0 s`."""
    whole = int(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY} d"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} m"
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"


def ago(at: str, now: str) -> str:
    """Show how long ago a time of the journal was, or that it cannot be right."""
    from holdfast.core.clocks import is_ahead, seconds_between

    if is_ahead(at, now):
        return "in the future: a clock was wrong"
    return span(max(0.0, seconds_between(at, now)))


def size(size_bytes: float) -> str:
    """Show a length: `512 B`, `36.1 MB`."""
    unit = 0
    while size_bytes >= _STEP and unit < len(_UNITS) - 1:
        size_bytes /= _STEP
        unit += 1
    return f"{size_bytes:.0f} {_UNITS[unit]}" if unit == 0 else f"{size_bytes:.1f} {_UNITS[unit]}"


def number(value: float | None) -> str:
    """Show a metric: up to six significant digits, a dash where there is none."""
    return "–" if value is None else f"{value:.6g}"


def quoted(text: str | None) -> str:
    """Show what somebody said, on one line."""
    return f'"{one_line(text)}"' if text else "no reason given"


def count(number_of: int, noun: str) -> str:
    """Show a number of things: `1 version`, `2 versions`."""
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"
