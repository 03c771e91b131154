"""How a run that made something is committed: scored, judged, registered, staged, by one entry."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import gate, numbering, paired, retraining_commands
from holdfast.core.events import AnyEvent, Retrained
from holdfast.core.gate import Candidate, Verdict
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest, digest_of
from holdfast.core.paired import Losses, Paired
from holdfast.core.policy import Policy
from holdfast.core.retraining.slot_record import ChampionScores, name_of
from holdfast.core.state import State
from holdfast.core.version import Bump
from holdfast.core.views import RegistrationResult, version_info
from holdfast.errors import ConflictError, RefusedError
from holdfast.registry import duplicates, losses, presence, registration
from holdfast.registry.losses import Measured
from holdfast.registry.session import CommitOptions, Session

_SCORINGS: Final = 3
_NO_OPTIONS: Final = CommitOptions()
_LATER: Final = "approvals, signatures and evaluations are asked for when it is promoted"


class ScoredPair(Struct, frozen=True):
    """A new version and the champion, measured on the same rows.

    Attributes:
        metrics: Of the new version, in place of what the run said of the same names.
        measured: Its losses; `None` where there are no evaluation rows.
        champion: The live version; `None` if there is none.
        champion_metrics: Its own.
        champion_measured: Its losses.
        remarks: What is to be noted beside the gate's remarks.
    """

    metrics: dict[str, float] = {}
    measured: Measured | None = None
    champion: str | None = None
    champion_metrics: dict[str, float] = {}
    champion_measured: Measured | None = None
    remarks: tuple[str, ...] = ()


class Attempt(Struct, frozen=True):
    """One attempt at a slot, under a lease.

    Attributes:
        bump: How far the number is raised; `auto` takes minor, patch for a refit.
        run: The record of the run, as JSON.
        log: The end of what it wrote.
    """

    slot: str
    entry: str
    bump: Bump
    run: bytes
    log: bytes


Score = Callable[[Manifest, Path, State], ScoredPair]
"""Scores a draft, whose files are in a folder, and the champion of a state."""


class LeaseTerm(Protocol):
    """A lease, as far as whoever writes an entry knows it."""

    term: int

    def require(self) -> None:
        """Refuse with a `ConflictError` unless it is held still."""
        ...


class _ChampionMovedError(ConflictError):
    """Production moved since the champion was scored."""


def with_blobs(session: Session, attempt: Attempt, event: Retrained) -> Retrained:
    """Store what tells of a run, and name it; bytes come before the entry."""
    opened = session.writable()
    digests = [opened.blobs.add_bytes(raw) for raw in (attempt.run, attempt.log)]
    opened.rescue(digests)
    return replace(event, run=digests[0], log=digests[1])


class Conclusion:
    """Commits a run that made something, once its registration has stored the files."""

    def __init__(
        self,
        session: Session,
        model: str,
        attempt: Attempt,
        lease: LeaseTerm,
        score: Score,
        options: CommitOptions = _NO_OPTIONS,
    ) -> None:
        self._session, self._options = session, options
        self._model, self._attempt, self._lease, self._score = model, attempt, lease, score
        self._raw = b""

    def finish(self, draft: Manifest, stored: Path) -> RegistrationResult:
        """Score, judge and commit; again if production moved meanwhile."""
        for _ in range(_SCORINGS - 1):
            try:
                return self._finish(draft, stored)
            except _ChampionMovedError:
                continue
        return self._finish(draft, stored)

    def _finish(self, draft: Manifest, stored: Path) -> RegistrationResult:
        session, blobs = self._session, self._session.open_store.blobs
        state = session.ledger(self._model).state()
        scored = self._score(draft, stored, state)
        draft = replace(draft, metrics=dict(sorted((draft.metrics | scored.metrics).items())))
        event = Retrained(
            slot=self._attempt.slot, entry=self._attempt.entry, outcome="failed",
            term=self._lease.term,
        )  # fmt: skip
        event = with_blobs(session, self._attempt, event)
        digests = [file.sha256 for file in draft.files]

        def store_again() -> None:
            with_blobs(session, self._attempt, event)
            blobs.add_bytes(self._raw)
            for file in draft.files:
                blobs.add(stored / file.path)

        def decide(now: State, at: str) -> AnyEvent | Unchanged:
            decided = self.decided(now, at, draft, scored, event)
            self._lease.require()
            session.open_store.rescue(digests)
            return retraining_commands.retrained(now, decided)

        outcome = session.commit(self._model, decide, Retrained, self._options)
        made = outcome.entry.event if outcome.entry else None
        if isinstance(made, Retrained) and made.registered is not None:
            for measured in (scored.measured, scored.champion_measured):
                if measured is not None:
                    losses.ensure(session, measured)
            digests += [made.registered.manifest, made.run or "", made.log or ""]
            presence.ensure(session.open_store, digests, store_again)
        record = outcome.state.slots[name_of(event.slot, event.entry)]
        version = outcome.state.versions[record.version or ""]
        return RegistrationResult(version_info(outcome.state, version), created=True, why="")

    def decided(
        self, state: State, at: str, draft: Manifest, scored: ScoredPair, event: Retrained
    ) -> Retrained:
        """Say what a run comes to in a state: the model there was, or a version and its verdict.

        Raises:
            ConflictError: If another version is live than the one that was scored beside it.
            RefusedError: If the schemas demand a higher number than was asked for.
        """
        if state.production != scored.champion:
            raise _ChampionMovedError(self._model, "has another version live", "score it anew")
        same = duplicates.find(self._session, state, "", draft)
        if same is not None and state.versions[same].status != "purged":
            return replace(event, outcome="unchanged", version=same)
        planned = self._planned(state, draft, at)
        self._raw = planned.raw
        self._session.open_store.blobs.add_bytes(planned.raw)
        self._session.open_store.rescue([planned.event.manifest])
        stored_losses = losses.stored(self._session, scored.measured) if scored.measured else ()
        champion = self._champion(state, scored)
        verdict = self._judged(state, planned.manifest, champion, scored)
        return replace(
            event,
            outcome="registered" if verdict.passed else "blocked",
            version=planned.event.version,
            registered=planned.event,
            refused=verdict.reasons,
            remarks=(*verdict.remarks, *scored.remarks),
            losses=stored_losses,
            champion=champion,
        )

    def _planned(self, state: State, draft: Manifest, at: str) -> numbering.Registration:
        asked = self._attempt.bump
        base = registration.base_of(self._session, state, asked)
        if asked == "auto":
            asked = "patch" if base is not None and _is_refit(base, draft) else "minor"
        try:
            return numbering.register(state, draft, asked, base, at)
        except RefusedError as error:
            advice = "a higher number is only taken if it is asked for: --bump"
            raise RefusedError(error.subject, error.by, error.reasons, advice) from error

    def _champion(self, state: State, scored: ScoredPair) -> ChampionScores | None:
        if state.production is None or not scored.champion_metrics:
            return None
        measured = scored.champion_measured
        stored_losses = losses.stored(self._session, measured) if measured else ()
        return ChampionScores(state.production, scored.champion_metrics, stored_losses)

    def _judged(
        self,
        state: State,
        manifest: Manifest,
        champion: ChampionScores | None,
        scored: ScoredPair,
    ) -> Verdict:
        """Ask the gate, with what was measured of the champion on this run's rows and no more."""
        policy = replace(
            state.policy,
            approvals=0,
            code="scanned",
            require_signature=False,
            required_evaluations=(),
        )
        candidate = Candidate(manifest, manifest.metrics, frozenset())
        if state.production is None:
            return _remarked(gate.judge(policy, candidate, None), state.policy, policy)
        live = self._session.manifest(state.versions[state.production])
        metrics = champion.metrics if champion else {}
        against = Candidate(live, metrics, frozenset())
        pairs = _paired(state, scored) if champion else ()
        verdict = gate.judge(policy, candidate, against, pairs)
        return _remarked(_uncompared(policy, verdict, metrics), state.policy, policy)


def _paired(state: State, scored: ScoredPair) -> tuple[Paired, ...]:
    """Bootstrap the losses of both; their bytes are at hand, and a server may not show them yet."""
    old, new = scored.champion_measured, scored.measured
    if old is None or new is None:
        return ()
    matched, _ = paired.pairs(_of(old), _of(new))
    raws = [(old.rows[before.name], new.rows[after.name]) for before, after in matched]
    directions = state.policy.directions
    return tuple(
        losses.compared(*both, pair, directions) for both, pair in zip(matched, raws, strict=True)
    )


def _of(measured: Measured) -> tuple[Losses, ...]:
    return losses.named(measured, {name: digest_of(raw) for name, raw in measured.rows.items()})


def _uncompared(policy: Policy, verdict: Verdict, metrics: Mapping[str, float]) -> Verdict:
    """Do not let pass what was compared with nothing, unless the policy takes doubts so."""
    if metrics or policy.max_regression is None:
        return verdict
    sentence = (
        "the champion was not measured on this run's rows, so nothing tells whether it regressed: "
        "inconclusive; leave an evaluation set with labels"
    )
    if policy.inconclusive == "refuse":
        return replace(verdict, reasons=(*verdict.reasons, sentence))
    return replace(verdict, remarks=(*verdict.remarks, sentence))


def _remarked(verdict: Verdict, asked: Policy, judged: Policy) -> Verdict:
    if asked == judged:
        return verdict
    return replace(verdict, remarks=(*verdict.remarks, _LATER))


def _is_refit(base: Manifest, draft: Manifest) -> bool:
    """Tell whether the same data and parameters were used: nothing but the fit is new."""
    digests = (base.training_data.get("digests"), draft.training_data.get("digests"))
    same_data = bool(digests[0]) and digests[0] == digests[1]
    return same_data and base.hyperparameters == draft.hyperparameters
