"""The verbs that add facts to a version, or rules to a model, and move no name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from holdfast.core import approvals, commands, descriptions, events, names, policy_changes
from holdfast.core.events import AnyEvent
from holdfast.core.idempotency import Unchanged
from holdfast.core.policy import Policy, check
from holdfast.core.refs import parse_selector, resolve
from holdfast.core.state import Record, State
from holdfast.core.views import Moved, RegistrationResult, version_info
from holdfast.errors import ChangedError
from holdfast.registry.commits import commit_on_version, moved
from holdfast.registry.session import CommitOptions, Session

if TYPE_CHECKING:
    from holdfast.registry.losses import Measured


def tag(
    session: Session, ref: str, tags: Mapping[str, str | None], options: CommitOptions
) -> Moved:
    """Set and remove tags."""
    return commit_on_version(
        session,
        ref,
        lambda state, record: commands.tag(state, record, tags),
        events.Tagged,
        options,
    )


def note(session: Session, ref: str, text: str, options: CommitOptions) -> Moved:
    """Write a note."""
    return commit_on_version(
        session, ref, lambda _s, record: commands.note(record, text), events.Noted, options
    )


def describe(
    session: Session,
    model: str,
    version: str | None,
    texts: Mapping[str, str | None],
    after: int,
    options: CommitOptions,
) -> Moved:
    """Set texts of a version, or of a model, which exists from then on.

    Args:
        after: The entry that must be the last, 0 for none.

    Raises:
        ChangedError: If another one is.
    """
    names.check_model(model)

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        require_last(state, after)
        known = version if version is None else resolve(state, parse_selector(version)).version
        return descriptions.describe(state, known, texts)

    return moved(session.commit(model, decide, events.Described, options))


def require_last(state: State, after: int) -> None:
    """Check that nobody wrote since a caller looked.

    Raises:
        ChangedError: If somebody did.
    """
    if state.seq != after:
        raise ChangedError(state.model, f"has moved on to entry {state.seq}", "read it again")


def evaluate(
    session: Session,
    ref: str,
    metrics: Mapping[str, object],
    dataset: str | None,
    measured: "Measured | None",
    options: CommitOptions,
) -> Moved:
    """Record metrics measured after registration, and losses row by row with their means."""
    from holdfast.registry import losses

    all_metrics = measured.among(metrics) if measured else metrics

    def decide(_state: State, record: Record) -> AnyEvent:
        stored_losses = losses.stored(session, measured) if measured else ()
        return commands.evaluate(record, all_metrics, dataset, stored_losses)

    done = commit_on_version(session, ref, decide, events.Evaluated, options)
    if measured:
        losses.ensure(session, measured)
    return done


def measure(session: Session, done: RegistrationResult, measured: "Measured") -> RegistrationResult:
    """Record the losses of a version just registered, unless it has them already."""
    from holdfast.registry import losses

    if losses.lacks(session.find(done.ref)[1], measured):
        evaluate(session, done.ref, {}, None, measured, CommitOptions())
    return replace(done, version=version_info(*session.find(done.ref)))


def approve(session: Session, ref: str, options: CommitOptions) -> Moved:
    """Approve a version in the author's name."""
    done = commit_on_version(
        session,
        ref,
        lambda state, record: commands.approve(state, record, session.mover),
        events.Approved,
        options,
    )
    # by its number: *ref* may name another version by now
    is_claimed = session.by in approvals.claimed(session.find(done.ref)[1])
    return replace(done, note=f"{done.note} (claimed)") if done.changed and is_claimed else done


def hold(session: Session, ref: str, options: CommitOptions) -> Moved:
    """Keep a version from being purged."""
    return commit_on_version(session, ref, commands.hold, events.Held, options)


def release(session: Session, ref: str, options: CommitOptions) -> Moved:
    """End a hold."""
    return commit_on_version(
        session, ref, lambda _state, record: commands.release(record), events.Released, options
    )


def set_policy(session: Session, model: str, policy: Policy, options: CommitOptions) -> Moved:
    """Make a policy the model's; the model need not be registered yet.

    Raises:
        RefusedError: If it asks for more authenticated approvals than there are people to give.
    """
    if check(policy).approval == "authenticated" and session.exists:
        _require_approvers(session, model, policy)

    def decide(state: State, _at: str) -> AnyEvent | Unchanged:
        event = commands.set_policy(state, policy)
        policy_changes.check_reason(state.policy, policy, options.reason)
        return event

    return moved(session.commit(model, decide, events.PolicySet, options))


def _require_approvers(session: Session, model: str, policy: Policy) -> None:
    from holdfast.access.access_journal import NO_KEYS
    from holdfast.access.approvers import check_approvals
    from holdfast.registry import access_upkeep

    access = access_upkeep.opened(session, NO_KEYS).state(max_age_s=0)
    if access.exists:
        check_approvals(policy, access, model)
