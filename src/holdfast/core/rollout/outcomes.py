"""What an A/B test is asked, and what became of the keys on both sides.

The unit is the key, not the request: what one user says of ten answers is not ten facts. A key
matures once, `within_s` after its first request, and its outcome is the mean over its requests
until then that somebody told an outcome of until then. So it counts at an age that is the same on
both sides, whether its outcomes come fast or slowly, and nothing that is asked, told or corrected
later changes it: the evidence of an earlier look is never taken back. What was told of it too late
is lost, and the share of the keys without an outcome is shown for each side.

A key that was answered by both sides until it matured belongs to neither, and is left out.
"""

import math
import re
from typing import Final

from msgspec import Struct

from holdfast.core.rollout.plan import typed
from holdfast.core.wording import number
from holdfast.errors import InvalidInputError

_OUTCOME: Final = r"accuracy|feedback:[^\s:]+"


class OutcomeTest(Struct, frozen=True, forbid_unknown_fields=True):
    """What two versions are compared by.

    Attributes:
        outcome: `accuracy` is the share of a request's answers that equal its label; `feedback:F`
            is the field F of its label.
        within_s: Age in seconds at which a key matures.
        clip: Bounds that numbers are cut to; `None` for outcomes from 0 to 1, others of which are
            passed over and counted.
        minimum_effect: Difference of the means, in the outcome's own unit, that matters; the test
            ends if a greater one is ruled out either way. `None` goes on.
        min_keys: Keys with an outcome on each side, below which nothing is said of numbers: their
            test is one for large samples.
    """

    outcome: str
    within_s: float = 86_400.0
    clip: tuple[float, float] | None = None
    minimum_effect: float | None = None
    min_keys: int = 100

    @property
    def field(self) -> str | None:
        """The field of a label that is the outcome; `None` for accuracy."""
        return self.outcome.partition(":")[2] or None

    @property
    def low(self) -> float:
        """The least outcome."""
        return self.clip[0] if self.clip else 0.0

    @property
    def width(self) -> float:
        """From the least outcome to the greatest."""
        return self.clip[1] - self.clip[0] if self.clip else 1.0

    def unit(self, value: float) -> float | None:
        """Return an outcome as a part of the way from the least to the greatest one.

        Returns:
            `None` if it is not from 0 to 1 and nothing cuts it.
        """
        if self.clip is None:
            return float(value) if 0 <= value <= 1 else None
        low, high = self.clip
        return (float(min(max(value, low), high)) - low) / (high - low)


def check(test: OutcomeTest) -> OutcomeTest:
    """Return *test* if it can be asked.

    Raises:
        InvalidInputError: If a field is of another type than `OutcomeTest` says or out of range.
    """
    test = typed(test, "outcome test")
    if not re.fullmatch(_OUTCOME, test.outcome):
        problem = "does not say what becomes of a prediction"
        advice = "write accuracy or feedback:FIELD"
        raise InvalidInputError(f"outcome {test.outcome!r}", problem, advice)
    if not 1 <= test.within_s < math.inf:
        problem = f"must be 1 second or more, not {test.within_s:g}"
        raise InvalidInputError("outcome within_s", problem)
    if test.min_keys < 2:  # noqa: PLR2004 - one key has no variance
        raise InvalidInputError("outcome min_keys", f"must be 2 or more, not {test.min_keys}")
    if test.clip is not None and not (
        all(map(math.isfinite, test.clip)) and 0 < test.clip[1] - test.clip[0] < math.inf
    ):
        problem = f"must be two numbers that rise, not {test.clip[0]:g} and {test.clip[1]:g}"
        raise InvalidInputError("outcome clip", problem, "give bounds such as 0 and 500")
    if test.clip is not None and test.field is None:
        raise InvalidInputError("outcome clip", "does not fit accuracy, a share", "leave it out")
    effect = test.minimum_effect
    if effect is not None and not 0 < effect < test.width:
        problem = f"must be above 0 and below {test.width:g}, not {effect:g}"
        raise InvalidInputError("outcome minimum_effect", problem)
    return test


class ArmOutcomes(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of one side that have matured.

    Attributes:
        keys: All of them.
        known: Those with an outcome.
        mean: Of their outcomes, as parts of the way from the least to the greatest possible one.
        variance: Of the same; 0 where there is none.
    """

    keys: int = 0
    known: int = 0
    mean: float = 0.0
    variance: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the outcomes."""
        return self.mean * self.known


class Outcomes(Struct, frozen=True):
    """What is known of both sides at one moment.

    Attributes:
        log_better: Evidence that the candidate is better, as a logarithm (`outcome_bets`); 0 of
            numbers, which are not bet on.
        log_worse: That it is worse.
        crossed: Keys that were left out because both sides answered them.
        keyless: Requests without a key, which no outcome counts of.
        unusable: Labels that are not an outcome: of another kind, or not from 0 to 1.
    """

    candidate: ArmOutcomes = ArmOutcomes()
    active: ArmOutcomes = ArmOutcomes()
    log_better: float = 0.0
    log_worse: float = 0.0
    crossed: int = 0
    keyless: int = 0
    unusable: int = 0


def checked(seen: Outcomes) -> Outcomes:
    """Return *seen* if it can be.

    Raises:
        InvalidInputError: If more keys have an outcome than there are, or a mean is not in [0, 1].
    """
    check_arms(seen.candidate, seen.active)
    return seen


def check_arms(candidate: ArmOutcomes, active: ArmOutcomes) -> None:
    """Check that both sides can be as they are said to be.

    Raises:
        InvalidInputError: If they cannot; see `checked`.
    """
    for name, arm in (("candidate", candidate), ("active version", active)):
        if not 0 <= arm.known <= arm.keys:
            problem = f"has {arm.known} keys with an outcome among {arm.keys}"
            raise InvalidInputError(f"count of the {name}", problem, "count keys once")
        if not (0 <= arm.mean <= 1 and 0 <= arm.variance <= 1):
            problem = f"have the mean {arm.mean:g} and the variance {arm.variance:g}"
            raise InvalidInputError(f"outcomes of the {name}", problem, "give parts from 0 to 1")


class OutcomeComparison(Struct, frozen=True, forbid_unknown_fields=True):
    """Both sides held against each other, as an entry keeps it.

    Attributes:
        outcome: See `OutcomeTest`.
        unit_low: The least outcome.
        unit_width: From there to the greatest one.
        difference: Candidate minus active version, in the outcome's own unit.
        low: The least difference that is possible at every look so far.
        high: The greatest one.
        crossed: See `Outcomes`, as are the last two.
    """

    outcome: str
    candidate: ArmOutcomes
    active: ArmOutcomes
    unit_low: float
    unit_width: float
    difference: float
    low: float
    high: float
    crossed: int = 0
    keyless: int = 0
    unusable: int = 0

    def mean_of(self, arm: ArmOutcomes) -> float:
        """Return the mean of one side in the outcome's own unit."""
        return self.unit_low + self.unit_width * arm.mean

    def said(self, arm: ArmOutcomes) -> str:
        """Say one side: `mean 0.912 of 1,203 keys, 88 % of those that matured`."""
        if not arm.known or not arm.keys:
            return f"no outcome of {arm.keys:,} keys"
        share = 100 * arm.known / arm.keys
        mean = number(self.mean_of(arm))
        return f"mean {mean} of {arm.known:,} keys, {share:.3g} % of those that matured"

    @property
    def passed_over(self) -> list[str]:
        """Say what no outcome counts of."""
        return [
            f"{what}: {count:,}"
            for count, what in (
                (self.crossed, "keys on both sides"),
                (self.keyless, "requests without a key"),
                (self.unusable, "labels of another kind"),
            )
            if count
        ]

    @property
    def band(self) -> str:
        """Say the difference with its band: `+0.03 (-0.01 to +0.07)`."""
        return f"{self.difference:+.3g} ({self.low:+.3g} to {self.high:+.3g})"
