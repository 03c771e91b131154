"""The verbs of retraining, asked of a server: the lease is kept there, and the run is judged there.

What is trained and scored is trained and scored here. The server writes the one entry, which is
read back and held against what was sent; with a key it is decided here too, before it is signed.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import retraining_commands
from holdfast.core.entry import Entry
from holdfast.core.events import Retrained
from holdfast.core.manifest import Manifest
from holdfast.core.retraining.slot_record import REMARKS, SlotRecord, name_of
from holdfast.core.views import RegistrationResult, version_info
from holdfast.errors import ConflictError
from holdfast.registry import registration, remote_drafts, signed_retrainings
from holdfast.registry.facts import Facts
from holdfast.registry.losses import Measured
from holdfast.registry.retraining_conclusion import Attempt, Score, ScoredPair
from holdfast.registry.retraining_lease import PULSE, Lease, LeaseHolder, Pulse
from holdfast.registry.retraining_verbs import Retrainings
from holdfast.registry.sent_runs import SentRun, SentScores
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.signed_retrainings import Decide, MadeRun
from holdfast.store.remote.http_client import quoted

_SCORINGS: Final = 3


class LeaseTold(Struct, frozen=True):
    """What a server says of a lease.

    Attributes:
        term: The one that was taken; while it beats, the highest.
        holder: Who holds the lease, in words.
    """

    term: int = 0
    holder: str | None = None


class _ServerBeats(Struct, frozen=True):
    """A lease that a server keeps."""

    verbs: ServerVerbs
    model: str

    def beat(self, term: int) -> int:
        """Have the server note that the holder is alive."""
        return _ask(self.verbs, self.model, act="beat", term=term).term

    def done(self, term: int) -> None:
        """Have the server let the next one begin."""
        _ask(self.verbs, self.model, act="done", term=term)


def _ask(verbs: ServerVerbs, model: str, **arguments: Any) -> LeaseTold:
    return verbs.plan(f"/models/{quoted(model)}:retrain-lease", arguments, LeaseTold)


class RemoteRetrainings(Retrainings):
    """What can be done about the retraining of models in the store of a server."""

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._verbs = verbs

    def record(self, model: str, slot: str, entry: str) -> SlotRecord:
        """Return what the journal says of a slot that is done, or may be tried; see there.

        Whoever the server says that asks must be who the policy lets sign.
        """
        self._session.by = self._verbs.whoami().user.name
        return super().record(model, slot, entry)

    def lease(self, model: str, holder: LeaseHolder, pulse: Pulse = PULSE) -> Lease:
        """Take the lease that the server keeps.

        Raises:
            ConflictError: If another run holds it.
            ForbiddenError: If whoever asks may not retrain the model.
        """
        name = f"{holder.name} {os.urandom(4).hex()}"  # told again if the answer is lost
        told = _ask(self._verbs, model, act="take", slot=holder.slot, holder=name)
        return Lease(_ServerBeats(self._verbs, model), model, told.term, pulse)

    def holder(self, model: str) -> str | None:
        """Say who retrains a model now, `None` if nobody does."""
        path = f"/models/{quoted(model)}:retrain-holder"
        return self._verbs.plan(path, {}, LeaseTold).holder

    def remark(self, model: str, event: Retrained) -> bool:
        """Have it written that a slot was missed or held, once."""
        before = self._state(model)
        if not isinstance(retraining_commands.retrained(before, event), Retrained):
            return False
        told = SentRun(slot=event.slot, entry=event.entry, outcome=_outcome(event), why=event.why)
        expected = {"outcome": event.outcome, "why": event.why}
        self._post(model, told, expected, signed_retrainings.told(event))
        return True

    def fail(self, model: str, attempt: Attempt, event: Retrained, lease: Lease) -> SlotRecord:
        """Have it written that an attempt failed, once its record and its log are sent."""
        lease.require()
        run, log = self._sent(attempt)
        told = SentRun(
            slot=event.slot, entry=event.entry, outcome=_outcome(event), term=lease.term,
            why=event.why, run=run, log=log,
        )  # fmt: skip
        expected = {"outcome": event.outcome, "why": event.why, "run": run, "log": log}
        decide = signed_retrainings.told(replace(event, term=lease.term, run=run, log=log))
        return self._post(model, told, {**expected, "term": lease.term}, decide)

    def conclude(
        self,
        model: str,
        attempt: Attempt,
        lease: Lease,
        sources: Mapping[str, object],
        facts: Facts,
        score: Score,
    ) -> SlotRecord:
        """Send what a run made, scored here, and have it judged, registered and staged.

        Raises:
            LeaseLostError: If another run took the lease; nothing is written.
            RefusedError: If the schemas demand a higher number than was asked for.
            DamagedError: If the server registered something else.
        """
        trust = facts.get("trust") or None

        def finish(draft: Manifest, stored: Path) -> RegistrationResult:
            for _ in range(_SCORINGS - 1):
                scored = score(draft, stored, self._state(model))
                try:
                    return self._concluded(attempt, lease, trust, draft, scored)
                except ConflictError:
                    if self._state(model).production == scored.champion:
                        raise  # it is not that another version went live
            scored = score(draft, stored, self._state(model))
            return self._concluded(attempt, lease, trust, draft, scored)

        registration.register(self._session, model, sources, attempt.bump, facts, finish)
        return self._state(model).slots[name_of(attempt.slot, attempt.entry)]

    def _concluded(
        self,
        attempt: Attempt,
        lease: Lease,
        trust: str | None,
        draft: Manifest,
        scored: ScoredPair,
    ) -> RegistrationResult:
        model = draft.name
        draft = replace(draft, metrics=dict(sorted((draft.metrics | scored.metrics).items())))
        run, log = self._sent(attempt)
        told = SentRun(
            slot=attempt.slot, entry=attempt.entry, outcome="made", term=lease.term, run=run,
            log=log, draft=msgspec.to_builtins(draft), bump=attempt.bump, trust=trust,
            scores=self._scores(scored),
        )  # fmt: skip
        lease.require()
        event = Retrained(
            slot=attempt.slot, entry=attempt.entry, outcome="failed", term=lease.term, run=run,
            log=log,
        )  # fmt: skip
        made = MadeRun(self._session, self._verbs, attempt, lease, event, draft, scored)
        expected = {"run": run, "log": log, "term": lease.term}
        record = self._post(model, told, expected, made.decide, draft)
        state = self._state(model)
        version = state.versions[record.version or ""]
        return RegistrationResult(version_info(state, version), created=True, why="")

    def _scores(self, scored: ScoredPair) -> SentScores:
        own, beside = scored.measured, scored.champion_measured
        rows = len(next(iter(own.rows.values()))) // 8 if own else 0
        return SentScores(
            on=own.on if own else "",
            rows=rows,
            metrics=scored.metrics,
            kept=self._kept(own),
            champion=scored.champion,
            champion_metrics=scored.champion_metrics,
            champion_kept=self._kept(beside),
            remarks=scored.remarks,
        )

    def _kept(self, measured: Measured | None) -> dict[str, str]:
        blobs = self._session.open_store.blobs
        rows = measured.rows if measured else {}
        return {name: blobs.add_bytes(raw) for name, raw in rows.items()}

    def _sent(self, attempt: Attempt) -> tuple[str, str]:
        blobs = self._session.open_store.blobs
        return blobs.add_bytes(attempt.run), blobs.add_bytes(attempt.log)

    def _post(
        self,
        model: str,
        run: SentRun,
        expected: Mapping[str, Any],
        decide: Decide,
        draft: Manifest | None = None,
    ) -> SlotRecord:
        """Have the server write, and hold what it wrote against what was sent.

        What is to be signed is decided here first.
        """

        def check(entry: Entry, prepared: Mapping[str, Any]) -> None:
            state = self._state(model)
            signed_retrainings.require_same(self._verbs, state, entry, decide, prepared)

        named = {"slot": run.slot, "entry": run.entry}
        arguments = {"run": msgspec.to_builtins(run)}
        verb = ServerVerb("retrained", (Retrained,), arguments, {**named, **expected}, check)
        outcome = self._verbs.post(model, verb, CommitOptions())
        event = outcome.entry.event if outcome.entry else None
        if draft is not None and isinstance(event, Retrained) and event.registered is not None:
            assert outcome.entry is not None  # noqa: S101 - it has the event
            manifest = self._session.open_store.blobs.manifest(event.registered.manifest)
            by = outcome.entry.by
            remote_drafts.require_same(manifest, self._verbs, draft, event.registered, by)
        return outcome.state.slots[name_of(run.slot, run.entry)]


def _outcome(event: Retrained) -> Any:
    assert event.outcome in ("failed", "limit", *REMARKS)  # noqa: S101 - what makes no version
    return event.outcome
