"""What happened to a rollout, in a few words."""

from typing import assert_never

from holdfast.core.rollout import events
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.verdict import Verdict


def sentence(event: events.AnyRolloutEvent) -> str:
    """Say what an event did."""
    match event:
        case events.RolloutStarted():
            repeats = f", repeats {event.again}" if event.again else ""
            return f"rollout of {event.version} starts: {route(event.plan)}{repeats}"
        case events.RolloutStepped():
            return f"rollout {event.rollout} to {share(event.weight)}{_because(event.verdict)}"
        case events.RolloutCalibrated():
            requests = event.baseline.requests
            return f"rollout {event.rollout}: active version measured on {requests:,} requests"
        case events.RolloutJudged():
            verdict = event.verdict
            return f"rollout {event.rollout}: {verdict.outcome}{_because(verdict)}"
        case events.RolloutPaused():
            return f"rollout {event.rollout} paused"
        case events.RolloutResumed():
            return f"rollout {event.rollout} resumed"
        case events.RolloutEnded():
            return f"rollout {event.rollout} {event.outcome}{_because(event.verdict)}"
        case _:
            assert_never(event)


def route(plan: Plan) -> str:
    """Say which way a plan goes: `canary 5 → 25 → 50 → 100 %`."""
    return f"{plan.strategy} {' → '.join(f'{100 * step:.3g}' for step in plan.steps)} %"


def share(weight: float) -> str:
    """Say a weight in percent."""
    return f"{100 * weight:.3g} %"


def _because(verdict: Verdict | None) -> str:
    codes = dict.fromkeys(reason.code for reason in verdict.reasons) if verdict else ()
    return f" ({', '.join(codes)})" if codes else ""
