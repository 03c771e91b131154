"""The server's half of verbs whose bytes a client has sent before: nothing it says is believed.

A client packages, scans and tries a version like any registration, then sends its blobs and a draft
of its manifest. Here the stored bytes are judged again as if they had been named in a folder; what
the draft says of a scan, a number, a time or an author is dropped.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from holdfast import formats
from holdfast.core import replay, signers
from holdfast.core.events import Registered
from holdfast.core.idempotency import repeated
from holdfast.core.manifest import CODE, Artifact, File, Manifest, Scan, clean_metrics, is_digest
from holdfast.core.signers import Signer
from holdfast.core.state import State
from holdfast.core.version import Bump, Version
from holdfast.core.views import Moved, RegistrationResult
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats import code
from holdfast.registry import registration, sign_version, verdicts
from holdfast.registry.registration import Label, unlabelled
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import layout

_ANY_VERSION: Final = "1.0.0"
_SEND: Final = "send it first"
_MOST_FILES: Final = 10_000
_MOST_REPEATED: Final = 256 << 20


def accept_draft(
    session: Session,
    draft: Mapping[str, Any],
    asked: Version | Bump,
    options: CommitOptions,
    trust: str | None,
    label: Label = unlabelled,
) -> RegistrationResult:
    """Register a version whose blobs are stored, as its draft says; the number is decided here.

    Args:
        session: The store, used by whoever sent the draft.
        draft: A manifest without what a registration decides.
        asked: An exact version, or how far to raise the highest release.
        options: Reason and idempotency key of the entry.
        trust: Why files that run code outside the allow-list are accepted anyway.
        label: Adds what is known of the version beside its manifest, or refuses.

    Raises:
        InvalidInputError: If no registration could have made it, or a blob is missing.
        UntrustedError: If a file runs code outside the allow-list and *trust* is not given.
        RefusedError: If the version claims less than its schema change demands.
        VersionTakenError: If the version holds other bytes or facts.
    """
    manifest = _manifest(session, draft)
    session.writable()
    state = session.ledger(manifest.name).state()
    exact = str(asked) if isinstance(asked, Version) else None
    done = repeated(state, options.idempotency_key, Registered, exact)
    if done is not None:
        return registration.as_before(session, state, done, manifest, options.idempotency_key)
    with _scanned(session, state, manifest, trust) as (scanned, stored):
        return registration.commit(session, scanned, asked, options, stored, label)


@contextlib.contextmanager
def drafted(
    session: Session, draft: Mapping[str, Any], trust: str | None
) -> Iterator[tuple[Manifest, Path]]:
    """Give the manifest of a draft, its scans made anew, and a folder that has its files.

    Raises:
        InvalidInputError: If no registration could have made it, or a blob is missing.
        UntrustedError: If a file runs code outside the allow-list and *trust* is not given.
    """
    manifest = _manifest(session, draft)
    if manifest.reference is not msgspec.UNSET:
        raise InvalidInputError("draft", "names bytes that are elsewhere", _SEND)
    state = session.ledger(manifest.name).state()
    with _scanned(session, state, manifest, trust) as scanned:
        yield scanned


@contextlib.contextmanager
def _scanned(
    session: Session, state: State, manifest: Manifest, trust: str | None
) -> Iterator[tuple[Manifest, Path]]:
    store = session.writable()
    if manifest.lineage.base is not msgspec.UNSET:
        session.find(manifest.lineage.base)
    with store.sharing(), store.workplace() as scratch:
        scans = _scans(session, state, manifest, scratch, trust)
        yield replace(manifest, scan=scans), scratch / registration.STORED


def _manifest(session: Session, draft: Mapping[str, Any]) -> Manifest:
    """Return the manifest of a draft, with nothing in it that a registration decides."""
    own = {"version": _ANY_VERSION, "number": 0, "registered_at": "", "registered_by": session.by}
    try:
        manifest = msgspec.convert({**draft, **own, "scan": {}}, Manifest)
        replay.check_manifest(manifest, manifest.name)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidInputError("draft", f"is not a manifest: {str(error).lower()}") from error
    except DamagedError as error:
        raise InvalidInputError("draft", error.problem) from error
    if "model" not in manifest.artifacts and manifest.reference is msgspec.UNSET:
        raise InvalidInputError("draft", "has no artifact with the role model")
    check_work(manifest.files)
    return replace(manifest, version="", metrics=clean_metrics(manifest.metrics))


def check_work(files: Sequence[File]) -> None:
    """Refuse a draft that is short and makes much work: each file that it names is read here.

    Raises:
        InvalidInputError: If it names too many files, or the same bytes again and again.
    """
    if len(files) > _MOST_FILES:
        problem = f"names {len(files):,} files, more than {_MOST_FILES:,}"
        raise InvalidInputError("draft", problem, "pack them into fewer")
    distinct = {file.sha256: file.size_bytes for file in files}
    if sum(file.size_bytes for file in files) - sum(distinct.values()) > _MOST_REPEATED:
        problem = f"names more than {_MOST_REPEATED:,} bytes that it names already"
        raise InvalidInputError("draft", problem, "name each file once")


def _scans(
    session: Session, state: State, manifest: Manifest, scratch: Path, trust: str | None
) -> dict[str, Scan]:
    """Look at the stored files as at a registration: are they whole, and what do they run."""
    paths = {
        role: _brought(session, artifact, scratch / registration.STORED)
        for role, artifact in manifest.artifacts.items()
    }
    own_modules = code.top_modules(paths[CODE]) if CODE in paths else ()
    trusted = (trust or "").strip()
    judge = registration.Judge(state.policy.allowed_globals, trusted, (), own_modules)
    scans = {}
    for role, artifact in manifest.artifacts.items():
        path = paths[role]
        formats.package(path, role, scratch, artifact.format)  # refuses what is not whole
        scan = verdicts.of_stored(session, artifact, path, judge.allowed)
        scans[role] = judge.accept(scan, Path(artifact.path))
    return scans


def _brought(session: Session, artifact: Artifact, folder: Path) -> Path:
    """Give an artifact's stored bytes their names in a folder, once it is sure they are whole."""
    for file in artifact.files:
        length = session.open_store.store.size(layout.blob(file.sha256))
        if length is None:
            raise InvalidInputError(f"file {file.path}", "was not sent", _SEND)
        if length != file.size_bytes:
            problem = f"has {length} bytes, but the draft says {file.size_bytes}"
            raise InvalidInputError(f"file {file.path}", problem, _SEND)
    session.open_store.blobs.require(artifact.files)
    return session.open_store.blobs.materialize(artifact, folder)


def attach(session: Session, ref: str, key: str, sha256: str, options: CommitOptions) -> Moved:
    """Record a signature of a version whose bytes were sent before.

    Args:
        key: The elliptic-curve public key that it must verify under, in base64.
        sha256: Of its blob.

    Raises:
        InvalidInputError: If the key is malformed, or the bytes were not sent.
        DamagedError: If they are not a signature of this version under that key.
    """
    signers.check({session.by: Signer(ec=key)})
    subject = f"signature sha256:{sha256}"
    if not is_digest(sha256) or session.open_store.store.size(layout.blob(sha256)) is None:
        raise InvalidInputError(subject, "was not sent", _SEND)
    raw = session.open_store.blobs.read(sha256)
    return sign_version.record(
        session, sign_version.checked(session, ref, key, raw, subject), options
    )
