"""Verdicts on A/B tests: who wins, who loses, when nothing differs, and what holds."""

import math

import msgspec
import pytest
from msgspec.structs import replace

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.evidence import Tally
from holdfast.core.rollout.outcome_bets import OutcomeBets
from holdfast.core.rollout.outcome_verdict import judge
from holdfast.core.rollout.outcomes import ArmOutcomes, Outcomes, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.rollout.verdict import Observations
from holdfast.core.rollout.verdict import judge as judge_health

DAY = 86_400.0
PLAN = Plan(strategy="ab", steps=(0.5,), dwell_s=DAY, max_step_time_s=14 * DAY)
SHARE = OutcomeTest("accuracy", minimum_effect=0.05)
NUMBER = OutcomeTest("feedback:amount", clip=(0.0, 500.0), minimum_effect=10.0)
ANALYSIS = Analysis(latency=None, outcome=SHARE)
HEALTHY = (Tally(0.5, 3000, 3000),)
LATER = 2 * DAY


def health(
    failures: tuple[Tally, ...] = HEALTHY,
    *,
    elapsed_s: float = LATER,
    assignments: tuple[Tally, ...] = HEALTHY,
) -> StepVerdict:
    return judge_health(
        PLAN, ANALYSIS, Observations(0, elapsed_s, failures, assignments=assignments)
    )


def sides(candidate: ArmOutcomes, active: ArmOutcomes) -> Outcomes:
    """Return outcomes of a value for each key, which come from both sides in turn."""
    bets = OutcomeBets(0.5)
    for number in range(max(candidate.known, active.known)):
        for side in (candidate, active):
            if number < side.known:
                one = int((number + 1) * side.mean) > int(number * side.mean)
                bets.add(of_candidate=side is candidate, outcome=float(one))
    return Outcomes(candidate, active, *bets.log_e_values())


def both(candidate: float, active: float, keys: int = 1000, variance: float = 0.0) -> Outcomes:
    return sides(
        ArmOutcomes(keys, keys, candidate, variance), ArmOutcomes(keys, keys, active, variance)
    )


def verdict(
    seen: Outcomes | None,
    test: OutcomeTest = SHARE,
    found: StepVerdict | None = None,
    elapsed_s: float = LATER,
) -> StepVerdict:
    analysis = replace(ANALYSIS, outcome=test)
    return judge(PLAN, analysis, found or health(elapsed_s=elapsed_s), seen, elapsed_s)


def codes(found: StepVerdict) -> list[str]:
    return [reason.code for reason in found.reasons]


@pytest.mark.parametrize(
    ("seen", "test"),
    [
        (both(0.9, 0.8), SHARE),
        (both(0.12, 0.1, keys=2000, variance=0.002), NUMBER),
    ],
)
def test_a_better_candidate_wins_and_a_worse_one_is_halted(
    seen: Outcomes, test: OutcomeTest
) -> None:
    won = verdict(seen, test)
    lost = verdict(sides(seen.active, seen.candidate), test)

    assert (won.outcome, won.conclusive, codes(won)) == ("advance", True, ["winner"])
    assert (lost.outcome, lost.conclusive, codes(lost)) == ("halt", True, ["worse"])


@pytest.mark.parametrize(
    ("seen", "test"),
    [
        (both(0.80, 0.805, keys=6000), SHARE),
        (both(0.1, 0.1, keys=4000, variance=0.002), NUMBER),
    ],
)
def test_no_difference_that_matters_ends_it(seen: Outcomes, test: OutcomeTest) -> None:
    ended = verdict(seen, test)

    assert (ended.outcome, ended.conclusive, codes(ended)) == ("end", True, ["no_difference"])
    assert f"no difference beyond {test.minimum_effect:g}" in ended.sentence


def test_without_an_effect_that_matters_it_goes_on() -> None:
    endless = replace(SHARE, minimum_effect=None)

    assert codes(verdict(both(0.8, 0.8, keys=100_000), endless)) == ["open"]


@pytest.mark.parametrize(
    ("seen", "test", "code"),
    [
        (both(0.80, 0.79, keys=500), SHARE, "open"),
        (both(0.12, 0.10, keys=300, variance=0.05), NUMBER, "open"),
        (both(0.9, 0.1, keys=99, variance=0.001), NUMBER, "few_keys"),
        (Outcomes(), SHARE, "no_outcome_yet"),
        (Outcomes(ArmOutcomes(9, 9, 1.0), ArmOutcomes(9)), SHARE, "no_outcome_yet"),
    ],
)
def test_what_is_not_decided_holds_and_at_the_deadline_ends_undecided(
    seen: Outcomes, test: OutcomeTest, code: str
) -> None:
    held = verdict(seen, test)
    late = verdict(seen, test, elapsed_s=14 * DAY)

    assert (held.outcome, codes(held)) == ("hold", [code])
    assert (late.outcome, late.conclusive, codes(late)) == ("end", False, ["not_decided", code])
    assert late.sentence.startswith("end at 50 % (inconclusive): not decided at its deadline")


def test_a_doubt_stops_the_winner_and_never_the_harm() -> None:
    early = verdict(both(0.9, 0.8), elapsed_s=60)
    harm = verdict(both(0.8, 0.9), elapsed_s=60)
    late = verdict(both(0.9, 0.8), found=health(failures=(Tally(0.5, 3000, 3000, 900, 900),)),
                   elapsed_s=14 * DAY)  # fmt: skip

    assert (early.outcome, codes(early)) == ("hold", ["winner", "dwell"])
    assert (harm.outcome, harm.conclusive, codes(harm)) == ("halt", True, ["worse"])
    assert (late.outcome, codes(late)) == ("end", ["not_decided", "winner", "uncertain"])


def test_outcomes_that_lack_on_one_side_are_a_doubt() -> None:
    lopsided = sides(ArmOutcomes(2000, 1800, 0.9), ArmOutcomes(2000, 1000, 0.8))
    won = verdict(lopsided)
    lost = verdict(sides(lopsided.active, lopsided.candidate))
    alike = sides(ArmOutcomes(8000, 8000, 0.8), ArmOutcomes(8000, 6000, 0.8))

    assert (won.outcome, codes(won)) == ("hold", ["winner", "outcome_ratio"])
    assert "find out whose outcomes are missing" in won.sentence
    assert (lost.outcome, lost.conclusive, codes(lost)) == (
        "halt", False, ["worse", "outcome_ratio"],
    )  # fmt: skip
    assert codes(verdict(alike)) == ["open", "outcome_ratio"]


def test_a_router_that_is_wrong_is_a_doubt() -> None:
    wrong = health(assignments=(Tally(0.5, 3000, 4000),))

    assert codes(verdict(both(0.8, 0.9), found=wrong)) == ["worse", "sample_ratio"]
    assert codes(verdict(both(0.9, 0.8), found=wrong)) == ["winner", "sample_ratio"]
    assert codes(verdict(both(0.8, 0.8, 9000), found=wrong)) == ["open", "sample_ratio"]


def test_rows_that_are_gone_are_a_doubt() -> None:
    def judged(candidate: float, active: float) -> StepVerdict:
        seen = both(candidate, active, keys=6000)
        return judge(PLAN, ANALYSIS, health(), seen, LATER, before=12_001)

    won, lost, same = judged(0.9, 0.8), judged(0.8, 0.9), judged(0.8, 0.8)

    assert (won.outcome, codes(won)) == ("hold", ["winner", "lost_keys"])
    assert (lost.outcome, lost.conclusive, codes(lost)) == ("halt", False, ["worse", "lost_keys"])
    assert (same.outcome, codes(same)) == ("hold", ["open", "lost_keys"])
    assert "12,000 keys have matured, but 12,001 had before" in won.sentence


def test_failures_halt_it_as_they_halt_a_canary() -> None:
    failing = health(failures=(Tally(0.5, 3000, 3000, 300, 3),))
    halted = verdict(both(0.9, 0.8), found=failing)

    assert (halted.outcome, codes(halted)) == ("halt", ["errors"])


def test_where_nobody_knows_the_outcomes_it_ends_a_day_after_its_deadline() -> None:
    held = verdict(None, elapsed_s=14.9 * DAY)
    ended = verdict(None, elapsed_s=15 * DAY)

    assert (held.outcome, codes(held)) == ("hold", ["no_outcomes"])
    assert (ended.outcome, codes(ended)) == ("end", ["not_decided", "no_outcomes"])


def test_another_strategy_is_judged_by_its_health() -> None:
    canary = replace(ANALYSIS, outcome=msgspec.UNSET)

    assert judge(PLAN, canary, health(), both(0.9, 0.8), LATER) == health()


def test_without_a_test_of_shares_there_is_none_of_outcomes() -> None:
    trusting = replace(ANALYSIS, sample_ratio=None)
    lopsided = sides(ArmOutcomes(2000, 1800, 0.9), ArmOutcomes(2000, 1000, 0.8))
    won = judge(PLAN, trusting, health(), lopsided, LATER)

    assert codes(won) == ["winner"]


def test_a_verdict_is_kept_with_its_comparison_and_others_without() -> None:
    kept = msgspec.json.encode(verdict(both(0.9, 0.8)))
    found = msgspec.json.decode(kept, type=StepVerdict)
    plain = msgspec.json.encode(health())

    assert found == verdict(both(0.9, 0.8))
    assert found.comparison is not msgspec.UNSET
    assert math.isclose(found.comparison.difference, 0.1)
    assert b"comparison" not in plain
    assert b"outcome" not in msgspec.json.encode(Analysis())
