"""Verbs of whoever drives a rollout from another machine: they name the step that they judged."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from holdfast.core import events
from holdfast.core.events import AnyEvent
from holdfast.core.rollout import outcomes
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.outcomes import OutcomeComparison
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.registry import Registry
from holdfast.registry.session import CommitOptions
from holdfast.web.verb_bodies import Body

__all__ = ["DRIVING", "Calibration", "Judgement", "StepJudgement"]

Deed = Callable[[Registry, str, Any, CommitOptions], object]


class StepPlace(Struct, frozen=True, forbid_unknown_fields=True):
    """A rollout by its number, and the index of its step."""

    rollout: int
    step: int


class Judgement(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was judged, and how."""

    position: StepPlace
    verdict: StepVerdict


class StepJudgement(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was judged, and how; no verdict where every server has the candidate ready."""

    position: StepPlace
    verdict: StepVerdict | None = None


class Calibration(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the active version was measured."""

    number: int
    baseline: Baseline


def _judged(name: str) -> Deed:
    def perform(registry: Registry, model: str, body: Any, _options: CommitOptions) -> object:
        deed = getattr(registry.rollouts, name)
        position = StepPosition(body.position.rollout, body.position.step)
        verdict: StepVerdict | None = body.verdict
        if verdict is not None and isinstance(verdict.comparison, OutcomeComparison):
            outcomes.check_arms(verdict.comparison.candidate, verdict.comparison.active)
        return deed(model, position, verdict)

    return perform


def _calibrate(registry: Registry, model: str, body: Any, _options: CommitOptions) -> object:
    return registry.rollouts.calibrate(model, body.number, body.baseline)


_ENDED: Final[tuple[type[AnyEvent], ...]] = (rollouts.RolloutEnded, events.RolledBack)
DRIVING: Final[tuple[tuple[str, str, Deed, tuple[type[AnyEvent], ...], str, Any], ...]] = (
    ("step", "rollout-advance", _judged("step"), (rollouts.RolloutStepped,),
     "Go to the next step on a verdict.", StepJudgement),
    ("calibrate", "rollout-advance", _calibrate, (rollouts.RolloutCalibrated,),
     "Keep how the active version was measured.", Calibration),
    ("record-verdict", "rollout-advance", _judged("record_verdict"), (rollouts.RolloutJudged,),
     "Keep a verdict.", Judgement),
    ("halt", "rollout-abort", _judged("halt"), _ENDED, "End a rollout on the evidence.", Judgement),
    ("pass", "rollout-abort", _judged("pass_"), _ENDED,
     "End a shadow that found nothing.", Judgement),
    ("conclude", "rollout-abort", _judged("conclude"), _ENDED,
     "End an A/B test that nobody won.", Judgement),
    ("finish", "rollout-promote", _judged("finish"), (events.Promoted,),
     "Make the candidate live after its last step.", Judgement),
)  # fmt: skip
"""Each verb: its name, what it needs, what does it, its events, one sentence, and its body."""
