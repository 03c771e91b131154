"""Losses of two versions: which are paired, and what the gate makes of an interval."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core import paired
from holdfast.core.gate import Candidate, judge
from holdfast.core.manifest import Manifest
from holdfast.core.metrics import Direction
from holdfast.core.paired import Losses, Paired
from holdfast.core.policy import MetricRule, Policy
from holdfast.errors import InvalidInputError

JUNE, JULY = "6" * 64, "7" * 64


def losses(name: str = "log_loss", on: str = JUNE, rows: int = 500, **facts: Any) -> Losses:
    return Losses(name, on, rows, facts.get("mean", 0.5), facts.get("sha256", "a" * 64))


def pair(low: float, high: float, direction: Direction = "lower", **facts: Any) -> Paired:
    known = {"name": "log_loss", "rows": 500, "before": 0.5, "after": 0.6, "absolute": False}
    fields: dict[str, Any] = known | facts
    return Paired(
        on=JUNE, direction=direction, change=(low + high) / 2, low=low, high=high, **fields
    )


Side = Callable[[dict[str, float]], Candidate]


@pytest.fixture
def side(make_manifest: Callable[..., Manifest]) -> Side:
    def candidate(metrics: dict[str, float]) -> Candidate:
        return Candidate(make_manifest("1.1.0", metrics=metrics), metrics, frozenset())

    return candidate


@pytest.mark.parametrize(
    ("low", "high", "refuses", "remarks"),
    [
        (0.051, 0.2, "more than the 5.00% allowed", None),
        (-0.1, 0.05, None, "within 5.00%"),
        (0.01, 0.06, "inconclusive, n is too small to tell whether it is within 5.00%", None),
        (0.05, 0.2, "inconclusive", None),
    ],
)
def test_a_regression_is_refused_where_the_interval_establishes_it(
    low: float, high: float, refuses: str | None, remarks: str | None
) -> None:
    reason, remark = paired.judge(pair(low, high), 0.05, "refuse")

    assert (reason is None, remark is None) == (refuses is None, remarks is None)
    assert (refuses or remarks or "") in (reason or remark or "")


def test_an_inconclusive_pair_is_remarked_where_the_policy_says_so() -> None:
    reason, remark = paired.judge(pair(0.01, 0.06), 0.05, "remark")

    assert reason is None
    assert "inconclusive" in str(remark)


@pytest.mark.parametrize("interval", [(0.2, 0.3), (-0.3, -0.2)])
def test_so_few_rows_conclude_nothing(interval: tuple[float, float]) -> None:
    reason, remark = paired.judge(pair(*interval, rows=29), 0.05, "refuse")

    assert remark is None
    assert "inconclusive" in str(reason)


def test_a_figure_of_which_more_is_better_regresses_downwards() -> None:
    falls = pair(-0.2, -0.1, "higher", name="accuracy", before=0.9, after=0.765)
    rises = pair(0.1, 0.2, "higher", name="accuracy", before=0.8, after=0.92)

    assert paired.judge(falls, 0.05, "refuse")[0] is not None
    assert paired.judge(rises, 0.05, "refuse")[0] is None
    assert falls.worsening == (0.1, 0.2)


@pytest.mark.parametrize(
    ("comparison", "phrase"),
    [
        (
            pair(0.1, 0.3),
            "than 0.5 (95% interval of the worsening 10.00% to 30.00%, n = 500)",
        ),
        (pair(0.1, 0.3), "log_loss: 0.6 is 20.00% worse"),
        (pair(-0.3, -0.1, after=0.4), "log_loss: 0.4 is 20.00% better than 0.5"),
        (pair(-0.1, 0.1, after=0.5), "log_loss: 0.5 is equal to 0.5"),
        (pair(0.01, 0.03, absolute=True, before=0.0, after=0.02), "0.02 is 0.02 worse than 0 ("),
    ],
)
def test_a_pair_says_its_interval_and_how_many_rows_it_rests_on(
    comparison: Paired, phrase: str
) -> None:
    assert phrase in comparison.sentence


def test_losses_are_paired_by_name_on_the_last_set_that_both_have() -> None:
    before = [losses(on=JULY, sha256="b" * 64), losses(on=JUNE), losses("mae")]
    after = [losses(on=JUNE), losses(on=JULY, sha256="c" * 64), losses("brier")]

    pairs, remarks = paired.pairs(before, after)

    assert [(first.sha256, other.sha256) for first, other in pairs] == [("b" * 64, "c" * 64)]
    assert remarks == [
        "brier: its losses are not paired, only one side has losses",
        "mae: its losses are not paired, only one side has losses",
    ]


@pytest.mark.parametrize("other", [losses(on=JULY), losses(rows=499)])
def test_losses_of_other_rows_are_not_paired(other: Losses) -> None:
    pairs, remarks = paired.pairs([losses()], [other])

    assert pairs == []
    assert remarks == [
        "log_loss: its losses are not paired, the two were not measured on the same set"
    ]


def test_the_last_losses_of_a_name_and_set_count() -> None:
    first, again, elsewhere = losses(), losses(sha256="b" * 64), losses(on=JULY)

    assert paired.merged([first, elsewhere], [again]) == (elsewhere, again)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([losses("")], "are not under a valid name"),
        ([losses(on="june")], "no digest"),
        ([losses(sha256="x")], "no digest"),
        ([losses(rows=0)], "no rows"),
        ([losses(mean=0.7)], "is 0.5, but the mean of its losses is 0.7"),
        ([losses(), losses()], "given twice"),
    ],
)
def test_losses_that_cannot_be_are_refused(wrong: list[Losses], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        paired.check(wrong, {"log_loss": 0.5, "": 0.5})


def test_what_nobody_said_is_a_loss() -> None:
    ways = [paired.better(name, {"cost": "higher"}) for name in ("surprise", "accuracy", "cost")]

    assert ways == ["lower", "higher", "higher"]


def test_the_interval_judges_a_mean_in_place_of_its_two_values(side: Side) -> None:
    within = pair(-0.01, 0.04, before=0.5, after=0.6)

    verdict = judge(Policy(), side({"log_loss": 0.6}), side({"log_loss": 0.5}), [within])

    assert verdict.passed
    assert verdict.remarks == (f"{within.sentence}, within 5.00%",)
    assert verdict.paired == (within,)


def test_a_metric_that_is_not_the_mean_of_the_pair_is_judged_by_its_values_too(side: Side) -> None:
    within = pair(-0.01, 0.04, before=0.4, after=0.41)

    verdict = judge(Policy(), side({"log_loss": 0.6}), side({"log_loss": 0.5}), [within])

    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["log_loss"]
    assert "20.00% worse than the champion's" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        (Policy(), False),
        (Policy(max_regression=None), True),
        (Policy(metrics={"log_loss": MetricRule(max_regression=0.5)}), True),
        (Policy(inconclusive="remark"), False),
    ],
)
def test_the_limit_of_a_pair_is_the_metrics_own_or_the_policys(
    policy: Policy, *, passes: bool, side: Side
) -> None:
    verdict = judge(policy, side({}), side({}), [pair(0.2, 0.3)])

    assert verdict.passed is passes
