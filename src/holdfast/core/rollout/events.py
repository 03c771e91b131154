"""What can happen to a rollout besides that production moves.

Each event names its rollout by the number of the entry that started it.
"""

from typing import Literal

from holdfast.core.event import Event
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.course import Baseline
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.verdict import Verdict


class RolloutEvent(Event, frozen=True, kw_only=True):
    """Root of the events of rollouts, all of which name the candidate."""

    version: str


class RolloutStarted(RolloutEvent, frozen=True, kw_only=True):
    """A rollout of *version* began beside *was*, which stays live; its number is its entry's.

    Attributes:
        sticky: Where the key of a request is found; `None` routes each request by chance.
        baseline: How *was* was measured, if it was already.
        again: The rollout that this one repeats.
    """

    was: str
    plan: Plan
    analysis: Analysis
    sticky: str | None = None
    baseline: Baseline | None = None
    again: int | None = None

    def versions(self) -> tuple[str, ...]:
        """Name the candidate."""
        return (self.version,)


class RolloutStepped(RolloutEvent, frozen=True, kw_only=True):
    """The candidate came to the next step.

    Attributes:
        step: Its index, from 0.
        weight: Its share.
        verdict: On the step that was left; `None` where every server was ready, or a person did it.
    """

    rollout: int
    step: int
    weight: float
    verdict: Verdict | None = None


class RolloutCalibrated(RolloutEvent, frozen=True, kw_only=True):
    """The active version was measured; the candidate is compared with that from here on."""

    rollout: int
    baseline: Baseline


class RolloutJudged(RolloutEvent, frozen=True, kw_only=True):
    """A verdict differs from the one before in its outcome, or in what it rests on."""

    rollout: int
    verdict: Verdict


class RolloutPaused(RolloutEvent, frozen=True, kw_only=True):
    """Its weight stays until it is resumed; evidence still halts it."""

    rollout: int


class RolloutResumed(RolloutEvent, frozen=True, kw_only=True):
    """It goes on; the time on its step counts anew."""

    rollout: int


class RolloutEnded(RolloutEvent, frozen=True, kw_only=True):
    """It ended and production did not move: the candidate gets nothing any more.

    Attributes:
        verdict: What halted or passed it; `None` where a person stopped it.
    """

    rollout: int
    outcome: Literal["passed", "halted", "aborted"]
    verdict: Verdict | None = None


AnyRolloutEvent = (
    RolloutStarted
    | RolloutStepped
    | RolloutCalibrated
    | RolloutJudged
    | RolloutPaused
    | RolloutResumed
    | RolloutEnded
)
