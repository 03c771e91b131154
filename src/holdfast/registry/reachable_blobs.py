"""What a collector must leave alone: the blobs that versions name, or may name.

A store that lost a journal looks like one whose blobs nobody needs. So everything that says that a
model existed is held against the journals that are there, before a byte is condemned and again
before one is removed.
"""

import contextlib
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from holdfast.core.manifest import MAX_BYTES, Manifest, base_digest, decode
from holdfast.core.state import Record
from holdfast.errors import DamagedError, NewerFormatError, StoreError
from holdfast.registry import data_upkeep, image_layout
from holdfast.registry.session import Session
from holdfast.store import AbsentError, at_most, concurrent, layout
from holdfast.store.open_store import Claims

_log = logging.getLogger(__name__)
_BEGINNING = b'{"'


@dataclass(frozen=True, slots=True)
class _Content:
    """What is needed of a manifest: the base of an adapter, and the blobs of its files."""

    base: str | UnsetType
    files: tuple[str, ...]


class Contents:
    """What manifests name; each is read once as long as this lives, for none ever changes.

    The journals do not tell it, so every version that has its bytes must be asked: one that is not
    could be an adapter on what would be given up, or name a blob that would be removed.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._read: dict[str, _Content] = {}

    @property
    def at_once(self) -> int:
        """How many manifests are best read at the same time."""
        return self.session.open_store.store.traits.concurrency

    def files(self, record: Record) -> tuple[str, ...]:
        """Return the digests of a version's files."""
        return self._of(record).files

    def base(self, record: Record) -> str | UnsetType:
        """Return the version that an adapter is put on."""
        return self._of(record).base

    def _of(self, record: Record) -> _Content:
        content = self._read.get(record.manifest)
        if content is None:
            manifest = self.session.manifest(record)
            digests = tuple(file.sha256 for file in manifest.files)
            digests += image_layout.named(self.session, record, manifest)
            content = self._read[record.manifest] = _Content(manifest.lineage.base, digests)
        return content


def claims(contents: Contents) -> Claims:
    """Tell what versions name, and what manifests of models without a journal do.

    Raises:
        StoreError: If the store is gone, or another is in its place.
        DamagedError: If a journal or manifest is missing or cannot be read: what it names is then
            unknown.
    """
    session = contents.session
    models = session.journals()
    if not models:
        require_journals(session)
    noted_folders = session.open_store.config.known and session.open_store.known.folders()
    _note(session, models)
    referenced_digests = _named(contents, models)
    if noted_folders:  # all models are noted: what is left without a journal never had one
        return Claims(referenced_digests)
    doubtful: set[str] = set()
    for digest, manifest in unclaimed(session, models, referenced_digests):
        doubtful |= {digest, *(file.sha256 for file in manifest.files)}
    if doubtful:
        _log.warning(
            "%d blobs are kept, for manifests name them whose models have no journal: of "
            "registrations that were stopped, or of journals that are lost",
            len(doubtful),
        )
    return Claims(referenced_digests, doubtful - referenced_digests)


def adapters(contents: Contents) -> dict[str, str]:
    """Map the digest of each adapted version to an adapter, for all versions that are kept.

    Raises:
        DamagedError: If a journal or manifest cannot be read, naming the version: it may be an
            adapter, and on which base is then unknown.
    """
    session = contents.session
    states = ((model, session.ledger(model).state()) for model in session.journals())
    versions = [
        (model, record) for model, state in states if state.exists for record in state.present()
    ]
    bases = concurrent.map_ordered(
        lambda version: _base_of(contents, *version), versions, contents.at_once
    )
    adapters_by_base: dict[str, str] = {}
    for (model, record), base in zip(versions, bases, strict=True):
        if base is not UNSET:
            adapters_by_base.setdefault(base_digest(base), f"{model}@{record.version}")
    return adapters_by_base


def _base_of(contents: Contents, model: str, record: Record) -> str | UnsetType:
    try:
        return contents.base(record)
    except DamagedError as error:
        ref = f"{model}@{record.version}"
        hidden = f"{error.problem}; it may be an adapter, on a version that would be given up"
        advice = f"`holdfast repair {model} --from` a copy puts it right, or purge {ref} first"
        raise DamagedError(f"{ref} ({error.subject})", hidden, advice) from error


def _note(session: Session, models: Collection[str]) -> None:
    """Note models that an old Holdfast or a crash left unnoted; a full disk does not stop it."""
    noted = session.open_store.known.folders()
    for model in models:
        if layout.model(model).removeprefix(f"{layout.MODELS}/") not in noted:
            with contextlib.suppress(StoreError):
                session.open_store.known.write(model)


def unclaimed(
    session: Session, models: Collection[str], referenced_digests: Collection[str]
) -> Iterator[tuple[str, Manifest]]:
    """Go through the manifests that no version names, of models that have no journal."""
    store = session.open_store.store
    items = [item for item in store.items(layout.BLOBS) if item.name not in referenced_digests]
    loose = [item.name for item in items if item.size_bytes <= MAX_BYTES]

    def read(digest: str) -> Manifest | None:
        return _manifest(session, digest)

    manifests = concurrent.map_ordered(read, loose, store.traits.concurrency)
    for digest, manifest in zip(loose, manifests, strict=True):
        if manifest is not None and manifest.name not in models:
            yield digest, manifest


def require_journals(session: Session) -> None:
    """Refuse an old store that has lost all journals; it looks like one that never had any.

    Where models are noted from their first entry on, the notes tell.

    Raises:
        DamagedError: If a manifest says that there was a model.
    """
    if session.open_store.config.known:
        return
    for _digest, manifest in unclaimed(session, (), ()):
        raise DamagedError(
            layout.MODELS,
            f"has no journal, although a manifest names {manifest.name}@{manifest.version}",
            "mount its disk, or restore it from a copy",
        )


def _named(contents: Contents, models: Collection[str]) -> set[str]:
    """Return the digests that versions name: manifests, what is attached, files not purged."""
    states = [contents.session.ledger(model).state() for model in models]
    records = [record for state in states for record in state.versions.values()]
    present = [record for record in records if record.status != "purged"]
    digests = {record.manifest for record in records}
    digests.update(digest for record in records for digest in record.attached)
    digests.update(digest for state in states for digest in state.runs)
    digests |= data_upkeep.named_blobs(contents.session)
    files = concurrent.map_ordered(contents.files, present, contents.at_once)
    return digests.union(*files)


def _manifest(session: Session, digest: str) -> Manifest | None:
    """Read a blob that may be a manifest; `None` if it is anything else."""
    try:
        with session.open_store.store.open(layout.blob(digest)) as file:
            start = file.read(len(_BEGINNING))
            raw = start + at_most(file, MAX_BYTES) if start == _BEGINNING else b""
        return decode(raw, digest) if raw else None
    except (AbsentError, OSError, DamagedError, NewerFormatError):
        return None
