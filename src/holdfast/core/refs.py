"""Refs: the ways people name one version, and the version each names.

`iris@1.2.0`, `iris@v3`, `iris@production`, `iris@previous`, `iris@staging`, `iris@latest`,
`iris@<alias>`, `iris@^1.2`, `iris@~1.2.0`, `iris@1.x`, `iris@sha256:ab12…`.
"""

import re
from itertools import islice
from typing import Final, assert_never

from msgspec import Struct

from holdfast.core import names, ranges
from holdfast.core.ranges import Range
from holdfast.core.state import Record, State
from holdfast.core.version import Version, newest, parse
from holdfast.errors import AmbiguousRefError, InvalidInputError, NotFoundError

MIN_PREFIX: Final = 4
_NUMBER: Final = r"v([1-9][0-9]{0,15})"
_COUNT: Final = r"[0-9]{1,16}"
_WORD: Final = r"[A-Za-z][A-Za-z0-9._-]*"
_DIGEST: Final = rf"sha256:([0-9a-f]{{{MIN_PREFIX},64}})"
_HOW: Final = "write 1.2.0, v3, production, previous, staging, latest, an alias, ^1.2 or sha256:…"


class Exact(Struct, frozen=True):
    """A SemVer version."""

    version: Version


class Number(Struct, frozen=True):
    """The count of a registration, `v3`."""

    number: int


class Digest(Struct, frozen=True):
    """The first hex digits of a manifest's SHA-256, at least 4."""

    prefix: str


class AliasRef(Struct, frozen=True):
    """An alias, or one of the names the registry moves itself."""

    name: str


Selector = Exact | Number | Digest | AliasRef | Range


class Ref(Struct, frozen=True):
    """A model and, unless it is meant as a whole, one of its versions."""

    model: str
    selector: Selector | None
    text: str

    def __str__(self) -> str:
        """Return the ref as it was written."""
        return self.text


def parse_ref(text: str) -> Ref:
    """Read `model` or `model@selector`.

    Raises:
        InvalidInputError: If the name is not allowed or the selector is invalid.
    """
    model, at, selector = text.partition("@")
    names.check_model(model)
    return Ref(model, parse_selector(selector) if at else None, text)


def selector_of(ref: Ref) -> Selector:
    """Return the part of *ref* that names the version.

    Raises:
        InvalidInputError: If it names a model and no version.
    """
    if ref.selector is None:
        raise InvalidInputError(
            f"ref {ref.text!r}",
            "names a model but no version",
            f"write {ref.model}@production, {ref.model}@latest, {ref.model}@1.2.0, …",
        )
    return ref.selector


def selector_in(model: str, text: str) -> Selector:
    """Read a version of *model*, named alone (`1.1.0`) or with the model (`iris@1.1.0`).

    Raises:
        InvalidInputError: If it is a version of another model, or not a version.
    """
    prefix, at, selector = text.partition("@")
    if at and prefix != model:
        raise InvalidInputError(
            f"ref {text!r}", f"does not name a version of {model}", f"write {model}@{selector}"
        )
    return parse_selector(selector if at else text)


def parse_selector(text: str) -> Selector:
    """Read what stands behind the `@`.

    Raises:
        InvalidInputError: If it has none of the forms above.
    """
    if match := re.fullmatch(_NUMBER, text):
        return Number(int(match[1]))
    if match := re.fullmatch(_DIGEST, text):
        return Digest(match[1])
    bare = text.removeprefix("v")
    if Version.is_valid(bare):
        return Exact(parse(bare))
    if re.fullmatch(_COUNT, text):
        raise InvalidInputError(
            f"ref {text!r}",
            "could mean a registration number or a range",
            f"write v{text} for the number or {text}.x for the newest {text}.*.*",
        )
    if text.strip() and ranges.looks_like_range(text):
        return ranges.parse(text)
    if re.fullmatch(_WORD, text):
        return AliasRef(text)
    if text.startswith("sha256:"):
        advice = f"give {MIN_PREFIX} to 64 lower-case hex digits"
        raise InvalidInputError(f"ref {text!r}", "is not a digest", advice)
    raise InvalidInputError(f"ref {text!r}", "does not name a version", _HOW)


def fixed(state: State, selector: Selector) -> str | None:
    """Return the version *selector* names for ever, `None` if what it names moves.

    Raises:
        NotFoundError: If it names none.
        AmbiguousRefError: If a digest's prefix matches several.
    """
    return None if isinstance(selector, AliasRef | Range) else resolve(state, selector).version


def resolve(state: State, selector: Selector) -> Record:
    """Find the version that *selector* names.

    Exact versions, numbers and digests find purged versions too; names and ranges find versions
    that have their bytes.

    Raises:
        NotFoundError: If there is none; the nearest names are listed.
        AmbiguousRefError: If a digest's prefix matches several.
    """
    match selector:
        case Exact(version):
            record = state.versions.get(str(version))
            return record or _missing(state, str(version))
        case Number(number):
            return _by_number(state, number)
        case Digest(prefix):
            return _by_digest(state, prefix)
        case AliasRef(name):
            return _by_name(state, name)
        case Range():
            return _by_range(state, selector)
        case _:
            assert_never(selector)


def _by_number(state: State, number: int) -> Record:
    matches = islice(state.versions.values(), max(0, number - 1), number)  # in order, none left out
    record = next(matches, None)
    if record is None:
        raise NotFoundError(
            f"{state.model}@v{number}", advice=f"the numbers run from v1 to v{len(state.versions)}"
        )
    return record


def _by_digest(state: State, prefix: str) -> Record:
    matches = [record for record in state.versions.values() if record.manifest.startswith(prefix)]
    if not matches:
        raise NotFoundError(
            f"{state.model}@sha256:{prefix}", advice=f"`holdfast ls {state.model}` lists digests"
        )
    if len(matches) > 1:
        raise AmbiguousRefError(
            f"{state.model}@sha256:{prefix}",
            [f"{record.version} (sha256:{record.manifest[:12]})" for record in matches],
        )
    return matches[0]


def _by_name(state: State, name: str) -> Record:
    match name:
        case names.PRODUCTION:
            version, advice = state.production, "nothing is live; promote a version"
        case names.STAGING:
            version, advice = state.staging, "nothing is staged; stage a version"
        case names.PREVIOUS:
            version, advice = state.previous, "nothing that could serve was live before"
        case names.LATEST:
            version, advice = state.latest(), "register a version"
        case _:
            return (
                state.versions[state.aliases[name]]
                if name in state.aliases
                else _missing(state, name)
            )
    if version is None:
        raise NotFoundError(f"{state.model}@{name}", advice=advice)
    return state.versions[version]


def _by_range(state: State, version_range: Range) -> Record:
    best = newest(
        record.version for record in state.present() if parse(record.version) in version_range
    )
    return state.versions[best] if best else _missing(state, version_range.text)


def _missing(state: State, selector: str) -> Record:
    """Raise for a version that does not exist, naming those it may have been meant for."""
    near = names.nearest(selector, [*state.aliases, *sorted(names.BUILT_IN), *state.versions])
    newest_few = [record.version for record in state.ordered()[-3:]][::-1]
    raise NotFoundError(f"{state.model}@{selector}", near or newest_few)
