"""The verbs that move names among versions, and the gate before `production`."""

import contextlib

from msgspec.structs import replace

from holdfast.core import approvals, commands, events, idempotency
from holdfast.core.events import AnyEvent
from holdfast.core.gate import Candidate, Verdict, judge
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest
from holdfast.core.paired import Paired
from holdfast.core.refs import fixed, resolve, selector_in
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.errors import NotFoundError
from holdfast.registry.commits import commit_on_model, commit_on_version, moved
from holdfast.registry.ledger import CommitResult
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.version_bytes import require_whole, unless_purged


def promote(
    session: Session, ref: str, options: CommitOptions, *, expect: str | None, by_force: bool
) -> Moved:
    """Move `production`, if the gate lets it."""
    commands.check_force(options.reason, by_force=by_force)

    def decide(state: State, record: Record) -> AnyEvent | Unchanged:
        _expect_live(state, expect)
        verdict = verdict_on(session, state, record, goes_live=True)
        return commands.promote(state, record, verdict, by_force=by_force)

    return commit_on_version(session, ref, decide, events.Promoted, options)


def gate(session: Session, ref: str) -> Verdict:
    """Ask the gate about a version without moving anything."""
    return verdict_on(session, *session.find(ref))


def verdict_on(
    session: Session, state: State, record: Record, *, goes_live: bool = False
) -> Verdict:
    """Hold a version against the policy and the champion of *state*.

    Args:
        goes_live: Whether it is to be live if it passes: in a folder, each byte is hashed then.
    """
    verdict = _verdict_on(session, state, record, goes_live=goes_live)
    if record.reference is None:
        return verdict
    why = f"it is a reference to {record.reference!r}: its bytes were never taken in"
    return replace(verdict, reasons=(why, *verdict.reasons))


def _verdict_on(session: Session, state: State, record: Record, *, goes_live: bool) -> Verdict:
    champion = state.versions[state.production] if state.production else None
    candidate = _candidate(session, state, record, goes_live=goes_live)
    if champion is None or champion == record:
        return judge(state.policy, candidate, None)
    paired, unpaired = _paired(session, champion, record, state)
    before = Candidate(
        session.manifest(champion),
        champion.metrics,
        frozenset(),
        evaluations=champion.evaluations,
    )
    verdict = judge(state.policy, candidate, before, paired)
    return replace(verdict, remarks=(*verdict.remarks, *unpaired))


def _paired(
    session: Session, champion: Record, record: Record, state: State
) -> tuple[tuple[Paired, ...], tuple[str, ...]]:
    if not champion.losses and not record.losses:
        return (), ()
    from holdfast.registry import losses

    return losses.pair(session, champion, record, state.policy.directions)


def _signers(session: Session, state: State, record: Record) -> frozenset[str]:
    if not record.signatures:
        return frozenset()
    from holdfast.registry import signatures

    return signatures.signers_of(session, state, record)


def _candidate(session: Session, state: State, record: Record, *, goes_live: bool) -> Candidate:
    from holdfast.registry import verdicts

    commands.require_bytes(state, record)
    manifest: Manifest = session.manifest(record)
    with unless_purged(session, state.model, record):
        scans = verdicts.of_version(session, state, record, manifest, anew=goes_live)
    manifest = replace(manifest, scan=manifest.scan | scans)
    return Candidate(
        manifest=manifest,
        metrics=record.metrics,
        approvals=approvals.counted(state.policy, record, session.mover),
        signed_by=_signers(session, state, record),
        uncounted=approvals.uncounted(state.policy, record, session.mover),
        evaluations=record.evaluations,
    )


def rollback(
    session: Session, model: str, to: str | None, options: CommitOptions, expect: str | None
) -> Moved:
    """Move `production` back, once the target's bytes are known to be whole."""
    state = session.state(model)
    selector = selector_in(model, to) if to else None
    exact_version = fixed(state, selector) if selector else None
    done = idempotency.repeated(state, options.idempotency_key, events.RolledBack, exact_version)
    if done is not None:
        return moved(CommitResult(state, None, done))
    _expect_live(state, expect)
    undoes = state.live.seq if state.live else None
    record = resolve(state, selector) if selector else None
    commands.rollback(state, record, undoes)
    target = record or state.versions[state.previous or ""]
    require_whole(session, model, target)

    def decide(state: State, _at: str) -> AnyEvent:
        return commands.rollback(state, state.versions[target.version], undoes)

    outcome = session.commit(model, decide, events.RolledBack, options)
    # the key may be a rival's by now, who used it for something else
    idempotency.repeated(outcome.state, options.idempotency_key, events.RolledBack, exact_version)
    return moved(outcome)


def _expect_live(state: State, expected: str | None) -> None:
    """Check that the version is live which a caller expects, named alone or as MODEL@REF.

    Raises:
        ConflictError: If another version is, or there is no such version.
    """
    version = expected
    if expected not in (None, state.production):
        with contextlib.suppress(NotFoundError):
            version = resolve(state, selector_in(state.model, str(expected))).version
    commands.expect_live(state, version)


def stage(session: Session, ref: str, options: CommitOptions) -> Moved:
    """Move `staging`."""
    return commit_on_version(session, ref, commands.stage, events.Staged, options)


def archive(session: Session, ref: str, options: CommitOptions) -> Moved:
    """Put a version away."""
    return commit_on_version(session, ref, commands.archive, events.Archived, options)


def set_alias(
    session: Session, alias: str, ref: str, options: CommitOptions, *, by_force: bool
) -> Moved:
    """Let an alias name a version."""
    commands.check_force(options.reason, by_force=by_force)

    def decide(state: State, record: Record) -> AnyEvent | Unchanged:
        return commands.set_alias(state, alias, record, session.mover, by_force=by_force)

    return commit_on_version(session, ref, decide, events.AliasSet, options)


def remove_alias(
    session: Session, model: str, alias: str, options: CommitOptions, *, by_force: bool
) -> Moved:
    """Let an alias name nothing."""
    commands.check_force(options.reason, by_force=by_force)
    return commit_on_model(
        session,
        model,
        lambda state: commands.remove_alias(state, alias, by_force=by_force),
        events.AliasRemoved,
        options,
    )
