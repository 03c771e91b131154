"""The verbs that move names and add facts: each is one entry of the journal."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from holdfast.core import commands, events, policy_changes
from holdfast.core.commands import Unchanged
from holdfast.core.events import AnyEvent
from holdfast.core.history import sentence
from holdfast.core.manifest import Manifest
from holdfast.core.policy import Candidate, Policy, Verdict, judge
from holdfast.core.refs import fixed, resolve, selector_in, selector_of
from holdfast.core.state import Record, State
from holdfast.core.views import Moved, Registered, version_info
from holdfast.errors import ConflictError, DamagedError, HoldfastError
from holdfast.registry.ledger import Outcome
from holdfast.registry.session import Session, Signing, read_ref

if TYPE_CHECKING:
    from holdfast.registry.losses import Measured

_Decide = Callable[[State, Record], AnyEvent | Unchanged]


def promote(
    session: Session, ref: str, signing: Signing, *, expect: str | None, by_force: bool
) -> Moved:
    """Move `production`, if the gate lets it."""
    commands.check_force(signing.reason, by_force=by_force)

    def decide(state: State, record: Record) -> AnyEvent | Unchanged:
        commands.expect_live(state, expect)
        verdict = verdict_on(session, state, record)
        return commands.promote(state, record, verdict, by_force=by_force)

    return _move(session, ref, decide, events.Promoted, signing)


def gate(session: Session, ref: str) -> Verdict:
    """Ask the gate about a version without moving anything."""
    return verdict_on(session, *session.find(ref))


def verdict_on(session: Session, state: State, record: Record) -> Verdict:
    """Hold a version against the policy and the champion of *state*."""
    champion = state.versions[state.production] if state.production else None
    candidate = _candidate(session, state, record)
    if champion is None or champion == record:
        return judge(state.policy, candidate, None)
    from holdfast.registry import losses

    paired, unpaired = losses.pair(session, champion, record, state.policy.directions)
    verdict = judge(state.policy, candidate, _candidate(session, state, champion), paired)
    return dataclasses.replace(verdict, remarks=(*verdict.remarks, *unpaired))


def _candidate(session: Session, state: State, record: Record) -> Candidate:
    from holdfast.registry import signatures, verdicts

    manifest: Manifest = session.manifest(record)
    with unless_purged(session, state.model, record):
        scans = verdicts.of_version(session, state, record, manifest)
    manifest = replace(manifest, scan=manifest.scan | scans)
    approvals = frozenset(record.approvals) - {session.by}
    signed_by = signatures.signers_of(session, state, record)
    return Candidate(manifest, record.metrics, approvals, signed_by)


def rollback(
    session: Session, model: str, to: str | None, signing: Signing, expect: str | None
) -> Moved:
    """Move `production` back, once the target's bytes are known to be whole."""
    state = session.state(model)
    selector = selector_in(model, to) if to else None
    named = fixed(state, selector) if selector else None
    done = commands.repeated(state, signing.key, events.RolledBack, named)
    if done is not None:
        return moved(Outcome(state, None, done))
    commands.expect_live(state, expect)
    undoes = state.live.seq if state.live else None
    wanted = resolve(state, selector) if selector else None
    commands.rollback(state, wanted, undoes)
    target = wanted or state.versions[state.previous or ""]
    require_whole(session, model, target)

    def decide(state: State, _at: str) -> AnyEvent:
        return commands.rollback(state, state.versions[target.version], undoes)

    outcome = session.commit(model, decide, events.RolledBack, signing)
    commands.repeated(outcome.state, signing.key, events.RolledBack, named)  # a rival's, maybe
    return moved(outcome)


def require_whole(session: Session, model: str, record: Record) -> None:
    """Hash every byte of a version.

    Raises:
        ConflictError: If the version was purged meanwhile.
        DamagedError: Naming the first file that is missing or changed.
        StoreError: If that is so because the store is gone.
    """
    blobs = session.place.blobs
    try:
        with unless_purged(session, model, record):
            blobs.read(record.manifest)  # checked now, whatever is remembered of it
            blobs.require(session.manifest(record).files)
    except DamagedError:
        session.require_same()
        raise


@contextlib.contextmanager
def unless_purged(session: Session, model: str, *records: Record) -> Iterator[None]:
    """Tell what is missing because a version was purged meanwhile from what is damaged.

    Raises:
        ConflictError: In place of any other error, if a version was purged since it was looked at.
    """
    try:
        yield
    except HoldfastError as error:
        versions = session.ledger(model).state().versions
        for record in records:
            if record.status != "purged" and versions[record.version].status == "purged":
                raise was_purged(f"{model}@{record.version}") from error
        raise


def was_purged(ref: str) -> ConflictError:
    """Return the error of a version whose bytes were given up."""
    return ConflictError(ref, "was purged, its bytes are gone", "take another version")


def stage(session: Session, ref: str, signing: Signing) -> Moved:
    """Move `staging`."""
    return _move(session, ref, commands.stage, events.Staged, signing)


def archive(session: Session, ref: str, signing: Signing) -> Moved:
    """Put a version away."""
    return _move(session, ref, commands.archive, events.Archived, signing)


def set_alias(session: Session, alias: str, ref: str, signing: Signing, *, by_force: bool) -> Moved:
    """Let an alias name a version."""
    commands.check_force(signing.reason, by_force=by_force)

    def decide(state: State, record: Record) -> AnyEvent | Unchanged:
        return commands.set_alias(state, alias, record, session.by, by_force=by_force)

    return _move(session, ref, decide, events.AliasSet, signing)


def remove_alias(
    session: Session, model: str, alias: str, signing: Signing, *, by_force: bool
) -> Moved:
    """Let an alias name nothing."""
    commands.check_force(signing.reason, by_force=by_force)
    session.state(model)
    outcome = session.commit(
        model,
        lambda state, _at: commands.remove_alias(state, alias, by_force=by_force),
        events.AliasRemoved,
        signing,
    )
    return moved(outcome)


def tag(session: Session, ref: str, tags: Mapping[str, str | None], signing: Signing) -> Moved:
    """Set and remove tags."""
    return _move(
        session,
        ref,
        lambda state, record: commands.tag(state, record, tags),
        events.Tagged,
        signing,
    )


def note(session: Session, ref: str, text: str, signing: Signing) -> Moved:
    """Write a note."""
    return _move(
        session, ref, lambda _s, record: commands.note(record, text), events.Noted, signing
    )


def evaluate(
    session: Session,
    ref: str,
    metrics: Mapping[str, object],
    dataset: str | None,
    measured: "Measured | None",
    signing: Signing,
) -> Moved:
    """Record metrics measured after registration, and losses row by row with their means."""
    from holdfast.registry import losses

    found = measured.among(metrics) if measured else metrics

    def decide(_state: State, record: Record) -> AnyEvent:
        kept = losses.stored(session, measured) if measured else ()
        return commands.evaluate(record, found, dataset, kept)

    done = _move(session, ref, decide, events.Evaluated, signing)
    if measured:
        losses.ensure(session, measured)
    return done


def measure(session: Session, done: Registered, measured: "Measured") -> Registered:
    """Record the losses of a version just registered, unless it has them already."""
    from holdfast.registry import losses

    if losses.lacks(session.find(done.ref)[1], measured):
        evaluate(session, done.ref, {}, None, measured, Signing())
    return replace(done, version=version_info(*session.find(done.ref)))


def approve(session: Session, ref: str, signing: Signing) -> Moved:
    """Approve a version in the author's name."""
    return _move(
        session,
        ref,
        lambda state, record: commands.approve(state, record, session.by),
        events.Approved,
        signing,
    )


def hold(session: Session, ref: str, signing: Signing) -> Moved:
    """Keep a version from being purged."""
    return _move(session, ref, commands.hold, events.Held, signing)


def release(session: Session, ref: str, signing: Signing) -> Moved:
    """End a hold."""
    return _move(
        session, ref, lambda _state, record: commands.release(record), events.Released, signing
    )


def set_policy(session: Session, model: str, policy: Policy, signing: Signing) -> Moved:
    """Make a policy the model's; the model need not be registered yet."""

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        event = commands.set_policy(state, policy)
        policy_changes.check_reason(state.policy, policy, signing.reason)
        return event

    return moved(session.commit(model, decide, events.PolicySet, signing))


def _move(
    session: Session,
    ref: str,
    decide: _Decide,
    operation: type[AnyEvent],
    signing: Signing,
) -> Moved:
    """Resolve *ref* once, then decide about that version, again after each lost race."""
    parsed = read_ref(ref)
    selector = selector_of(parsed)
    state = session.seen(parsed.model, selector) if signing.key is None else None
    state = state or session.state(parsed.model)
    named = fixed(state, selector)
    done = commands.repeated(state, signing.key, operation, named)
    if done is not None:
        return moved(Outcome(state, None, done))
    record = resolve(state, selector)
    outcome = session.commit(
        state.model,
        lambda now, _at: decide(now, now.versions[record.version]),
        operation,
        signing,
    )
    commands.repeated(outcome.state, signing.key, operation, named)  # a rival's, maybe
    return moved(outcome)


def moved(outcome: Outcome) -> Moved:
    """Tell what became of a wish."""
    model = outcome.state.model
    head = f"{outcome.state.seq}:{outcome.state.head}" if outcome.state.seq else None
    if outcome.unchanged is not None:
        version, why = outcome.unchanged.version, outcome.unchanged.why
        return Moved(model, version, version, changed=False, note=why, head=head)
    assert outcome.entry is not None  # noqa: S101 - one of the two is set
    event = outcome.entry.event
    promoted = event if isinstance(event, events.Promoted) else None
    return Moved(
        model=model,
        version=next(iter(event.versions()), None),
        was=getattr(event, "was", None),
        changed=True,
        note=sentence(event),
        remarks=promoted.remarks if promoted else (),
        refused=promoted.refused if promoted else (),
        head=head,
        rollout=event.rollout if isinstance(event, events.Promoted | events.RolledBack) else None,
    )
