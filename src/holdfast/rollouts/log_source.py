"""What the prediction log counted of a rollout, as a source for a driver."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET

from holdfast.core.fleet import Counts
from holdfast.core.rollout.outcomes import Outcomes
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.predictions.counting import counts
from holdfast.predictions.key_outcomes import key_outcomes
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

    def proved(self, counts: list[Counts]) -> list[Counts]:
        """Return all: the log is not in the store, and whoever drives chose it."""
        return counts

    def outcomes(self, rollout: Rollout, now: datetime) -> Outcomes | None:
        """Return what the labels say of the keys that have matured."""
        test = rollout.analysis.outcome
        return None if test is UNSET else key_outcomes(self.log, self.model, rollout, test, now)
