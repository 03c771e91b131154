"""Losses on the command line: taken in, paired, told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def measured(churn: Any, tmp_path: Path) -> Any:
    """A store whose live churn 1.1.0 and whose 1.2.0 were measured row by row on one set."""
    (tmp_path / "june.csv").write_text("the rows\n")
    for version, worse in (("1.1.0", 0.0), ("1.2.0", 0.2)):
        rows = [1 + index % 7 / 10 + worse for index in range(60)]
        (tmp_path / f"{version}.csv").write_text("\n".join(["mae", *map(str, rows)]))
        options = ("--losses", f"mae={version}.csv", "--evaluation-set", "june.csv")
        assert churn("evaluate", f"churn@{version}", *options).status == 0
    churn("policy", "set", "churn", "--metric", "roc_auc:max_regression=100%", "--reason", "x")
    return churn


def test_a_refusal_shows_the_interval(measured: Any) -> None:
    result = measured("promote", "churn@1.2.0")

    assert result.status == 4
    assert "mae: 1.49 is 15.50% worse than 1.29 (95% interval" in result.err
    assert "n = 60), more than the 5.00% allowed" in result.err


def test_a_comparison_shows_the_interval_and_the_set(measured: Any) -> None:
    result = measured("compare", "churn@1.1.0", "churn@1.2.0")
    comparisons = measured("compare", "churn@1.1.0", "churn@1.2.0", "--json").data["paired"]

    assert "losses       mae: 1.49 is 15.50% worse" in result.out
    assert [(comparison["name"], comparison["rows"]) for comparison in comparisons] == [("mae", 60)]


def test_history_shows_what_the_gate_said(measured: Any) -> None:
    measured(
        "policy",
        "set",
        "churn",
        "--max-regression",
        "50%",
        "--inconclusive",
        "remark",
        "--reason",
        "few rows",
    )
    measured("promote", "churn@1.2.0")

    result = measured("history", "churn")

    assert "gate: mae: 1.49 is 15.50% worse" in result.out


def test_losses_come_with_a_registration(
    churn: Any, model: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("1\n2\n")
    options = ("--losses", "mae=rows.csv", "--evaluation-set", f"sha256:{'6' * 64}")

    done = churn("register", "churn", model("four"), *options)

    assert done.status == 0, done.err
    assert churn("show", "churn@1.3.0", "--json").data["metrics"] == {"mae": 1.5}
