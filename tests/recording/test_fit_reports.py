"""What fitted objects tell of their training."""

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import Registry
from holdfast.recording import TrainingRun, fit_reports, lightgbm_callback, xgboost_callback

CELL = {"C": [0.1, 1.0]}


@pytest.fixture
def labels(rows: Any) -> Any:
    """Return a label for each row."""
    return (rows[:, 0] > 0).astype(int)


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> TrainingRun:
    """Return a run that goes on, and has a model."""
    made = TrainingRun("iris", tmp_path, registry.trainings.data_use)
    made.model(tmp_path / "model.txt")
    return made


def test_a_search_tells_its_best_and_every_candidate(
    run: TrainingRun, rows: Any, labels: Any, tmp_path: Path
) -> None:
    search = GridSearchCV(LogisticRegression(), CELL, scoring="roc_auc", cv=2).fit(rows, labels)
    run.fitted(search)
    gathered = run.gather()
    tried = json.loads((tmp_path / "files" / "candidates.json").read_text())

    assert gathered.parameters["C"] == search.best_params_["C"]
    assert "solver" in gathered.parameters
    assert gathered.metrics["cv_roc_auc_mean"] == search.best_score_
    assert "cv_roc_auc_std" in gathered.metrics
    assert gathered.curves["search/score"].given == 2
    assert [one["params"] for one in tried] == [{"C": 0.1}, {"C": 1.0}]
    assert tried[0]["mean_test_score"] == search.cv_results_["mean_test_score"][0]


@pytest.mark.parametrize(("refit", "metrics"), [("roc_auc", 2), (False, 0)])
def test_a_search_by_several_scores_tells_the_one_it_chose_by(
    rows: Any, labels: Any, refit: Any, metrics: int
) -> None:
    search = RandomizedSearchCV(
        LogisticRegression(), CELL, n_iter=2, scoring=["roc_auc", "accuracy"], cv=2, refit=refit
    ).fit(rows, labels)
    report = fit_reports.of(search)

    assert len(report.metrics) == metrics
    assert len(report.series["search/score"]) == 2
    assert {"mean_test_roc_auc", "rank_test_accuracy"} < set(json.loads(report.candidates)[0])


def test_a_search_whose_fits_failed_tells_gaps(rows: Any, labels: Any) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [-1.0, 1.0]}, cv=2, error_score=math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = fit_reports.of(search.fit(rows, labels))

    assert json.loads(report.candidates)[0]["mean_test_score"] == "nan"


def _hist(**more: Any) -> Any:
    return HistGradientBoostingClassifier(max_iter=3, **more)


Make = Callable[[], Any]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: _hist(early_stopping=True), ["train/score", "validation/score"]),
        (lambda: _hist(early_stopping=False), []),
        (lambda: make_pipeline(StandardScaler(), _hist(early_stopping=True)), ["train/score"]),
        (lambda: GradientBoostingClassifier(n_estimators=3), ["train/loss"]),
        (
            lambda: GradientBoostingClassifier(n_estimators=3, subsample=0.5),
            ["out_of_bag/score", "train/loss"],
        ),
        (lambda: MLPClassifier(max_iter=3), ["train/loss"]),
        (
            lambda: MLPClassifier(max_iter=3, early_stopping=True),
            ["train/loss", "validation/score"],
        ),
        (LogisticRegression, []),
        (object, []),
    ],
)
def test_curves_are_read_from_estimators(
    rows: Any, labels: Any, make: Make, names: list[str]
) -> None:
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(model, "fit"):
            model.fit(rows, labels)
    report = fit_reports.of(model)

    assert set(names) <= set(report.series)
    assert bool(names) == bool(report.series)
    assert (report.parameters, report.metrics, report.candidates) == ({}, {}, b"")


def test_histories_of_boosters_become_curves(run: TrainingRun, rows: Any, labels: Any) -> None:
    xgboost = pytest.importorskip("xgboost", reason="trains the booster")
    lightgbm = pytest.importorskip("lightgbm", reason="trains the booster")
    model = xgboost.XGBClassifier(n_estimators=3)
    run.fitted(model.fit(rows, labels, eval_set=[(rows, labels)], verbose=False))
    told: dict[str, Any] = {}
    matrix = xgboost.DMatrix(rows, labels)
    xgboost.train(
        {"eval_metric": "error"}, matrix, 3, evals=[(matrix, "own")], verbose_eval=False,
        callbacks=[xgboost_callback(run)],
    )  # fmt: skip
    data = lightgbm.Dataset(rows, labels)
    lightgbm.train(
        {"objective": "binary", "verbose": -1}, data, 3, valid_sets=[data], valid_names=["light"],
        callbacks=[lightgbm.record_evaluation(told), lightgbm_callback(run)],
    )  # fmt: skip
    run.history({"again": told["light"], "loss": [0.5, 0.25], "cv": [(0.5, 0.1)]})
    kept = {name: curve.given for name, curve in run.gather().curves.items()}

    assert kept == {
        "validation_0/logloss": 3,
        "own/error": 3,
        "light/binary_logloss": 3,
        "again/binary_logloss": 3,
        "loss": 2,
        "cv": 1,
    }


def test_rounds_of_cross_validation_are_told_by_their_mean(
    run: TrainingRun, rows: Any, labels: Any
) -> None:
    xgboost = pytest.importorskip("xgboost", reason="trains the boosters")
    matrix = xgboost.DMatrix(rows, labels)
    done = xgboost.cv(
        {"eval_metric": "error"}, matrix, 2, nfold=2, callbacks=[xgboost_callback(run)]
    )
    curve = run.gather().curves["test/error"]

    assert np.allclose(np.array(curve.values), done["test-error-mean"], rtol=1e-6)


def test_a_torch_loop_tells_tensors(run: TrainingRun) -> None:
    torch = pytest.importorskip("torch", reason="makes the tensor")
    weight = torch.zeros(1, requires_grad=True)
    for epoch in range(3):
        loss = ((weight - epoch) ** 2).sum()
        loss.backward()
        run.curve("loss", torch.tensor(epoch), loss)
    run.metric("accuracy", torch.tensor(0.5))
    gathered = run.gather()

    assert list(gathered.curves["loss"].values) == [0.0, 1.0, 4.0]
    assert gathered.metrics == {"accuracy": 0.5}
