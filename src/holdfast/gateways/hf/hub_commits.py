"""A commit as clients send it, line by line, and the draft of a version that it asks for."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from holdfast.core import names, strict_json
from holdfast.core.manifest import Artifact, File, Manifest, is_digest
from holdfast.errors import ConflictError, InvalidInputError
from holdfast.formats.contract import Description
from holdfast.gateways import file_roles
from holdfast.gateways.hf import hub_tree

__all__ = [
    "FileChange",
    "HubCommit",
    "add",
    "artifact_of",
    "as_sent",
    "changed",
    "described",
    "draft_of",
    "lines",
    "placed",
    "read_line",
]

MOST_OF_LINE: Final = 24 << 20
"""Longest line: a file of up to 16 MiB that comes within the commit."""
_MOST_FILES: Final = 10_000
_MOST_CHANGES: Final = 20_000


class FileChange(Struct, frozen=True):
    """What becomes of one path.

    Attributes:
        content: The file's bytes, where they came within the commit.
        file: The file, where its bytes were sent before.
        copied: The digest of a file whose bytes are here, where its length was not told.
        is_folder: Whether a folder is deleted; neither content nor file deletes a file.
    """

    path: str
    content: bytes | None = None
    file: File | None = None
    copied: str | None = None
    is_folder: bool = False


class HubCommit(Struct):
    """What a commit says of itself, and the changes in their order.

    Attributes:
        parent: The commit that must be the last, as far as it is told.
    """

    summary: str = ""
    description: str = ""
    parent: str | None = None
    changes: list[FileChange] = field(default_factory=list)


class _Header(Struct, rename="camel"):
    summary: str = ""
    description: str = ""
    parent_commit: str | None = None


class _Inline(Struct):
    path: str
    content: str = ""
    encoding: str = "utf-8"


class _Large(Struct):
    path: str
    oid: str
    size: int | None = None
    algo: str = "sha256"


class _Deleted(Struct):
    path: str


_KINDS: Final[Mapping[str, type[Any]]] = {
    "header": _Header, "file": _Inline, "lfsFile": _Large,
    "deletedFile": _Deleted, "deletedFolder": _Deleted, "deletedEntry": _Deleted,
}  # fmt: skip


class _Line(Struct):
    key: str
    value: msgspec.Raw


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Go through the lines of a body as it comes.

    Raises:
        InvalidInputError: If a line is too long.
    """
    waiting: list[bytes] = []
    length = 0
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        waiting.append(first)
        length += len(first)
        if length > MOST_OF_LINE:
            raise InvalidInputError("a line", f"is longer than {MOST_OF_LINE:,} bytes", "use LFS")
        for other in others:
            yield b"".join(waiting)
            waiting, length = [other], len(other)
    yield b"".join(waiting)


def read_line(commit: HubCommit, raw: bytes) -> FileChange | None:
    """Read a line: a change, or the header, which is put into *commit*.

    Raises:
        InvalidInputError: If it is neither.
    """
    if not raw.strip():
        return None
    try:
        line = strict_json.decode(raw, _Line)
        kind = _KINDS.get(line.key)
        if kind is None:
            raise InvalidInputError(f"line {line.key[:40]!r}", "is unknown", "send files")
        value = strict_json.decode(bytes(line.value), kind)
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidInputError("a line", f"cannot be read: {error}") from error
    if isinstance(value, _Header):
        commit.summary, commit.description = value.summary, value.description
        commit.parent = value.parent_commit
        return None
    return _change(line.key, value)


def _change(kind: str, value: Any) -> FileChange:
    path = value.path.rstrip("/") if kind == "deletedFolder" else value.path
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInputError(f"path {path[:200]!r}", "could leave its folder", "rename it")
    if isinstance(value, _Inline):
        return FileChange(path, content=_content(value))
    if isinstance(value, _Large):
        if value.algo != "sha256" or not is_digest(value.oid) or (value.size or 0) < 0:
            raise InvalidInputError(f"file {path[:200]!r}", "is not named by its SHA-256")
        if value.size is None:
            return FileChange(path, copied=value.oid)
        return FileChange(path, file=File(path, value.oid, value.size))
    return FileChange(path, is_folder=kind == "deletedFolder")


def _content(value: _Inline) -> bytes:
    if value.encoding == "utf-8":
        return value.content.encode()
    try:
        return base64.b64decode(value.content, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError(f"file {value.path[:200]!r}", "is not base64") from None


def changed(before: Mapping[str, File], changes: list[FileChange]) -> dict[str, File]:
    """Return the files of a repository after a commit.

    Raises:
        InvalidInputError: If a path could not exist on every system, or too many files are left.
        ConflictError: If what is deleted does not exist.
    """
    files = dict(before)
    for change in changes:
        if change.file is not None:
            files[change.path] = change.file
            continue
        gone = [change.path] if change.path in files else []
        if change.is_folder:
            gone += [path for path in files if path.startswith(f"{change.path}/")]
        if not gone and (change.is_folder or change.path != hub_tree.CARD):
            raise ConflictError(f"path {change.path!r}", "does not exist", "look at the files")
        for path in gone:
            del files[path]
    if len(files) > _MOST_FILES:
        problem = f"has {len(files):,} files, more than {_MOST_FILES:,}"
        raise InvalidInputError("the repository", problem, "pack them into fewer")
    names.check_paths(files)
    return files


_KEPT: Final = (
    "description",
    "author",
    "metadata",
    "input_schema",
    "output_schema",
    "input_example",
)
"""Facts of a registered model that a new version keeps, unless it says otherwise."""
_OF_MODEL: Final = (
    "framework", "algorithm", "metrics", "hyperparameters", "training_data", "limitations",
    "lineage", "environment",
)  # fmt: skip
"""Facts of the bytes of a model: kept as long as these stay."""


def draft_of(model: str, files: Mapping[str, File], base: Manifest | None) -> dict[str, Any]:
    """Return the draft of the version that a commit makes; formats may be missing in it."""
    artifacts = file_roles.artifacts_of(files, base)
    draft: dict[str, Any] = {"name": model, "artifacts": as_sent(artifacts)}
    if base is None:
        return draft
    same = artifacts.get(file_roles.MODEL) == base.artifacts.get(file_roles.MODEL)
    facts = as_sent(base)
    for name in (*_KEPT, *(_OF_MODEL if same else ())):
        if facts.get(name) is not None:
            draft[name] = facts[name]
    return draft


def as_sent(value: object) -> Any:
    """Return a value as it would have come in a body: lists, tables and plain values alone."""
    return strict_json.decode(msgspec.json.encode(value))


def described(draft: dict[str, Any], role: str, form: str, about: Description) -> None:
    """Put what the bytes of a role say of themselves into a draft."""
    draft["artifacts"][role]["format"] = form
    if role == file_roles.MODEL:
        if about.framework:
            draft["framework"] = about.framework
        if about.algorithm:
            draft["algorithm"] = about.algorithm
        draft["hyperparameters"] = dict(sorted(about.hyperparameters.items()))


def artifact_of(draft: dict[str, Any], role: str) -> Artifact:
    """Return an artifact of a draft."""
    return msgspec.convert(draft["artifacts"][role], Artifact)


def add(commit: HubCommit, change: FileChange) -> None:
    """Add a change to a commit.

    Raises:
        InvalidInputError: If it has too many.
    """
    if len(commit.changes) >= _MOST_CHANGES:
        problem = f"may change up to {_MOST_CHANGES:,} files"
        raise InvalidInputError("the commit", problem, "pack them into fewer")
    commit.changes.append(change)


def placed(change: FileChange, sha256: str, size: int) -> FileChange:
    """Return a change whose bytes are known to be stored."""
    return replace(change, content=None, copied=None, file=File(change.path, sha256, size))
