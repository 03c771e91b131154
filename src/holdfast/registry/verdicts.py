"""Judges what a version's bytes run when they are loaded; no manifest is believed.

A manifest says what a scan found when the version was registered, by whoever registered it. So
wherever bytes are about to matter they are scanned here, and the manifest is held against that. A
verdict rests on the digests of the files and on the scanner, so it is remembered in a folder that
is this user's alone: the same bytes are read once.
"""

import functools
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from holdfast import scratch
from holdfast.core.manifest import Artifact, Manifest, Scan
from holdfast.core.state import Record, State
from holdfast.errors import UntrustedError
from holdfast.registry.session import Session
from holdfast.store import private_cache

DATA_ONLY: Final = frozenset(
    ("catboost", "file", "folder", "lightgbm", "onnx", "safetensors", "xgboost")
)
"""Formats whose loaders run nothing out of the file; `file` and `folder` are not even read."""

_KIND: Final = "verdicts"
_MOST_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 1 << 20
"""Length up to which data is copied too, so that its verdict can be remembered."""


def of_artifact(
    session: Session, artifact: Artifact, folder: Path, allowed: Collection[str]
) -> Scan:
    """Scan a stored artifact, or recall what was found in it.

    Args:
        folder: Where its files may be put for that, new.

    Raises:
        DamagedError: If bytes that had to be read are missing or changed.
        InvalidInputError: If its format does not recognise the bytes.
    """
    known = recalled(artifact, allowed)
    if known is not None:
        return known
    path, own = fetched(session, artifact, folder)
    return judged(artifact, path, allowed, own=own)


def of_stored(session: Session, artifact: Artifact, stored: Path, allowed: Collection[str]) -> Scan:
    """Scan an artifact that is being registered.

    What is small is copied for it, so that nobody who asks soon for the version waits for a scan.

    Args:
        stored: Its file or folder, in the store.

    Raises:
        DamagedError: If bytes that had to be read are missing or changed.
        InvalidInputError: If its format does not recognise the bytes.
    """
    if sum(file.size_bytes for file in artifact.files) > _SMALL_BYTES:
        return judged(artifact, stored, allowed, own=False)
    with scratch.folder(session.scratch()) as home:
        return of_artifact(session, artifact, home, allowed)


def found(format_name: str, path: Path, allowed: Collection[str]) -> Scan:
    """Scan a file or folder that a format is to load."""
    from holdfast import formats
    from holdfast.formats import code

    return formats.judged(format_name, path, code.mark(format_name, formats.scan(path, allowed)))


def fetched(session: Session, artifact: Artifact, folder: Path) -> tuple[Path, bool]:
    """Bring an artifact's bytes to a new folder, under their own names.

    What may run code, and what is small, is a copy that was hashed while it was made: between the
    check of a store's own file and its use somebody else could put other bytes there. The rest is
    linked, checked before.

    Returns:
        The artifact's file or folder, and whether it is such a copy.
    """
    size_bytes = sum(file.size_bytes for file in artifact.files)
    near = (
        session.open_store.store.traits.is_local
    )  # what is brought from elsewhere is this user's already
    if not near:
        return session.open_store.blobs.materialize(artifact, folder), True
    if artifact.format in DATA_ONLY and size_bytes > _SMALL_BYTES:
        session.open_store.blobs.require(artifact.files)
        return session.open_store.blobs.materialize(artifact, folder), False
    for file in artifact.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        session.open_store.blobs.copy_out(file, target)
    return folder / artifact.path, True


def judged(artifact: Artifact, path: Path, allowed: Collection[str], *, own: bool) -> Scan:
    """Scan an artifact's bytes, or recall what was found in them.

    Args:
        own: Whether *path* is this process's hashed copy: only then the verdict is remembered.

    Raises:
        InvalidInputError: If its format does not recognise the bytes.
    """
    known = recalled(artifact, allowed)
    if known is not None:
        return known
    from holdfast import formats

    formats.require(artifact.format, path)
    scan = found(artifact.format, path, allowed)
    if own:
        private_cache.keep(_KIND, _key(artifact, allowed), msgspec.json.encode(scan))
    return scan


def recalled(artifact: Artifact, allowed: Collection[str]) -> Scan | None:
    """Return what this user's scanner found in the same bytes before, `None` if it never looked."""
    raw = private_cache.read(_KIND, _key(artifact, allowed), _MOST_BYTES)
    try:
        return None if raw is None else msgspec.json.decode(raw, type=Scan)
    except (ValueError, RecursionError):
        return None


def require_truth(
    subject: str, manifest: Manifest, trusted: Mapping[str, Scan], scans: Mapping[str, Scan]
) -> dict[str, Scan]:
    """Hold what manifests say of files against what was found in them here.

    Args:
        subject: The version.
        manifest: What its registration recorded.
        trusted: By role, what was found and trusted when the version came from elsewhere.
        scans: By role, what was found here.

    Returns:
        *scans*, with the reasons for which findings are trusted.

    Raises:
        UntrustedError: If a file runs code of which its manifest says nothing, or names what is
            not on the list and nobody trusted.
    """
    recorded = {**manifest.scan, **trusted}
    judged = {}
    for role, scan in scans.items():
        recorded_scan = recorded.get(role)
        if scan.executes_code and (recorded_scan is None or not recorded_scan.executes_code):
            kind = recorded_scan.kind if recorded_scan else "nothing of it"
            problem = f"its manifest says {kind}, but its bytes are {scan.kind}, which runs code"
            raise UntrustedError(f"{subject} {role}", [problem])
        reason = recorded_scan.trusted if recorded_scan else None
        if scan.unknown and not reason:
            raise UntrustedError(f"{subject} {role}", scan.unknown)
        judged[role] = replace(scan, trusted=reason) if scan.unknown else scan
    return judged


def of_version(
    session: Session, state: State, record: Record, manifest: Manifest, *, anew: bool = False
) -> dict[str, Scan]:
    """Scan a version's files, or recall what was found in them, and hold its manifest against it.

    Args:
        anew: Whether bytes whose scan is recalled are hashed, where they are near: they may have
            changed since.

    Raises:
        DamagedError: If bytes that had to be read are missing or changed.
        InvalidInputError: If a format does not recognise its bytes.
        UntrustedError: As `require_truth` says.
    """
    allowed = state.policy.allowed_globals
    scans: dict[str, Scan] = {}
    unknown: dict[str, Artifact] = {}
    for role, artifact in manifest.artifacts.items():
        known = recalled(artifact, allowed)
        if known is None:
            unknown[role] = artifact
        else:
            scans[role] = known
    if anew and scans and session.open_store.store.traits.is_local:
        kept = [file for role in scans for file in manifest.artifacts[role].files]
        session.open_store.blobs.require(kept)
    if unknown:
        with scratch.folder(session.scratch()) as home:
            for role, artifact in unknown.items():
                scans[role] = of_artifact(session, artifact, home / role, allowed)
    subject = f"{state.model}@{record.version}"
    return require_truth(subject, manifest, record.scan, scans)


def _key(artifact: Artifact, allowed: Collection[str]) -> str:
    files = [(file.path, file.sha256) for file in artifact.files]
    what = (_version(), artifact.format, artifact.path, files, sorted(allowed))
    return msgspec.json.encode(what).decode()


@functools.cache
def _version() -> str:
    """Return what changes with the scanner: the digest of its own files."""
    hasher = hashlib.sha256()
    folder = Path(__file__).parent.parent / "formats" / "scanner"
    for path in sorted(folder.iterdir()):
        if path.suffix in (".py", ".txt"):
            hasher.update(path.name.encode() + path.read_bytes())
    return hasher.hexdigest()
