"""What can happen to a rollout, apart from moves of production.

Each event names its rollout by the entry that started it; people know it by its place among the
model's rollouts, which the fold counts.
"""

from typing import Literal

from holdfast.core.event import Event
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import StepVerdict


class RolloutEvent(Event, frozen=True, kw_only=True):
    """Root of the events of rollouts, all of which name the candidate."""

    version: str


class RolloutStarted(RolloutEvent, frozen=True, kw_only=True):
    """A rollout of *version* began beside *was*, which stays live.

    Attributes:
        sticky: Where the key of a request is found; `None` routes each request by chance.
        baseline: How *was* was measured, if it was already.
        again: Entry that started the rollout that this one repeats.
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
    verdict: StepVerdict | None = None


class RolloutCalibrated(RolloutEvent, frozen=True, kw_only=True):
    """The active version was measured; the candidate is compared with that from here on."""

    rollout: int
    baseline: Baseline


class RolloutJudged(RolloutEvent, frozen=True, kw_only=True):
    """A verdict differs from the one before in its outcome, or in what it rests on."""

    rollout: int
    verdict: StepVerdict


class RolloutPaused(RolloutEvent, frozen=True, kw_only=True):
    """The rollout was paused: its weight stays until it is resumed; evidence still halts it."""

    rollout: int


class RolloutResumed(RolloutEvent, frozen=True, kw_only=True):
    """The rollout was resumed; the time on its step starts anew."""

    rollout: int


class RolloutEnded(RolloutEvent, frozen=True, kw_only=True):
    """The rollout ended and production did not move; the candidate gets no more requests.

    Attributes:
        outcome: An A/B test has passed where no difference matters, and is undecided where it came
            to its deadline.
        verdict: What ended it; `None` where a person stopped it.
    """

    rollout: int
    outcome: Literal["passed", "halted", "aborted", "undecided"]
    verdict: StepVerdict | None = None


AnyRolloutEvent = (
    RolloutStarted
    | RolloutStepped
    | RolloutCalibrated
    | RolloutJudged
    | RolloutPaused
    | RolloutResumed
    | RolloutEnded
)
