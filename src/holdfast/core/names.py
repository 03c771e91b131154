"""Names people choose: what is allowed, how a name becomes a folder, and which name was meant."""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from holdfast.errors import InvalidInputError

MAX_NAME: Final = 250
_MAX_PART: Final = 255
"""Bytes in one part of a path that every common file system takes."""
_RESERVED: Final = frozenset(
    [
        *("con", "prn", "aux", "nul", "conin$", "conout$"),
        *(f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"),
    ]
)
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_ALIAS: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_ROLE: Final = r"[a-z][a-z0-9_-]{0,63}"
_MEANS: Final = r"v?(0|[1-9][0-9]*|x)(\..*)?|v[0-9]+"
"""What `refs` reads as a number, a version or a range."""

PRODUCTION: Final = "production"
STAGING: Final = "staging"
PREVIOUS: Final = "previous"
LATEST: Final = "latest"
BUILT_IN: Final = frozenset((PRODUCTION, STAGING, PREVIOUS, LATEST))
"""Selectors the registry moves itself; no alias may take their names."""

_SLIP: Final = 2
"""By how many letters a name may differ from another to count as a typing error."""
_DIGITS: Final = r"\d+"


def is_text(value: object) -> bool:
    """Tell whether *value* is text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_key(value: object) -> bool:
    """Tell whether *value* can name a tag or metric: printable text."""
    return isinstance(value, str) and is_text(value) and value.isprintable()


def check_model(name: str) -> str:
    """Return *name* if a registered model may have it.

    A name has 1 to 250 printable characters without `@`, backslash, `:`, `..` or a slash at
    either end; upper case, spaces inside and any alphabet are fine.

    Raises:
        InvalidInputError: If it breaks one of these rules; the message says which.
    """
    subject = f"model name {name!r}" if len(name) <= MAX_NAME else "model name"
    problems = (
        (not name.strip(), "is empty"),
        (len(name) > MAX_NAME, f"has {len(name)} characters, more than {MAX_NAME}"),
        (not name.isprintable(), "has control or unprintable characters"),
        (name != name.strip(), "begins or ends with a space"),
        (".." in name, "contains '..'"),
        (bool(set("@\\:") & set(name)), "contains '@', ':' or a backslash"),
        (
            any(not part.strip(". ") for part in name.split("/")),
            "has an empty part or a part of dots alone",
        ),
        (unicodedata.normalize("NFC", name) != name, "is not in Unicode's composed form (NFC)"),
    )
    for broken, problem in problems:
        if broken:
            raise InvalidInputError(subject, problem, "choose a name such as fraud-classifier")
    return name


def check_alias(alias: str) -> str:
    """Return *alias* if it is allowed as an alias.

    Raises:
        InvalidInputError: If it is not `[a-z][a-z0-9._-]{0,63}`, or means something already.
    """
    subject = f"alias {alias!r}"
    if not _ALIAS.fullmatch(alias):
        raise InvalidInputError(
            subject,
            "is not a valid name",
            "use a lower-case letter, then up to 63 of a-z 0-9 . _ -",
        )
    if alias in BUILT_IN or re.fullmatch(_MEANS, alias) or alias == "canary":
        raise InvalidInputError(subject, "is reserved", "choose another word")
    return alias


def check_role(role: str) -> str:
    """Return *role* if an artifact may have it.

    Raises:
        InvalidInputError: If it is not `[a-z][a-z0-9_-]{0,63}`, or is `manifest`.
    """
    if not re.fullmatch(_ROLE, role) or role == "manifest":
        raise InvalidInputError(
            f"role {role!r}",
            "is not a valid role",
            "use a lower-case word such as model, preprocessor or tokenizer",
        )
    return role


def check_paths(paths: Iterable[str]) -> None:
    """Check the paths of an artifact's files: relative, plain, and distinct on every system.

    Raises:
        InvalidInputError: If a path leaves its folder, could not exist on Windows, or equals
            another but for case or Unicode form.
    """
    seen: dict[str, str] = {}
    for path in paths:
        _check_path(path)
        folded = unicodedata.normalize("NFC", path).casefold()
        if folded in seen:
            raise InvalidInputError(
                f"file {path!r}",
                f"equals {seen[folded]!r} on file systems that ignore case",
                "rename one of them",
            )
        seen[folded] = path
    folders = {folded[:end] for folded in seen for end in range(len(folded)) if folded[end] == "/"}
    for folded in sorted(folders & seen.keys()):
        raise InvalidInputError(
            f"file {seen[folded]!r}",
            "is also a folder on file systems that ignore case",
            "rename one of them",
        )


def _check_path(path: str) -> None:
    for part in path.split("/"):
        plain = (
            part.isprintable()
            and len(part.encode()) <= _MAX_PART
            and not set('\\:*?"<>|') & set(part)
        )
        if not plain or part != part.rstrip(". ") or not part or _is_device(part):
            raise InvalidInputError(
                f"file {path!r}",
                f"has the part {part!r}, which is not a file name on every system",
                "rename it",
            )


def _is_device(part: str) -> bool:
    return part.partition(".")[0].rstrip().lower() in _RESERVED


@functools.lru_cache(maxsize=4096)
def escape(name: str, limit: int = 80) -> str:
    """Turn any text into a folder's name that is safe and distinct on every file system.

    Lower-case letters, digits, `.`, `_` and `-` stay; every other byte of the UTF-8 text becomes
    `%` and two lower-case hex digits, as do a first or last dot and the first letter of a
    device name (`con`, `nul.txt`). What is then longer than *limit* is cut and ends in `~` and
    16 hex digits of the text's SHA-256. Two different texts never give names that differ in case
    alone.

    Args:
        name: The text.
        limit: Greatest length of the result, at least 40.
    """
    pieces = [char if char in _SAFE else _percent(char) for char in name]
    for end in (0, -1):
        if pieces and pieces[end] == ".":
            pieces[end] = _percent(".")
    if pieces and _is_device(name):
        pieces[0] = _percent(name[0])
    escaped = "".join(pieces) or "%"
    if len(escaped) <= limit:
        return escaped
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{escaped[: limit - 17].rstrip('.')}~{digest}"


def _percent(char: str) -> str:
    return "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of *known* that resemble *name*, best first."""
    import difflib  # noqa: PLC0415 - only a mistake needs it

    by_fold = {item.casefold(): item for item in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.5)
    return tuple(by_fold[item] for item in close)


def mistakable(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return those of *known* for which *name* may be a typing error, the nearest first.

    They differ from it by case, or by up to two letters put in, left out, changed or swapped, but
    by no more than half of the shorter. What differs in digits is a series, not a slip.
    """
    matches = []
    for other in known:
        first, two = name.casefold(), other.casefold()
        if other == name or (
            first != two and re.sub(_DIGITS, "", first) == re.sub(_DIGITS, "", two)
        ):
            continue
        apart = _distance(first, two)
        if apart <= _SLIP and 2 * apart <= min(len(first), len(two)):
            matches.append((apart, other))
    return tuple(other for _, other in sorted(matches))


def _distance(first: str, two: str) -> int:
    """Count the letters put in, left out, changed or swapped with the next; 3 stands for more.

    Source:
        F. J. Damerau (1964), Communications of the ACM 7, 171-176; optimal string alignment.
    """
    if abs(len(first) - len(two)) > _SLIP:
        return _SLIP + 1
    before: list[int] = []
    row = list(range(len(two) + 1))
    for at, letter in enumerate(first, start=1):
        after = [at]
        for column, other in enumerate(two, start=1):
            changed = row[column - 1] + (letter != other)
            least = min(row[column] + 1, after[-1] + 1, changed)
            if at > 1 and column > 1 and letter == two[column - 2] and first[at - 2] == other:
                least = min(least, before[column - 2] + 1)
            after.append(least)
        before, row = row, after
    return min(row[-1], _SLIP + 1)
