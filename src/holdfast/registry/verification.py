"""`verify`: hash every byte, walk every journal, hold every projection against both."""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.core import heads
from holdfast.core.clocks import Watch
from holdfast.core.entry import Entry, format_time
from holdfast.core.manifest import File, Manifest
from holdfast.core.state import Record, State, empty, fold
from holdfast.core.views import Damage, Remark, Verification
from holdfast.errors import DamagedError, HoldfastError, InvalidInputError, MissingLibraryError
from holdfast.registry import (
    access_upkeep,
    data_upkeep,
    image_layout,
    reachable_blobs,
    signatures,
    stray_files,
)
from holdfast.registry.damage_search import DamageSearch, check_files, expect_version
from holdfast.registry.missing import lost
from holdfast.registry.session import Session, Survey
from holdfast.signing import genuine, require_genuine
from holdfast.store import foreign, layout, projections
from holdfast.store.journal import Journal
from holdfast.store.metering import Progress
from holdfast.store.packs import Packs

_FOLLOW_S: Final = 1.0
_LOOK_S: Final = 0.02
_COPIED = "the store was copied during a write, without its last entries"
_REBUILD = "`holdfast repair` rebuilds it from the journal"


@dataclass(frozen=True, slots=True)
class Demand:
    """What else must be true.

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
    findings = DamageSearch()
    _check_demand(session, target or "", demand, findings)
    if target is None:
        seen = _check_models(session, findings)
        _check_access(session, findings)
        data_upkeep.verify(session, findings)
        _expect_strays(session, findings)
        findings.remarks += stray_files.among_blobs(session)
        findings.remarks += _orphans(session, seen, findings)
    elif "@" in target:
        state, record = session.find(target)
        _check_versions(session, state, [record.version], findings)
    else:
        session.state(target)
        _check_model(session, target, findings)
    check_files(session, findings, progress)
    session.require_same()  # what is gone by now was not checked
    return Verification(
        models=findings.models,
        versions=findings.versions,
        entries=findings.entries,
        files=len(findings.files),
        size_bytes=sum(file.size_bytes for file in findings.files.values()),
        damages=tuple(findings.damages),
        remarks=tuple(findings.remarks),
    )


def _check_demand(session: Session, target: str, demand: Demand, findings: DamageSearch) -> None:
    model, at, _ = target.partition("@")
    if demand.head is not None:
        if not model:
            raise InvalidInputError(
                "verify --head", "needs a model", "name the model that the head belongs to"
            )
        try:
            session.pinned(model, heads.parse(model, demand.head)).state()
        except DamagedError as error:
            findings.damages.append(Damage(model, None, error.subject, error.problem))
    if demand.signed_by is not None:
        if not at:
            raise InvalidInputError("verify --signed-by", "needs a version", "name MODEL@VERSION")
        state, record = session.find(target)
        findings.damages += signatures.wanting(state, record, demand.signed_by)


def _check_models(session: Session, findings: DamageSearch) -> Survey:
    """Check all journals, those too of which it is only known that they were there."""
    seen = session.survey()
    findings.damages += missing(seen)
    for name in seen.names:
        _check_model(session, name, findings)
    try:
        if not seen.names:
            reachable_blobs.require_journals(session)
    except DamagedError as error:
        findings.damages.append(Damage(None, None, error.subject, str(error)))
    return seen


def missing(seen: Survey) -> Iterator[Damage]:
    """Go through what is wrong with the journals as such."""
    for error in seen.broken:
        yield Damage(None, None, error.subject, str(error))
    for model in seen.lost:
        gone = lost(model)
        yield Damage(model, None, gone.subject, str(gone))


def _check_access(session: Session, findings: DamageSearch) -> None:
    count, damages, remarks = access_upkeep.verified(session)
    findings.entries += count
    findings.damages += damages
    findings.remarks += remarks


def _check_model(session: Session, model: str, findings: DamageSearch) -> None:
    findings.models += 1
    ledger, watch = session.ledger(model), Watch()
    digests: list[str] = []
    try:
        audit = _noting(ledger.audit(), digests)
        audited = fold(empty(model), _audited(audit, findings, watch), genuine=genuine)
        state = ledger.state()
    except MissingLibraryError:
        raise
    except HoldfastError as error:
        findings.damages.append(Damage(model, None, getattr(error, "subject", model), str(error)))
        return
    now = format_time(session.clock())
    findings.remarks += [Remark(model, model, text) for text in watch.remarks(now)]
    findings.remarks += stray_files.in_journal(session, model)
    _check_versions(session, state, [record.version for record in state.ordered()], findings)
    _expect_runs(session, state, findings)
    findings.damages += _lasting(session, state, functools.partial(_pointer_damages, session))
    findings.damages += _lasting(session, state, functools.partial(_layout_damages, session))
    for key, problem in Packs(session.open_store.store, layout.model(model)).problems(digests):
        findings.damages.append(Damage(model, None, key, f"{problem}; {_REBUILD}"))
    if session.open_store.known.is_stale(model):
        problem = f"differs from the journal; {_REBUILD}"
        findings.damages.append(Damage(model, None, layout.known(model), problem))
    journal = Journal(session.open_store.store, layout.model(model))
    if audited.policy.require_signature and journal.seal_problem is not None:
        key = layout.seal(layout.model(model))
        findings.damages.append(Damage(model, None, key, f"{journal.seal_problem}; {_REBUILD}"))


def _lasting(
    session: Session, state: State, judged: Callable[[State], list[Damage]]
) -> list[Damage]:
    """Hold derived files against the journal, and again while somebody may be writing them.

    They follow the entry that they derive from: between the two, they differ and are not damaged.
    So what differs is judged once more after the pointer, which is written last, has come as far
    as the journal. Whoever wrote the last entry is given a second for it.
    """
    ledger, deadline = session.ledger(state.model), time.monotonic() + _FOLLOW_S
    was_settled = is_healed = False
    while damages := judged(state):
        pointer = session.open_store.projections.look(state.model)
        fresh = ledger.state()
        has_moved = fresh.seq != state.seq
        is_settled = not has_moved and (pointer is None or pointer.seq >= fresh.seq)
        if (is_settled and was_settled) or time.monotonic() > deadline:
            break
        if not (has_moved or is_settled or is_healed):
            ledger.heal()  # whoever wrote the last entry may have been killed
            is_healed = True
        elif not (has_moved or is_settled):
            time.sleep(_LOOK_S)
        state, was_settled = fresh, is_settled
    return damages


def _noting(audit: Iterable[tuple[Entry, str]], digests: list[str]) -> Iterator[tuple[Entry, str]]:
    for entry, head in audit:
        digests.append(head)
        yield entry, head


def _audited(
    entries: Iterable[tuple[Entry, str]], findings: DamageSearch, watch: Watch
) -> Iterator[tuple[Entry, str]]:
    """Count entries; a wrong signature is damage, whether one is demanded or not."""
    for entry, head in entries:
        require_genuine(entry)
        findings.entries += 1
        watch.see(entry)
        yield entry, head


def _check_versions(
    session: Session, state: State, versions: Iterable[str], findings: DamageSearch
) -> None:
    for version in versions:
        record = state.versions[version]
        findings.versions += 1
        manifest = expect_version(session, state.model, record, findings)
        if manifest is not None:
            judged = functools.partial(_version_damages, session, version, manifest)
            findings.damages += _lasting(session, state, judged)
            _expect_attached(session, state.model, record, findings)
            findings.damages += signatures.damages(session, state.model, record)


def _version_damages(
    session: Session, version: str, manifest: Manifest, state: State
) -> list[Damage]:
    stale = session.open_store.projections.stale(state.model, state.versions[version], manifest)
    return [Damage(state.model, version, key, f"{problem}; {_REBUILD}") for key, problem in stale]


def _expect_attached(session: Session, model: str, record: Record, findings: DamageSearch) -> None:
    for digest, what in record.attached.items():
        size_bytes = session.open_store.store.size(layout.blob(digest)) or 0
        findings.expect(File(what, digest, size_bytes), model, record.version)


def _expect_runs(session: Session, state: State, findings: DamageSearch) -> None:
    """Note the records and logs of retraining runs that led to no version."""
    for digest in state.runs:
        key = layout.blob(digest)
        file = File(
            f"record of a retraining ({key})", digest, session.open_store.store.size(key) or 0
        )
        findings.expect(file, state.model, None)


def _expect_strays(session: Session, findings: DamageSearch) -> None:
    """Have blobs hashed that no version needs: manifests, and what a collector will take."""
    known = {damage.subject for damage in findings.damages}
    for file in stored(session):
        if file.sha256 not in findings.files and layout.blob(file.sha256) not in known:
            findings.expect(file, None, None)


def _orphans(session: Session, seen: Survey, findings: DamageSearch) -> Iterator[Remark]:
    """Name models known only from manifests: journal and note may both be gone."""
    referenced_digests = {
        digest for digest, users in findings.users.items() if any(user[0] for user in users)
    }
    orphans = reachable_blobs.unclaimed(
        session, {*seen.names, *seen.hurt, *seen.lost}, referenced_digests
    )
    for model in sorted({manifest.name for _digest, manifest in orphans}):
        text = (
            "manifests name it, but it has no journal: its first registration was stopped, or "
            "the journal is lost"
        )
        yield Remark(model, model, text)


def stored(session: Session) -> Iterator[File]:
    """Go through all that has the place of a blob, be it a file or not.

    What systems and synchronisers leave in any folder is passed over.
    """
    store = session.open_store.store
    sizes = {item.name: item.size_bytes for item in store.items(layout.BLOBS)}
    for name in store.list(layout.BLOBS):
        if foreign.maker_of(name) is None:
            yield File(layout.blob(name), name, sizes.get(name, 0))


def _layout_damages(session: Session, state: State) -> list[Damage]:
    return [
        Damage(state.model, None, key, f"{problem}; {_REBUILD}")
        for key, problem in image_layout.problems(session, state)
    ]


def _pointer_damages(session: Session, state: State) -> list[Damage]:
    store = session.open_store.store
    key = layout.pointer(state.model)
    if store.size(key) is None:
        return []
    pointer = projections.read_pointer(store, state.model)
    if projections.is_true(pointer, state):
        return []
    ahead = pointer is not None and pointer.seq > state.seq
    problem = f"is ahead of the journal: {_COPIED}" if ahead else "differs from the journal"
    return [Damage(state.model, None, key, f"{problem}; {_REBUILD}")]
