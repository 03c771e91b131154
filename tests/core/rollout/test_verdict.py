"""Verdicts: halt, advance or hold, and every reason said."""

from typing import Any

import msgspec
import pytest

from holdfast.core.rollout.analysis import (
    Absolute,
    Analysis,
    SampleRatio,
    ScoreDrift,
    Threshold,
)
from holdfast.core.rollout.blocks import Blocks
from holdfast.core.rollout.drift import Drift
from holdfast.core.rollout.evidence import Pairs, Tally
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import Rate, StepVerdict
from holdfast.core.rollout.verdict import Observations, judge
from holdfast.errors import InvalidInputError

PLAN = Plan()
ERRORS = Analysis(latency=None, sample_ratio=None)
SHADOW = Plan(strategy="shadow", steps=(1.0,))


def seen(
    failures: tuple[Tally, ...] | Pairs | None, elapsed_s: float = 600.0, **facts: Any
) -> Observations:
    """Look at the first step when its dwell is over."""
    return Observations(**({"step": 0} | facts), elapsed_s=elapsed_s, failures=failures)


def canary(failures: int, requests: int, active_failures: int = 20) -> tuple[Tally, ...]:
    return (Tally(0.05, requests, 19 * requests, failures, active_failures),)


def codes(verdict: StepVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_a_healthy_step_that_was_seen_long_enough_advances() -> None:
    verdict = judge(PLAN, ERRORS, seen(canary(0, 130)))

    assert (verdict.outcome, verdict.conclusive, codes(verdict)) == ("advance", True, ["certified"])


def test_a_canary_that_fails_more_is_halted_with_its_numbers() -> None:
    verdict = judge(PLAN, ERRORS, seen(canary(9, 100), elapsed_s=30))
    errors = verdict.readings[0]

    assert (verdict.outcome, verdict.conclusive, codes(verdict)) == ("halt", True, ["errors"])
    assert errors.is_significant
    assert (errors.test, errors.events, errors.needed) == ("errors", 9, 20)
    assert verdict.sentence.startswith("halt at 5 %: errors: the evidence against the canary is")
    assert "canary 9 of 100 failed (" in verdict.sentence
    assert "active 20 of 1900 failed (" in verdict.sentence


def test_evidence_of_earlier_steps_is_carried_on() -> None:
    before, now = Tally(0.05, 100, 1900, 5, 20), Tally(0.25, 60, 180, 4, 2)
    alone = judge(PLAN, ERRORS, seen((now,), step=1))
    both = judge(PLAN, ERRORS, seen((before, now), step=1))

    assert both.readings[0].evidence > alone.readings[0].evidence
    assert both.canary is not None
    assert both.canary.requests == 60


def test_fewer_than_three_failing_keys_halt_nothing() -> None:
    failed = seen(canary(50, 100, 0), failing_keys=2)
    verdict = judge(PLAN, ERRORS, failed)

    assert verdict.readings[0].evidence > 1e6
    assert verdict.outcome == "hold"


def test_zero_traffic_holds_however_long_it_lasts() -> None:
    for overdue in ("hold", "rollback", "advance"):
        plan = Plan(overdue=overdue, advance="counted")
        verdict = judge(plan, ERRORS, seen((), elapsed_s=1e6))

        assert (verdict.outcome, verdict.conclusive) == ("hold", False)
        assert codes(verdict) == ["overdue", "no_traffic"]


def test_a_metric_that_nobody_measured_is_inconclusive() -> None:
    analysis = Analysis(drift=ScoreDrift())
    verdict = judge(PLAN, analysis, seen(None))

    assert (verdict.outcome, verdict.conclusive) == ("hold", False)
    assert [reason.sentence for reason in verdict.reasons] == [
        "the error rate was not measured",
        "latency p50 was not measured",
        "latency p90 was not measured",
        "latency p99 was not measured",
        "the sample ratio was not measured",
        "the drift of scores was not measured",
    ]
    assert verdict.canary is None
    assert verdict.sentence.endswith("the drift of scores was not measured")


def test_a_hold_tells_every_doubt() -> None:
    verdict = judge(PLAN, ERRORS, seen(canary(1, 40), elapsed_s=60))

    assert codes(verdict) == ["dwell", "few_requests", "uncertain"]
    assert "60 of 600 s have passed; 40 of 120 canary requests; an error rate" in verdict.sentence


def test_counting_alone_advances_where_the_plan_says_so() -> None:
    step = seen(canary(2, 120))

    assert codes(judge(PLAN, ERRORS, step)) == ["uncertain"]
    assert codes(judge(Plan(advance="counted"), ERRORS, step)) == ["counted"]


@pytest.mark.parametrize(
    ("overdue", "outcome"), [("hold", "hold"), ("rollback", "halt"), ("advance", "advance")]
)
def test_an_overdue_step_does_what_the_plan_says_and_is_inconclusive(
    overdue: Any, outcome: str
) -> None:
    verdict = judge(Plan(overdue=overdue), ERRORS, seen(canary(2, 120), elapsed_s=86_400))

    assert (verdict.outcome, verdict.conclusive) == (outcome, False)
    assert codes(verdict) == ["overdue", "uncertain"]
    assert ("(inconclusive)" in verdict.sentence) == (outcome != "hold")


def test_a_plan_without_an_end_is_never_overdue() -> None:
    plan = Plan(overdue="advance", max_step_time_s=None)

    assert codes(judge(plan, ERRORS, seen(canary(2, 120), elapsed_s=1e9))) == ["uncertain"]


def test_a_router_that_breaks_its_weight_advances_nothing_and_saves_no_canary_that_fails() -> None:
    analysis, plan = Analysis(latency=None), Plan(overdue="advance")
    broken = (Tally(0.05, 400, 600),)
    well = judge(plan, analysis, seen(canary(0, 400), assignments=broken, elapsed_s=1e6))
    failing = judge(plan, analysis, seen(canary(60, 400), assignments=broken))

    assert well.outcome == "hold"
    assert "sample_ratio" in codes(well)
    assert (failing.outcome, failing.conclusive) == ("halt", False)
    assert codes(failing) == ["errors", "sample_ratio"]


@pytest.mark.parametrize("assignments", [(Tally(0.05, 3, 950),), (Tally(0.05, 50, 950),)])
def test_a_canary_whose_every_request_times_out_is_halted_at_its_third(
    assignments: tuple[Tally, ...],
) -> None:
    failures = (Tally(0.05, 3, 950, 3, 0),)
    verdict = judge(PLAN, Analysis(), seen(failures, elapsed_s=1.0, assignments=assignments))

    assert verdict.outcome == "halt"


def test_a_router_that_keeps_its_weight_is_in_nobodys_way() -> None:
    analysis = Analysis(latency=None, sample_ratio=SampleRatio())
    verdict = judge(PLAN, analysis, seen(canary(0, 130), assignments=(Tally(0.05, 50, 950),)))

    assert verdict.outcome == "advance"
    assert [reading.test for reading in verdict.readings] == ["errors", "sample ratio"]


def test_each_latency_quantile_is_a_test_with_its_part_of_alpha() -> None:
    analysis = Analysis(sample_ratio=None)
    slow = {0.5: canary(90, 130, 1200), 0.9: canary(20, 130, 240), 0.99: canary(30, 130, 24)}
    verdict = judge(PLAN, analysis, seen(canary(0, 130), latency=slow))

    assert [reading.needed for reading in verdict.readings] == pytest.approx([20, 60, 60, 60])
    assert verdict.outcome == "halt"
    assert [reason.sentence.partition(":")[0] for reason in verdict.reasons] == ["latency p99"]


def test_blocks_of_slow_calls_halt_as_counts_do() -> None:
    analysis = Analysis(sample_ratio=None)
    slow = {0.5: Blocks((0.0,) * 7, 3), 0.9: Blocks((9.0,) * 7, 40), 0.99: Blocks((0.0,) * 7)}
    verdict = judge(PLAN, analysis, seen(canary(0, 130), latency=slow))

    assert verdict.outcome == "halt"
    assert [reason.sentence.partition(":")[0] for reason in verdict.reasons] == ["latency p90"]
    assert [reading.events for reading in verdict.readings] == [0, 3, 40, 0]


def test_an_absolute_margin_judges_by_difference() -> None:
    analysis = Analysis(errors=Absolute(), latency=None, sample_ratio=None)

    assert judge(PLAN, analysis, seen(canary(6, 100))).outcome == "hold"
    assert judge(PLAN, analysis, seen(canary(40, 100))).outcome == "halt"


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        (canary(4, 100, 60), "halt"),
        (canary(4, 99, 60), "hold"),
        (canary(4, 100, 76), "hold"),
        ((Tally(0.05, 100, 0, 4, 0),), "hold"),
    ],
)
def test_the_plain_rule_halts_when_it_is_asked_by_name(
    failures: tuple[Tally, ...], outcome: str
) -> None:
    analysis = Analysis(errors=Threshold(), latency=None, sample_ratio=None)
    verdict = judge(PLAN, analysis, seen(failures))

    assert verdict.outcome == outcome
    assert ("threshold: 0.04 is more than 0.05 above 0.0316" in verdict.sentence) == (
        outcome == "halt"
    )


def test_the_plain_rule_needs_failing_keys_too() -> None:
    analysis = Analysis(errors=Threshold(), latency=None, sample_ratio=None)

    assert judge(PLAN, analysis, seen(canary(9, 100), failing_keys=2)).outcome == "hold"


def test_drifting_scores_hold_or_halt_as_the_analysis_says() -> None:
    shifted = seen(canary(0, 130), scores=Drift(psi=0.4, floor=0.05), elapsed_s=1e6)
    holding = Analysis(latency=None, sample_ratio=None, drift=ScoreDrift())
    halting = Analysis(latency=None, sample_ratio=None, drift=ScoreDrift(then="halt"))
    hold_verdict = judge(Plan(overdue="advance"), holding, shifted)
    halted = judge(PLAN, halting, shifted)

    assert (hold_verdict.outcome, codes(hold_verdict)) == ("hold", ["overdue", "score_drift"])
    assert (halted.outcome, codes(halted)) == ("halt", ["score_drift"])
    assert "scores drift: PSI 0.4 is above 0.1" in halted.sentence


def test_scores_that_a_small_sample_shifts_are_in_nobodys_way() -> None:
    analysis = Analysis(latency=None, sample_ratio=None, drift=ScoreDrift())
    verdict = judge(PLAN, analysis, seen(canary(0, 130), scores=Drift(psi=0.2, floor=0.28)))

    assert verdict.outcome == "advance"


def test_a_shadow_is_judged_by_its_pairs_alone() -> None:
    analysis = Analysis(latency=None)
    good, bad = Pairs(900, 1, 2, 30), Pairs(200, 20, 1, 3)
    advanced = judge(SHADOW, analysis, seen(good))
    halted = judge(SHADOW, analysis, seen(bad))

    assert (advanced.outcome, halted.outcome) == ("advance", "halt")
    assert halted.canary is not None
    assert (halted.canary.failures, halted.canary.requests) == (23, 200)


def test_a_shadows_latency_is_pairs_as_well() -> None:
    analysis = Analysis()
    slow = {
        0.5: Pairs(900, 50, 50, 400),
        0.9: Pairs(900, 40, 40, 50),
        0.99: Pairs(900, 90, 2, 7),
    }
    verdict = judge(SHADOW, analysis, seen(Pairs(900), latency=slow))

    assert [reading.is_significant for reading in verdict.readings] == [False, False, False, True]
    assert verdict.outcome == "halt"


def test_where_no_control_is_left_time_and_requests_decide() -> None:
    verdict = judge(PLAN, ERRORS, seen((Tally(1.0, 200, 0, 60, 0),), step=3))

    assert (verdict.outcome, codes(verdict)) == ("advance", ["counted"])


def test_a_step_that_the_plan_does_not_have_is_refused() -> None:
    for step in (-1, 4):
        with pytest.raises(InvalidInputError, match=f"step {step} of 4"):
            judge(PLAN, ERRORS, seen((), step=step))


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="9 failures in 8 requests of the canary"):
        judge(PLAN, ERRORS, seen((Tally(0.05, 8, 9, 9, 0),)))


def test_a_verdict_survives_the_wire() -> None:
    verdict = judge(PLAN, ERRORS, seen(canary(500, 1000, 0)))

    assert msgspec.json.decode(msgspec.json.encode(verdict), type=StepVerdict) == verdict


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(3, 120, 0.0031, 0.0812), "3 of 120 failed (0.31 %–8.1 %)"),
        (Rate(0, 0, 0.0, 1.0), "0 of 0 failed (0 %–100 %)"),
        (Rate(9, 9, 0.62, 0.9949), "9 of 9 failed (62 %–99 %)"),
    ],
)
def test_a_rate_is_said_in_percent(rate: Rate, text: str) -> None:
    assert str(rate) == text
