"""The tables behind the rules, reproduced in full; the quick forms are in `test_simulation.py`.

The figures are those of another implementation, with another seed and 600 runs. A share is held to
its exact binomial bound, a median m by shares: at most half of the runs are halted by 0.9 m, and at
least half by 1.1 m, each but for that bound.
"""

import pytest
from tests.rollouts.bounds import least, most

from holdfast.core.rollout.analysis import Analysis, Threshold
from holdfast.core.rollout.plan import Plan, Strategy
from holdfast.rollouts import ScenarioResult, SimulationSettings, scenario, simulate

pytestmark = pytest.mark.long

RUNS, REQUESTS = 600, 20_000
BARE = Analysis(latency=None, min_keys=1)
NULLS = ("0.1%:0.1%", "1%:1%", "5%:5%", "20%:20%", "1%:1.05%")
STRESS = ("1%:1%,outage=50%", "5%:5.25%,outage=50%", "1%:1.05%,users=2000", "5%:5.25%,users=2000")


def play(
    plan: Plan, analysis: Analysis, texts: tuple[str, ...], requests: int = REQUESTS
) -> tuple[ScenarioResult, ...]:
    scenarios = [scenario.parse(text) for text in texts]
    return simulate(plan, analysis, scenarios, SimulationSettings(requests, runs=RUNS)).outcomes


def staying(weight: float, strategy: Strategy = "canary") -> Plan:
    steps = (weight,) if weight == 1 else (weight, 1.0)
    return Plan(strategy=strategy, steps=steps, dwell_s=1e9, max_step_time_s=None)


SHADOW = staying(1, "shadow")


def halted(plan: Plan, analysis: Analysis, text: str, requests: int) -> float:
    return play(plan, analysis, (text,), requests)[0].halted


@pytest.mark.parametrize("plan", [staying(0.05), staying(0.5), SHADOW])
@pytest.mark.parametrize("text", [*NULLS, "5%:5.25%"])
def test_healthy_versions_are_halted_in_at_most_5_of_100(plan: Plan, text: str) -> None:
    (outcome,) = play(plan, BARE, (text,))

    assert outcome.healthy
    assert outcome.halted <= most(0.05, RUNS)


@pytest.mark.parametrize("weight", [0.05, 0.5])
@pytest.mark.parametrize("text", STRESS)
def test_shared_outages_and_sticky_users_change_nothing_of_it(weight: float, text: str) -> None:
    (outcome,) = play(staying(weight), BARE, (text,))

    assert outcome.healthy
    assert outcome.halted <= most(0.05, RUNS)


@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_the_plain_rule_halts_more_than_half_of_the_healthy_ones(weight: float) -> None:
    analysis = Analysis(errors=Threshold(), latency=None, min_keys=1)
    for outcome in play(staying(weight), analysis, NULLS):
        assert outcome.halted >= least(0.58, RUNS)


@pytest.mark.parametrize(
    ("plan", "text", "median"),
    [
        (staying(0.05), "1%:6%", 1495),
        (staying(0.05), "5%:10%", 3861),
        (staying(0.05), "0.1%:1%", 6326),
        (staying(0.05), "1%:100%", 37),
        (staying(0.5), "1%:2%", 3985),
        (staying(0.5), "1%:6%", 348),
        (staying(0.5), "5%:10%", 789),
        (staying(0.5), "0.1%:1%", 1643),
        (staying(0.5), "1%:100%", 14),
        (SHADOW, "1%:2%", 2116),
        (SHADOW, "1%:6%", 157),
        (SHADOW, "5%:10%", 410),
        (SHADOW, "0.1%:1%", 848),
    ],
)
def test_medians_are_within_a_tenth(plan: Plan, text: str, median: int) -> None:
    early, late = (halted(plan, BARE, text, round(part * median)) for part in (0.9, 1.1))

    assert early <= most(0.5, RUNS)
    assert late >= least(0.5, RUNS)


def test_a_doubling_of_1_percent_is_found_in_half_of_the_runs_at_weight_5_percent() -> None:
    halted_share = halted(staying(0.05), BARE, "1%:2%", REQUESTS)

    assert least(0.49, RUNS) <= halted_share <= most(0.49, RUNS)


def test_the_ladder() -> None:
    plan = Plan(min_requests=1, advance="counted")
    texts = ("1%:1%", "1%:2%", "1%:6%", "5%:10%", "1%:50%")
    healthy, doubled, worse, twice, broken = play(plan, Analysis(latency=None), texts)

    assert healthy.completed >= 1 - most(0.05, RUNS)
    assert least(0.44, RUNS) <= doubled.halted <= most(0.44, RUNS)
    assert worse.halted == 1
    assert least(0.66, RUNS) <= dict(worse.halt_steps)[0.05] <= most(0.66, RUNS)
    assert worse.failed_median == pytest.approx(5, abs=1)
    assert twice.halted >= least(0.99, RUNS)
    assert twice.failed_median == pytest.approx(27, abs=5)
    assert broken.halt_steps == ((0.05, 1.0),)
    assert broken.failed_median == 3


def test_latencies() -> None:
    """Shares are held, medians are not: the shape of those latencies is not known."""
    within = ("", "slower=1.05", "slower=1.1", "slower=1.1,spread=0.05")
    beyond = (
        "slower=1.2",
        "slower=1.2,spread=0.05",
        "slower=1.5",
        "slower=2",
        "tail=2%",
        "tail=5%",
    )
    texts = tuple(f"0:0,{text}".rstrip(",") for text in (*within, *beyond))
    outcomes = play(staying(0.05), Analysis(), texts)
    healthy, slow = outcomes[: len(within)], outcomes[len(within) :]

    for outcome in healthy:
        assert outcome.halted <= most(0.05, RUNS)
    for outcome, share in zip(slow, (0.85, 1, 1, 1, 0.65, 1), strict=True):
        assert outcome.halted >= least(share, RUNS)
