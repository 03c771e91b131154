"""Which tests look at a rollout, and how sure they must be."""

import math
from typing import Final, Literal, assert_never

from msgspec import UNSET, Struct, UnsetType

from holdfast.core.rollout import outcomes
from holdfast.core.rollout.outcomes import OutcomeTest
from holdfast.core.rollout.plan import typed
from holdfast.errors import InvalidInputError

RATIOS: Final = (1.25, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Rate ratios, beyond the margin, that the tests bet on; equal weights."""

FRACTIONS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Fractions of the wealth that the test of an absolute margin stakes; equal weights."""


class Relative(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="relative"):
    """Healthy is `p_canary <= (1 + margin) p_active`.

    Attributes:
        margin: The r of the formulas, 0.05 for 5 %.
        ratios: Mixture of the rate ratios that are bet on.
    """

    margin: float = 0.05
    ratios: tuple[float, ...] = RATIOS


class Absolute(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="absolute"):
    """Healthy is `p_canary <= p_active + margin`.

    Attributes:
        margin: The m of the formulas, 0.05 for five percentage points.
        fractions: Mixture of the fractions that are staked.
    """

    margin: float = 0.05
    fractions: tuple[float, ...] = FRACTIONS


class Threshold(Struct, frozen=True, forbid_unknown_fields=True, tag_field="rule", tag="threshold"):
    """Halt as soon as the step's `p_canary > (1 + margin) p_active`: no test, and by name only.

    Looked at repeatedly it halts most healthy rollouts (`docs/guides/rollout-statistics.md`).

    Attributes:
        margin: 0.05 for "more than 5 % worse".
        min_requests: Canary requests on the step before it is asked.
    """

    margin: float = 0.05
    min_requests: int = 100


ErrorRule = Relative | Absolute | Threshold


class Latency(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls slower than the active version's own quantiles, frozen before the rollout.

    The margin is of the time, not of the rate at which a quantile is exceeded: where calls all take
    about as long, a version that is 2 % slower exceeds the median nine times in ten.

    Attributes:
        quantiles: Each is a test of its own and gets an equal part of alpha.
        margin: Healthy is a candidate whose calls take at most `1 + margin` times as long.
        slack_us: So many microseconds more are always healthy: a version that answers one request
            in twenty finds the processor's caches cold, which the one beside it does not.
        ratios: Mixture of the odds ratios of being slow that are bet on.
    """

    quantiles: tuple[float, ...] = (0.5, 0.9, 0.99)
    margin: float = 0.10
    slack_us: int = 200
    ratios: tuple[float, ...] = RATIOS

    @property
    def exceedance(self) -> Relative:
        """The rule that a healthy candidate keeps: it is slow no more often."""
        return Relative(0.0, self.ratios)

    def candidate_us(self, active_us: int) -> int:
        """Return from when a candidate's call is slow, given that of the active version."""
        return max(round((1 + self.margin) * active_us), active_us + self.slack_us)


class SampleRatio(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the canary gets the share it should: every other test rests on it.

    Attributes:
        alpha: Bound of the chance that a router that works is ever doubted.
        ratios: Mixture of the odds ratios that are bet on, to both sides of 1.
    """

    alpha: float = 0.001
    ratios: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 2.0)


class ScoreDrift(Struct, frozen=True, forbid_unknown_fields=True):
    """How far the canary's scores may lie from the active version's (`drift.psi`).

    Attributes:
        limit: Greatest population stability index, where the samples suffice to tell.
        then: `hold` for a person, as a better model may score differently, or `halt`.
    """

    limit: float = 0.1
    then: Literal["hold", "halt"] = "hold"


class Analysis(Struct, frozen=True, forbid_unknown_fields=True):
    """The tests of a rollout.

    Errors and latency have a budget of `alpha` each, so a healthy version is halted with a chance
    of at most `2 alpha` where both are asked, `alpha` where one is (Ville's bound and a sum).

    Attributes:
        errors: The rule for the error rate.
        alpha: Bound of the chance that a healthy version is ever halted, for each kind of test.
        latency: `None` asks for no latencies.
        sample_ratio: `None` trusts the router.
        drift: `None` asks for no scores.
        min_keys: Distinct keys (requests, where routing is not sticky) that must have failed on
            the canary before it is halted for errors.
        outcome: What an A/B test compares; left out of every other rollout.
    """

    errors: ErrorRule = Relative()
    alpha: float = 0.05
    latency: Latency | None = Latency()
    sample_ratio: SampleRatio | None = SampleRatio()
    drift: ScoreDrift | None = None
    min_keys: int = 3
    outcome: OutcomeTest | UnsetType = UNSET


def check(analysis: Analysis) -> Analysis:
    """Return *analysis* if its figures make sense.

    Raises:
        InvalidInputError: If a field is of another type than `Analysis` says or out of range.
    """
    analysis = typed(analysis, "analysis")
    _share("alpha", analysis.alpha)
    if analysis.min_keys < 1:
        raise InvalidInputError(
            "analysis min_keys",
            f"cannot be {analysis.min_keys}: it would halt without an error",
            "give 1 or more",
        )
    _check_errors(analysis.errors)
    if analysis.latency is not None:
        _margin("latency.margin", analysis.latency.margin)
        _mixture("latency.ratios", analysis.latency.ratios, 1, math.inf)
        if analysis.latency.slack_us < 0:
            problem = f"must be 0 or more, not {analysis.latency.slack_us}"
            raise InvalidInputError("analysis latency.slack_us", problem)
        _mixture("latency.quantiles", analysis.latency.quantiles, 0, 1)
    if analysis.sample_ratio is not None:
        _share("sample_ratio.alpha", analysis.sample_ratio.alpha)
        _mixture("sample_ratio.ratios", analysis.sample_ratio.ratios, 0, math.inf)
    if analysis.drift is not None:
        _margin("drift.limit", analysis.drift.limit)
    if analysis.outcome is not UNSET:
        outcomes.check(analysis.outcome)
    return analysis


def _check_errors(rule: ErrorRule) -> None:
    _margin("errors.margin", rule.margin)
    match rule:
        case Relative():
            _mixture("errors.ratios", rule.ratios, 1, math.inf)
        case Absolute():
            _mixture("errors.fractions", rule.fractions, 0, 1)
            _share("errors.margin", rule.margin)
        case Threshold():
            if rule.min_requests < 1:
                problem = f"cannot be {rule.min_requests}: it leaves no rate to judge"
                raise InvalidInputError("analysis errors.min_requests", problem, "give 1 or more")
        case _:
            assert_never(rule)


def _share(field: str, figure: float) -> None:
    if not 0 < figure < 1:
        raise InvalidInputError(
            f"analysis {field}", f"must be between 0 and 1, such as 0.05, not {figure:g}"
        )


def _margin(field: str, figure: float) -> None:
    if not 0 <= figure < math.inf:
        raise InvalidInputError(
            f"analysis {field}", f"must be 0 or more, such as 0.05, not {figure:g}"
        )


def _mixture(field: str, figures: tuple[float, ...], low: float, high: float) -> None:
    if not figures or not all(low < figure < high for figure in figures):
        shown = ", ".join(f"{figure:g}" for figure in figures) or "nothing"
        raise InvalidInputError(
            f"analysis {field}",
            f"cannot be {shown}",
            f"give one or more above {low:g}" + (f" and below {high:g}" if high < 2 else ""),  # noqa: PLR2004
        )
