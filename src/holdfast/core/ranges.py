"""Version ranges in npm's words: `^1.2`, `~1.2.0`, `1.x`, `>=1.2 <2`, `1.2 - 2.0`, `a || b`.

A pre-release satisfies a range only if the range names a pre-release of the same release;
build metadata counts for nothing.

Source: the grammar of the `semver` package of npm, as its README describes it.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, assert_never, cast

from msgspec import Struct

from holdfast.core.version import Version
from holdfast.errors import InvalidInputError

Op = Literal["<", "<=", "=", ">=", ">"]
_Operator = Literal["", "=", "^", "~", "~>", "<", "<=", ">=", ">"]

MAX_LENGTH: Final = 1000
"""Characters of a range."""

_PART = r"(0|[1-9][0-9]{0,15}|[xX*])"
_AFTER = r"(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_PARTIAL: Final = rf"v?{_PART}(?:\.{_PART}(?:\.{_PART}{_AFTER})?)?"
_OPERATOR: Final = r"(\^|~>?|<=|>=|<|>|=)\s*"
_HYPHEN: Final = r"(\S+)\s+-\s+(\S+)"
_MARKS: Final = frozenset("^~<>=|* ")


class Comparator(Struct, frozen=True):
    """One bound: versions that stand in relation *op* to *bound*."""

    op: Op
    bound: Version

    def holds(self, version: Version) -> bool:
        """Tell whether *version* is on the right side of the bound, order alone considered."""
        order = version.compare(self.bound)
        match self.op:
            case "<":
                return order < 0
            case "<=":
                return order <= 0
            case "=":
                return order == 0
            case ">=":
                return order >= 0
            case ">":
                return order > 0
            case _:
                assert_never(self.op)


class Range(Struct, frozen=True):
    """A set of versions: those that satisfy every comparator of any alternative."""

    text: str
    alternatives: tuple[tuple[Comparator, ...], ...]

    def __contains__(self, version: Version) -> bool:
        """Tell whether *version* satisfies the range."""
        return any(_satisfies(version, comparators) for comparators in self.alternatives)


def _satisfies(version: Version, comparators: tuple[Comparator, ...]) -> bool:
    if not all(comparator.holds(version) for comparator in comparators):
        return False
    if version.prerelease is None:
        return True
    return any(
        comparator.bound.prerelease is not None and comparator.bound.release == version.release
        for comparator in comparators
    )


def looks_like_range(text: str) -> bool:
    """Tell whether *text*, which is not an exact version, is meant as a range and not as a name."""
    return bool(_MARKS & set(text)) or re.fullmatch(_PARTIAL, text) is not None


def parse(text: str) -> Range:
    """Read a range.

    Raises:
        InvalidInputError: If a part of *text* is not a comparator, or it is too long.
    """
    if len(text) > MAX_LENGTH:
        problem = f"has {len(text):,} characters, more than {MAX_LENGTH:,}"
        raise InvalidInputError(f"range {text[:32] + '…'!r}", problem, "write a shorter one")
    alternatives = tuple(tuple(_comparators(part, text)) for part in text.split("||"))
    return Range(text, alternatives)


def _comparators(part: str, text: str) -> Iterator[Comparator]:
    part = part.strip()
    hyphen = re.fullmatch(_HYPHEN, part)
    if hyphen:
        yield from _primitive(">=", _partial(hyphen[1], text))
        yield from _primitive("<=", _partial(hyphen[2], text))
        return
    for simple in re.sub(_OPERATOR, r" \1", part).split():
        operator = re.match(_OPERATOR, simple)
        length = operator.end() if operator else 0
        sign = cast("_Operator", simple[:length])
        yield from _simple(sign, _partial(simple[length:], text))


class _Partial(Struct, frozen=True):
    """A version that may lack its last parts; `None` stands for any number."""

    major: int | None
    minor: int | None
    patch: int | None
    prerelease: str | None

    def low(self) -> Version:
        """Return the least version meant."""
        prerelease = self.prerelease if self.patch is not None else None
        return Version(self.major or 0, self.minor or 0, self.patch or 0, prerelease)


def _partial(operand: str, text: str) -> _Partial:
    match = re.fullmatch(_PARTIAL, operand)
    if match is None or (match[4] and not _is_prerelease(match[4])):
        raise InvalidInputError(
            f"range {text!r}",
            f"contains {operand!r}, which is neither a version nor part of one",
            "write a range such as ^1.2, ~1.2.0, 1.x or '>=1.2 <2'",
        )
    major = _number(match[1])
    minor = None if major is None else _number(match[2])
    patch = None if minor is None else _number(match[3])
    return _Partial(major, minor, patch, match[4])


def _number(part: str | None) -> int | None:
    return int(part) if part and part.isdigit() else None


def _is_prerelease(text: str) -> bool:
    return Version.is_valid(f"0.0.0-{text}")


def _simple(operator: _Operator, partial: _Partial) -> Iterator[Comparator]:
    match operator:
        case "^":
            yield from _between(partial, _caret_end(partial))
        case "~" | "~>":
            yield from _between(partial, _tilde_end(partial))
        case "" | "=":
            yield from _equal(partial)
        case "<" | "<=" | ">=" | ">":
            yield from _primitive(operator, partial)
        case _:
            assert_never(operator)


def _between(partial: _Partial, end: Version | None) -> Iterator[Comparator]:
    yield Comparator(">=", partial.low())
    if end is not None:
        yield Comparator("<", end)


def _before(major: int, minor: int, patch: int) -> Version:
    """Return the lowest version there is of a release: below all its pre-releases."""
    return Version(major, minor, patch, "0")


def _caret_end(partial: _Partial) -> Version | None:
    major, minor, patch = partial.major, partial.minor, partial.patch
    if major is None:
        return None
    if major or minor is None:
        return _before(major + 1, 0, 0)
    if minor or patch is None:
        return _before(0, minor + 1, 0)
    return _before(0, 0, patch + 1)


def _tilde_end(partial: _Partial) -> Version | None:
    if partial.major is None:
        return None
    if partial.minor is None:
        return _before(partial.major + 1, 0, 0)
    return _before(partial.major, partial.minor + 1, 0)


def _equal(partial: _Partial) -> Iterator[Comparator]:
    if partial.patch is not None:
        yield Comparator("=", partial.low())
    else:
        yield from _between(partial, _tilde_end(partial))


def _primitive(operator: Literal["<", "<=", ">=", ">"], partial: _Partial) -> Iterator[Comparator]:
    low, end = partial.low(), _tilde_end(partial)
    if partial.patch is not None:
        yield Comparator(operator, low)
    elif end is None:  # `<*` and `>*` hold nothing, `<=*` and `>=*` everything
        yield Comparator("<", _before(0, 0, 0)) if len(operator) == 1 else Comparator(">=", low)
    elif operator == "<":
        yield Comparator("<", _before(low.major, low.minor, 0))
    elif operator == "<=":
        yield Comparator("<", end)
    elif operator == ">=":
        yield Comparator(">=", low)
    else:
        yield Comparator(">=", Version(end.major, end.minor, end.patch))
