"""Plain text for people: columns, times, lengths, numbers."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

WIDTH: Final = 100
"""Columns of a screen."""

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


def one_line(text: str) -> str:
    """Show text of others in one line of a table."""
    return inert(_BREAK.sub(" ", text))


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Align rows below a header; the last column is not padded."""
    table = [[one_line(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


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
