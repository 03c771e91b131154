"""The verbs of retraining: its lease, its slots, and the one entry that says what a run came to."""

from collections.abc import Mapping
from typing import Any

from holdfast.core import names, retraining_commands, trust
from holdfast.core.entry import Stamp
from holdfast.core.events import AnyEvent, Retrained
from holdfast.core.idempotency import Unchanged
from holdfast.core.retraining import slots
from holdfast.core.retraining.slot_record import SlotRecord, name_of
from holdfast.core.state import State, empty
from holdfast.registry import registration, retraining_lease, run_records
from holdfast.registry.facts import Facts
from holdfast.registry.ledger import CommitResult
from holdfast.registry.retraining_conclusion import Attempt, Conclusion, Score, with_blobs
from holdfast.registry.retraining_lease import PULSE, Lease, LeaseHolder, Pulse
from holdfast.registry.session import CommitOptions, Session


class Retrainings:
    """What can be done about the retraining of one store's models."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def slots(self, model: str) -> list[SlotRecord]:
        """Return what the journal says of each slot, the oldest first."""
        state = self._session.state(model)
        return sorted(state.slots.values(), key=lambda record: (record.slot, record.entry))

    def record(self, model: str, slot: str, entry: str) -> SlotRecord:
        """Return what the journal says of a slot that is done, or may be tried.

        Raises:
            ConflictError: If it was tried too often.
            InvalidInputError: If it lies ahead.
            RefusedError: If the policy demands a signature, or another one: better now than after
                hours of training.
        """
        names.check_model(model)
        slots.require_come(slot, self._session.clock())
        state = self._state(model)
        record = retraining_commands.require_attempt(state, slot, entry)
        if not record.is_final:
            self._require_signer(state, slot, entry)
        return record

    def _require_signer(self, state: State, slot: str, entry: str) -> None:
        event = Retrained(slot=slot, entry=entry, outcome="failed")
        stamp = Stamp(self._session.clock(), self._session.by, "", pen=self._session.keyring.key)
        trust.check_signer(state.model, state.policy, event, stamp)

    def lease(self, model: str, holder: LeaseHolder, pulse: Pulse = PULSE) -> Lease:
        """Take the lease.

        Raises:
            ConflictError: If another run holds it.
        """
        return retraining_lease.take(self._session, model, holder, pulse)

    def holder(self, model: str) -> str | None:
        """Say who retrains a model now, `None` if nobody does."""
        return retraining_lease.holder_of(self._session, model)

    def state(self, model: str) -> State:
        """Return a model as its journal tells it; one that nobody registered has no versions."""
        return self._state(model)

    def run_of(self, model: str, version: str) -> dict[str, Any]:
        """Return the record of the run that made a version; empty if no run did.

        Raises:
            DamagedError: If it is gone or changed.
        """
        return run_records.of_version(self._session, self._state(model).versions[version])

    def remark(self, model: str, event: Retrained) -> bool:
        """Write that a slot was missed or held, once; false if it is written, or done, already."""
        return self._commit(model, event, None).entry is not None

    def fail(self, model: str, attempt: Attempt, event: Retrained, lease: Lease) -> SlotRecord:
        """Write that an attempt failed; its record and its log are all that is kept of it."""
        outcome = self._commit(model, with_blobs(self._session, attempt, event), lease)
        return outcome.state.slots[name_of(event.slot, event.entry)]

    def conclude(
        self,
        model: str,
        attempt: Attempt,
        lease: Lease,
        sources: Mapping[str, object],
        facts: Facts,
        score: Score,
    ) -> SlotRecord:
        """Register what a run made, judge it and stage it, all by one entry.

        Raises:
            LeaseLostError: If another run took the lease; nothing is written.
            RefusedError: If the schemas demand a higher number than was asked for.
        """
        register = Conclusion(self._session, model, attempt, lease, score)
        registration.register(self._session, model, sources, attempt.bump, facts, register.finish)
        return self._state(model).slots[name_of(attempt.slot, attempt.entry)]

    def _state(self, model: str) -> State:
        return self._session.ledger(model).state() if self._session.exists else empty(model)

    def _commit(self, model: str, event: Retrained, lease: Lease | None) -> CommitResult:
        def decide(state: State, _at: str) -> AnyEvent | Unchanged:
            if lease is not None:
                lease.require()
            return retraining_commands.retrained(state, event)

        return self._session.commit(model, decide, Retrained, CommitOptions())
