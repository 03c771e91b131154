"""The verbs of rollouts, asked of a server."""

from typing import Any, Final

import msgspec

from holdfast.core import events, rollout_commands
from holdfast.core.events import AnyEvent
from holdfast.core.rollout import rollout_events as happened
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.core.views import Moved
from holdfast.registry.rollout_verbs import Rollouts
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs, check_reason
from holdfast.registry.session import CommitOptions, Session

_ENDED: Final = (happened.RolloutEnded, events.RolledBack)


class RemoteRollouts(Rollouts):
    """What can be done to the rollouts of a server's store; the server writes."""

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._verbs = verbs

    def start(
        self,
        ref: object,
        *,
        terms: Terms | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Begin a rollout of a version beside the live one, which stays live."""
        arguments = {"terms": None if terms is None else msgspec.to_builtins(terms)}
        verb = ServerVerb("rollout-start", (happened.RolloutStarted,), arguments)
        options = CommitOptions(reason, idempotency_key)
        started = self._verbs.on_version(str(ref), verb, options)
        if not started.changed and idempotency_key is not None:
            state = self._session.state(started.model)
            self._require_same_terms(state, self._verbs.stored_key(idempotency_key), terms)
        return started

    def retry(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Begin the rollout anew that was halted or aborted last, under a new number."""
        options = CommitOptions(reason, idempotency_key)
        return self._ask(model, "retry", (happened.RolloutStarted,), options)

    def advance(self, model: str, *, reason: str, idempotency_key: str | None = None) -> Moved:
        """Go to the next step whatever the tests say."""
        rollout_commands.check_reason(reason)
        options = CommitOptions(reason, idempotency_key)
        return self._ask(model, "advance", (happened.RolloutStepped,), options)

    def pause(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Keep the weight as it is; evidence still halts."""
        options = CommitOptions(reason, idempotency_key)
        return self._ask(model, "pause", (happened.RolloutPaused,), options)

    def resume(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Go on after a pause; the time on the step counts anew."""
        options = CommitOptions(reason, idempotency_key)
        return self._ask(model, "resume", (happened.RolloutResumed,), options)

    def promote(
        self,
        model: str,
        *,
        reason: str | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Finish the rollout now, through the gate."""
        options = CommitOptions(reason, idempotency_key)
        check_reason(options, by_force=force)
        return self._ask(model, "promote", (events.Promoted,), options, force=force or None)

    def abort(
        self, model: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """End the rollout in any state; the version that was live when it began is so again."""
        options = CommitOptions(reason, idempotency_key)
        return self._ask(model, "abort", _ENDED, options)

    # For drivers

    def step(self, model: str, position: StepPosition, verdict: StepVerdict | None) -> Moved:
        """Go to the next step, on a verdict or because every server is ready."""
        return self._judged(model, "step", (happened.RolloutStepped,), position, verdict)

    def calibrate(self, model: str, number: int, baseline: Baseline) -> Moved:
        """Freeze how the active version was measured."""
        facts = {"number": number, "baseline": msgspec.to_builtins(baseline)}
        return self._ask(
            model, "calibrate", (happened.RolloutCalibrated,), CommitOptions(), **facts
        )

    def record_verdict(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """Keep a verdict, if it differs from the last one in more than its numbers."""
        return self._judged(model, "record-verdict", (happened.RolloutJudged,), position, verdict)

    def halt(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End the rollout on the evidence."""
        return self._judged(model, "halt", _ENDED, position, verdict)

    def pass_(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End a shadow that found nothing."""
        return self._judged(model, "pass", _ENDED, position, verdict)

    def conclude(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """End an A/B test that nobody won."""
        return self._judged(model, "conclude", _ENDED, position, verdict)

    def finish(self, model: str, position: StepPosition, verdict: StepVerdict) -> Moved:
        """Let the candidate go live after its last step, if the server's gate lets it pass."""
        return self._judged(model, "finish", (events.Promoted,), position, verdict)

    def _judged(
        self,
        model: str,
        name: str,
        operations: tuple[type[AnyEvent], ...],
        position: StepPosition,
        verdict: StepVerdict | None,
    ) -> Moved:
        facts = {
            "position": msgspec.to_builtins(position),
            "verdict": None if verdict is None else msgspec.to_builtins(verdict),
        }
        return self._ask(model, name, operations, CommitOptions(), **facts)

    def _ask(
        self,
        model: str,
        name: str,
        operations: tuple[type[AnyEvent], ...],
        options: CommitOptions,
        **arguments: Any,
    ) -> Moved:
        verb = ServerVerb(f"rollout-{name}", operations, arguments)
        return self._verbs.on_model(model, verb, options)
