"""A condition as a tree, and whether it holds for a version, as far as that is known."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from holdfast.core.search.searchable import SearchedVersion, SearchField
from holdfast.core.version import order

Sign = Literal["=", "<", "<=", ">", ">=", "like", "contains", "null"]


_ORDERED: Final[dict[Sign, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Moments:
    """A literal time: all moments it may mean, as entries write them, both ends included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Predicate:
    """A field against one literal or more, any of which may fit.

    Attributes:
        position: Of the field's name in the text, from 1.
    """

    field: SearchField
    sign: Sign
    literals: tuple[Any, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """All of its parts."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of its parts."""

    parts: tuple["Condition", ...]


Condition = Predicate | Not | Every | Some


def holds(condition: Condition, searched: SearchedVersion) -> bool | None:
    """Tell whether a condition holds; None if only the manifest, not read yet, can tell."""
    match condition:
        case Predicate():
            return _compared(condition, searched)
        case Not(part):
            outcome = holds(part, searched)
            return None if outcome is None else not outcome
        case Every(parts):
            return _first(parts, searched, decisive=False)
        case Some(parts):
            return _first(parts, searched, decisive=True)
        case _:
            assert_never(condition)


def _first(
    parts: tuple[Condition, ...], searched: SearchedVersion, *, decisive: bool
) -> bool | None:
    """Return the outcome that decides, None if it may still come, else the contrary."""
    is_open = False
    for part in parts:
        outcome = holds(part, searched)
        if outcome is decisive:
            return decisive
        is_open |= outcome is None
    return None if is_open else not decisive


def predicates(condition: Condition) -> Iterator[Predicate]:
    """Go through the predicates of a condition, from left to right."""
    match condition:
        case Predicate():
            yield condition
        case Not(part):
            yield from predicates(part)
        case Every(parts) | Some(parts):
            for part in parts:
                yield from predicates(part)
        case _:
            assert_never(condition)


def _compared(predicate: Predicate, searched: SearchedVersion) -> bool | None:
    field, sign = predicate.field, predicate.sign
    if field.in_manifest and searched.manifest is None:
        return None
    cell = field.read(searched)
    if cell is None or sign == "null":
        return sign == "null" and cell in (None, ())
    for item in cell if isinstance(cell, tuple) else (cell,):
        for literal in predicate.literals:
            if _fits(field, sign, item, literal):
                return True
    return False


def _fits(field: SearchField, sign: Sign, cell: Any, literal: Any) -> bool:
    if field.kind == "time":
        return _fits_moments(sign, cell, literal)
    if field.kind == "version":
        return bool(_ORDERED[sign](order(cell), literal))
    if sign == "like":
        return isinstance(cell, str) and _is_like(cell, literal)
    if field.kind == "any" and _type(cell) is not _type(literal):
        return False
    return literal in cell if sign == "contains" else bool(_ORDERED[sign](cell, literal))


def _type(value: Any) -> type:
    """Return what a value can be compared with: a flag with flags alone."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _fits_moments(sign: Sign, cell: str, moments: Moments) -> bool:
    match sign:
        case "<":
            return cell < moments.first
        case "<=":
            return cell <= moments.last
        case ">":
            return cell > moments.last
        case ">=":
            return cell >= moments.first
        case _:
            return moments.first <= cell <= moments.last


def _is_like(text: str, pattern: tuple[str, ...]) -> bool:
    """Tell whether a text has the pieces of a pattern in their order, the outer ones at its ends.

    Each piece is looked for once, from left to right: there is nothing to go back to.
    """
    if len(pattern) == 1:
        return text == pattern[0]
    first, *middle, last = pattern
    if not text.startswith(first):
        return False
    here = len(first)
    for piece in middle:
        start = text.find(piece, here)
        if start < 0:
            return False
        here = start + len(piece)
    return len(text) - len(last) >= here and text.endswith(last)
