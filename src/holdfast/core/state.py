"""A registered model as its journal tells it: the fold of all entries, and nothing else."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import (
    approvals,
    drift_fold,
    evaluation,
    evaluation_fold,
    events,
    paired,
    retraining_fold,
    rollout_fold,
    texts_fold,
    trust,
)
from holdfast.core.drift.drift_events import DriftEvent
from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.entry import Entry
from holdfast.core.evaluation_fold import Addition
from holdfast.core.manifest import Scan
from holdfast.core.moves import KeyUse, Move
from holdfast.core.paired import Losses
from holdfast.core.policy import Policy
from holdfast.core.retraining.slot_record import SlotRecord, name_of
from holdfast.core.rollout.rollout_events import RolloutEvent, RolloutStarted
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.signers import VersionSignature
from holdfast.core.version import Version, newest, order
from holdfast.errors import DamagedError

Status = Literal["registered", "staging", "production", "archived", "purged"]
MAX_KEYS: Final = 10_000
_CHANGED: Final = ("versions", "stack", "rejected", "moves", "aliases", "keys", "rollouts", "slots")
"""Fields that are changed in place, and so copied before."""


class Record(Struct, frozen=True, omit_defaults=True, gc=False):
    """One version as it stands now.

    Attributes:
        manifest: SHA-256 of its manifest: the version's identity.
        metrics: The manifest's, with later evaluations merged over them.
        seq: Entry that registered it.
        schemas: Which of `input_schema` and `output_schema` it declares.
        updated_at: Time of the last entry about it.
        served: True if it was ever live.
        archived: True if it was archived last; a staged version goes back to that status.
        approvals: Who approved it, in order.
        proofs: The listed keys that signed approvals, by approver; *registered_key* registered it.
        people: Approvers whom a server authenticated, by user id; *registered_user* registered it.
        held: Why it must not be purged, `None` if it may.
        scan: By role, what was found here when it came from elsewhere; counts over its manifest's.
        signatures: In order of signing, the last of each key.
        losses: Row by row, in order of measuring, the last of each metric and evaluation set.
        attachments: What others keep beside it, in order: signatures, bills of materials.
        run: Digests of the record and of the log of the retraining that it came from.
        evaluations: Those that Holdfast measured, in order, the last of each name.
        reference: Where the bytes are said to be that were never taken in; `None` if they were.
        texts: What `Described` entries say of it; *moved_at*: an entry gave it a status last.
    """

    version: str
    number: int
    manifest: str
    size_bytes: int
    metrics: dict[str, float]
    registered_at: str
    registered_by: str
    seq: int
    updated_at: str
    schemas: tuple[str, ...] = ()
    status: Status = "registered"
    served: bool = False
    archived: bool = False
    tags: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    proofs: dict[str, str] = {}
    people: dict[str, str] = {}
    registered_key: str | None = None
    registered_user: str | None = None
    held: str | None = None
    scan: dict[str, Scan] = {}
    signatures: tuple[VersionSignature, ...] = ()
    attachments: tuple[events.Attached, ...] = ()
    losses: tuple[Losses, ...] = ()
    run: tuple[str, ...] = ()
    evaluations: tuple[evaluation.PastEvaluation, ...] = ()
    reference: str | None = None
    texts: dict[str, str] = {}
    moved_at: str = ""

    @property
    def attached(self) -> dict[str, str]:
        """Blobs it names beside its manifest and files, by digest: what each is.

        Signatures and runs stay for ever, losses and attachments as long as its files.
        """
        purged = self.status == "purged"
        losses, others = ((), ()) if purged else (self.losses, self.attachments)
        return (
            {series.sha256: f"losses {series.name}" for series in losses}
            | {digest: f"attached {one.kind}" for one in others for digest in one.digests}
            | {signature.signature: "model.sig" for signature in self.signatures}
            | dict.fromkeys(self.run, "retraining")
        )


class State(Struct):
    """The fold of a journal's first *seq* entries.

    Attributes:
        head: SHA-256 of the last entry's bytes.
        at: Time of the last entry.
        versions: All versions ever registered, by SemVer text, in order of number.
        stack: Versions that were live, the live one last; a rollback takes from its end.
        rejected: Versions rolled back since the last promotion, no target of a further rollback.
        moves: All changes of what is live, oldest first.
        aliases: Version by alias.
        keys: The last 10,000 idempotency keys.
        rollout: The running one, or the last one.
        rollouts: Entries that started one, in order: the first is of rollout 1.
        findings: Of drift, oldest first.
        slots: What became of each slot of retraining, by slot and entry point.
        texts: What `Described` entries say of the model.
        earlier: How many versions it had when it was deleted last.
        highest: The highest release, purged ones too, else the highest pre-release.
        sides: Of which any version ever declared a schema.
        created_at: Since when it exists; *moved_at*: a version was given a status last.
    """

    model: str
    seq: int = 0
    head: str | None = None
    at: str | None = None
    deleted: bool = False
    versions: dict[str, Record] = {}
    production: str | None = None
    staging: str | None = None
    stack: list[str] = []
    rejected: list[str] = []
    moves: list[Move] = []
    aliases: dict[str, str] = {}
    keys: dict[str, KeyUse] = {}
    policy: Policy = Policy()
    rollout: Rollout | None = None
    rollouts: list[int] = []
    findings: tuple[DriftFinding, ...] = ()
    slots: dict[str, SlotRecord] = {}
    texts: dict[str, str] = {}
    earlier: int = 0
    highest: str | None = None
    sides: tuple[str, ...] = ()
    created_at: str = ""
    moved_at: str = ""

    @property
    def running(self) -> Rollout | None:
        """The running rollout, paused or not."""
        return self.rollout if self.rollout is not None and self.rollout.goes_on else None

    @property
    def runs(self) -> Iterator[str]:
        """Go through the digests of blobs of retraining runs that led to no version."""
        return (digest for record in self.slots.values() for digest in record.blobs)

    @property
    def exists(self) -> bool:
        """True if the model was registered and not deleted since."""
        return self.seq > 0 and not self.deleted

    @property
    def previous(self) -> str | None:
        """The version a rollback goes to: live before, not rejected since, not purged."""
        return next(self._targets(), None)

    def _targets(self) -> Iterator[str]:
        barred = {self.production, *self.rejected}
        for version in reversed(self.stack):
            if version not in barred and self.versions[version].status != "purged":
                yield version

    @property
    def live(self) -> Move | None:
        """The change that made `production` what it is."""
        return self.moves[-1] if self.moves and self.production is not None else None

    @property
    def next_number(self) -> int:
        """The number the next registration takes; none is ever used twice."""
        return len(self.versions) + 1

    def record(self, version: Version | str) -> Record:
        """Return the record of a version that exists."""
        return self.versions[str(version)]

    def present(self) -> Iterator[Record]:
        """Go through the versions that have their bytes, in order of number."""
        return (record for record in self.versions.values() if record.status != "purged")

    def ordered(self) -> list[Record]:
        """Return all versions, purged ones too, in order of SemVer."""
        return sorted(self.versions.values(), key=lambda record: order(record.version))

    def latest(self) -> str | None:
        """Return the highest release that has its bytes, else the highest pre-release."""
        whole = self.highest is not None and self.versions[self.highest].status != "purged"
        return self.highest if whole else newest(record.version for record in self.present())

    def aliases_of(self, version: str) -> tuple[str, ...]:
        """Return the aliases that name *version*, sorted."""
        return tuple(sorted(alias for alias, target in self.aliases.items() if target == version))


def empty(model: str) -> State:
    """Return the state of a model that nobody has registered."""
    return State(model)


def fold(
    state: State,
    entries: Iterable[tuple[Entry, str]],
    judge: Callable[[State, Entry], object] | None = None,
    genuine: trust.Genuine = trust.unchecked,
) -> State:
    """Apply *entries*, each with the SHA-256 of its bytes, to a copy of *state*.

    Folding in parts equals folding at once. What was read here was checked; of what others wrote
    *judge* is shown each with the state before it, and refuses by raising. Where the policy
    demands a signature, an entry without one that is *genuine* is refused in any case.

    Raises:
        DamagedError: If an entry lacks the signature that the policy before it demands.
    """
    new = replace(state, **{name: getattr(state, name).copy() for name in _CHANGED})
    described = set[str]()
    for entry, head in entries:
        trust.require(new.policy, entry, genuine)
        if judge is not None:
            judge(new, entry)
        _apply(new, entry, approvals.proof(new.policy, entry, genuine))
        if isinstance(entry.event, events.Tagged | events.Described):
            described.update(entry.event.versions())
        new.seq, new.head, new.at = entry.seq, head, entry.at
    _settle(new, described)
    return new


def _settle(state: State, described: Iterable[str]) -> None:
    """Put the texts that the fold changed in order."""
    state.texts = texts_fold.settled(state.texts)
    for record in [state.versions[version] for version in described if version in state.versions]:
        tags, texts = texts_fold.settled(record.tags), texts_fold.settled(record.texts)
        state.versions[record.version] = replace(record, tags=tags, texts=texts)


def _apply(state: State, entry: Entry, key: str | None) -> None:
    if isinstance(entry.event, RolloutEvent):
        if isinstance(entry.event, RolloutStarted):
            state.rollouts.append(entry.seq)
        state.rollout = rollout_fold.after(state.rollout, entry, entry.event, len(state.rollouts))
    elif isinstance(entry.event, DriftEvent):
        state.findings = drift_fold.after(state.findings, entry, entry.event)
    elif isinstance(entry.event, events.Described):
        _describe(state, entry, entry.event)
    elif isinstance(entry.event, events.Retrained):
        _retrain(state, entry, entry.event, key)
    elif not isinstance(entry.event, events.TrainingFailed):  # which the history alone tells
        _apply_event(state, entry, entry.event, key)
    versions = entry.event.versions()
    times = texts_fold.times(entry)
    state.moved_at = times.get("moved_at", state.moved_at)
    for version in versions:
        if version in state.versions:
            _set(state, version, **times)
    if entry.key is not None:
        use = KeyUse(events.WORDS[type(entry.event)], entry.seq, versions[0] if versions else None)
        state.keys[entry.key] = use
        if len(state.keys) > MAX_KEYS:
            del state.keys[next(iter(state.keys))]


def _apply_event(state: State, entry: Entry, event: events.VersionEvent, key: str | None) -> None:
    match event:
        case events.Registered():
            _register(state, entry, event, key)
        case events.Promoted() | events.RolledBack():
            _move(state, entry, event)
        case events.Staged():
            _stage(state, event.version)
        case events.Archived():
            if state.staging == event.version:
                state.staging = None
            _set(state, event.version, status="archived", archived=True)
        case events.AliasSet():
            state.aliases[event.alias] = event.version
        case events.AliasRemoved():
            state.aliases.pop(event.alias, None)
        case events.PolicySet():
            state.policy = event.policy
        case events.Purged():
            for version in event.reasons:
                _set(state, version, status="purged")
        case events.Deleted():
            _delete(state, entry, event)
        case _:
            _annotate(state, entry, event, key)


def _annotate(state: State, entry: Entry, event: events.Annotation, key: str | None) -> None:
    record = state.versions[event.versions()[0]]
    match event:
        case events.Tagged():
            changed = replace(record, tags=texts_fold.merged(record.tags, event.tags))
        case events.Noted():
            changed = replace(record, notes=(*record.notes, event.text))
        case events.Evaluated():
            for addition in evaluation_fold.additions(entry, event):
                _add(state, addition)
            return
        case events.Approved():
            changed = replace(record, **approvals.added(record, entry, key))
        case events.Trusted():
            changed = replace(record, scan=event.scan)
        case events.Signed():
            others = (signature for signature in record.signatures if signature.key != event.key)
            made = VersionSignature(event.key, event.signature)
            changed = replace(record, signatures=(*others, made))
        case events.Attached():
            changed = replace(record, attachments=(*record.attachments, event))
        case events.Held():
            changed = replace(record, held=entry.reason or "held")
        case events.Released():
            changed = replace(record, held=None)
        case _:
            assert_never(event)
    state.versions[record.version] = changed


def _add(state: State, addition: Addition) -> None:
    """Merge what an evaluation tells of one version over what is known of it."""
    record = state.versions.get(addition.version)
    if record is not None:
        past = addition.measured
        state.versions[record.version] = replace(
            record,
            metrics=dict(sorted((record.metrics | addition.metrics).items())),
            losses=paired.merged(record.losses, addition.losses),
            evaluations=evaluation.merged(record.evaluations, past) if past else record.evaluations,
        )


def _begin(state: State, entry: Entry) -> None:
    if state.deleted or not state.created_at:
        state.deleted, state.created_at = False, entry.at


def _describe(state: State, entry: Entry, event: events.Described) -> None:
    _begin(state, entry)
    if event.version is None:
        state.texts = texts_fold.merged(state.texts, event.texts)
    else:
        texts = texts_fold.merged(state.versions[event.version].texts, event.texts)
        _set(state, event.version, texts=texts)


def _register(state: State, entry: Entry, event: events.Registered, key: str | None) -> None:
    _check_new(state, entry, event)
    _begin(state, entry)
    state.highest = newest([*([state.highest] if state.highest else []), event.version])
    state.sides += tuple(side for side in event.schemas if side not in state.sides)
    state.versions[event.version] = _record(entry, event, key)


def _stage(state: State, version: str) -> None:
    _leave_staging(state)
    state.staging = version
    _set(state, version, status="staging")


def _retrain(state: State, entry: Entry, event: events.Retrained, key: str | None) -> None:
    slot = retraining_fold.after(state.slots, entry, event)
    if event.champion is not None:
        record = state.versions[event.champion.version]
        metrics = dict(sorted((record.metrics | event.champion.metrics).items()))
        losses = paired.merged(record.losses, event.champion.losses)
        _set(state, record.version, metrics=metrics, losses=losses)
    if event.registered is not None:
        _register(state, entry, event.registered, key)
        run = retraining_fold.blobs_of(event)
        _set(state, event.registered.version, losses=event.losses, run=run)
        if event.outcome == "registered":
            _stage(state, event.registered.version)
    state.slots[name_of(event.slot, event.entry)] = slot


def _check_new(state: State, entry: Entry, event: events.Registered) -> None:
    """Refuse to register over a version, which would replace it without a signature."""
    if event.version in state.versions or event.number != state.next_number:
        raise DamagedError(
            f"entry {entry.seq} of {entry.model}",
            f"registers {event.version} as v{event.number}, but a version or number is never used "
            f"twice and the next number is {state.next_number}",
            "it bypassed the rules; restore the journal from a copy",
        )


def _record(entry: Entry, event: events.Registered, key: str | None) -> Record:
    return Record(
        version=event.version,
        number=event.number,
        manifest=event.manifest,
        size_bytes=event.size_bytes,
        metrics=event.metrics,
        registered_at=entry.at,
        registered_by=entry.by,
        registered_key=key,
        registered_user=entry.auth.user if entry.auth else None,
        seq=entry.seq,
        updated_at=entry.at,
        schemas=event.schemas,
        scan=event.origin.scan if event.origin else {},
        tags=dict(sorted(event.tags.items())),
        texts=dict(sorted(event.texts.items())),
        reference=event.reference,
        moved_at=entry.at,
    )


def _set(state: State, version: str, **changed: object) -> None:
    state.versions[version] = replace(state.versions[version], **changed)


def _leave_staging(state: State) -> None:
    if state.staging is not None:
        archived = state.versions[state.staging].archived
        _set(state, state.staging, status="archived" if archived else "registered")
        state.staging = None


def _move(state: State, entry: Entry, event: events.Promoted | events.RolledBack) -> None:
    if event.was is not None:
        _set(state, event.was, status="archived", archived=True)
    if state.staging == event.version:
        state.staging = None
    if isinstance(event, events.Promoted):
        state.rejected = []
        state.stack.append(event.version)
        state.rollout = rollout_fold.promoted(state.rollout, entry, event.version)
    else:
        _step_back(state, event)
        state.rollout = rollout_fold.rolled_back(state.rollout, entry, event.was)
    state.production = event.version
    _set(state, event.version, status="production", served=True)
    state.moves.append(
        Move(
            version=event.version,
            was=event.was,
            seq=entry.seq,
            at=entry.at,
            by=entry.by,
            reason=entry.reason,
            how="promoted" if isinstance(event, events.Promoted) else "rolled_back",
            forced=isinstance(event, events.Promoted) and event.forced,
        )
    )


def _step_back(state: State, event: events.RolledBack) -> None:
    state.rejected.append(event.was)
    if event.version in state.rejected:  # it was named explicitly all the same
        state.rejected.remove(event.version)
    if event.version in state.stack:
        while state.stack[-1] != event.version:
            state.stack.pop()
    else:  # it was live once and left the stack by an earlier rollback: it takes the place of *was*
        state.stack[-1] = event.version


def _delete(state: State, entry: Entry, event: events.Deleted) -> None:
    for version in event.purged:
        _set(state, version, status="purged")
    if state.production is not None:
        state.moves.append(
            Move(None, state.production, entry.seq, entry.at, entry.by, entry.reason, "deleted")
        )
    state.deleted, state.earlier, state.texts = True, len(state.versions), {}
    state.rollout = rollout_fold.deleted(state.rollout, entry)
    state.production = state.staging = None
    state.stack, state.rejected, state.aliases, state.findings = [], [], {}, ()
