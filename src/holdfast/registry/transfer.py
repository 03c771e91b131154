"""Imports a model's history: every byte and entry is judged before the first one is written.

Bundles and copies come this way. Blobs are stored before; nothing names them until all is judged.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from holdfast.core import commands, names, replay
from holdfast.core import entry as entries
from holdfast.core.entry import Entry
from holdfast.core.events import AnyEvent, Trusted, registration
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Artifact, Manifest, Scan, is_digest
from holdfast.core.state import State, empty, fold
from holdfast.errors import ConflictError, DamagedError, UntrustedError
from holdfast.registry import losses, presence, signatures, verdicts
from holdfast.registry.session import CommitOptions, Session
from holdfast.signing import genuine, require_genuine
from holdfast.store import layout

_AGAIN: Final = "fetch it again"
_MOST_MANIFEST: Final = 64 << 20
"""Bytes above which a manifest is not believed."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A whole journal on its way here.

    Attributes:
        journal: The bytes of its entries, from the first.
        head: SHA-256 of the last one, as stated separately from them.
        store_again: Stores its blobs once more, should a collector have taken one meanwhile.
        mirrored: True if it should continue here as it does there: what a manifest says was
            trusted there is not recorded again, because the two histories would diverge.
    """

    model: str
    journal: tuple[bytes, ...]
    head: str
    store_again: Callable[[], object]
    mirrored: bool = False


def take_model(
    session: Session, came: Journey, scratch: Path, options: CommitOptions, trust: str | None
) -> tuple[bool, tuple[str, ...]]:
    """Go on in the model's journal where it is a beginning of the one that came, entry by entry.

    Args:
        session: Where to.
        came: The journal; its blobs are stored already.
        scratch: A folder in which files can be written to be judged.
        options: Reason and key of the entry that records what was trusted.
        trust: Why files that run code outside the allow-list are accepted anyway.

    Returns:
        Whether anything was new, and the model's versions.

    Raises:
        ConflictError: If the model has another history here.
        DamagedError: If entries or blobs are not what a registry would have written.
        UntrustedError: If a file runs code outside the allow-list and *trust* is not given.
    """
    model = came.model
    ledger = session.ledger(model)
    known = list(ledger.raw_entries())
    for seq, (ours, theirs) in enumerate(zip(known, came.journal, strict=False), start=1):
        if ours != theirs:
            raise ConflictError(
                model,
                f"has a different history here: entry {seq} differs",
                "copy it to a store that does not have the model",
            )
    state = _replayed(session, model, came.journal)
    if state.head != came.head:
        raise DamagedError(f"journal of {model}", "does not end where it should", _AGAIN)
    scans = {
        record.version: judge(session, manifest_of(session, record.manifest, model), scratch, trust)
        for record in state.present()
    }
    for record in state.versions.values():
        signatures.require(session, record)
        losses.require(session, record)
    _restore(session, came, known, _named(session, state))
    if came.mirrored:
        scans = {version: _untold(session, state, version, scans[version]) for version in scans}
    trusted = [
        _trust(session, model, version, scan, options) for version, scan in scans.items() if scan
    ]
    created = len(came.journal) > len(known) or any(trusted)
    return created, tuple(state.versions)


def _restore(
    session: Session, came: Journey, known: Sequence[bytes], digests: Collection[str]
) -> None:
    """Write the entries that are new here, and see to it that the blobs *digests* are there."""
    ledger = session.ledger(came.model)
    session.require_same()
    if not known:
        session.require_models()
    session.open_store.rescue(digests)
    head = entries.digest(known[-1]) if known else None
    for seq, raw in enumerate(came.journal[len(known) :], start=len(known) + 1):
        head = ledger.restore(raw, seq, head)
    session.require_same()
    presence.ensure(session.open_store, digests, came.store_again)
    ledger.project()


def _named(session: Session, state: State) -> list[str]:
    """List the blobs that the versions of *state* name."""
    digests = [record.manifest for record in state.versions.values()]
    for record in state.present():
        digests += [file.sha256 for file in session.manifest(record).files]
    digests += [digest for record in state.versions.values() for digest in record.attached]
    digests += state.runs
    return digests


def _untold(
    session: Session, state: State, version: str, scans: Mapping[str, Scan]
) -> dict[str, Scan]:
    """Leave out what the version's own manifest says was found and trusted."""
    own_scans = session.manifest(state.versions[version]).scan
    return {
        role: scan
        for role, scan in scans.items()
        if not (
            role in own_scans
            and own_scans[role].trusted
            and set(scan.unknown) <= set(own_scans[role].unknown)
        )
    }


def _trust(
    session: Session, model: str, version: str, scan: Mapping[str, Scan], options: CommitOptions
) -> bool:
    """Record what was accepted; from then on the model's history is this store's own."""

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        record = state.versions[version]
        if record.status == "purged":  # here, since an earlier import
            return Unchanged(f"{version} was purged here", version)
        return commands.trust(state, record, scan)

    return session.commit(model, decide, Trusted, options).entry is not None


def _replayed(session: Session, model: str, journal: tuple[bytes, ...]) -> State:
    """Fold a journal that others wrote, each entry judged as if it were to be written now."""

    def judge(state: State, entry: Entry) -> None:
        registered = registration(entry.event)
        digest = registered.manifest if registered else None
        replay.check_entry(state, entry, manifest_of(session, digest, model) if digest else None)

    checked = []
    head = None
    for seq, raw in enumerate(journal, start=1):
        entry = entries.read(raw, model, seq, head)
        require_genuine(entry)
        head = entries.digest(raw)
        checked.append((entry, head))
    return fold(empty(model), checked, judge, genuine)


def manifest_of(session: Session, digest: str, model: str) -> Manifest:
    """Return a manifest that came, once it is known that a registration could have written it.

    Raises:
        DamagedError: If it is missing, too long, or none could have.
    """
    subject = f"manifest sha256:{digest}"
    size_bytes = session.open_store.store.size(layout.blob(digest)) if is_digest(digest) else None
    if size_bytes is None:
        raise DamagedError(subject, "is missing from the transfer", _AGAIN)
    if size_bytes > _MOST_MANIFEST:
        raise DamagedError(subject, f"has {size_bytes} bytes", _AGAIN)
    manifest = session.open_store.blobs.manifest(digest)
    replay.check_manifest(manifest, model)
    return manifest


def judge(
    session: Session, manifest: Manifest, scratch: Path, trust: str | None
) -> dict[str, Scan]:
    """Judge the files as at a registration: what a manifest from elsewhere says is not believed.

    Returns:
        By role, what runs code outside the allow-list and is trusted.
    """
    scans = {}
    allowed = session.allowed(manifest.name)
    for role, artifact in manifest.artifacts.items():
        _check_files(session, artifact)
        scan = verdicts.of_artifact(session, artifact, scratch / manifest.version / role, allowed)
        if not scan.unknown:
            continue
        if not names.is_text(trust):
            path = f"{manifest.name}@{manifest.version} {artifact.path}"
            raise UntrustedError(path, scan.unknown)
        scans[role] = replace(scan, trusted=trust)
    return scans


def _check_files(session: Session, artifact: Artifact) -> None:
    for file in artifact.files:
        session.open_store.blobs.require([file])
        length = session.open_store.store.size(layout.blob(file.sha256))
        if length != file.size_bytes:
            problem = f"has {length} bytes, but its manifest says {file.size_bytes}"
            raise DamagedError(layout.blob(file.sha256), problem, _AGAIN)
