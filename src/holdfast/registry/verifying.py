"""`verify`: hash every byte, walk every journal, hold every projection against both."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.core import heads
from holdfast.core.clocks import Watch
from holdfast.core.entry import Entry, format_time
from holdfast.core.manifest import File, Manifest
from holdfast.core.state import Record, State, empty, fold
from holdfast.core.views import Damage, Remark, Verification
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, MissingLibraryError
from holdfast.registry import needs, signatures, strays
from holdfast.registry.missing import lost
from holdfast.registry.session import Session, Survey
from holdfast.signing import genuine, require_genuine
from holdfast.store import foreign, layout, projections
from holdfast.store.journal import Journal

Progress = Callable[[int, int], None]
"""Told bytes hashed and bytes to hash, again and again."""

_COPIED = "the store was copied while somebody wrote to it, and its last entries were not"
_REBUILD = "`holdfast repair` writes it anew from the journal"


@dataclass(slots=True)
class _Findings:
    """What one run counted and found."""

    models: int = 0
    versions: int = 0
    entries: int = 0
    files: dict[str, File] = field(default_factory=dict)
    users: dict[str, list[tuple[str | None, str | None, str]]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def expect(self, file: File, model: str | None, version: str | None) -> None:
        """Note that a version needs a blob."""
        self.files[file.sha256] = file
        self.users.setdefault(file.sha256, []).append((model, version, file.path))


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be true besides.

    Attributes:
        head: A head the model's journal must have, `42:9d1f…`.
        signed_by: Who must have signed the version: a listed signer, or file of a public key.
    """

    head: str | None = None
    signed_by: str | Path | None = None


def verify(
    session: Session, target: str | None, progress: Progress | None, demand: Demand
) -> Verification:
    """Check the store, a model or one version."""
    found = _Findings()
    _check_demand(session, target or "", demand, found)
    if target is None:
        seen = _check_models(session, found)
        _expect_strays(session, found)
        found.remarks += strays.among_blobs(session)
        found.remarks += _orphans(session, seen, found)
    elif "@" in target:
        state, record = session.find(target)
        _check_versions(session, state, [record], found)
    else:
        session.state(target)
        _check_model(session, target, found)
    _check_files(session, found, progress)
    session.require_same()  # what is gone by now was not looked at
    return Verification(
        models=found.models,
        versions=found.versions,
        entries=found.entries,
        files=len(found.files),
        size_bytes=sum(file.size_bytes for file in found.files.values()),
        damages=tuple(found.damages),
        remarks=tuple(found.remarks),
    )


def _check_demand(session: Session, target: str, demand: Demand, found: _Findings) -> None:
    model, at, _ = target.partition("@")
    if demand.head is not None:
        if not model:
            raise InvalidInputError("verify --head", "wants a model", "name the one it is of")
        try:
            session.pinned(model, heads.parse(model, demand.head)).state()
        except DamagedError as error:
            found.damages.append(Damage(model, None, error.subject, error.problem))
    if demand.signed_by is not None:
        if not at:
            raise InvalidInputError("verify --signed-by", "wants a version", "name MODEL@VERSION")
        state, record = session.find(target)
        found.damages += signatures.wanting(state, record, demand.signed_by)


def version_damages(session: Session, model: str, record: Record) -> tuple[Damage, ...]:
    """Say what is wrong with one version's bytes."""
    found = _Findings()
    _expect_version(session, model, record, found)
    _check_files(session, found, None)
    return tuple(found.damages)


def _check_models(session: Session, found: _Findings) -> Survey:
    """Check all journals, those too of which it is only known that they were there."""
    seen = session.survey()
    found.damages += missing(seen)
    for name in seen.names:
        _check_model(session, name, found)
    try:
        if not seen.names:
            needs.require_journals(session)
    except DamagedError as error:
        found.damages.append(Damage(None, None, error.subject, str(error)))
    return seen


def missing(seen: Survey) -> Iterator[Damage]:
    """Go through what is wrong with the journals as such."""
    for error in seen.broken:
        yield Damage(None, None, error.subject, str(error))
    for model in seen.lost:
        gone = lost(model)
        yield Damage(model, None, gone.subject, str(gone))


def _check_model(session: Session, model: str, found: _Findings) -> None:
    found.models += 1
    ledger, watch = session.ledger(model), Watch()
    try:
        audited = fold(empty(model), _audited(ledger.audit(), found, watch), genuine=genuine)
        state = ledger.state()
    except MissingLibraryError:
        raise
    except HoldfastError as error:
        found.damages.append(Damage(model, None, getattr(error, "subject", model), str(error)))
        return
    now = format_time(session.clock())
    found.remarks += [Remark(model, model, text) for text in watch.remarks(now)]
    found.remarks += strays.in_journal(session, model)
    _check_versions(session, state, state.ordered(), found)
    _check_pointer(session, state, found)
    if session.place.known.is_stale(model):
        problem = f"differs from the journal; {_REBUILD}"
        found.damages.append(Damage(model, None, layout.known(model), problem))
    journal = Journal(session.place.store, layout.model(model))
    if audited.policy.require_signature and journal.seal_problem is not None:
        key = layout.seal(layout.model(model))
        found.damages.append(Damage(model, None, key, f"{journal.seal_problem}; {_REBUILD}"))


def _audited(
    entries: Iterable[tuple[Entry, str]], found: _Findings, watch: Watch
) -> Iterator[tuple[Entry, str]]:
    """Count entries; a wrong signature is damage, whether one is demanded or not."""
    for entry, head in entries:
        require_genuine(entry)
        found.entries += 1
        watch.see(entry)
        yield entry, head


def _check_versions(
    session: Session, state: State, records: Iterable[Record], found: _Findings
) -> None:
    for record in records:
        found.versions += 1
        manifest = _expect_version(session, state.model, record, found)
        if manifest is not None:
            for key, problem in session.place.projections.stale(state.model, record, manifest):
                told = f"{problem}; {_REBUILD}"
                found.damages.append(Damage(state.model, record.version, key, told))
            _expect_attached(session, state.model, record, found)
            found.damages += signatures.damages(session, state.model, record)


def _expect_version(
    session: Session, model: str, record: Record, found: _Findings
) -> Manifest | None:
    try:
        size_bytes = len(session.place.blobs.read(record.manifest))
        manifest = session.manifest(record)
    except HoldfastError as error:
        found.damages.append(
            Damage(model, record.version, layout.blob(record.manifest), str(error))
        )
        return None
    found.expect(File("manifest.json", record.manifest, size_bytes), model, record.version)
    if record.status != "purged":
        for file in manifest.files:
            found.expect(file, model, record.version)
    return manifest


def _expect_attached(session: Session, model: str, record: Record, found: _Findings) -> None:
    for digest, what in record.attached.items():
        size_bytes = session.place.store.size(layout.blob(digest)) or 0
        found.expect(File(what, digest, size_bytes), model, record.version)


def _expect_strays(session: Session, found: _Findings) -> None:
    """Have blobs hashed that no version needs: manifests, and what a collector will take."""
    for file in stored(session):
        if file.sha256 not in found.files:
            found.expect(file, None, None)


def _orphans(session: Session, seen: Survey, found: _Findings) -> Iterator[Remark]:
    """Name models that only manifests tell of: journal and note may both be gone."""
    named = {digest for digest, users in found.users.items() if any(user[0] for user in users)}
    orphans = needs.unclaimed(session, {*seen.names, *seen.hurt, *seen.lost}, named)
    for model in sorted({manifest.name for _digest, manifest in orphans}):
        text = (
            "manifests name it, and it has no journal: its first registration was stopped, or "
            "the journal is lost"
        )
        yield Remark(model, model, text)


def stored(session: Session) -> Iterator[File]:
    """Go through all that has the place of a blob, be it a file or not.

    What systems and synchronisers leave in any folder is passed over.
    """
    store = session.place.store
    sizes = {item.name: item.size_bytes for item in store.items(layout.BLOBS)}
    for name in store.list(layout.BLOBS):
        if foreign.maker_of(name) is None:
            yield File(layout.blob(name), name, sizes.get(name, 0))


def _check_files(session: Session, found: _Findings, progress: Progress | None) -> None:
    total = sum(file.size_bytes for file in found.files.values())
    done = 0
    for file, damage in session.place.blobs.check_all(list(found.files.values())):
        done += file.size_bytes
        if progress is not None:
            progress(done, total)
        if damage is None:
            continue
        for model, version, path in found.users[file.sha256]:
            if not _given_up(session, file.sha256, model, version):
                subject = path if version is None else f"{path} ({layout.blob(file.sha256)})"
                found.damages.append(Damage(model, version, subject, damage.problem))


def _given_up(session: Session, sha256: str, model: str | None, version: str | None) -> bool:
    """Tell whether a version was purged, and its bytes collected, since it was looked at."""
    if model is None or version is None:
        return False
    record = session.state(model).versions[version]
    kept = sha256 == record.manifest or sha256 in record.attached
    return record.status == "purged" and not kept


def _check_pointer(session: Session, state: State, found: _Findings) -> None:
    store = session.place.store
    key = layout.pointer(state.model)
    if store.size(key) is None:
        return
    pointer = projections.read_pointer(store, state.model)
    if not projections.is_true(pointer, state):
        ahead = pointer is not None and pointer.seq > state.seq
        problem = f"is ahead of the journal: {_COPIED}" if ahead else "differs from the journal"
        found.damages.append(Damage(state.model, None, key, f"{problem}; {_REBUILD}"))
