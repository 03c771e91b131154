"""The server's half of a retraining that a client ran: its bytes were sent before.

The client trains and scores; the version is judged here: its bytes are scanned again, its number is
decided by the schemas, and the gate is asked with the losses that were sent. As at an evaluation,
what they are the losses of is the word of whoever signed in.
"""

from collections.abc import Mapping
from typing import Any, Final

from holdfast.core import retraining_commands
from holdfast.core.events import AnyEvent, Retrained
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import clean_metrics, is_digest
from holdfast.core.retraining import slots
from holdfast.core.retraining.slot_record import SlotRecord, name_of
from holdfast.errors import InvalidInputError
from holdfast.registry.losses import Measured
from holdfast.registry.received import drafted
from holdfast.registry.received_evaluations import sent_losses
from holdfast.registry.retraining_conclusion import Attempt, Conclusion, ScoredPair
from holdfast.registry.retraining_lease import HeldTerm
from holdfast.registry.sent_runs import SentRun, SentScores
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import layout

__all__ = ["accept"]

_MOST_BYTES: Final = 4 << 20
_SEND: Final = "send it first"


def accept(session: Session, model: str, run: SentRun, options: CommitOptions) -> SlotRecord:
    """Write the one entry of a slot.

    Raises:
        ConflictError: If the lease is another's by now, or another version went live meanwhile.
        InvalidInputError: If a blob was not sent, or the draft could not be registered.
        UntrustedError: If a file runs code outside the allow-list and nobody trusts it.
    """
    if slots.is_slot(run.slot):  # of what is not one, the entry says so
        slots.require_come(run.slot, session.clock())
    lease = HeldTerm(session, model, run.term) if run.outcome not in ("missed", "held") else None
    if run.outcome != "made":
        return _told(session, model, run, lease, options)
    assert lease is not None  # noqa: S101 - of what was made
    if run.run is None or run.log is None:
        raise InvalidInputError("run", "has no record or no log", _SEND)
    attempt = Attempt(
        run.slot, run.entry, run.bump, _small(session, run.run), _small(session, run.log)
    )
    scored = _scored(session, run.scores)
    conclusion = Conclusion(
        session, model, attempt, lease, lambda _draft, _stored, _state: scored, options
    )
    with drafted(session, run.draft, run.trust) as (draft, stored):
        conclusion.finish(draft, stored)
    return _record(session, model, run)


def _told(
    session: Session, model: str, run: SentRun, lease: HeldTerm | None, options: CommitOptions
) -> SlotRecord:
    """Write that a run failed, or that a slot was not run."""
    for sha256 in (run.run, run.log):
        if sha256 is not None:
            _small(session, sha256)
    assert run.outcome != "made"  # noqa: S101 - whoever calls looked
    event = Retrained(
        slot=run.slot,
        entry=run.entry,
        outcome=run.outcome,
        term=run.term,
        why=run.why,
        run=run.run,
        log=run.log,
    )
    digests = [sha256 for sha256 in (run.run, run.log) if sha256 is not None]

    def decide(state: Any, _at: str) -> AnyEvent | Unchanged:
        if lease is not None:
            lease.require()
        session.open_store.rescue(digests)
        return retraining_commands.retrained(state, event)

    session.commit(model, decide, Retrained, options)
    return _record(session, model, run)


def _record(session: Session, model: str, run: SentRun) -> SlotRecord:
    return session.ledger(model).state().slots[name_of(run.slot, run.entry)]


def _small(session: Session, sha256: str) -> bytes:
    """Read a blob that was sent, if it is as short as a record or the end of a log is."""
    length = session.open_store.store.size(layout.blob(sha256)) if is_digest(sha256) else None
    if length is None or length > _MOST_BYTES:
        problem = "was not sent" if length is None else f"has more than {_MOST_BYTES:,} bytes"
        raise InvalidInputError(f"record or log sha256:{sha256}", problem, _SEND)
    return session.open_store.blobs.read(sha256)


def _scored(session: Session, scores: SentScores) -> ScoredPair:
    if scores.rows and not is_digest(scores.on):
        raise InvalidInputError("scores", "have no digest of their rows", "score it again")

    def measured(kept: Mapping[str, str]) -> Measured | None:
        if not kept:
            return None
        return Measured(scores.on, sent_losses(session, scores.rows, kept))

    own, beside = measured(scores.kept), measured(scores.champion_kept)
    metrics = clean_metrics(own.among(scores.metrics) if own else scores.metrics)
    other = clean_metrics(
        beside.among(scores.champion_metrics) if beside else scores.champion_metrics
    )
    return ScoredPair(metrics, own, scores.champion, other, beside, scores.remarks)
