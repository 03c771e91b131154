"""What an artifact lists, checked before a byte comes and held against what came.

The SDK takes the bytes that arrive for those that the artifact lists, and leaves out, with a
warning, what it cannot write. So nothing of what it did is believed.
"""

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct

from holdfast.core import names
from holdfast.core.manifest import File
from holdfast.core.wording import inert, shortened
from holdfast.errors import DamagedError, InvalidInputError, UnsupportedError
from holdfast.gateways.wandb import artifact_references

__all__ = ["ArtifactEntry", "ListedFile", "arrived", "listed", "require_digests"]

_OURS: Final = "holdfast"
"""The key of an artifact's metadata that an export writes."""
_PIECE: Final = 1 << 20
_DIGEST_BYTES: Final = 16
_ADVICE: Final = "import it again"
_MOST_SHOWN: Final = 200


class ArtifactEntry(Protocol):
    """An entry of an artifact's manifest, as the SDK has it."""

    path: Any
    digest: Any
    ref: Any
    size: Any
    extra: Any


class ListedFile(Struct, frozen=True):
    """A file that an artifact lists.

    Attributes:
        digest: Of its bytes.
        algorithm: That made it: `MD5`, `XXH128`, `SHA256` or `MD5 of parts`.
        size_bytes: Its length, `None` where it is not told.
        ref: Where its bytes are, if they are elsewhere.
        parts: Of how many parts the digest was made.
    """

    path: str
    digest: bytes
    algorithm: str
    size_bytes: int | None
    ref: str = ""
    parts: int = 0


def listed(entries: Mapping[str, ArtifactEntry]) -> dict[str, ListedFile]:
    """Return the files that a manifest lists, by path.

    Raises:
        InvalidInputError: If there are none, or a path, a digest or a length is not one.
        UnsupportedError: If an entry is hashed in a way that cannot be checked here, or is a
            reference without a digest of its bytes.
    """
    if not entries:
        raise InvalidInputError("the artifact", "has no files", "name another")
    files = {}
    for key, entry in entries.items():
        path = str(entry.path)
        if path != key:
            problem = f"is listed under another name, {_shown(key)}"
            raise InvalidInputError(_subject(path), problem, "log the artifact again")
        files[path] = _listed(path, entry)
    names.check_paths(files)
    return files


def _listed(path: str, entry: ArtifactEntry) -> ListedFile:
    size = entry.size
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise InvalidInputError(_subject(path), "has no valid length", "log the artifact again")
    if entry.ref is not None:
        return _referred(path, str(entry.ref), str(entry.digest), size)
    algorithm = (entry.extra or {}).get("alg", "MD5")
    if algorithm not in ("MD5", "XXH128"):
        problem = f"has a digest of an unknown kind, {_shown(str(algorithm))}"
        raise UnsupportedError(_subject(path), problem, "install a newer Holdfast")
    return ListedFile(path, _digest(path, entry.digest), algorithm, size)


def _referred(path: str, ref: str, digest: str, size: int | None) -> ListedFile:
    content = artifact_references.content_digest(ref, digest)
    if content is None:
        scheme = ref.partition(":")[0][:20]
        problem = f"is a reference ({inert(scheme)}:) without a digest of its bytes"
        advice = "log the artifact with its files, or register them from where they are"
        raise UnsupportedError(_subject(path), problem, advice)
    algorithm, wanted, parts = content
    return ListedFile(path, wanted, algorithm, size, ref, parts)


def _digest(path: str, text: Any) -> bytes:
    try:
        digest = base64.b64decode(str(text), validate=True)
    except ValueError:
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        problem = f"has no digest to check it by: {_shown(str(text))}"
        raise InvalidInputError(_subject(path), problem, "log the artifact again, with checksums")
    return digest


def arrived(files: Mapping[str, ListedFile], folder: Path) -> dict[str, File]:
    """Hold the files of a folder against a list; return them with their own digests.

    Raises:
        DamagedError: If one is missing, is not listed, is not a plain file, or has other bytes.
    """
    there = _walked(folder)
    for path in sorted(there - files.keys()):
        raise DamagedError(_subject(path), "came and is not listed", _ADVICE)
    for path in sorted(files.keys() - there):
        raise DamagedError(_subject(path), "is listed and did not come", _ADVICE)
    return {path: _checked(file, folder / path) for path, file in files.items()}


def require_digests(files: Mapping[str, File], metadata: Any) -> None:
    """Hold files against the SHA-256 that an export of ours wrote into an artifact's metadata.

    MD5, which W&B goes by, no longer tells other bytes from the same; this does.

    Raises:
        DamagedError: If a file that has a digest there is other bytes, or not among them.
    """
    ours = metadata.get(_OURS) if isinstance(metadata, dict) else None
    digests = ours.get("sha256") if isinstance(ours, dict) else None
    for path, digest in digests.items() if isinstance(digests, dict) else ():
        file = files.get(path)
        if file is None or file.sha256 != digest:
            problem = "is not what its export recorded"
            raise DamagedError(_subject(str(path)), problem, "export the version again")


def _walked(folder: Path) -> set[str]:
    found = set()
    for at, folders, files in os.walk(folder, followlinks=False):
        for name in [*files, *folders]:
            path = Path(at, name)
            shown = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.add(shown)
            elif not stat.S_ISDIR(mode):
                raise DamagedError(_subject(shown), "came as a link or a device", _ADVICE)
    return found


def _checked(listed_file: ListedFile, path: Path) -> File:
    size_bytes = path.stat().st_size
    if listed_file.size_bytes not in (None, size_bytes):
        problem = f"has {size_bytes} bytes instead of {listed_file.size_bytes}"
        raise DamagedError(_subject(listed_file.path), problem, _ADVICE)
    theirs, ours = _hasher(listed_file.algorithm), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            theirs.update(piece)
            ours.update(piece)
    if listed_file.parts:
        same = listed_file.digest in artifact_references.digests_of_parts(path, listed_file.parts)
    else:
        same = theirs.digest() == listed_file.digest
    if not same:
        problem = "came with other bytes than the artifact lists"
        raise DamagedError(_subject(listed_file.path), problem, _ADVICE)
    return File(listed_file.path, ours.hexdigest(), size_bytes)


def _hasher(algorithm: str) -> Any:
    if algorithm.startswith("MD5"):
        return hashlib.md5(usedforsecurity=False)
    if algorithm == "SHA256":
        return hashlib.sha256()
    import xxhash  # the SDK needs it itself where it makes such digests

    make: Callable[[], Any] = xxhash.xxh3_128
    return make()


def _subject(path: str) -> str:
    return f"file {_shown(path)}"


def _shown(text: str) -> str:
    return repr(shortened(inert(text), _MOST_SHOWN))
