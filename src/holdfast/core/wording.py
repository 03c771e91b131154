"""Times, spans, lengths and numbers as people read them; terminal and pages say them alike."""

import re
from datetime import datetime
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEP: Final = 1000
_DAY: Final = 86_400
_MILLION: Final = 1_000_000
_WHOLE: Final = 100
"""Odds from which no fraction matters."""
_ALL_DIGITS: Final = 17
"""As many tell any two floats apart."""
_ENTITIES: Final = (
    ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"),
)  # fmt: skip
_STEERING: Final = (
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufffe\uffff]"
)
"""What hides or turns around the text beside it, or may not be in XML; compiled when it is used."""


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


def apart(value: float, other: float, form: str = "g") -> tuple[str, str]:
    """Show two numbers of one sentence, with as many digits as it takes to tell them apart.

    At six digits a metric of single precision can be "0.9, below the minimum 0.9".

    Args:
        value: The one.
        other: The other.
        form: As Python formats both: `g` or `%`, after a `+` where a plus is shown, too.
    """
    sign, kind = form[:-1], form[-1]
    usual = 2 if kind == "%" else 6
    for digits in range(usual, _ALL_DIGITS + 1):
        shown = f"{value:{sign}.{digits}{kind}}", f"{other:{sign}.{digits}{kind}}"
        if shown[0] != shown[1] or value == other:
            return shown
    return str(value), str(other)  # whole numbers that one float stands for


def share(weight: float) -> str:
    """Say a weight in percent."""
    return f"{100 * weight:.3g} %"


def odds(evidence: float) -> str:
    """Say how many to one: `36,500 to 1`; beyond a million that is all there is to say."""
    if evidence >= _MILLION:
        return "more than a million to 1"
    figure = float(f"{evidence:.3g}")
    return f"{figure:,.0f} to 1" if figure >= _WHOLE else f"{figure:g} to 1"


def count(number_of: int, noun: str) -> str:
    """Show a number of things: `1 version`, `2 versions`."""
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def inert(text: str) -> str:
    """Show text from elsewhere without signs that steer a terminal or a page."""
    return re.sub(_STEERING, "\N{REPLACEMENT CHARACTER}", text)


def escape(text: str) -> str:
    """Write text so that HTML and XML show it as it is."""
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    return text


def shortened(text: str, most: int) -> str:
    """Show the beginning of a long text, and that it goes on."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
