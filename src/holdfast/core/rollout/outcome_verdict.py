"""The verdict on an A/B test: which version has the better outcomes, as far as can be told.

Whatever is true of the two, the chance of a false decision is at most alpha, however often one
looks: of the bets each direction has half of it; the band that says that no difference matters has
one half, and what it would deny and what the bets would wrongly say cannot be true together. Where
outcomes are numbers, one asymptotic band of alpha says all three.
"""

from msgspec import UNSET
from msgspec.structs import replace

from holdfast.core.rollout import evidence, outcome_band
from holdfast.core.rollout.analysis import Analysis, SampleRatio
from holdfast.core.rollout.confidence_sequence import ConfidenceSequence
from holdfast.core.rollout.evidence import Tally
from holdfast.core.rollout.outcomes import OutcomeComparison, Outcomes, OutcomeTest, checked
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import Outcome, Reason, StatisticalTest, StepVerdict
from holdfast.core.wording import span

_PATIENCE_S = 86_400.0
_BETTER = "candidate better"
_WORSE = "candidate worse"
_RATIO = "outcome ratio"
_UNFOUNDED = frozenset(("sample_ratio", "outcome_ratio", "lost_keys", "dwell"))
"""Doubts with which it is not said that nothing differs."""


def judge(
    plan: Plan,
    analysis: Analysis,
    health: StepVerdict,
    seen: Outcomes | None,
    elapsed_s: float,
    before: int = 0,
) -> StepVerdict:
    """Judge an A/B test; *plan* and *analysis* have passed their `check`.

    Harm halts it as it halts a canary: failures, and outcomes that are worse. A doubt never
    prevents that, and always prevents that the candidate wins.

    Args:
        plan: Whose one step it is on.
        analysis: Which asks for an outcome.
        health: What a canary would be told of the same counts.
        seen: What became of the keys; `None` where nobody knows, and then it only halts or holds.
        elapsed_s: Seconds since it began.
        before: Keys that had matured at an earlier look.
    """
    if health.outcome == "halt" or analysis.outcome is UNSET:
        return health
    doubts = [] if health.outcome == "advance" else list(health.reasons)
    doubts = [doubt for doubt in doubts if doubt.code != "overdue"]
    if seen is None:
        return _unknown(plan, health, doubts, elapsed_s)
    comparison, readings = compared(analysis.outcome, checked(seen), health.weight, analysis)
    doubts += _ratio_doubts(readings)
    matured = seen.candidate.keys + seen.active.keys
    if matured < before:
        lost = f"{matured:,} keys have matured, but {before:,} had before: rows of the log are gone"
        doubts.append(Reason("lost_keys", lost))
    outcome, conclusive, reasons = _decided(plan, analysis.outcome, comparison, readings, doubts)
    deadline_s = plan.max_step_time_s
    if outcome == "hold" and deadline_s is not None and elapsed_s >= deadline_s:
        late = Reason("not_decided", f"not decided at its deadline, after {span(elapsed_s)}")
        outcome, reasons = "end", [late, *reasons]
    return replace(
        health,
        outcome=outcome,
        conclusive=conclusive,
        reasons=tuple(reasons),
        readings=(*health.readings, *readings),
        comparison=comparison,
    )


def _unknown(
    plan: Plan, health: StepVerdict, doubts: list[Reason], elapsed_s: float
) -> StepVerdict:
    """Hold where outcomes are not known; long after the deadline, end the test undecided.

    A driver that knows them is given a day beyond the deadline to say more. If there is none, the
    candidate's share of the traffic must not stay for ever.
    """
    unknown = Reason("no_outcomes", "outcomes are read from a prediction log: give --log")
    deadline_s = plan.max_step_time_s
    if deadline_s is None or elapsed_s < deadline_s + _PATIENCE_S:
        return replace(health, outcome="hold", conclusive=False, reasons=(unknown, *doubts))
    late = Reason(
        "not_decided",
        f"not decided at its deadline, after {span(elapsed_s)}, and no driver knew its outcomes",
    )
    return replace(health, outcome="end", conclusive=False, reasons=(late, unknown, *doubts))


def compared(
    test: OutcomeTest, seen: Outcomes, weight: float, analysis: Analysis
) -> tuple[OutcomeComparison, tuple[StatisticalTest, ...]]:
    """Hold both sides against each other, and ask every test."""
    candidate, active = seen.candidate, seen.active
    readings = []
    needed = 2 / analysis.alpha
    if test.clip is None:
        band = outcome_band.bounded_difference(candidate, active, analysis.alpha / 2)
        for name, log_e_value in ((_BETTER, seen.log_better), (_WORSE, seen.log_worse)):
            e_value = evidence.odds(log_e_value)
            readings.append(StatisticalTest(name, candidate.known, e_value, needed))
    elif min(candidate.known, active.known) < test.min_keys:
        band = ConfidenceSequence(-1.0, 1.0)
    else:
        band = outcome_band.asymptotic_difference(candidate, active, analysis.alpha)
    if analysis.sample_ratio is not None:
        readings.append(_outcome_ratio(analysis.sample_ratio, seen, weight))
    comparison = OutcomeComparison(
        outcome=test.outcome,
        candidate=candidate,
        active=active,
        unit_low=test.low,
        unit_width=test.width,
        difference=test.width * (candidate.mean - active.mean),
        low=test.width * max(band.low, -1.0),
        high=test.width * min(band.high, 1.0),
        crossed=seen.crossed,
        keyless=seen.keyless,
        unusable=seen.unusable,
    )
    return comparison, tuple(readings)


def _outcome_ratio(rule: SampleRatio, seen: Outcomes, weight: float) -> StatisticalTest:
    """Ask whether outcomes come from both sides alike: those that lack may be others."""
    tally = Tally(weight, seen.candidate.known, seen.active.known)
    e_value = evidence.odds(evidence.log_ratio_e_value(rule, [tally]))
    return StatisticalTest(_RATIO, seen.candidate.known, e_value, 1 / rule.alpha)


def _ratio_doubts(readings: tuple[StatisticalTest, ...]) -> list[Reason]:
    return [
        Reason(
            "outcome_ratio",
            f"one side has more keys with an outcome than its share ({reading.evidence:.3g} to 1): "
            "find out whose outcomes are missing",
        )
        for reading in readings
        if reading.test == _RATIO and reading.is_significant
    ]


def _decided(
    plan: Plan,
    test: OutcomeTest,
    comparison: OutcomeComparison,
    readings: tuple[StatisticalTest, ...],
    doubts: list[Reason],
) -> tuple[Outcome, bool, list[Reason]]:
    ahead, behind = _directions(test, comparison, readings)
    unfounded = [doubt for doubt in doubts if doubt.code in _UNFOUNDED]
    if behind:
        lost = Reason("worse", f"{test.outcome} is worse: {comparison.band}")
        unsure = [doubt for doubt in unfounded if doubt.code != "dwell"]
        return "halt", not unsure, [lost, *unsure]
    if ahead:
        won = Reason("winner", f"{test.outcome} is better: {comparison.band}")
        return ("hold" if doubts else "advance"), not doubts, [won, *doubts]
    effect = test.minimum_effect
    within = effect is not None and -effect < comparison.low <= comparison.high < effect
    if within and not unfounded:
        return "end", True, [_no_difference(test, comparison)]
    return "hold", False, [_open(plan, test, comparison), *doubts]


def _directions(
    test: OutcomeTest, comparison: OutcomeComparison, readings: tuple[StatisticalTest, ...]
) -> tuple[bool, bool]:
    """Return whether the candidate is better, and whether it is worse."""
    if test.clip is not None:
        return comparison.low > 0, comparison.high < 0
    spoke = {reading.test for reading in readings if reading.is_significant}
    return _BETTER in spoke, _WORSE in spoke


def _no_difference(test: OutcomeTest, comparison: OutcomeComparison) -> Reason:
    sentence = f"no difference beyond {test.minimum_effect:g}: {test.outcome} {comparison.band}"
    return Reason("no_difference", sentence)


def _open(plan: Plan, test: OutcomeTest, comparison: OutcomeComparison) -> Reason:
    if not (comparison.candidate.known and comparison.active.known):
        return Reason("no_outcome_yet", f"{test.outcome} is known of no key on one side")
    few = min(comparison.candidate.known, comparison.active.known)
    if test.clip is not None and few < test.min_keys:
        return Reason("few_keys", f"{few} of {test.min_keys} keys with an outcome on each side")
    deadline_s = plan.max_step_time_s
    until = "" if deadline_s is None else f"; it ends {span(deadline_s)} after its start"
    return Reason("open", f"{test.outcome} may be better or worse: {comparison.band}{until}")
