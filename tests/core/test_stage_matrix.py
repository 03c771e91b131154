"""One row for each model."""

from holdfast.core.policy import MetricRule, Policy
from holdfast.core.stage_matrix import MatrixRow, Trend, leading_metric, row, table, trend_of
from holdfast.core.standing import damaged
from holdfast.core.state import Record, State

AT = "2026-03-01T00:00:00.000000Z"


def record(version: str, number: int, metrics: dict[str, float]) -> Record:
    return Record(version, number, "0" * 64, 1, metrics, AT, "ana", number, AT, approvals=("ben",))


def state(**changes: object) -> State:
    versions = {
        "1.0.0": record("1.0.0", 1, {"latency_ms": 3.0, "recall": 0.7, "x": 1.0}),
        "1.1.0": record("1.1.0", 2, {"latency_ms": 3.0}),
    }
    return State("m", seq=2, head="0" * 64, at=AT, versions=versions, **changes)  # type: ignore[arg-type]


def test_the_metric_of_the_policy_leads_then_what_should_be_high_then_low_then_any() -> None:
    assert leading_metric(state(production="1.0.0")) == "recall"
    ruled = Policy(metrics={"x": MetricRule()})
    assert leading_metric(state(production="1.0.0", policy=ruled)) == "x"
    assert leading_metric(state()) == "latency_ms"  # of the newest
    assert leading_metric(State("m")) is None


def test_a_row_has_what_is_staged_with_its_approvals_and_the_trend() -> None:
    shown = row(state(staging="1.1.0", policy=Policy(approvals=2), production="1.0.0"), None)
    assert (shown.staging, shown.approvals, shown.approvals_needed) == ("1.1.0", 1, 2)
    assert [point.value for point in shown.trend] == [0.7, None]
    assert shown.trend[0].live
    assert shown.model == "m"


def test_a_model_without_versions_has_a_row_too() -> None:
    assert row(State("m", seq=1), None).versions == 0


def test_a_notebook_shows_a_row_and_a_spark_for_each_model() -> None:
    shown = table([row(state(production="1.0.0"), None), MatrixRow(damaged("<b>", "is <gone>"))])
    assert "●\N{NO-BREAK SPACE}1.0.0" in shown
    assert shown.count("<svg") == 1
    assert "<td>&lt;b&gt;</td>" in shown
    assert "is &lt;gone&gt;" in shown


def test_a_notebook_shows_that_there_are_no_models() -> None:
    assert "no models yet" in table([])


def test_a_notebook_draws_a_trend() -> None:
    points = trend_of(state(), "recall", 5)
    assert "recall by version" in Trend("recall", points, 0.6)._repr_html_()
    assert "no version has metrics" in Trend(None)._repr_html_()
