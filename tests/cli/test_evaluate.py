"""The command that measures a version on a file: its screen, its JSON, its exit statuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import holdfast as library


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """Rows of customers, also as june.csv, in whose `left` column the answers are."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"age": random.normal(40, 10, 300), "visits": random.integers(0, 9, 300)})
    frame["left"] = (frame.age + random.normal(0, 5, 300) > 40).astype(int)
    frame["price"] = frame.age * 2 + random.normal(0, 1, 300)
    frame["region"] = ["north"] * 200 + ["south"] * 90 + ["east"] * 10
    frame.to_csv(tmp_path / "june.csv", index=False)
    return frame


@pytest.fixture
def measured(holdfast: Any, table: pd.DataFrame, tmp_path: Path) -> Any:
    """The command over a store whose live churn 1.0.0 knows less than 1.1.0."""
    registry = library.open(tmp_path / "store", by="ana")
    inputs = table[["age", "visits"]]
    registry.register("churn", LogisticRegression(C=1e-6).fit(inputs, table.left))
    registry.promote("churn@1.0.0", reason="first")
    registry.register("churn", LogisticRegression().fit(inputs, table.left))
    registry.register("price", LinearRegression().fit(inputs, table.price))
    return holdfast


def test_both_sides_are_shown_with_intervals(measured: Any) -> None:
    result = measured(
        "evaluate", "churn@1.1.0", "--data", "june.csv", "--label", "left", "--slice", "region"
    )
    lines = result.out.splitlines()

    assert result.status == 0, result.err
    assert lines[0] == "churn@1.1.0 beside 1.0.0, which is live, measured on june"
    assert "300 rows (sha256:" in lines[1]
    assert lines[1].endswith("classification as the model is a classifier, positive 1")
    assert any(line.startswith("log_loss") and line.endswith("better") for line in lines)
    assert any(line.startswith("east    10    too few rows to measure") for line in lines)
    assert lines[-1].startswith("bootstrap of 1,000 resamples, seed ")


def test_json_has_all_that_is_recorded(measured: Any) -> None:
    result = measured(
        *("evaluate", "churn@1.1.0", "--data", "june.csv", "--label", "left", "--json"),
        *("--name", "holdout", "--alone", "--positive", "0", "--time-limit", "5m"),
    )
    evaluation = result.data["evaluation"]

    assert (evaluation["name"], evaluation["positive"]) == ("holdout", "0")
    assert "champion" not in evaluation
    assert {one["name"] for one in evaluation["figures"]} >= {"accuracy", "roc_auc", "brier"}


def test_a_gate_demands_it_by_name(measured: Any) -> None:
    measured(
        *("policy", "set", "churn", "--require-evaluation", "june"),
        *("--max-regression", "off", "--reason", "only that it was measured"),
    )
    measured("evaluate", "churn@1.1.0", "roc_auc=0.99", "--dataset", "june")
    told = measured("promote", "churn@1.1.0")
    measured("evaluate", "churn@1.1.0", "--data", "june.csv", "--label", "left")
    by_figures = measured("promote", "churn@1.1.0")

    assert told.status == 4
    assert "june: not measured, but the policy requires this evaluation" in told.err
    assert by_figures.status == 0, by_figures.err


def test_what_was_measured_and_told_is_shown_apart(measured: Any) -> None:
    measured("evaluate", "churn@1.1.0", "--data", "june.csv", "--label", "left")
    measured("evaluate", "churn@1.1.0", "kappa=0.5")
    shown = measured("show", "churn@1.1.0").out
    card = measured("card", "churn@1.1.0", "--format", "markdown").out
    compared = measured("compare", "churn@1.0.0", "churn@1.1.0").out

    assert "kappa                0.5  told" in shown
    assert "measured (june)" in shown
    assert "june: measured on 300 rows" in shown
    assert "| kappa | 0.5 | told |" in card
    assert "june: measured on the same 300 rows" in compared
    assert measured("show", "churn@1.1.0", "--json").data["evaluations"][0]["name"] == "june"


def test_a_regression_is_shown(measured: Any) -> None:
    result = measured(
        *("evaluate", "price@1.0.0", "--data", "june.csv", "--label", "price"),
        *("--slice", "region", "--slices", "1"),
    )

    assert result.status == 0, result.err
    assert "regression as the model is a regressor" in result.out
    assert "2 smaller slices are left out" in result.out


def test_too_few_rows_have_no_intervals(measured: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    table.head(20).assign(left=1).to_csv(tmp_path / "few.csv", index=False)
    result = measured(
        *("evaluate", "churn@1.1.0", "--data", "few.csv", "--label", "left", "--sandbox", "off")
    )

    assert "no intervals: they need 30 rows" in result.out
    assert "roc_auc is not measured, because the label has one class alone, '1'" in result.out
    assert "note: the versions ran without a sandbox" in result.out


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (("--label", "left"), 2, "--label is for measuring; give --data FILE as well"),
        (("--data", "june.csv"), 2, "--label is missing"),
        (("--data", "june.csv", "--label", "left", "auc=1"), 2, "auc=1 is of figures measured"),
        (("--data", "june.csv", "--label", "gone"), 2, "has no column 'gone'"),
        (("--data", "gone.csv", "--label", "left"), 2, "cannot be read: No such file"),
        (("--data", "june.txt", "--label", "left"), 2, "has an unknown ending"),
        (("--data", "june.csv", "--label", "left", "--time-limit", "1 week"), 2, "span of time"),
        (("--data", "june.csv", "--label", "left", "--time-limit", "0"), 2, "must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused(
    measured: Any, words: tuple[str, ...], status: int, problem: str
) -> None:
    result = measured("evaluate", "churn@1.1.0", *words)

    assert result.status == status
    assert problem in result.err


def test_rows_that_it_was_trained_on_are_refused(
    measured: Any, table: pd.DataFrame, tmp_path: Path
) -> None:
    import hashlib

    digest = hashlib.sha256((tmp_path / "june.csv").read_bytes()).hexdigest()
    model = LogisticRegression().fit(table[["age", "visits"]], table.left)
    registry = library.open(tmp_path / "store", by="ana")
    registry.register("churn", model, version="2.0.0", training_data={"sha256": digest})
    result = measured("evaluate", "churn@2.0.0", "--data", "june.csv", "--label", "left")

    assert result.status == 4
    assert "it was trained on this very file" in result.err
