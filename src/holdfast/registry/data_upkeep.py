"""Journals of data beside those of models: verified, backed up, and their blobs kept."""

from collections.abc import Iterator

from holdfast.core.manifest import File
from holdfast.core.views import Damage
from holdfast.datasets.data_journal import DataJournal, names_in
from holdfast.datasets.data_records import DataVersion, decode_description
from holdfast.errors import ConflictError, DamagedError, HoldfastError
from holdfast.registry.damage_search import DamageSearch
from holdfast.registry.session import Session
from holdfast.store import layout

__all__ = ["back_up", "named_blobs", "verify"]


def named_blobs(session: Session) -> set[str]:
    """Return the digests that versions of data name: descriptions, and files that are kept.

    Raises:
        DamagedError: If a journal or a description cannot be read: what it names is then unknown.
    """
    store = session.open_store.store
    return {
        file.sha256
        for name in names_in(store)
        for version in DataJournal(store, name).versions()
        for file in _files(session, version)
    }


def _files(session: Session, version: DataVersion) -> Iterator[File]:
    """Go through the blobs of a version of data, its description first."""
    digest = version.added.description
    raw = session.open_store.blobs.read(digest)
    yield File(f"description of {version.ref}", digest, len(raw))
    if version.added.kept:
        yield from decode_description(raw, version.ref).files


def verify(session: Session, findings: DamageSearch) -> None:
    """Check all journals of data, and have the blobs that they name hashed."""
    store = session.open_store.store
    try:
        names = names_in(store)
    except HoldfastError as error:
        findings.damages.append(_damage(layout.DATA, error))
        return
    for name in names:
        try:
            versions = DataJournal(store, name).versions()
        except HoldfastError as error:
            findings.damages.append(_damage(layout.data(name), error))
            continue
        findings.entries += len(versions)
        for version in versions:
            _expect(session, version, findings)


def _expect(session: Session, version: DataVersion, findings: DamageSearch) -> None:
    try:
        for file in _files(session, version):
            findings.expect(file, None, None)
    except DamagedError as error:
        findings.damages.append(_damage(version.ref, error))


def _damage(subject: str, error: HoldfastError) -> Damage:
    return Damage(None, None, getattr(error, "subject", subject), str(error))


def back_up(source: Session, target: Session) -> tuple[int, int, list[File]]:
    """Bring the journals of data of a backup up to date, blobs before entries.

    Returns:
        How many entries are in the backup, how many it lacked, and the blobs that it lacked.

    Raises:
        ConflictError: If the backup has another history.
        DamagedError: If an entry or a blob is damaged.
    """
    here, there = source.open_store, target.open_store
    entries = lacked = 0
    carried: list[File] = []
    for name in names_in(here.store):
        journal = DataJournal(here.store, name)
        files = [file for version in journal.versions() for file in _files(source, version)]
        for file in files:
            if there.store.size(layout.blob(file.sha256)) != file.size_bytes:
                there.blobs.add(here.blobs.fetch(file))
                carried.append(file)
        raws = journal.raws()
        try:
            lacked += DataJournal(there.store, name).restore(raws)
        except DamagedError as error:
            advice = "name a new folder or prefix, or an earlier backup of this store"
            raise ConflictError(error.subject, error.problem, advice) from error
        entries += len(raws)
    return entries, lacked, carried
