"""How a deed becomes an entry: resolve the version once, decide about it, commit, say what came."""

from collections.abc import Callable

from holdfast.core import events, idempotency
from holdfast.core.events import AnyEvent
from holdfast.core.history import sentence
from holdfast.core.idempotency import Unchanged
from holdfast.core.refs import fixed, resolve, selector_of
from holdfast.core.rollout.sentences import number_of
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.registry.ledger import CommitResult
from holdfast.registry.opening import About
from holdfast.registry.session import CommitOptions, Session, read_ref

Decision = Callable[[State, Record], AnyEvent | Unchanged]
"""What is to be written about a version, as the state is by then."""


def commit_on_version(
    session: Session,
    ref: str,
    decide: Decision,
    operation: type[AnyEvent],
    options: CommitOptions,
) -> Moved:
    """Resolve *ref* once, then decide about that version, again after each lost race."""
    parsed = read_ref(ref)
    selector = selector_of(parsed)
    state = session.seen(parsed.model, selector) if options.idempotency_key is None else None
    state = state or session.state(parsed.model, about=About(is_frugal=True))
    exact_version = fixed(state, selector)
    done = idempotency.repeated(state, options.idempotency_key, operation, exact_version)
    if done is not None:
        return moved(CommitResult(state, None, done))
    record = resolve(state, selector)
    outcome = session.commit(
        state.model,
        lambda now, _at: decide(now, now.versions[record.version]),
        operation,
        options,
    )
    # the key may be a rival's by now, who used it for something else
    idempotency.repeated(outcome.state, options.idempotency_key, operation, exact_version)
    return moved(outcome)


def commit_on_model(
    session: Session,
    model: str,
    decide: Callable[[State], AnyEvent | Unchanged],
    operation: type[AnyEvent],
    options: CommitOptions,
) -> Moved:
    """Decide about a model that exists, again after each lost race."""
    session.state(model)
    outcome = session.commit(model, lambda state, _at: decide(state), operation, options)
    return moved(outcome)


def moved(outcome: CommitResult) -> Moved:
    """Tell what became of a wish."""
    model = outcome.state.model
    head = f"{outcome.state.seq}:{outcome.state.head}" if outcome.state.seq else None
    if outcome.unchanged is not None:
        version, why = outcome.unchanged.version, outcome.unchanged.why
        return Moved(model, version, version, changed=False, note=why, head=head)
    assert outcome.entry is not None  # noqa: S101 - one of the two is set
    event = outcome.entry.event
    promoted = event if isinstance(event, events.Promoted) else None
    ended = event.rollout if isinstance(event, events.Promoted | events.RolledBack) else None
    return Moved(
        model=model,
        version=next(iter(event.versions()), None),
        was=getattr(event, "was", None),
        changed=True,
        note=sentence(outcome.entry, outcome.state.rollouts),
        remarks=promoted.remarks if promoted else (),
        refused=promoted.refused if promoted else (),
        head=head,
        rollout=number_of(ended, outcome.state.rollouts),
    )
