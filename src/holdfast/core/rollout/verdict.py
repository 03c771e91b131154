"""Combines the tests of one step into a verdict: halt, advance or hold, with every reason."""

import math
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from holdfast.core import wording
from holdfast.core.rollout import evidence
from holdfast.core.rollout.analysis import Absolute, Analysis, Relative, Threshold
from holdfast.core.rollout.blocks import Blocks
from holdfast.core.rollout.confidence_sequence import confidence_sequence
from holdfast.core.rollout.drift import Drift
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import (
    Outcome,
    Rate,
    Reason,
    StatisticalTest,
    StepVerdict,
)
from holdfast.errors import InvalidInputError

Counts = tuple[Tally, ...] | Pairs | Blocks

_RATIO: Final = "sample ratio"

_STAYS: Final = frozenset(("no_traffic", "sample_ratio", "score_drift"))
"""Doubts that no plan passes over, however long they last."""


class Observations(Struct, frozen=True):
    """All that is known of a rollout at one moment; what was not measured is left out.

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


def judge(plan: Plan, analysis: Analysis, seen: Observations) -> StepVerdict:
    """Judge the step that a rollout is on; *plan* and *analysis* have passed their `check`.

    Halt, if a test of health has won 1/alpha and enough distinct keys failed: no doubt prevents
    it, because ending a healthy canary costs little beside keeping one that fails everybody. Where
    the test of the sample ratio has decided too, the others rest on a weight that is not kept, and
    the halt is inconclusive. Advance if nothing halts and no doubt is left. Otherwise hold, until
    the plan says that the step is overdue.

    Raises:
        InvalidInputError: If the plan has no such step, or counts cannot be.
    """
    if not 0 <= seen.step < len(plan.steps):
        problem = f"cannot be on step {seen.step} of {len(plan.steps)}"
        raise InvalidInputError("rollout", problem, "count steps from 0")
    readings = tuple(_readings(analysis, seen))
    canary, active = _rates(plan, analysis, seen)
    doubts = _doubts(plan, analysis, seen, (canary, active), readings)
    causes = _causes(plan, analysis, seen, readings)

    def answer(outcome: Outcome, reasons: list[Reason], *, conclusive: bool) -> StepVerdict:
        weight = plan.steps[seen.step]
        return StepVerdict(outcome, conclusive, weight, tuple(reasons), readings, canary, active)

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
        "overdue",
        f"still undecided after {seen.elapsed_s:.0f} s; the plan then says {plan.overdue}",
    )
    if plan.overdue == "rollback" and "no_traffic" not in codes:
        return answer("halt", [late, *doubts], conclusive=False)
    if plan.overdue == "advance" and not codes & _STAYS:
        return answer("advance", [late, *doubts], conclusive=False)
    return answer("hold", [late, *doubts], conclusive=False)


def _passed(plan: Plan, seen: Observations) -> Reason:
    if plan.advance == "counted" or _is_alone(plan, seen):
        return Reason("counted", f"{seen.elapsed_s:.0f} s and enough requests without a halt")
    limit = plan.limit(seen.step)
    return Reason("certified", f"an error rate {100 * limit:.3g} points higher is ruled out")


def _is_alone(plan: Plan, seen: Observations) -> bool:
    """Tell whether no control is left to compare with."""
    return plan.strategy != "shadow" and plan.steps[seen.step] == 1


def _readings(analysis: Analysis, seen: Observations) -> list[StatisticalTest]:
    needed = 1 / analysis.alpha
    readings = []
    rule = analysis.errors
    if seen.failures is not None and not isinstance(rule, Threshold):
        reading = _reading("errors", rule, seen.failures, needed)
        readings.append(replace(reading, events=_failing_keys(seen)))
    if analysis.latency is not None:
        asked = analysis.latency
        readings += [
            _reading(
                f"latency {_named(quantile)}",
                asked.exceedance,
                seen.latency[quantile],
                needed * len(asked.quantiles),
            )
            for quantile in asked.quantiles
            if quantile in seen.latency
        ]
    if analysis.sample_ratio is not None and seen.assignments is not None:
        tallies = [evidence.checked(tally) for tally in seen.assignments]
        e_value = evidence.odds(evidence.log_ratio_e_value(analysis.sample_ratio, tallies))
        assigned = sum(tally.canary for tally in tallies)
        needed = 1 / analysis.sample_ratio.alpha
        readings.append(StatisticalTest(_RATIO, assigned, e_value, needed))
    return readings


def _reading(
    test: str, rule: Relative | Absolute, counts: Counts, needed: float
) -> StatisticalTest:
    if isinstance(counts, Pairs):
        log_e_value = evidence.log_pair_e_value(rule, evidence.checked_pairs(counts))
    elif isinstance(counts, Blocks):
        log_e_value = evidence.mean_of_logs(counts.logs)
    else:
        log_e_value = evidence.log_e_value(rule, [evidence.checked(tally) for tally in counts])
    return StatisticalTest(test, _canary_failures(counts), evidence.odds(log_e_value), needed)


def _failing_keys(seen: Observations) -> int:
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
    plan: Plan, analysis: Analysis, seen: Observations, readings: tuple[StatisticalTest, ...]
) -> list[Reason]:
    """Return why the canary is halted: each test that spoke against its health."""
    causes = [
        Reason(
            reading.test.partition(" ")[0],
            f"{reading.test}: the evidence against the canary is "
            f"{wording.odds(reading.evidence)}, and {wording.odds(reading.needed)} halts",
        )
        for reading in readings
        if reading.is_significant and reading.test != _RATIO and reading.events >= analysis.min_keys
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


def _counts(plan: Plan, seen: Observations) -> tuple[tuple[int, int], tuple[int, int]]:
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


def _rates(plan: Plan, analysis: Analysis, seen: Observations) -> tuple[Rate | None, Rate | None]:
    if seen.failures is None:
        return None, None
    canary, active = _counts(plan, seen)
    return (
        Rate(*canary, *confidence_sequence(*canary, analysis.alpha)),
        Rate(*active, *confidence_sequence(*active, analysis.alpha)),
    )


def _doubts(
    plan: Plan,
    analysis: Analysis,
    seen: Observations,
    rates: tuple[Rate | None, Rate | None],
    readings: tuple[StatisticalTest, ...],
) -> list[Reason]:
    """Return why the step cannot be left yet."""
    doubts = [
        Reason(
            "sample_ratio",
            f"the canary does not get its share ({wording.odds(reading.evidence)}): "
            "check what routes the requests",
        )
        for reading in readings
        if reading.test == _RATIO and reading.is_significant
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


def _unsure(plan: Plan, seen: Observations, canary: Rate, active: Rate) -> list[Reason]:
    """Return what the counts leave open."""
    if canary.requests == 0:
        return [Reason("no_traffic", "the canary got no requests")]
    doubts = []
    if canary.requests < plan.min_requests:
        few = f"{canary.requests} of {plan.min_requests} canary requests"
        doubts.append(Reason("few_requests", few))
    excess, limit = canary.high - active.low, plan.limit(seen.step)
    if plan.advance == "certified" and not _is_alone(plan, seen) and excess > limit:
        possible = f"an error rate {100 * excess:.3g} points higher is possible"
        doubts.append(Reason("uncertain", f"{possible}, but only {100 * limit:.3g} are allowed"))
    return doubts


def _absent(analysis: Analysis, seen: Observations) -> list[str]:
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


def _drifts(analysis: Analysis, seen: Observations, then: Literal["hold", "halt"]) -> bool:
    asked = analysis.drift
    return (
        asked is not None
        and asked.then == then
        and seen.scores is not None
        and seen.scores.exceeds(asked.limit)
    )


def _drift_reason(analysis: Analysis, seen: Observations) -> Reason:
    limit = analysis.drift.limit if analysis.drift else math.inf
    drift = seen.scores or Drift(0.0, 0.0)
    return Reason(
        "score_drift",
        f"scores drift: PSI {drift.psi:.3g} is above {max(limit, drift.floor):.3g}",
    )
