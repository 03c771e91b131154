"""What the prediction log counted of a rollout, as a source for a driver."""

from dataclasses import dataclass

from holdfast.core.fleet import Counts
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions.counting import counts
from holdfast.predictions.log import Log


@dataclass(frozen=True, slots=True)
class Logged:
    """The rows that serving workers wrote; with sampling, a share of the requests alone."""

    log: Log
    model: str

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return what all workers wrote together: each look reads the rollout's rows anew."""
        step_counts = tuple(counts(self.log, self.model, rollout))
        return [Counts(self.model, rollout.number, "prediction log", rollout.since, step_counts)]
