"""Reading versions: a verified pair in memory, or a version's files in a folder."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast import formats
from holdfast.core.commands import require_own_bytes
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record, State
from holdfast.errors import DamagedError, InvalidInputError, UnsupportedError
from holdfast.formats.pair import Pair
from holdfast.registry import environments, incomplete, signatures, verdicts
from holdfast.registry.session import Session, read_ref
from holdfast.registry.version_bytes import require_whole, unless_purged, was_purged
from holdfast.signing.bundle import MANIFEST, SIGNATURE
from holdfast.store import projections, reserved

_log = logging.getLogger(__name__)
_LOCK: Final = threading.Lock()
_TOLD: Final[set[str]] = set()
"""Digests of manifests whose differing libraries this process was warned of."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A version ready to be loaded: every byte verified, its code accepted, nothing run yet.

    Attributes:
        ref: The version.
        manifest: Its record.
        paths: By role, where it is loaded from: what runs code is a copy that was hashed while it
            was made, in a folder of this process's own.
    """

    ref: str
    manifest: Manifest
    paths: Mapping[str, Path]

    def load(self) -> Pair:
        """Deserialise it."""
        formats_by_role = {
            role: artifact.format for role, artifact in self.manifest.artifacts.items()
        }
        return Pair(self.ref, self.manifest, formats.load_parts(formats_by_role, self.paths))


def load(session: Session, ref: str) -> Pair:
    """Deserialise a version once every byte of it is verified."""
    return fetch(session, ref).load()


def fetch(session: Session, ref: str) -> Fetched:
    """Verify every byte of a version, and bring it to where it can be loaded from."""
    state, record = _find(session, ref)
    manifest = _present(session, state.model, record)
    exact_ref = f"{state.model}@{record.version}"
    _compare_versions(session, exact_ref, record.manifest, manifest)
    blobs = session.open_store.blobs
    artifacts = manifest.artifacts.values()
    data = [candidate for candidate in artifacts if candidate.format in verdicts.DATA_ONLY]
    with unless_purged(session, state.model, record):
        blobs.read(record.manifest)  # checked now, whatever is remembered of it
        blobs.require([file for artifact in data for file in artifact.files])
        return Fetched(exact_ref, manifest, _own_paths(session, state, record, manifest))


def _find(session: Session, ref: str) -> tuple[State, Record]:
    """Find a version, also behind one damaged entry where the others prove what *ref* names.

    Raises:
        DamagedError: If they do not.
    """
    try:
        return session.find(ref)
    except DamagedError:
        parsed = read_ref(ref)
        incomplete_journal = incomplete.read(session, parsed.model)
        if incomplete_journal is None:
            raise
        record = incomplete_journal.find(parsed)
        _log.warning("%s is loaded beside a damaged journal: %s", ref, incomplete_journal.damage)
        return incomplete_journal.state, record


def _compare_versions(session: Session, ref: str, digest: str, manifest: Manifest) -> None:
    """Warn once of libraries that are of another version than recorded, or refuse them."""
    with _LOCK:
        was_reported = digest in _TOLD
        _TOLD.add(digest)
    if was_reported and not session.demands_environment:
        return
    shown = ", ".join(map(str, environments.check(manifest)))
    if shown and session.demands_environment:
        advice = "`holdfast env` writes what to install"
        raise UnsupportedError(ref, f"was registered with other versions: {shown}", advice)
    if shown:
        _log.warning("%s was registered with other versions: %s", ref, shown)


def _own_paths(
    session: Session, state: State, record: Record, manifest: Manifest
) -> dict[str, Path]:
    """Return where to load each role from, after checking that the code it runs is accepted."""
    paths: dict[str, tuple[Path, bool]] = {}
    for role, artifact in manifest.artifacts.items():  # all are whole before one is looked into
        if artifact.format in verdicts.DATA_ONLY:
            paths[role] = _place(session, manifest, artifact), False
        else:
            scratch = Path(tempfile.mkdtemp(dir=session.scratch()))
            paths[role] = verdicts.fetched(session, artifact, scratch)
    allowed = state.policy.allowed_globals
    scans = {
        role: verdicts.judged(manifest.artifacts[role], path, allowed, own=own)
        for role, (path, own) in paths.items()
    }
    verdicts.require_truth(f"{state.model}@{record.version}", manifest, record.scan, scans)
    return {role: path for role, (path, _) in paths.items()}


def paths(session: Session, ref: str) -> dict[str, Path]:
    """Return the path of each role's artifact, and of the manifest, once all is verified."""
    state, record = session.find(ref)
    manifest = _present(session, state.model, record)
    require_whole(session, state.model, record)
    with unless_purged(session, state.model, record):
        places = {
            role: _place(session, manifest, artifact)
            for role, artifact in manifest.artifacts.items()
        }
    return places | {"manifest": _manifest_place(session, record, manifest)}


def _present(session: Session, model: str, record: Record) -> Manifest:
    if record.status == "purged":
        raise was_purged(f"{model}@{record.version}")
    require_own_bytes(model, record)
    return session.manifest(record)


def _place(session: Session, manifest: Manifest, artifact: Artifact) -> Path:
    """Return where an artifact lies under its own name; if nowhere, write it there first."""
    path = session.open_store.projections.artifact(manifest, artifact)
    if path is not None:
        return path
    scratch = Path(tempfile.mkdtemp(dir=session.scratch()))
    if (
        not session.open_store.store.traits.is_local
    ):  # what is brought here is checked and nobody else's
        return session.open_store.blobs.materialize(artifact, scratch)
    _write_files(session, artifact, scratch)
    return scratch / artifact.path


def _manifest_place(session: Session, record: Record, manifest: Manifest) -> Path:
    path = session.open_store.projections.manifest(record, manifest)
    if path is None:
        path = Path(tempfile.mkdtemp(dir=session.scratch())) / "manifest.json"
        path.write_bytes(projections.version_text(record, manifest))
    return path


def checkout(session: Session, ref: str, target: Path) -> Path:
    """Write a version's files, manifest and signature to a folder that is new or empty.

    `manifest.json` holds the manifest's exact bytes: its SHA-256 is the version's digest.
    """
    state, record = session.find(ref)
    manifest = _present(session, state.model, record)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInputError(
            f"folder {str(target)!r}", "exists and is not empty", "name a new one"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=reserved.TEMPORARY))
    except OSError as error:
        raise InvalidInputError(
            f"folder {str(target)!r}", f"cannot be made: {error.strerror}", "check its parent"
        ) from error
    try:
        with unless_purged(session, state.model, record):
            for artifact in manifest.artifacts.values():
                _write_files(session, artifact, draft)
        (draft / MANIFEST).write_bytes(session.open_store.blobs.read(record.manifest))
        signature = signatures.shown(session, state, record)
        if signature is not None:
            (draft / SIGNATURE).write_bytes(signature)
        draft.chmod(0o755)
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def _write_files(session: Session, artifact: Artifact, folder: Path) -> None:
    for file in artifact.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        session.open_store.blobs.copy_out(file, path)
