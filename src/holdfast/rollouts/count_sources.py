"""Where a driver learns what was counted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.core.fleet import Counts
from holdfast.core.rollout.outcomes import Outcomes
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.registry.reader import Reader


class CountSource(Protocol):
    """Counts of one model's rollouts."""

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return all that was counted of *rollout* so far; nothing where nobody counted."""
        ...

    def proved(self, counts: list[Counts]) -> list[Counts]:
        """Return those of *counts* that may bring the candidate forward."""
        ...

    def outcomes(self, rollout: Rollout, now: datetime) -> Outcomes | None:
        """Return what became of the keys of an A/B test by *now*; `None` if it is not told here."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """What the serving workers themselves count and publish to the store."""

    registry: Reader
    model: str

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return what every worker published, those that are gone too."""
        return self.registry.fleet.counts(self.model, rollout.number)

    def proved(self, counts: list[Counts]) -> list[Counts]:
        """Return those that a listed signer signed where the policy demands it, else all."""
        return self.registry.fleet.proved(self.model, counts)

    def outcomes(self, rollout: Rollout, now: datetime) -> Outcomes | None:
        """Return nothing: workers do not know what becomes of their answers."""
        del rollout, now
        return None
