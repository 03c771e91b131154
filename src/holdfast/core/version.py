"""Semantic versions (semver.org 2.0.0): parsing, order and the next one."""

import functools
import re
from collections.abc import Iterable
from typing import Final, Literal, assert_never, cast, get_args

from msgspec import Struct

from holdfast.errors import InvalidInputError

__all__ = [
    "FIRST",
    "MAX_LENGTH",
    "Bump",
    "Level",
    "Version",
    "bump",
    "check_bump",
    "is_stored",
    "level_between",
    "newest",
    "order",
    "parse",
    "stronger",
]

Level = Literal["major", "minor", "patch"]
Bump = Literal["auto", "major", "minor", "patch"]

_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_BEHIND = rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
_EXACT: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_BEHIND}")
_SHORT = rf"{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?{_BEHIND}"
"""A version whose last parts may be missing: only to say how it is written."""


class Version(Struct, frozen=True, eq=False):
    """One exact version. Equal are versions of the same precedence, whatever their build.

    Attributes:
        prerelease: What stands behind the hyphen.
        build: What stands behind the plus; counts for nothing.
    """

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: str | None = None
    build: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read a version.

        Raises:
            ValueError: If *text* is not one.
        """
        return _version_of(_EXACT.fullmatch(text))

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether *text* is a version."""
        return _EXACT.fullmatch(text) is not None

    def __str__(self) -> str:
        """Write it as it is read."""
        prerelease = "" if self.prerelease is None else f"-{self.prerelease}"
        build = "" if self.build is None else f"+{self.build}"
        return f"{self.release}{prerelease}{build}"

    def __eq__(self, other: object) -> bool:
        """Compare precedence."""
        return isinstance(other, Version) and self.compare(other) == 0

    def __lt__(self, other: "Version") -> bool:
        """Compare precedence."""
        return self.compare(other) < 0

    def __hash__(self) -> int:
        """Take what is compared."""
        return hash((self.major, self.minor, self.patch, self.prerelease))

    @property
    def release(self) -> str:
        """The three numbers alone."""
        return f"{self.major}.{self.minor}.{self.patch}"

    def compare(self, other: "Version") -> int:
        """Return a number below, at or above 0, as *other* follows, equals or precedes this."""
        mine, others = order(str(self)), order(str(other))
        return (mine > others) - (mine < others)


def _version_of(match: re.Match[str] | None) -> Version:
    if match is None:
        raise ValueError("not a version")
    major, minor, patch, prerelease, build = match.groups()
    return Version(int(major), int(minor or 0), int(patch or 0), prerelease, build)


FIRST: Final = Version(1, 0, 0)
MAX_LENGTH: Final = 200
"""Characters of a version: it is a folder's name, and its numbers are read as numbers."""

_parsed: Final = functools.lru_cache(maxsize=16_384)(Version.parse)
_RANK: Final[dict[Level, int]] = {"patch": 0, "minor": 1, "major": 2}


def parse(text: str) -> Version:
    """Read one exact version, such as `1.2.0` or `2.0.0-rc.1`.

    Raises:
        InvalidInputError: If *text* is not SemVer, or longer than `MAX_LENGTH`; a leading `v` and
            missing parts are pointed out.
    """
    if len(str(text)) > MAX_LENGTH:
        problem = f"has {len(text):,} characters, more than {MAX_LENGTH}"
        raise InvalidInputError(f"version {text[:32] + '…'!r}", problem, "write a shorter one")
    try:
        return _parsed(text)
    except (ValueError, TypeError):
        raise InvalidInputError(f"version {text!r}", "is not SemVer", _advice(text)) from None


def is_stored(text: str) -> bool:
    """Tell whether a version that stands in an entry is one that could have been registered."""
    return len(text) <= MAX_LENGTH and Version.is_valid(text)


def check_bump(word: str) -> Bump:
    """Return *word* if it says how far to raise a version.

    Raises:
        InvalidInputError: If it is not `auto`, `major`, `minor` or `patch`.
    """
    for known in get_args(Bump):
        if word == known:
            return cast("Bump", known)
    raise InvalidInputError(f"bump {word!r}", "is unknown", "use auto, major, minor or patch")


def _advice(text: object) -> str:
    bare = str(text).strip().removeprefix("v").removeprefix("V")
    try:
        return f"write {_version_of(re.fullmatch(_SHORT, bare))}"
    except ValueError:
        return "write MAJOR.MINOR.PATCH, such as 1.2.0 or 2.0.0-rc.1"


Order = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


@functools.lru_cache(maxsize=16_384)
def order(text: str) -> Order:
    """Return a key that sorts versions, given as valid text, by precedence (semver.org, 11).

    Sorting 10,000 parsed versions by their own comparison takes fifteen times as long. The keys of
    a model's versions are asked for again with each registration, and so they are kept.
    """
    release, _, prerelease = text.partition("+")[0].partition("-")
    major, minor, patch = release.split(".")
    identifiers = tuple(
        (False, int(part), "") if part.isdecimal() else (True, 0, part)
        for part in (prerelease.split(".") if prerelease else ())
    )
    return int(major), int(minor), int(patch), not prerelease, identifiers


def newest(texts: Iterable[str]) -> str | None:
    """Return the highest release, the highest pre-release where there is no release."""
    ranked = ((order(text), text) for text in texts)
    highest = max(ranked, key=lambda pair: (pair[0][3], pair[0]), default=None)
    return None if highest is None else highest[1]


def stronger(level: Level, other: Level) -> Level:
    """Return the greater of two levels: major over minor over patch."""
    return max(level, other, key=_RANK.__getitem__)


def bump(base: Version, level: Level) -> Version:
    """Return the release that follows *base*: the pre-release finished, or the part raised.

    A pre-release that already announces a release of this level is finished by it
    (`2.0.0-rc.1`, minor: `2.0.0`; `2.0.1-rc.1`, minor: `2.1.0`).
    """
    release = Version(base.major, base.minor, base.patch)
    if base.prerelease is not None and _RANK[_announced(base)] >= _RANK[level]:
        return release
    match level:
        case "major":
            return Version(base.major + 1)
        case "minor":
            return Version(base.major, base.minor + 1)
        case "patch":
            return Version(base.major, base.minor, base.patch + 1)
        case _:
            assert_never(level)


def level_between(base: Version, version: Version) -> Level:
    """Return what *version* claims to change against the lower *base*.

    Before 1.0.0 a raised minor part claims a major change: `^0.2.3` ends at `0.3.0` too.
    """
    if version.major != base.major:
        return "major"
    if version.minor != base.minor:
        return "major" if base.major == 0 else "minor"
    if version.patch == base.patch:  # both pre-releases of, or one the end of, the same release
        return _announced(base)
    return "patch"


def _announced(version: Version) -> Level:
    return "patch" if version.patch else "minor" if version.minor else "major"
