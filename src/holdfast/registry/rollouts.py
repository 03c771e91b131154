"""The verbs of rollouts: a person's, and those of whoever drives them."""

from collections.abc import Callable

from holdfast.core import events
from holdfast.core.commands import Unchanged, repeated
from holdfast.core.events import AnyEvent
from holdfast.core.refs import fixed, resolve, selector_of
from holdfast.core.rollout import calibration, commands, course
from holdfast.core.rollout import events as happened
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.commands import Place
from holdfast.core.rollout.course import Baseline, Terms
from holdfast.core.rollout.verdict import Verdict
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import ConflictError
from holdfast.registry import moves
from holdfast.registry.fleet import Fleet
from holdfast.registry.ledger import Outcome
from holdfast.registry.session import Session, Signing, read_ref


class Rollouts:
    """What can be done to the rollouts of one store; `Reader.rollout` shows them.

    A driver names the step that it judged (`Place`); if the rollout is elsewhere by now, nothing is
    done and `ConflictError` says so. So any number of drivers act as one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self,
        ref: object,
        *,
        terms: Terms | None = None,
        reason: str | None = None,
        key: str | None = None,
    ) -> Moved:
        """Begin a rollout of a version beside the live one, which stays live.

        Args:
            ref: The candidate.
            terms: Its plan, tests and sticky key; those of the model's policy if left out.

        Raises:
            ConflictError: If a rollout goes on, nothing is live, or the version is, or was purged.
        """
        parsed, signing = read_ref(str(ref)), Signing(reason, key)
        state, selector = self._session.state(parsed.model), selector_of(parsed)
        operation, named = happened.RolloutStarted, fixed(state, selector)
        done = repeated(state, key, operation, named)
        if done is not None:
            self._require_same_terms(state, key, terms)
            return moves.moved(Outcome(state, None, done))
        candidate = resolve(state, selector).version

        def decide(now: State) -> AnyEvent:
            wanted = terms or now.policy.rollout
            measured = self._baseline(now, wanted.analysis)
            return commands.start(now, now.versions[candidate], wanted, measured)

        started = self._commit(state.model, decide, operation, signing)
        if not started.changed:
            now = self._session.state(parsed.model)
            repeated(now, key, operation, named)  # a rival's, maybe
            self._require_same_terms(now, key, terms)
        return started

    def _require_same_terms(self, state: State, key: str | None, terms: Terms | None) -> None:
        """Check that the rollout begun under a key has the terms that are asked for now."""
        use = state.keys.get(key or "")
        if use is None or terms is None:
            return
        (entry, *_) = self._session.ledger(state.model).last(state.seq - use.seq + 1)
        event = entry.event
        assert isinstance(event, happened.RolloutStarted)  # noqa: S101 - `repeated` has checked it
        before = Terms(event.plan, event.analysis, event.sticky)
        if before != course.check(terms):
            raise ConflictError(
                f"key {key!r}",
                f"began the rollout of {event.version} in entry {use.seq} on other terms",
                "use another key",
            )

    def retry(self, model: str, *, reason: str | None = None) -> Moved:
        """Begin the rollout anew that was halted or aborted last, under a new number."""

        def decide(state: State) -> AnyEvent:
            last = state.rollout
            measured = self._baseline(state, last.analysis) if last else None
            return commands.retry(state, measured)

        return self._commit(model, decide, happened.RolloutStarted, Signing(reason))

    def advance(self, model: str, *, reason: str) -> Moved:
        """Go to the next step whatever the tests say."""
        commands.check_reason(reason)

        def decide(state: State) -> AnyEvent:
            return commands.step(state, commands.here(state), None)

        return self._commit(model, decide, happened.RolloutStepped, Signing(reason))

    def pause(self, model: str, *, reason: str | None = None) -> Moved:
        """Keep the weight as it is; evidence still halts."""
        return self._commit(model, commands.pause, happened.RolloutPaused, Signing(reason))

    def resume(self, model: str, *, reason: str | None = None) -> Moved:
        """Go on after a pause; the time on the step counts anew."""
        return self._commit(model, commands.resume, happened.RolloutResumed, Signing(reason))

    def promote(self, model: str, *, reason: str | None = None, force: bool = False) -> Moved:
        """Finish the rollout now, through the gate.

        Raises:
            RefusedError: With every reason of the gate.
        """
        rollout = commands.running(self._session.state(model))
        ref = f"{model}@{rollout.version}"
        expect = rollout.was
        return moves.promote(self._session, ref, Signing(reason), expect=expect, by_force=force)

    def abort(self, model: str, *, reason: str | None = None) -> Moved:
        """End the rollout in any state; the version that was live when it began is so again."""

        def decide(state: State) -> AnyEvent | Unchanged:
            event = commands.abort(state)
            if isinstance(event, events.RolledBack):
                moves.require_whole(self._session, state.model, state.versions[event.version])
            return event

        return self._commit(model, decide, happened.RolloutEnded, Signing(reason))

    # For drivers

    def step(self, model: str, place: Place, verdict: Verdict | None) -> Moved:
        """Go to the next step, on a verdict or because every server is ready."""
        said = verdict.sentence if verdict else "every server has it ready"
        return self._commit(
            model,
            lambda state: commands.step(state, place, verdict),
            happened.RolloutStepped,
            Signing(said),
        )

    def calibrate(self, model: str, number: int, baseline: Baseline) -> Moved:
        """Freeze how the active version was measured."""
        return self._commit(
            model,
            lambda state: commands.calibrate(state, number, baseline),
            happened.RolloutCalibrated,
            Signing(),
        )

    def judge(self, model: str, place: Place, verdict: Verdict) -> Moved:
        """Keep a verdict, if it differs from the last one in more than its numbers."""
        return self._commit(
            model,
            lambda state: commands.judge(state, place, verdict),
            happened.RolloutJudged,
            Signing(verdict.sentence),
        )

    def halt(self, model: str, place: Place, verdict: Verdict) -> Moved:
        """End the rollout on the evidence."""
        return self._commit(
            model,
            lambda state: commands.halt(state, place, verdict),
            happened.RolloutEnded,
            Signing(verdict.sentence),
        )

    def pass_(self, model: str, place: Place, verdict: Verdict) -> Moved:
        """End a shadow that found nothing."""
        return self._commit(
            model,
            lambda state: commands.pass_(state, place, verdict),
            happened.RolloutEnded,
            Signing(verdict.sentence),
        )

    def finish(self, model: str, place: Place, verdict: Verdict) -> Moved:
        """Let the candidate go live after its last step, if the gate lets it pass.

        Raises:
            RefusedError: With every reason of the gate.
        """

        def decide(state: State) -> AnyEvent | Unchanged:
            candidate = state.versions[commands.running(state).version]
            judged = moves.verdict_on(self._session, state, candidate)
            return commands.finish(state, place, judged)

        return self._commit(model, decide, events.Promoted, Signing(verdict.sentence))

    def _baseline(self, state: State, analysis: Analysis) -> Baseline | None:
        now = self._session.clock()
        reports = Fleet(self._session).servers(state.model)
        fresh = [report for report in reports if report.is_fresh(now)]
        return calibration.baseline(fresh, state.production or "", analysis)

    def _commit(
        self,
        model: str,
        decide: Callable[[State], AnyEvent | Unchanged],
        operation: type[AnyEvent],
        signing: Signing,
    ) -> Moved:
        self._session.state(model)
        outcome = self._session.commit(model, lambda state, _at: decide(state), operation, signing)
        return moves.moved(outcome)
