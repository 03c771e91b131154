"""What was judged of one step, as entries keep it; how is in `verdict`."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from holdfast.core import wording
from holdfast.core.rollout.outcomes import OutcomeComparison

Outcome = Literal["halt", "advance", "hold", "end"]
"""What is done; `end` ends an A/B test, and the active version stays live."""


class StatisticalTest(Struct, frozen=True, forbid_unknown_fields=True):
    """One test.

    Attributes:
        test: `errors`, `latency p99`, `sample ratio`.
        events: Failures, exceedances or assignments of the canary; of errors, distinct keys.
        evidence: Wealth E won against health; infinite is cut at the greatest float's size.
        needed: Wealth at which it speaks, 1/alpha.
    """

    test: str
    events: int
    evidence: float
    needed: float

    @property
    def is_significant(self) -> bool:
        """True if the test has decided."""
        return self.evidence >= self.needed


class Rate(Struct, frozen=True, forbid_unknown_fields=True):
    """Failures of one side on this step, with a band that holds at every look."""

    failures: int
    requests: int
    low: float
    high: float

    def __str__(self) -> str:
        """Say it: `3 of 120 failed (0.3 %–8.1 %)`."""
        shown = f"{_percent(self.low)} %–{_percent(self.high)} %"
        return f"{self.failures} of {self.requests} failed ({shown})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g}" if rate < 0.995 else "100"  # noqa: PLR2004 - not 1e+02


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """One reason: a stable *code* and the sentence with its numbers."""

    code: str
    sentence: str


class StepVerdict(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer for one step.

    Attributes:
        outcome: `hold` never promotes, nor does `end`.
        conclusive: True if the data decided: a test halted it, or nothing stood against advancing.
            An overdue step that the plan rolls back or lets pass is inconclusive.
        reasons: Why, every one.
        readings: Every test that was asked.
        canary: This step's failures; `None` if none were measured.
        active: The same of the active version.
        comparison: What an A/B test found so far; left out of every other verdict.
    """

    outcome: Outcome
    conclusive: bool
    weight: float
    reasons: tuple[Reason, ...]
    readings: tuple[StatisticalTest, ...]
    canary: Rate | None
    active: Rate | None
    comparison: OutcomeComparison | UnsetType = UNSET

    @property
    def sentence(self) -> str:
        """Say the verdict, its reasons and counts in one sentence."""
        sure = "" if self.conclusive or self.outcome == "hold" else " (inconclusive)"
        counted = [
            f"{arm} {rate}"
            for arm, rate in (("canary", self.canary), ("active", self.active))
            if rate is not None
        ]
        if self.comparison is not UNSET:
            comparison = self.comparison
            for arm, side in (("candidate", comparison.candidate), ("active", comparison.active)):
                counted.append(f"{arm} {comparison.said(side)}")
            counted += comparison.passed_over
        parts = [*(reason.sentence for reason in self.reasons), *counted]
        return f"{self.outcome} at {wording.share(self.weight)}{sure}: {'; '.join(parts)}"
