"""What a collector must leave alone: the blobs that versions name, or may name.

A store that lost a journal looks like one whose blobs nobody needs. So everything that says that a
model existed is held against the journals that are there, before a byte is condemned and again
before one is removed.
"""

import contextlib
import logging
from collections.abc import Collection, Iterator

from msgspec import UNSET

from holdfast.core.manifest import MAX_BYTES, Manifest, base_digest, decode
from holdfast.errors import DamagedError, NewerFormatError, StoreError
from holdfast.registry.session import Session
from holdfast.store import AbsentError, at_most, in_order, layout
from holdfast.store.place import Claims

_log = logging.getLogger(__name__)
_BEGINNING = b'{"'


def claims(session: Session) -> Claims:
    """Tell what versions name, and what manifests of models without a journal do.

    Raises:
        StoreError: If the store is gone, or another is in its place.
        DamagedError: If a journal or manifest is missing or cannot be read: what it names is then
            unknown.
    """
    models = session.journals()
    if not models:
        require_journals(session)
    told = session.place.config.known and session.place.known.folders()
    _note(session, models)
    named = _named(session, models)
    if told:  # all models are noted: what is left without a journal never had one
        return Claims(named)
    doubtful: set[str] = set()
    for digest, manifest in unclaimed(session, models, named):
        doubtful |= {digest, *(file.sha256 for file in manifest.files)}
    if doubtful:
        _log.warning(
            "%d blobs are kept, for manifests name them whose models have no journal: of "
            "registrations that were stopped, or of journals that are lost",
            len(doubtful),
        )
    return Claims(named, doubtful - named)


def adapters(session: Session) -> dict[str, str]:
    """Name an adapter by the digest of the version that it is put on, for all that are kept.

    Raises:
        DamagedError: If a journal or manifest cannot be read: what it names is then unknown.
    """
    found: dict[str, str] = {}
    for model in session.journals():
        state = session.ledger(model).state()
        for record in state.present() if state.exists else ():
            base = session.manifest(record).lineage.base
            if base is not UNSET:
                found.setdefault(base_digest(base), f"{model}@{record.version}")
    return found


def _note(session: Session, models: Collection[str]) -> None:
    """Note models that are not: in stores of old, and after a crash; a full disk is no obstacle."""
    noted = session.place.known.folders()
    for model in models:
        if layout.model(model).removeprefix(f"{layout.MODELS}/") not in noted:
            with contextlib.suppress(StoreError):
                session.place.known.write(model)


def unclaimed(
    session: Session, models: Collection[str], named: Collection[str]
) -> Iterator[tuple[str, Manifest]]:
    """Go through the manifests that no version names, of models that have no journal."""
    store = session.place.store
    items = [item for item in store.items(layout.BLOBS) if item.name not in named]
    loose = [item.name for item in items if item.size_bytes <= MAX_BYTES]

    def read(digest: str) -> Manifest | None:
        return _manifest(session, digest)

    if store.traits.at_once == 1:
        found: Iterator[Manifest | None] = map(read, loose)
    else:
        found = in_order.answers(read, loose, store.traits.at_once)
    for digest, manifest in zip(loose, found, strict=True):
        if manifest is not None and manifest.name not in models:
            yield digest, manifest


def require_journals(session: Session) -> None:
    """Refuse to take a store of old that lost all journals for one that never had any.

    Where models are noted from their first entry on, the notes tell.

    Raises:
        DamagedError: If a manifest says that there was a model.
    """
    if session.place.config.known:
        return
    for _digest, manifest in unclaimed(session, (), ()):
        raise DamagedError(
            layout.MODELS,
            f"has no journal, though a manifest names {manifest.name}@{manifest.version}",
            "mount its disk, or restore it from a copy",
        )


def _named(session: Session, models: Collection[str]) -> set[str]:
    """Return the digests that versions name: manifests, what is attached, files not purged."""
    states = (session.ledger(model).state() for model in models)
    records = [record for state in states for record in state.versions.values()]
    present = [record for record in records if record.status != "purged"]
    files = (file for record in present for file in session.manifest(record).files)
    kept = {record.manifest for record in records}
    kept.update(digest for record in records for digest in record.attached)
    return kept.union(file.sha256 for file in files)


def _manifest(session: Session, digest: str) -> Manifest | None:
    """Read a blob that may be a manifest; `None` if it is anything else."""
    try:
        with session.place.store.open(layout.blob(digest)) as file:
            start = file.read(len(_BEGINNING))
            raw = start + at_most(file, MAX_BYTES) if start == _BEGINNING else b""
        return decode(raw, digest) if raw else None
    except (AbsentError, OSError, DamagedError, NewerFormatError):
        return None
