"""The simulation: what plans do to healthy and broken versions.

The bounds follow from the promised share and the number of runs (`bounds.py`): no seed fails them.
"""

import subprocess
import sys

import pytest
from tests.rollouts.bounds import least, most

from holdfast.core.rollout.analysis import Absolute, Analysis, Threshold
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError
from holdfast.rollouts import ScenarioResult, SimulationSettings, scenario, simulate

RUNS = 120
ERRORS = Analysis(latency=None)
SHORT = SimulationSettings(requests=6000, runs=RUNS)


def endless(*steps: float, strategy: str = "canary") -> Plan:
    """Stay on the first step."""
    return Plan(strategy=strategy, steps=steps, dwell_s=1e9, max_step_time_s=None)  # type: ignore[arg-type]


def play(
    plan: Plan, analysis: Analysis, *texts: str, setting: SimulationSettings = SHORT
) -> tuple[ScenarioResult, ...]:
    return simulate(plan, analysis, [scenario.parse(text) for text in texts], setting).outcomes


@pytest.mark.parametrize("weight", [0.05, 0.5])
@pytest.mark.parametrize("analysis", [ERRORS, Analysis(errors=Absolute(), latency=None)])
def test_healthy_versions_are_halted_at_most_as_often_as_alpha(
    weight: float, analysis: Analysis
) -> None:
    texts = ("0.1%:0.1%", "1%:1%", "20%:20%", "1%:1.05%", "1%:1%,outage=50%", "5%:5%,users=2000")
    for outcome in play(endless(weight, 1), analysis, *texts):
        assert outcome.healthy
        assert outcome.halted <= most(0.05, RUNS)


def test_healthy_shadows_and_latencies_are_halted_at_most_as_often_as_alpha() -> None:
    (shadow,) = play(endless(1, strategy="shadow"), ERRORS, "5%:5.25%")
    (both,) = play(endless(0.05, 1), Analysis(), "1%:1%")

    assert shadow.halted <= most(0.05, RUNS)
    assert both.halted <= most(0.10, RUNS)


@pytest.mark.parametrize("text", ["0:0,users=200", "0:0,noise=20%", "0:0,users=60,noise=20%"])
@pytest.mark.parametrize("weight", [0.05, 0.5])
def test_heavy_users_and_a_busy_machine_halt_no_healthy_version_by_latency(
    text: str, weight: float
) -> None:
    plan = Plan(steps=(weight, 1.0), dwell_s=1e9, max_step_time_s=None)
    setting = SimulationSettings(requests=6_000, runs=100)
    (outcome,) = simulate(plan, Analysis(), [scenario.parse(text)], setting).outcomes

    assert outcome.healthy
    assert outcome.halted <= most(0.05, 100)


def test_the_plain_rule_halts_most_healthy_versions() -> None:
    analysis = Analysis(errors=Threshold(), latency=None)
    for outcome in play(endless(0.5, 1), analysis, "1%:1%", "20%:20%"):
        assert outcome.halted >= least(0.7, RUNS)


@pytest.mark.parametrize(
    ("plan", "text", "by"),
    [
        (endless(0.05, 1), "1%:6%", 3773),
        (endless(0.5, 1), "1%:6%", 793),
        (endless(0.5, 1), "5%:10%", 2075),
        (endless(1, strategy="shadow"), "1%:6%", 359),
        (endless(1, strategy="shadow"), "1%:2%", 4968),
    ],
)
def test_nine_in_ten_broken_versions_are_halted_by_then(plan: Plan, text: str, by: int) -> None:
    """*by* is the nine-tenths point that another implementation measured."""
    (outcome,) = play(plan, ERRORS, text, setting=SimulationSettings(requests=by, runs=RUNS))

    assert not outcome.healthy
    assert outcome.halted >= least(0.88, RUNS)


@pytest.mark.parametrize("text", ["1%:1%,slower=1.5", "1%:1%,tail=10%"])
def test_slow_versions_are_halted(text: str) -> None:
    (outcome,) = play(endless(0.05, 1), Analysis(), text)

    assert not outcome.healthy
    assert outcome.halted >= least(0.97, RUNS)


def test_a_broken_version_is_halted_on_the_first_step_after_few_failures() -> None:
    (outcome,) = play(Plan(), ERRORS, "1%:50%")

    assert outcome.halted == 1
    assert outcome.halt_steps == ((0.05, 1.0),)
    assert outcome.failed_median == 3
    assert outcome.completed == 0


def test_a_ladder_lets_a_healthy_version_through() -> None:
    plan = Plan(min_requests=1, advance="counted")
    (outcome,) = play(plan, ERRORS, "1%:1%", setting=SimulationSettings(requests=6000, runs=RUNS))

    assert outcome.completed >= 1 - most(0.05, RUNS)
    assert outcome.undecided == 0
    assert outcome.completed + outcome.halted == pytest.approx(1)


def test_a_step_is_not_left_before_its_dwell_is_over() -> None:
    plan = Plan(steps=(0.5, 1), min_requests=1, advance="counted", dwell_s=90)
    too_short, enough = (
        play(plan, ERRORS, "0:0", setting=SimulationSettings(requests=n, per_minute=100, runs=5))[0]
        for n in (149, 150)
    )

    assert (too_short.completed, enough.completed) == (0, 1)


def test_a_step_waits_until_its_limit_is_ruled_out() -> None:
    """320 canary requests without a failure rule 2 % out, 319 do not."""
    plan = Plan(steps=(0.5, 1), min_requests=1, dwell_s=0, limits=(0.02,))
    early, late = (
        play(plan, ERRORS, "0:0", setting=SimulationSettings(requests=n, per_minute=10, runs=RUNS))[
            0
        ]
        for n in (480, 900)
    )

    assert early.completed == 0
    assert late.completed == 1


@pytest.mark.parametrize(
    ("overdue", "completed", "undecided"),
    [("hold", 0, 1), ("rollback", 0, 1), ("advance", 1, 0)],
)
def test_an_overdue_step_does_what_the_plan_says(
    overdue: str, completed: float, undecided: float
) -> None:
    plan = Plan(
        steps=(0.05, 1), min_requests=10**6, dwell_s=60, max_step_time_s=120,
        overdue=overdue,  # type: ignore[arg-type]
    )  # fmt: skip
    (outcome,) = play(plan, ERRORS, "0:0", setting=SimulationSettings(requests=2000, runs=20))

    assert (outcome.completed, outcome.undecided) == (completed, undecided)


def test_blue_green_at_once_is_complete_at_once() -> None:
    (outcome,) = play(Plan(strategy="blue-green", steps=(1.0,)), Analysis(), "1%:50%")

    assert (outcome.completed, outcome.halted) == (1, 0)


def test_blue_green_with_a_holdback_halts_a_broken_version() -> None:
    (outcome,) = play(endless(0.95, 1, strategy="blue-green"), ERRORS, "1%:50%")

    assert outcome.halted == 1


def test_a_shadow_is_complete_after_its_last_step() -> None:
    plan = Plan(strategy="shadow", steps=(0.5, 1.0), dwell_s=60)
    (outcome,) = play(plan, ERRORS, "0:0", setting=SimulationSettings(requests=3000, runs=10))

    assert (outcome.completed, outcome.halted) == (1, 0)


def test_users_who_fail_together_count_once_and_fail_often() -> None:
    (outcome,) = play(endless(0.5, 1), ERRORS, "5%:50%,users=300")

    assert outcome.halted == 1
    assert outcome.failed_median is not None
    assert outcome.failed_median > 3


def test_the_same_seed_gives_the_same_runs_and_another_gives_others() -> None:
    first, again, other = (
        play(
            endless(0.05, 1),
            Analysis(),
            "1%:6%",
            setting=SimulationSettings(3000, runs=50, seed=seed),
        )
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_curve_rises_to_the_share_that_was_halted() -> None:
    (outcome,) = play(endless(0.5, 1), ERRORS, "1%:6%")
    requests, shares = zip(*outcome.curve, strict=True)

    assert list(requests) == sorted(set(requests))
    assert list(shares) == sorted(shares)
    assert (requests[-1], shares[-1]) == (6000, outcome.halted)
    assert outcome.halt_median is not None
    assert outcome.halt_p90 is not None
    assert outcome.halt_median < outcome.halt_p90


@pytest.mark.parametrize(
    "setting",
    [
        SimulationSettings(requests=0),
        SimulationSettings(per_minute=0),
        SimulationSettings(runs=0),
        SimulationSettings(seed=-1),
    ],
)
def test_a_setting_that_cannot_be_played_is_refused(setting: SimulationSettings) -> None:
    with pytest.raises(InvalidInputError, match="simulation"):
        play(Plan(), ERRORS, "1%:1%", setting=setting)


def test_without_numpy_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from holdfast import errors, rollouts\n"
        "from holdfast.core.rollout import analysis, plan\n"
        "try: rollouts.simulate(plan.Plan(), analysis.Analysis(), [])\n"
        "except errors.MissingLibraryError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "pip install 'holdfast[simulate]'" in done.stdout
