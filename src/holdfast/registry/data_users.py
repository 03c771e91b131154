"""Which versions of all models were made from some data, or by some commit."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import Final

from msgspec import Struct

from holdfast import scratch
from holdfast.core.manifest import Manifest
from holdfast.core.state import Record, State
from holdfast.core.views import VersionInfo, version_info
from holdfast.core.wording import count
from holdfast.datasets import data_source
from holdfast.datasets.data_records import parse_data_ref
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry.data_verbs import Datasets
from holdfast.registry.descendants import descent
from holdfast.registry.queries import all_states
from holdfast.registry.session import Session
from holdfast.store import concurrent

__all__ = ["VersionsUsing", "children", "of_commit", "of_data"]

_DIGEST: Final = re.compile("(?:sha256:)?([0-9a-f]{6,64})")
_COMMIT: Final = re.compile("[0-9a-f]{7,64}")

Matches = Callable[[Manifest], Iterator[str]]
"""Gives, for a manifest, the names by which it used what is looked for."""


class UserVersion(Struct, frozen=True):
    """A version that used something, and as what."""

    info: VersionInfo
    uses: tuple[str, ...]


class VersionsUsing(Struct, frozen=True):
    """Versions that used something, the newest first; and how many could not be read."""

    versions: tuple[UserVersion, ...]
    unread: int

    def _repr_html_(self) -> str:
        """Show the versions in a notebook."""
        from holdfast.core import notebook

        rows = [
            (
                user.info.ref,
                ", ".join(user.uses),
                user.info.status,
                notebook.when(user.info.registered_at),
                user.info.registered_by,
            )
            for user in self.versions
        ]
        parts = [notebook.table(("version", "as", "status", "registered (UTC)", "by"), rows)]
        if self.unread:
            parts.append(notebook.line(f"{count(self.unread, 'version')} could not be read", "b"))
        return notebook.view(*parts)


def of_data(session: Session, text: str) -> VersionsUsing:
    """Find what was trained on data: by digest of bytes or rows, its beginning, by name or path.

    A path is asked for its digests as they are now; data by name comes before a path of that name,
    which is written `./sales`.

    Raises:
        InvalidInputError: If *text* is neither a digest, nor names data, nor a path with some.
        NotFoundError: If no data and no file has that name.
    """
    match = _DIGEST.fullmatch(text)
    if match is not None:
        return _searched(session, lambda manifest: _uses(manifest, (match[1],), frozenset()))
    parsed = parse_data_ref(text if "@" in text else f"{text}@latest")
    if parsed is None:
        return _of_digests(session, _at_path(text), frozenset())
    datasets = Datasets(session)
    try:
        versions = datasets.versions(parsed.name) if "@" not in text else [datasets.find(text)]
    except NotFoundError:
        if not os.path.lexists(text):
            raise
        return _of_digests(session, _at_path(text), frozenset())
    known = {one for version in versions for one in (version.added.digest, version.added.rows)}
    return _of_digests(session, known, frozenset(version.ref for version in versions))


def _at_path(text: str) -> set[str | None]:
    """Return the digests of what is at a path or in a bucket now.

    Raises:
        InvalidInputError: If nothing is.
    """
    try:
        with scratch.folder() as home:
            described = data_source.described(data_source.find(text, home))
    except InvalidInputError as error:
        advice = "give sha256:…, data by name such as sales@v3, or a path"
        raise InvalidInputError(error.subject, error.problem, advice) from error
    return {described.digest, described.rows}


def _of_digests(
    session: Session, known: Collection[str | None], refs: frozenset[str]
) -> VersionsUsing:
    digests = tuple(one.removeprefix("sha256:") for one in known if one)
    return _searched(session, lambda manifest: _uses(manifest, digests, refs))


def _uses(manifest: Manifest, digests: tuple[str, ...], refs: frozenset[str]) -> Iterator[str]:
    used = manifest.lineage.used_data
    for name, use in used.items():
        own = (use.digest, use.rows)
        by_digest = any(
            one.removeprefix("sha256:").startswith(digests) for one in own if one is not None
        )
        if by_digest or use.ref in refs:
            yield name
    recorded = manifest.training_data.get("digests")
    for name, digest in recorded.items() if isinstance(recorded, dict) else ():
        if name not in used and str(digest).removeprefix("sha256:").startswith(digests):
            yield str(name)


def of_commit(session: Session, commit: str) -> VersionsUsing:
    """Find what was trained by the code of a commit, given at least 7 of its digits.

    Raises:
        InvalidInputError: If *commit* is not a commit.
    """
    if _COMMIT.fullmatch(commit) is None:
        raise InvalidInputError(f"commit {commit!r}", "must be 7 to 64 hex digits")

    def matches(manifest: Manifest) -> Iterator[str]:
        if (manifest.lineage.git_commit or "").startswith(commit):
            yield manifest.lineage.git_commit or ""

    return _searched(session, matches)


def children(session: Session, ref: str) -> VersionsUsing:
    """Find what names a version as parent, or as what its adapter is put on."""
    state, record = session.find(ref)
    descents = descent(session, lambda _model: True, None)
    listed = descents.children.get((state.model, record.version), [])
    versions = [UserVersion(child.info, (child.kind,)) for child in listed]
    return VersionsUsing(_newest(versions), descents.unread)


def _searched(session: Session, matches: Matches) -> VersionsUsing:
    states = [
        state for _, state in all_states(session, None) if not isinstance(state, HoldfastError)
    ]
    pairs = [(state, record) for state in states for record in state.versions.values()]

    def looked(pair: tuple[State, Record]) -> tuple[str, ...] | None:
        try:
            return tuple(matches(session.manifest(pair[1])))
        except HoldfastError:
            return None

    at_once = session.open_store.store.traits.concurrency if pairs else 1
    versions, unread = [], 0
    for (state, record), uses in zip(
        pairs, concurrent.map_ordered(looked, pairs, at_once), strict=True
    ):
        if uses is None:
            unread += 1
        elif uses:
            versions.append(UserVersion(version_info(state, record), uses))
    return VersionsUsing(_newest(versions), unread)


def _newest(versions: list[UserVersion]) -> tuple[UserVersion, ...]:
    return tuple(sorted(versions, key=lambda one: one.info.registered_at, reverse=True))
