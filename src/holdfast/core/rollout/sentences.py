"""What happened to a rollout, in a few words."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import assert_never

from holdfast.core.rollout import rollout_events
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.wording import share


def sentence(seq: int, event: rollout_events.AnyRolloutEvent, started: Sequence[int]) -> str:
    """Say what the event of entry *seq* did; *started* lists the entries that started rollouts."""
    if isinstance(event, rollout_events.RolloutStarted):
        what = called(seq, started)
        repeats = f", repeats {called(event.again, started)}" if event.again else ""
        return f"{what} of {event.version} starts: {route(event.plan)}{repeats}"
    what = called(event.rollout, started)
    match event:
        case rollout_events.RolloutStepped():
            return f"{what} to {share(event.weight)}{_because(event.verdict)}"
        case rollout_events.RolloutCalibrated():
            requests = event.baseline.requests
            return f"{what}: active version measured on {requests:,} requests"
        case rollout_events.RolloutJudged():
            verdict = event.verdict
            return f"{what}: {verdict.outcome}{_because(verdict)}"
        case rollout_events.RolloutPaused():
            return f"{what} paused"
        case rollout_events.RolloutResumed():
            return f"{what} resumed"
        case rollout_events.RolloutEnded():
            return f"{what} {event.outcome}{_because(event.verdict)}"
        case _:
            assert_never(event)


def called(seq: int, started: Sequence[int]) -> str:
    """Name the rollout that the entry *seq* started: `rollout 2`."""
    number = number_of(seq, started)
    return f"rollout {number}" if number else f"the rollout of entry {seq}"


def number_of(seq: int | None, started: Sequence[int]) -> int | None:
    """Return the number of the rollout that the entry *seq* started, `None` if it started none."""
    index = 0 if seq is None else bisect_left(started, seq)
    return index + 1 if index < len(started) and started[index] == seq else None


def route(plan: Plan) -> str:
    """Say which way a plan goes: `canary 5 → 25 → 50 → 100 %`."""
    return f"{plan.strategy} {' → '.join(f'{100 * step:.3g}' for step in plan.steps)} %"


def _because(verdict: StepVerdict | None) -> str:
    codes = dict.fromkeys(reason.code for reason in verdict.reasons) if verdict else ()
    return f" ({', '.join(codes)})" if codes else ""
