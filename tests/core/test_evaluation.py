"""Evaluations that were measured: what they may say, what they add, what the gate asks of them."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.core.conftest import NOON

from holdfast.core import commands, events, history, replay
from holdfast.core.entry import Entry, Stamp, digest, write
from holdfast.core.evaluation import (
    Evaluation,
    EvaluationResult,
    Figure,
    MeasuredChampion,
    PastEvaluation,
    Slice,
    beside,
    named,
    origins,
)
from holdfast.core.gate import Candidate, Verdict, judge
from holdfast.core.manifest import Manifest
from holdfast.core.paired import Losses, Paired
from holdfast.core.policy import MetricRule, Policy, check
from holdfast.core.policy_changes import lowered
from holdfast.core.state import Record, State, fold
from holdfast.errors import InvalidInputError

Play = Callable[..., State]
Make = Callable[..., Manifest]

DATA, OTHER = "a" * 64, "b" * 64
ACCURACY = Figure("accuracy", 0.9, 0.88, 0.92, 0.8, 0.1, 0.05, 0.15, 1000)
TWO = ("register 1.0.0 auc=0.7", "promote 1.0.0", "register 1.1.0 auc=0.6")


def losses(mean: float, on: str = DATA, rows: int = 100) -> tuple[Losses, ...]:
    return (Losses("accuracy", on, rows, mean, "c" * 64),)


def june(**changes: Any) -> Evaluation:
    usual: dict[str, Any] = {
        "name": "june",
        "data": DATA,
        "label": "churned",
        "rows": 100,
        "task": "classification",
        "tool": "scikit-learn 1.9",
        "figures": (ACCURACY,),
        "champion": MeasuredChampion("1.0.0", losses(0.8)),
        "slices": (Slice("north", 60, (ACCURACY,), {"roc_auc": "one class"}), Slice("", 40)),
        "unmeasured": {"roc_auc": "one class"},
    }
    return Evaluation(**(usual | changes))


def evaluated(
    record: Record, evaluation: Evaluation, own: tuple[Losses, ...] = ()
) -> events.Evaluated:
    return commands.evaluate(record, evaluation.metrics, "june.parquet", own, evaluation)


def folded(state: State, event: events.Evaluated) -> State:
    stamp = Stamp(NOON, "eve", "1" * 32)
    raw, entry = write(
        "iris", state.seq + 1, state.head, "2026-03-02T00:00:00.000000Z", stamp, event
    )
    return fold(state, [(entry, digest(raw))])


def test_an_evaluation_says_what_was_measured_of_both_sides(play: Play) -> None:
    event = evaluated(play(*TWO).record("1.1.0"), june(), losses(0.9))

    assert event.metrics == {"accuracy": 0.9}
    assert event.versions() == ("1.1.0", "1.0.0")
    assert june().champion_metrics == {"accuracy": 0.8}


def test_an_evaluation_adds_to_both_versions(play: Play) -> None:
    state = play(*TWO)
    after = folded(state, evaluated(state.record("1.1.0"), june(), losses(0.9)))
    mine, theirs = after.record("1.1.0"), after.record("1.0.0")

    assert mine.metrics == {"accuracy": 0.9, "auc": 0.6}
    assert theirs.metrics == {"accuracy": 0.8, "auc": 0.7}
    assert [series.mean for series in (*mine.losses, *theirs.losses)] == [0.9, 0.8]
    assert [past.beside for past in (*mine.evaluations, *theirs.evaluations)] == ["1.0.0", "1.1.0"]
    assert mine.evaluations[0].sentence == f"june: measured on 100 rows (data {'a' * 12}) by eve"
    assert theirs.updated_at == mine.updated_at


def test_the_last_evaluation_of_a_name_counts(play: Play) -> None:
    state = play(*TWO)
    for evaluation in (
        june(),
        june(name="july"),
        june(data=OTHER, champion=None, figures=(ALONE,)),
    ):
        state = folded(state, evaluated(state.record("1.1.0"), replace(evaluation, slices=())))
    past = state.record("1.1.0").evaluations

    assert [(one.name, one.data) for one in past] == [("july", DATA), ("june", OTHER)]
    assert named(past, "june") is past[1]
    assert named(past, "may") is None


ALONE = Figure("accuracy", 0.9)


def test_what_somebody_tells_is_no_evaluation(play: Play) -> None:
    record = play(*TWO, "evaluate 1.1.0 accuracy=0.99").record("1.1.0")

    assert record.metrics["accuracy"] == 0.99
    assert record.evaluations == ()


def test_history_tells_what_was_measured(play: Play) -> None:
    event = evaluated(play(*TWO).record("1.1.0"), june())
    alone = june(champion=None, figures=(ALONE,), slices=())
    entry = Entry(
        "iris", 1, None, "0" * 32, "2026-03-01T12:00:00.000000Z", "ada", None, None, event
    )
    other = replace(entry, event=evaluated(play(*TWO).record("1.1.0"), alone))

    assert history.past(entry, ()).what == (
        "evaluate 1.1.0 beside 1.0.0, measured on june (100 rows): accuracy 0.9"
    )
    assert (
        history.past(other, ()).what == "evaluate 1.1.0, measured on june (100 rows): accuracy 0.9"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "valid name"),
        ({"data": "abc"}, "no digest"),
        ({"rows": 0}, "no digest of its data or no rows"),
        ({"label": ""}, "empty text"),
        ({"remarks": ("x" * 301,)}, "more than 300 signs"),
        ({"slices": (Slice("x" * 301, 1),)}, "more than 300 signs"),
        ({"slices": (Slice("x", 1),) * 51}, "51 slices"),
        ({"figures": (ACCURACY, ACCURACY)}, "twice"),
        ({"figures": (replace(ACCURACY, low=float("nan")),)}, "not finite"),
        ({"figures": (replace(ACCURACY, name=""),)}, "without a name"),
        ({"slices": (Slice("x", 1, (replace(ACCURACY, value=float("inf")),)),)}, "not finite"),
        ({"champion": None}, "a champion that it does not name"),
        ({"champion": MeasuredChampion("1.1.0")}, "itself as its champion"),
        ({"champion": MeasuredChampion("1.0.0", losses(0.7))}, "mean of its losses"),
        ({"champion": MeasuredChampion("1.0.0", losses(0.8, OTHER))}, "losses of other data"),
        ({"champion": MeasuredChampion("1.0.0", losses(0.8, rows=99))}, "losses of other data"),
    ],
)
def test_what_cannot_be_an_evaluation_is_refused(
    play: Play, changes: dict[str, Any], problem: str
) -> None:
    record = play(*TWO).record("1.1.0")
    with pytest.raises(InvalidInputError, match=problem):
        commands.evaluate(record, {"accuracy": 0.9}, None, (), june(**changes))


def test_an_evaluation_agrees_with_the_metrics_beside_it(play: Play) -> None:
    with pytest.raises(InvalidInputError, match="other figures"):
        commands.evaluate(play(*TWO).record("1.1.0"), {"accuracy": 0.95}, None, (), june())


def test_a_champion_that_does_not_exist_is_refused_from_elsewhere(play: Play) -> None:
    state = play(*TWO)
    good = evaluated(state.record("1.1.0"), june())
    bad = evaluated(state.record("1.1.0"), june(champion=MeasuredChampion("9.0.0", losses(0.8))))

    replayed(state, good)
    with pytest.raises(Exception, match=r"9\.0\.0"):
        replayed(state, bad)
    assert "9.0.0" not in folded(state, bad).versions


def replayed(state: State, event: events.Evaluated) -> None:
    at = "2026-03-02T00:00:00.000000Z"
    entry = Entry("iris", state.seq + 1, state.head, "1" * 32, at, "ada", None, None, event)
    replay._decided(state, entry, None)


def past(**changes: Any) -> PastEvaluation:
    usual: dict[str, Any] = {
        "name": "june",
        "data": DATA,
        "label": "churned",
        "rows": 100,
        "task": "classification",
        "metrics": {"accuracy": 0.9, "roc_auc": 0.95},
        "by": "eve",
        "at": "2026-03-02T00:00:00.000000Z",
        "seq": 4,
    }
    return PastEvaluation(**(usual | changes))


JUNE = Policy(required_evaluations=("june",))


def asked(
    make: Make,
    mine: PastEvaluation | None,
    theirs: PastEvaluation | None,
    policy: Policy = JUNE,
    paired: tuple[Paired, ...] = (),
) -> Verdict:
    sides = [
        Candidate(make(version), {}, frozenset(), evaluations=(one,) if one else ())
        for version, one in (("1.1.0", mine), ("1.0.0", theirs))
    ]
    return judge(policy, sides[0], sides[1], paired)


def test_a_gate_demands_an_evaluation_that_was_measured(make_manifest: Make) -> None:
    verdict = asked(make_manifest, None, past())

    (reason,) = verdict.reasons
    assert reason.startswith("june: not measured, but the policy requires this evaluation")
    assert reason.endswith("run `holdfast evaluate REF --data … --name june`")
    assert not asked(make_manifest, past(name="july"), None).passed
    assert asked(make_manifest, past(), past()).passed


def test_a_first_version_needs_it_too(make_manifest: Make) -> None:
    with_it = Candidate(make_manifest(), {}, frozenset(), evaluations=(past(),))

    assert judge(JUNE, with_it, None).passed
    assert not judge(JUNE, replace(with_it, evaluations=()), None).passed


def test_both_must_be_measured_on_the_same_data(make_manifest: Make) -> None:
    verdict = asked(make_manifest, past(), past(data=OTHER, rows=50))

    on = f"data {'a' * 12} (100 rows), but the champion on {'b' * 12} (50 rows)"
    assert verdict.reasons == (f"june: measured on {on}; measure both on the same rows",)


@pytest.mark.parametrize("other", [{"label": "left"}, {"task": "regression"}])
def test_both_must_be_measured_as_the_same(make_manifest: Make, other: dict[str, Any]) -> None:
    verdict = asked(make_manifest, past(), past(**other))

    assert "measured as classification of 'churned', but the champion as" in verdict.reasons[0]


def test_a_champion_that_was_not_measured_is_remarked(make_manifest: Make) -> None:
    verdict = asked(make_manifest, past(), None)

    assert verdict.passed
    assert verdict.remarks == ("june: the champion was not measured on it, so nothing is compared",)


def test_its_figures_are_judged_like_any_metric(make_manifest: Make) -> None:
    before = past(metrics={"accuracy": 0.9, "roc_auc": 0.99, "f1": 0.5})
    verdict = asked(make_manifest, past(metrics={"accuracy": 0.8, "roc_auc": 0.98}), before)

    assert verdict.reasons == (
        "june: accuracy: 0.8 is 11.11% worse than the champion's 0.9, more than the 5.00% allowed",
        "june: f1: missing, but the champion has 0.5",
    )
    assert verdict.remarks == (
        "june: roc_auc: 0.98 is 1.01% worse than the champion's 0.99, within 5.00%",
    )


def test_its_figures_are_held_against_bounds(make_manifest: Make) -> None:
    policy = replace(JUNE, metrics={"accuracy": MetricRule(minimum=0.95)})
    verdict = asked(make_manifest, past(), None, policy)

    assert "june: accuracy: 0.9 is below the minimum 0.95" in verdict.reasons


def test_what_is_judged_already_is_not_judged_twice(make_manifest: Make) -> None:
    mine, theirs = {"accuracy": 0.5}, {"accuracy": 0.9}
    candidate, champion = (
        Candidate(make_manifest(), metrics, frozenset(), evaluations=(past(metrics=metrics),))
        for metrics in (mine, theirs)
    )

    assert len(judge(JUNE, candidate, champion).reasons) == 1


def test_paired_losses_of_the_same_rows_take_the_place_of_two_values(make_manifest: Make) -> None:
    mine, theirs = past(metrics={"accuracy": 0.8}), past(metrics={"accuracy": 0.9})
    pair = Paired("accuracy", DATA, 100, "higher", 0.9, 0.8, -0.01, -0.02, 0.0)

    assert asked(make_manifest, mine, theirs, paired=(pair,)).passed
    assert not asked(make_manifest, mine, theirs, paired=(replace(pair, on=OTHER),)).passed


def test_a_policy_names_evaluations() -> None:
    assert check(JUNE) == JUNE
    assert lowered(JUNE, Policy()) == ("required_evaluations",)
    with pytest.raises(InvalidInputError, match="required_evaluations"):
        check(Policy(required_evaluations=("",)))


@pytest.mark.parametrize(
    ("name", "change", "interval", "verdict"),
    [
        ("accuracy", 0.1, (0.05, 0.15), "better"),
        ("accuracy", -0.1, (-0.15, -0.05), "worse"),
        ("log_loss", 0.1, (0.05, 0.15), "worse"),
        ("log_loss", -0.1, (-0.15, -0.05), "better"),
        ("accuracy", 0.1, (-0.05, 0.15), "unclear"),
        ("accuracy", 0.1, (None, None), "unclear"),
        ("x1", 0.1, (0.05, 0.15), "unclear"),
        ("accuracy", None, (None, None), None),
    ],
)
def test_a_change_counts_beyond_chance_alone(
    name: str, change: float | None, interval: tuple[float | None, float | None], verdict: str
) -> None:
    figure = Figure(name, 0.9, change=change, change_low=interval[0], change_high=interval[1])

    assert figure.verdict == verdict


def test_a_result_is_named_by_its_version() -> None:
    done = EvaluationResult("iris", "1.1.0", june(), "as asked", "evaluate 1.1.0")

    assert str(done) == done.ref == "iris@1.1.0"


def test_measured_and_told_metrics_are_told_apart() -> None:
    metrics = {"accuracy": 0.9, "roc_auc": 0.5, "kappa": 0.1}

    assert origins(metrics, [past()]) == {
        "accuracy": "measured (june)",
        "roc_auc": "told",
        "kappa": "told",
    }


def test_two_versions_are_said_to_be_measured_on_the_same_rows_or_not() -> None:
    mine = [past(), past(name="july"), past(name="may")]
    theirs = [past(), past(name="july", data=OTHER), past(name="april")]

    assert beside(mine, theirs) == (
        "april: measured of one side alone",
        "july: measured on different data",
        "june: measured on the same 100 rows",
        "may: measured of one side alone",
    )
