"""Counts keys as they mature, one after the other; what is known of each is forgotten at once."""

from dataclasses import dataclass

from holdfast.core.rollout.outcome_bets import OutcomeBets
from holdfast.core.rollout.outcomes import ArmOutcomes, Outcomes, OutcomeTest


@dataclass(slots=True)
class _Arm:
    keys: int = 0
    known: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, outcome: float) -> None:
        """Add an outcome; the squares of deviations are added up around the mean so far."""
        self.known += 1
        before = outcome - self.mean
        self.mean += before / self.known
        self.squares += before * (outcome - self.mean)

    def found(self) -> ArmOutcomes:
        """Return what was counted."""
        variance = self.squares / self.known if self.known else 0.0
        mean = min(max(self.mean, 0.0), 1.0)
        return ArmOutcomes(self.keys, self.known, mean, min(max(variance, 0.0), 1.0))


class OutcomeTally:
    """The outcomes of an A/B test.

    Args:
        test: What is compared.
        weight: Share of the keys that the candidate gets.

    Attributes:
        crossed: See `Outcomes`, as are the other two; to be added to.
    """

    def __init__(self, test: OutcomeTest, weight: float) -> None:
        self._bets = OutcomeBets(weight) if test.clip is None else None
        self._candidate, self._active = _Arm(), _Arm()
        self.crossed = 0
        self.keyless = 0
        self.unusable = 0

    def add(self, *, of_candidate: bool, outcome: float | None) -> None:
        """Count a key of one side, which has matured after all before.

        Args:
            outcome: As a part of the way from the least to the greatest; `None` if nobody told it.
        """
        arm = self._candidate if of_candidate else self._active
        arm.keys += 1
        if outcome is None:
            return
        arm.add(outcome)
        if self._bets is not None:
            self._bets.add(of_candidate=of_candidate, outcome=outcome)

    def found(self) -> Outcomes:
        """Return what is known by now."""
        better, worse = self._bets.log_e_values() if self._bets else (0.0, 0.0)
        return Outcomes(
            candidate=self._candidate.found(),
            active=self._active.found(),
            log_better=better,
            log_worse=worse,
            crossed=self.crossed,
            keyless=self.keyless,
            unusable=self.unusable,
        )
