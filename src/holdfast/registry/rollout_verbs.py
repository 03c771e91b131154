"""The verbs of rollouts: a person's, and those of whoever drives them."""

from collections.abc import Callable

from holdfast.core import events, rollout_commands
from holdfast.core.events import AnyEvent
from holdfast.core.idempotency import Unchanged
from holdfast.core.rollout import calibration, rollout_state
from holdfast.core.rollout import rollout_events as happened
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.errors import ConflictError
from holdfast.registry import lifecycle
from holdfast.registry.commits import commit_on_model, commit_on_version
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.session import CommitOptions, Session
from holdfast.registry.version_bytes import require_whole


class Rollouts:
    """What can be done to the rollouts of one store; `Reader.rollout` shows them.

    A driver names the step that it judged (`StepPosition`); if the rollout is elsewhere by now,
    nothing is done and `ConflictError` says so. So any number of drivers act as one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self,
        ref: object,
        *,
        terms: Terms | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Begin a rollout of a version beside the live one, which stays live.

        Args:
            ref: The candidate.
            terms: Its plan, tests and sticky key; those of the model's policy if left out.

        Raises:
            ConflictError: If a rollout goes on, nothing is live, or the version is, or was purged.
        """

        def decide(now: State, candidate: Record) -> AnyEvent:
            effective_terms = terms or now.policy.rollout
            measured = self._baseline(now, effective_terms.analysis)
            return rollout_commands.start(now, candidate, effective_terms, measured)

        options = CommitOptions(reason, idempotency_key)
        started = commit_on_version(
            self._session, str(ref), decide, happened.RolloutStarted, options
        )
        if not started.changed:
            state = self._session.state(started.model)
            self._require_same_terms(state, idempotency_key, terms)
        return started

    def _require_same_terms(
        self, state: State, idempotency_key: str | None, terms: Terms | None
    ) -> None:
        """Check that the rollout begun under a key has the terms that are asked for now."""
        use = state.keys.get(idempotency_key or "")
        if use is None or terms is None:
            return
        (entry, *_) = self._session.ledger(state.model).last(state.seq - use.seq + 1, state)
        event = entry.event
        assert isinstance(event, happened.RolloutStarted)  # noqa: S101 - `repeated` has checked it
        before = Terms(event.plan, event.analysis, event.sticky)
        if before != rollout_state.check(terms):
            raise ConflictError(
                f"idempotency key {idempotency_key!r}",
                f"started the rollout of {event.version} in entry {use.seq} with other terms",
                "use another key",
            )

    def retry(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Begin the rollout anew that was halted or aborted last, under a new number."""

        def decide(state: State) -> AnyEvent:
            last = state.rollout
            measured = self._baseline(state, last.analysis) if last else None
            return rollout_commands.retry(state, measured)

        return self._commit(
            model, decide, happened.RolloutStarted, CommitOptions(reason, idempotency_key)
        )

    def advance(self, model: str, *, reason: str, idempotency_key: str | None = None) -> Moved:
        """Go to the next step whatever the tests say."""
        rollout_commands.check_reason(reason)

        def decide(state: State) -> AnyEvent:
            return rollout_commands.step(state, rollout_commands.here(state), None)

        return self._commit(
            model, decide, happened.RolloutStepped, CommitOptions(reason, idempotency_key)
        )

    def pause(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Keep the weight as it is; evidence still halts."""
        return self._commit(
            model,
            rollout_commands.pause,
            happened.RolloutPaused,
            CommitOptions(reason, idempotency_key),
        )

    def resume(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Go on after a pause; the time on the step counts anew."""
        return self._commit(
            model,
            rollout_commands.resume,
            happened.RolloutResumed,
            CommitOptions(reason, idempotency_key),
        )

    def promote(
        self,
        model: str,
        *,
        reason: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Finish the rollout now, through the gate.

        Raises:
            RefusedError: With every reason of the gate.
        """
        rollout = rollout_commands.running(self._session.state(model))
        ref = f"{model}@{rollout.version}"
        expect = rollout.was
        return lifecycle.promote(
            self._session,
            ref,
            CommitOptions(reason, idempotency_key),
            expect=expect,
            by_force=force,
        )

    def abort(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """End the rollout in any state; the version that was live when it began is so again."""

        def decide(state: State) -> AnyEvent | Unchanged:
            event = rollout_commands.abort(state)
            if isinstance(event, events.RolledBack):
                require_whole(self._session, state.model, state.versions[event.version])
            return event

        return self._commit(
            model, decide, happened.RolloutEnded, CommitOptions(reason, idempotency_key)
        )

    # For drivers

    def step(self, model: str, position: StepPosition, verdict: StepVerdict | None) -> Moved:
        """Go to the next step, on a verdict or because every server is ready."""
        reason = verdict.sentence if verdict else "every server has it ready"
        return self._commit(
            model,
            lambda state: rollout_commands.step(state, position, verdict),
            happened.RolloutStepped,
            CommitOptions(reason),
        )

    def calibrate(self, model: str, number: int, baseline: Baseline) -> Moved:
        """Freeze how the active version was measured."""
        return self._commit(
            model,
            lambda state: rollout_commands.calibrate(state, number, baseline),
            happened.RolloutCalibrated,
            CommitOptions(),
        )

    def record_verdict(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """Keep a verdict, if it differs from the last one in more than its numbers."""
        return self._commit(
            model,
            lambda state: rollout_commands.judge(state, position, verdict),
            happened.RolloutJudged,
            CommitOptions(verdict.sentence),
        )

    def halt(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End the rollout on the evidence."""
        return self._commit(
            model,
            lambda state: rollout_commands.halt(state, position, verdict),
            happened.RolloutEnded,
            CommitOptions(verdict.sentence),
        )

    def pass_(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End a shadow that found nothing."""
        return self._commit(
            model,
            lambda state: rollout_commands.pass_(state, position, verdict),
            happened.RolloutEnded,
            CommitOptions(verdict.sentence),
        )

    def conclude(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End an A/B test that nobody won."""
        return self._commit(
            model,
            lambda state: rollout_commands.conclude(state, position, verdict),
            happened.RolloutEnded,
            CommitOptions(verdict.sentence),
        )

    def finish(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """Let the candidate go live after its last step, if the gate lets it pass.

        Raises:
            RefusedError: With every reason of the gate.
        """

        def decide(state: State) -> AnyEvent | Unchanged:
            candidate = state.versions[rollout_commands.running(state).version]
            judged = lifecycle.verdict_on(self._session, state, candidate, goes_live=True)
            return rollout_commands.finish(state, position, judged)

        return self._commit(model, decide, events.Promoted, CommitOptions(verdict.sentence))

    def _baseline(self, state: State, analysis: Analysis) -> Baseline | None:
        now = self._session.clock()
        fleet = Fleet(self._session)
        reports = fleet.proved(state.model, fleet.servers(state.model))
        fresh = [report for report in reports if report.is_fresh(now)]
        return calibration.baseline(fresh, state.production or "", analysis)

    def _commit(
        self,
        model: str,
        decide: Callable[[State], AnyEvent | Unchanged],
        operation: type[AnyEvent],
        options: CommitOptions,
    ) -> Moved:
        return commit_on_model(self._session, model, decide, operation, options)
