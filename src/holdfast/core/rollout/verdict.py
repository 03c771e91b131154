"""What the tests say of one step together: halt, advance or hold, with every reason."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.rollout import evidence
from holdfast.core.rollout.analysis import Absolute, Analysis, Relative, Threshold
from holdfast.core.rollout.bands import band
from holdfast.core.rollout.blocks import Blocks
from holdfast.core.rollout.drift import Drift
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError

Outcome = Literal["halt", "advance", "hold"]
Counts = tuple[Tally, ...] | Pairs | Blocks

_RATIO: Final = "sample ratio"

_STAYS: Final = frozenset(("no_traffic", "sample_ratio", "score_drift"))
"""Doubts that no plan passes over, however long they last."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known of a rollout at one look; what was not measured is left out.

    Attributes:
        step: Index of the step it is on, from 0.
        elapsed_s: Seconds since that step began.
        failures: Of every step and worker so far; of a shadow, its pairs.
        failing_keys: Distinct keys that failed on the canary; `None` takes each counted failure
            for a key of its own.
        latency: By quantile, the same counts of requests slower than it, timeouts among them; or
            what blocks of calls say.
        assignments: Tallies of keys by the side each was first given; requests, where routing is
            not sticky.
        scores: The canary's against the active version's.
    """

    step: int
    elapsed_s: float
    failures: tuple[Tally, ...] | Pairs | None = None
    failing_keys: int | None = None
    latency: Mapping[float, Counts] = field(default_factory=dict)
    assignments: tuple[Tally, ...] | None = None
    scores: Drift | None = None


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
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
    def speaks(self) -> bool:
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


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer for one step.

    Attributes:
        outcome: `hold` never promotes.
        conclusive: True if the data decided: a test halted it, or nothing stood against advancing.
            An overdue step that the plan rolls back or lets pass is inconclusive.
        reasons: Why, every one.
        readings: Every test that was asked.
        canary: This step's failures; `None` if none were measured.
        active: The same of the active version.
    """

    outcome: Outcome
    conclusive: bool
    weight: float
    reasons: tuple[Reason, ...]
    readings: tuple[Reading, ...]
    canary: Rate | None
    active: Rate | None

    @property
    def sentence(self) -> str:
        """Say the verdict, its reasons and counts in one sentence."""
        sure = "" if self.conclusive or self.outcome == "hold" else " (inconclusive)"
        counted = [
            f"{arm} {rate}"
            for arm, rate in (("canary", self.canary), ("active", self.active))
            if rate is not None
        ]
        parts = [*(reason.sentence for reason in self.reasons), *counted]
        return f"{self.outcome} at {self.weight:.3g}{sure}: {'; '.join(parts)}"


def judge(plan: Plan, analysis: Analysis, seen: Seen) -> Verdict:
    """Judge the step that a rollout is on; *plan* and *analysis* have passed their `check`.

    Halt, if a test of health has won 1/alpha and enough distinct keys failed: no doubt stands in
    its way, for what is ending a canary that is well to leaving one that fails everybody? Where the
    test of the sample ratio speaks as well, the others rest on a weight that is not kept, and the
    halt is inconclusive. Advance, if nothing halts and no doubt is left. Else hold, until the plan
    says that the step is overdue.

    Raises:
        InvalidInputError: If the plan has no such step, or counts cannot be.
    """
    if not 0 <= seen.step < len(plan.steps):
        problem = f"step {seen.step} of {len(plan.steps)}"
        raise InvalidInputError("rollout", problem, "count steps from 0")
    readings = tuple(_readings(analysis, seen))
    canary, active = _rates(plan, analysis, seen)
    doubts = _doubts(plan, analysis, seen, (canary, active), readings)
    causes = _causes(plan, analysis, seen, readings)

    def answer(outcome: Outcome, reasons: list[Reason], *, conclusive: bool) -> Verdict:
        weight = plan.steps[seen.step]
        return Verdict(outcome, conclusive, weight, tuple(reasons), readings, canary, active)

    codes = {doubt.code for doubt in doubts}
    if causes:
        unsure = [doubt for doubt in doubts if doubt.code == "sample_ratio"]
        return answer("halt", [*causes, *unsure], conclusive=not unsure)
    if not doubts:
        return answer("advance", [_passed(plan, seen)], conclusive=True)
    longest = plan.max_step_time_s
    if longest is None or seen.elapsed_s < longest:
        return answer("hold", doubts, conclusive=False)
    late = Reason(
        "overdue", f"after {seen.elapsed_s:.0f} s still undecided, the plan says {plan.overdue}"
    )
    if plan.overdue == "rollback" and "no_traffic" not in codes:
        return answer("halt", [late, *doubts], conclusive=False)
    if plan.overdue == "advance" and not codes & _STAYS:
        return answer("advance", [late, *doubts], conclusive=False)
    return answer("hold", [late, *doubts], conclusive=False)


def _passed(plan: Plan, seen: Seen) -> Reason:
    if plan.advance == "counted" or _is_alone(plan, seen):
        return Reason("counted", f"{seen.elapsed_s:.0f} s and enough requests without a halt")
    limit = plan.limit(seen.step)
    return Reason("certified", f"an excess of {limit:.3g} in the error rate is ruled out")


def _is_alone(plan: Plan, seen: Seen) -> bool:
    """Tell whether no control is left to compare with."""
    return plan.strategy != "shadow" and plan.steps[seen.step] == 1


def _readings(analysis: Analysis, seen: Seen) -> list[Reading]:
    needed = 1 / analysis.alpha
    readings = []
    rule = analysis.errors
    if seen.failures is not None and not isinstance(rule, Threshold):
        reading = _reading("errors", rule, seen.failures, needed)
        readings.append(replace(reading, events=_failing_keys(seen)))
    if analysis.latency is not None:
        asked = analysis.latency
        exceedance = Relative(asked.margin, asked.ratios)
        readings += [
            _reading(
                f"latency {_named(quantile)}",
                exceedance,
                seen.latency[quantile],
                needed * len(asked.quantiles),
            )
            for quantile in asked.quantiles
            if quantile in seen.latency
        ]
    if analysis.sample_ratio is not None and seen.assignments is not None:
        tallies = [evidence.checked(tally) for tally in seen.assignments]
        wealth = evidence.odds(evidence.log_ratio_wealth(analysis.sample_ratio, tallies))
        assigned = sum(tally.canary for tally in tallies)
        needed = 1 / analysis.sample_ratio.alpha
        readings.append(Reading(_RATIO, assigned, wealth, needed))
    return readings


def _reading(test: str, rule: Relative | Absolute, counts: Counts, needed: float) -> Reading:
    if isinstance(counts, Pairs):
        wealth = evidence.log_pair_wealth(rule, evidence.checked_pairs(counts))
    elif isinstance(counts, Blocks):
        wealth = evidence.mean_of_logs(counts.logs)
    else:
        wealth = evidence.log_wealth(rule, [evidence.checked(tally) for tally in counts])
    return Reading(test, _canary_failures(counts), evidence.odds(wealth), needed)


def _failing_keys(seen: Seen) -> int:
    if seen.failing_keys is None:
        return _canary_failures(seen.failures or ())
    return seen.failing_keys


def _canary_failures(counts: Counts) -> int:
    if isinstance(counts, Pairs):
        return counts.canary_only + counts.both
    if isinstance(counts, Blocks):
        return counts.events
    return sum(tally.canary_failures for tally in counts)


def _named(quantile: float) -> str:
    return f"p{100 * quantile:g}"


def _causes(
    plan: Plan, analysis: Analysis, seen: Seen, readings: tuple[Reading, ...]
) -> list[Reason]:
    """Return why the canary is halted: each test that spoke against its health."""
    causes = [
        Reason(
            reading.test.partition(" ")[0],
            f"{reading.test}: the evidence against the canary is {reading.evidence:.3g} to 1, "
            f"{reading.needed:.3g} halts",
        )
        for reading in readings
        if reading.speaks and reading.test != _RATIO and reading.events >= analysis.min_keys
    ]
    rule = analysis.errors
    if isinstance(rule, Threshold) and _failing_keys(seen) >= analysis.min_keys:
        causes += _beyond(rule, *_counts(plan, seen))
    if _drifts(analysis, seen, "halt"):
        causes.append(_drift_reason(analysis, seen))
    return causes


def _beyond(rule: Threshold, canary: tuple[int, int], active: tuple[int, int]) -> list[Reason]:
    if canary[1] < rule.min_requests or active[1] == 0:
        return []
    ours, theirs = canary[0] / canary[1], active[0] / active[1]
    if ours <= (1 + rule.margin) * theirs:
        return []
    sentence = f"threshold: {ours:.3g} is more than {rule.margin:.3g} above {theirs:.3g}"
    return [Reason("threshold", sentence)]


def _counts(plan: Plan, seen: Seen) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return failures and requests of canary and active version on this step."""
    counts = seen.failures
    if isinstance(counts, Pairs):
        return (
            (counts.canary_only + counts.both, counts.mirrored),
            (counts.active_only + counts.both, counts.mirrored),
        )
    weight = plan.steps[seen.step]
    here = evidence.pooled(counts or ()).get(weight, Tally(weight))
    return (here.canary_failures, here.canary), (here.active_failures, here.active)


def _rates(plan: Plan, analysis: Analysis, seen: Seen) -> tuple[Rate | None, Rate | None]:
    if seen.failures is None:
        return None, None
    canary, active = _counts(plan, seen)
    return (
        Rate(*canary, *band(*canary, analysis.alpha)),
        Rate(*active, *band(*active, analysis.alpha)),
    )


def _doubts(
    plan: Plan,
    analysis: Analysis,
    seen: Seen,
    rates: tuple[Rate | None, Rate | None],
    readings: tuple[Reading, ...],
) -> list[Reason]:
    """Return why the step cannot be left yet."""
    doubts = [
        Reason(
            "sample_ratio",
            f"the canary does not get its share ({reading.evidence:.3g} to 1): "
            "look at what routes the requests",
        )
        for reading in readings
        if reading.test == _RATIO and reading.speaks
    ]
    doubts += [Reason("absent", f"{name} was not measured") for name in _absent(analysis, seen)]
    if _drifts(analysis, seen, "hold"):
        doubts.append(_drift_reason(analysis, seen))
    if seen.elapsed_s < plan.dwell_s:
        doubts.append(Reason("dwell", f"{seen.elapsed_s:.0f} of {plan.dwell_s:.0f} s have passed"))
    canary, active = rates
    if canary is not None and active is not None:
        doubts += _unsure(plan, seen, canary, active)
    return doubts


def _unsure(plan: Plan, seen: Seen, canary: Rate, active: Rate) -> list[Reason]:
    """Return what the counts leave open."""
    if canary.requests == 0:
        return [Reason("no_traffic", "the canary got no requests")]
    doubts = []
    if canary.requests < plan.min_requests:
        few = f"{canary.requests} of {plan.min_requests} canary requests"
        doubts.append(Reason("few_requests", few))
    excess, limit = canary.high - active.low, plan.limit(seen.step)
    if plan.advance == "certified" and not _is_alone(plan, seen) and excess > limit:
        possible = f"an excess of {excess:.3g} in the error rate is possible, {limit:.3g} allowed"
        doubts.append(Reason("uncertain", possible))
    return doubts


def _absent(analysis: Analysis, seen: Seen) -> list[str]:
    """Name what the analysis asks for and nobody measured."""
    absent = ["the error rate"] if seen.failures is None else []
    shadowed = isinstance(seen.failures, Pairs)
    if analysis.latency is not None:
        absent += [
            f"latency {_named(quantile)}"
            for quantile in analysis.latency.quantiles
            if quantile not in seen.latency
        ]
    if analysis.sample_ratio is not None and seen.assignments is None and not shadowed:
        absent.append("the sample ratio")
    if analysis.drift is not None and seen.scores is None:
        absent.append("the drift of scores")
    return absent


def _drifts(analysis: Analysis, seen: Seen, then: Literal["hold", "halt"]) -> bool:
    asked = analysis.drift
    return (
        asked is not None
        and asked.then == then
        and seen.scores is not None
        and seen.scores.exceeds(asked.limit)
    )


def _drift_reason(analysis: Analysis, seen: Seen) -> Reason:
    limit = analysis.drift.limit if analysis.drift else math.inf
    found = seen.scores or Drift(0.0, 0.0)
    return Reason(
        "score_drift",
        f"scores drift: PSI {found.psi:.3g} is above {max(limit, found.floor):.3g}",
    )
