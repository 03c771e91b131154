"""`holdfast rollout simulate`: tables, JSON, pictures, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.rollout.analysis import Absolute, Analysis, Relative, Threshold
from holdfast.core.rollout.plan import Plan

Holdfast = Callable[..., Any]
QUICK = ("rollout", "simulate", "--requests", "1000", "--runs", "20")


def test_the_table_tells_each_scenario(holdfast: Holdfast) -> None:
    result = holdfast(*QUICK, "--scenario", "1%:1%", "--scenario", "1%:50%")
    head, _, header, healthy, broken = result.out.splitlines()

    assert result.status == 0
    assert head == (
        "canary 5 % → 25 % → 50 % → 100 %, 20 runs of 1,000 requests each, 200 a minute, seed 1"
    )
    assert header.split()[:2] == ["SCENARIO", "A"]
    assert healthy.split()[:2] == ["1%:1%", "false"]
    assert broken.split()[:3] == ["1%:50%", "right", "100.0"]
    assert broken.endswith("5 % (100 %)")


def test_without_scenarios_it_plays_healthy_and_broken_ones(holdfast: Holdfast) -> None:
    outcomes = holdfast(*QUICK, "--json").data["outcomes"]

    assert [outcome["label"] for outcome in outcomes if outcome["healthy"]] == ["1%:1%", "1%:1.05%"]
    assert len(outcomes) == 7


def test_options_are_the_plan_and_the_analysis(holdfast: Holdfast) -> None:
    result = holdfast(
        *QUICK, "--json", "--scenario", "1%:1%", "--strategy", "blue-green", "--steps", "95,100%",
        "--every", "90s", "--min-requests", "50", "--advance", "counted", "--limits", "3,1",
        "--max-step-time", "2h", "--overdue", "rollback", "--analysis", "absolute", "--margin",
        "2%", "--alpha", "0.01", "--min-keys", "5", "--no-latency", "--per-minute", "60",
        "--seed", "9",
    )  # fmt: skip

    assert result.data["plan"] == {
        "strategy": "blue-green",
        "steps": [0.95, 1.0],
        "dwell_s": 90.0,
        "min_requests": 50,
        "advance": "counted",
        "limits": [0.03, 0.01],
        "max_step_time_s": 7200.0,
        "overdue": "rollback",
    }
    assert result.data["setting"] == {"requests": 1000, "per_minute": 60, "runs": 20, "seed": 9}
    assert result.data["analysis"]["errors"]["rule"] == "absolute"
    assert result.data["analysis"]["errors"]["margin"] == 0.02
    assert result.data["analysis"]["alpha"] == 0.01
    assert result.data["analysis"]["min_keys"] == 5
    assert result.data["analysis"]["latency"] is None


def test_without_options_they_are_the_defaults(holdfast: Holdfast) -> None:
    import msgspec

    data = holdfast(*QUICK, "--json", "--scenario", "1%:1%").data

    assert msgspec.convert(data["plan"], Plan) == Plan()
    assert msgspec.convert(data["analysis"], Analysis) == Analysis()


@pytest.mark.parametrize(
    ("name", "rule"),
    [("relative", Relative()), ("absolute", Absolute()), ("threshold", Threshold())],
)
def test_a_rule_is_named(holdfast: Holdfast, name: str, rule: Any) -> None:
    import msgspec

    data = holdfast(*QUICK, "--json", "--scenario", "1%:1%", "--analysis", name).data

    assert msgspec.convert(data["analysis"], Analysis).errors == rule


def test_other_strategies_begin_with_all_of_the_traffic(holdfast: Holdfast) -> None:
    result = holdfast(
        *QUICK, "--json", "--scenario", "1%:50%", "--strategy", "shadow",
        "--max-step-time", "none",
    )  # fmt: skip

    assert result.data["plan"]["steps"] == [1.0]
    assert result.data["plan"]["max_step_time_s"] is None
    assert result.data["outcomes"][0]["halted"] == 1


def test_a_picture_is_drawn(holdfast: Holdfast, tmp_path: Path) -> None:
    result = holdfast(*QUICK, "--scenario", "1%:50%", "--plot", "rollout.svg")

    assert result.status == 0
    assert "1%:50% – 100 %" in (tmp_path / "rollout.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", "5,half"), "--steps '5,half' must be percentages; write 5,25,50,100"),
        (("--steps", "50,25,100"), "plan steps must rise, but 0.25 comes after 0.5; sort them"),
        (("--every", "soon"), "--every 'soon' is not a span of time; write 0, 10m, 12h or 7d"),
        (("--margin", "off"), "--margin 'off' is not a share; write 5% or 0.05"),
        (("--alpha", "2"), "analysis alpha must be between 0 and 1, such as 0.05, not 2"),
        (("--scenario", "broken"), "scenario 'broken' is not ACTIVE:CANARY"),
        (("--runs", "0"), "simulation runs must be 1 or more, not 0"),
        (("--plot", "no/such/folder.svg"), "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_played_is_refused_with_advice(
    holdfast: Holdfast, words: tuple[str, ...], message: str
) -> None:
    refused = holdfast(*QUICK, *words)

    assert refused.status == 2
    assert message in refused.err
    assert refused.out == ""


AB = (*QUICK, "--strategy", "ab", "--outcome", "accuracy")


def test_the_table_of_an_ab_test_tells_false_decisions_and_power(holdfast: Holdfast) -> None:
    result = holdfast(*AB, "--share", "40", "--scenario", "50%:50%", "--scenario", "50%:90%")
    head, _, header, equal, better = result.out.splitlines()

    assert result.status == 0
    assert head == ("A/B at 40 %, 20 runs of 1,000 keys each, looked at after every key, seed 1")
    assert header.split()[:3] == ["SCENARIO", "FALSE", "CANDIDATE"]
    assert equal.split()[0] == "50%:50%"
    assert better.split()[:5] == ["50%:90%", "0.0", "%", "100.0", "%"]


def test_without_scenarios_it_plays_equal_and_unequal_versions(holdfast: Holdfast) -> None:
    outcomes = holdfast(*AB, "--requests", "50", "--json").data["outcomes"]

    assert [outcome["label"] for outcome in outcomes][:2] == ["70%:70%", "70%:71%"]
    assert len(outcomes) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--outcome", "accuracy"), "--outcome does not fit a canary rollout; give --strategy ab"),
        (("--share", "50"), "--share does not fit a canary rollout; give --strategy ab"),
        (("--deadline", "3d"), "--deadline does not fit a canary rollout"),
        (("--scenario", "1%:1%,answers=2"), "scenario answers does not fit a canary rollout"),
        (("--strategy", "ab"), "--strategy ab needs an outcome; give --outcome accuracy or"),
        ((*AB[-4:], "--share", "100"), "plan steps must be one share below 1 in an A/B test"),
        ((*AB[-4:], "--share", "0"), "plan steps must be shares, not 0"),
        ((*AB[-4:], "--max-step-time", "none"), "plan max_step_time_s must be a time in an A/B"),
        ((*AB[-4:], "--overdue", "rollback"), "plan overdue cannot be rollback in an A/B test"),
        ((*AB[-4:], "--clip", "0,5"), "outcome clip does not fit accuracy"),
        ((*AB[-4:], "--clip", "0"), "--clip '0' must be two numbers; write 0,500, or none"),
        ((*AB[-4:], "--minimum-effect", "some"), "--minimum-effect 'some' is not a share"),
        ((*AB[-4:], "--plot", "a.svg"), "--plot does not draw A/B tests; leave it out"),
    ],
)
def test_what_fits_no_ab_test_is_refused(
    holdfast: Holdfast, words: tuple[str, ...], message: str
) -> None:
    result = holdfast(*QUICK, *words)

    assert result.status == 2
    assert message in result.err
