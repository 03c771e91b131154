"""Revisions: what a client may write for a version, and the names that a repository shows.

A commit is the first 40 digits of a manifest's digest, `main` the newest release. Versions are
tags, which never move; `production`, `staging` and aliases are branches, which do.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from holdfast.core import names, refs
from holdfast.core.refs import parse_selector
from holdfast.core.state import Record, State
from holdfast.core.version import Version
from holdfast.errors import NotFoundError

__all__ = ["MAIN", "branches", "commit_of", "ordered", "released", "resolve", "tags"]

MAIN: Final = "main"
_MAIN_NAMES: Final = frozenset((MAIN, "HEAD"))
_WAYS: Final = ("refs/heads/", "refs/tags/")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_WHOLE: Final = (40, 64)


def commit_of(record: Record) -> str:
    """Return the commit that a version is to clients, who demand 40 digits."""
    return record.manifest[:40]


def resolve(state: State, revision: str) -> Record:
    """Find the version that a revision names; it must have its bytes.

    Raises:
        NotFoundError: If there is none, or it was purged.
        InvalidInputError: If it cannot be a revision.
    """
    for way in _WAYS:
        revision = revision.removeprefix(way)
    if revision in _MAIN_NAMES:
        revision = names.LATEST
    record = _resolved(state, revision)
    if record.status == "purged":
        raise NotFoundError(f"{state.model}@{record.version}", advice="its bytes were purged")
    return record


def _resolved(state: State, revision: str) -> Record:
    """Find a version; digits of a commit are one unless they are an alias."""
    if _COMMIT.fullmatch(revision) is None:
        return refs.resolve(state, parse_selector(revision))
    if len(revision) in _WHOLE or revision not in state.aliases:
        return refs.resolve(state, refs.Digest(revision))
    return state.versions[state.aliases[revision]]


def released(name: str) -> Version | None:
    """Return the version that a tag stands for, whether it exists or not; `None` for a word."""
    bare = name.removeprefix("v")
    return Version.parse(bare) if Version.is_valid(bare) else None


def ordered(state: State) -> list[Record]:
    """Return the versions that have their bytes, the last registered first."""
    return sorted(state.present(), key=lambda record: -record.number)


def branches(state: State) -> Iterator[dict[str, Any]]:
    """Go through the names that move."""
    moving = {MAIN: state.latest(), names.PRODUCTION: state.production}
    moving |= {names.STAGING: state.staging} | dict(sorted(state.aliases.items()))
    for name, version in moving.items():
        if version is not None:
            yield _ref("heads", name, state.versions[version])


def tags(state: State) -> Iterator[dict[str, Any]]:
    """Go through the names that stay."""
    for record in reversed(state.ordered()):
        if record.status != "purged":
            yield _ref("tags", record.version, record)


def _ref(kind: str, name: str, record: Record) -> dict[str, Any]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit_of(record)}
