"""Where a driver learns what was counted."""

from dataclasses import dataclass
from typing import Protocol

from holdfast.core.fleet import Counts
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.registry.reader import Reader


class CountSource(Protocol):
    """Counts of one model's rollouts."""

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return all that was counted of *rollout* so far; nothing where nobody counted."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """What the serving workers themselves count and publish to the store."""

    registry: Reader
    model: str

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return what every worker published, those that are gone too."""
        return self.registry.fleet.counts(self.model, rollout.number)
