"""Literals of a condition, read as the type of the field that they are compared with."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holdfast.core import names
from holdfast.core.entry import format_time
from holdfast.core.search.conditions import Moments, Sign
from holdfast.core.search.lexing import Token, refusal
from holdfast.core.search.searchable import SearchField, likely
from holdfast.core.version import order, parse
from holdfast.errors import HoldfastError

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_TICK: Final = timedelta(microseconds=1)
_FLAGS: Final = {"true": True, "false": False}
_KEYWORDS: Final = ("and", "or", "not", "in", "is", "like", "contains")
_WANTED: Final = {
    "number": ("a number", "a number such as 0.9 or -1e-3"),
    "flag": ("true or false", "true or false"),
    "time": ("a date or time", "2026-03-03 or 2026-03-03T14:00Z"),
    "text": ("a text", 'a text in quotes, such as "risk"'),
    "any": ("a value", "a number, true, false or a text in quotes"),
}


def literal(field: SearchField, sign: Sign, token: Token, subject: str) -> Any:
    """Read what stands behind a comparison.

    Raises:
        InvalidInputError: If it is not of the field's type.
    """
    if token.kind in ("sign", "bracket", "end") or token.is_word(*_KEYWORDS):
        problem = f"must be the value that {field.name} is compared with"
        raise refusal(subject, token, problem, "put a text into quotes" if token.text else "")
    if token.is_word("null"):
        advice = f"write `{field.name} is null` or `{field.name} is not null`"
        raise refusal(subject, token, "cannot be compared with", advice)
    if sign in ("like", "contains"):
        return tuple(token.text.split("%")) if sign == "like" else token.text
    match field.kind:
        case "version":
            return _version(token, subject)
        case "choice":
            return _choice(field, token, subject)
        case "text":
            return token.text
        case "any":
            return _any(token, sign, field, subject)
        case _:
            return _plain(field, token, subject)


def _plain(field: SearchField, token: Token, subject: str) -> float | bool | Moments:
    if field.kind == "time":
        read: Any = _moments(token.text)
    elif token.kind == "text":
        read = None
    else:
        read = _FLAGS.get(token.text.lower()) if field.kind == "flag" else _number(token.text)
    if read is None:
        kind, example = _WANTED[field.kind]
        advice = f"write {example}"
        if field.metric is not None:  # it may be a typing error for a field of another type
            near = likely(field.name)
            advice = f"{advice}; as no field is called {field.name}, it is taken for a metric"
            advice += f"; nearest: {', '.join(near)}" if near else ""
        raise refusal(subject, token, f"must be {kind}, as {field.name} is", advice)
    return read  # type: ignore[no-any-return]


def _number(text: str) -> float | None:
    """Read a number exactly where it is whole; nothing else is one, nor what has no end."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match[1] is None and match[2] is None:
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _any(token: Token, sign: Sign, field: SearchField, subject: str) -> float | bool | str:
    """Read what a caller's own JSON is compared with: a word that is a number is one."""
    if token.kind == "word":
        number = _number(token.text)
        if number is not None:
            return number
    if sign != "=":
        problem = f"must be a number, as only numbers are more or less than {field.name}"
        raise refusal(subject, token, problem, "write a number without quotes")
    if token.kind == "word" and token.text.lower() in _FLAGS:
        return _FLAGS[token.text.lower()]
    return token.text


def _version(token: Token, subject: str) -> Any:
    try:
        return order(str(parse(token.text)))
    except HoldfastError:
        raise refusal(
            subject, token, "must be a version", "write MAJOR.MINOR.PATCH, such as 1.2.0"
        ) from None


def _choice(field: SearchField, token: Token, subject: str) -> str:
    if token.text not in field.choices:
        near = names.nearest(token.text, field.choices)
        advice = f"nearest: {', '.join(near)}" if near else f"use {' or '.join(field.choices)}"
        raise refusal(subject, token, f"must be a {field.name}", advice)
    return token.text


def _moments(text: str) -> Moments | None:
    """Read a date as its whole day, in UTC, and a time as what its last digits leave open."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    span = timedelta(days=1)
    if match[1]:
        span = timedelta(minutes=1)
    if match[2]:
        span = timedelta(seconds=1) if match[3] is None else _TICK
    try:
        first = datetime.fromisoformat(text)
        first = first if first.tzinfo else first.replace(tzinfo=UTC)
        return Moments(format_time(first), format_time(first + span - _TICK))
    except (ValueError, OverflowError, HoldfastError):
        return None
