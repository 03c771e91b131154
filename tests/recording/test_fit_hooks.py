"""`autolog`: what is watched in a block, and that it disturbs nobody."""

import functools
import inspect
import logging
import os
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import holdfast
from holdfast import Registry
from holdfast.core.training_record import TrainingRecord
from holdfast.recording import fit_hooks, fit_reports

pytestmark = pytest.mark.usefixtures("autologged")
CELL = {"C": [0.1, 1.0]}


@pytest.fixture
def labels(rows: Any) -> Any:
    """Return a label for each row."""
    return (rows[:, 0] > 0).astype(int)


def record(registry: Registry) -> TrainingRecord:
    return registry.trainings.record("iris@latest")


def boosted(rows: Any, labels: Any, rounds: int = 3) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=rounds).fit(rows, labels)


def test_a_search_is_recorded_though_its_best_estimator_alone_is_registered(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run:
        search = GridSearchCV(LogisticRegression(), CELL, scoring="roc_auc", cv=2)
        search.fit(rows, labels)
        run.metric("cv_roc_auc_mean", 0.5)
        run.model(search.best_estimator_)
        del search
    manifest = registry.manifest(run.version)

    assert manifest.hyperparameters["C"] in CELL["C"]
    assert set(manifest.metrics) == {"cv_roc_auc_mean", "cv_roc_auc_std"}
    assert manifest.metrics["cv_roc_auc_mean"] == 0.5  # told by hand
    assert list(record(registry).curves) == ["search/score"]
    assert [file.path for file in manifest.artifacts["files"].files] == ["files/candidates.json"]


def test_of_several_fits_the_registered_one_counts(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run:
        boosted(rows, labels, 2)
        chosen = boosted(rows, labels, 5)
        boosted(rows, labels, 9)
        run.model(make_pipeline(StandardScaler(), chosen))

    assert record(registry).curves["train/loss"].given == 5


def test_fits_that_led_elsewhere_leave_nothing(
    registry: Registry, rows: Any, labels: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with holdfast.training("iris", store=registry) as run:
        boosted(rows, labels)
        boosted(rows, labels)
        run.model(LogisticRegression().fit(rows, labels))

    assert record(registry).curves == {}
    assert "none of 2 fits made the model" in caplog.text


def test_a_lone_fit_counts_where_the_model_is_registered_by_its_path(
    registry: Registry, rows: Any, labels: Any, tmp_path: Path
) -> None:
    with holdfast.training("iris", store=registry) as run:
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(boosted(rows, labels)))
        run.model(tmp_path / "model.pkl")

    assert record(registry).curves["train/loss"].given == 3


def test_boosters_of_train_are_recorded(registry: Registry, rows: Any, labels: Any) -> None:
    xgboost = pytest.importorskip("xgboost", reason="trains the booster")
    lightgbm = pytest.importorskip("lightgbm", reason="trains the booster")
    own: list[Any] = []
    told: dict[str, Any] = {}
    with holdfast.training("iris", store=registry) as run:
        matrix = xgboost.DMatrix(rows, labels)
        quiet = {"verbose_eval": False}
        run.model(xgboost.train({}, matrix, 4, evals=[(matrix, "train")], **quiet))
        xgboost.train({}, matrix, 2)
    assert record(registry).curves["train/rmse"].given == 4
    with holdfast.training("iris", store=registry) as run:
        evals = [(matrix, "train")]
        run.model(xgboost.train({}, matrix, 5, evals=evals, evals_result=told, **quiet))
    assert record(registry).curves["train/rmse"].given == 5
    with holdfast.training("iris", store=registry) as run:
        data = lightgbm.Dataset(rows, labels)
        settings = {"objective": "binary", "verbose": -1}
        run.model(lightgbm.train(settings, data, 6, valid_sets=[data], callbacks=own))
        lightgbm.train(settings, data, 2)

    assert record(registry).curves["training/binary_logloss"].given == 6
    assert own == []  # what the caller gave is the caller's


def test_estimators_of_boosters_are_recorded(registry: Registry, rows: Any, labels: Any) -> None:
    xgboost = pytest.importorskip("xgboost", reason="trains the booster")
    with holdfast.training("iris", store=registry) as run:
        model = xgboost.XGBClassifier(n_estimators=3)
        run.model(model.fit(rows, labels, eval_set=[(rows, labels)], verbose=False))

    assert record(registry).curves["validation_0/logloss"].given == 3


def test_outside_of_blocks_nothing_is_watched(registry: Registry, rows: Any, labels: Any) -> None:
    before = vars(BaseSearchCV)["fit"]
    with holdfast.training("iris", store=registry) as run:
        inside = vars(BaseSearchCV)["fit"]
        signature = inspect.signature(GridSearchCV.fit)
        run.model(boosted(rows, labels))

    assert inside is not before
    assert signature == inspect.signature(before)
    assert vars(BaseSearchCV)["fit"] is before


def test_a_failed_block_lets_everything_alone_too(registry: Registry) -> None:
    before = vars(BaseSearchCV)["fit"]
    with pytest.raises(ValueError, match="x"), holdfast.training("iris", store=registry):
        raise ValueError("x")

    assert vars(BaseSearchCV)["fit"] is before


def test_it_is_switched_on_and_off_within_a_block(
    registry: Registry, rows: Any, labels: Any
) -> None:
    before = vars(BaseSearchCV)["fit"]
    holdfast.autolog(disable=True)
    with holdfast.training("iris", store=registry) as run:
        assert vars(BaseSearchCV)["fit"] is before
        holdfast.autolog()
        holdfast.autolog()
        assert vars(BaseSearchCV)["fit"] is not before
        holdfast.autolog(disable=True)
        assert vars(BaseSearchCV)["fit"] is before
        run.model(boosted(rows, labels))

    assert record(registry).curves == {}


def test_what_another_tool_put_around_ours_stays_and_goes_on(
    registry: Registry, rows: Any, labels: Any
) -> None:
    before = vars(BaseSearchCV)["fit"]
    try:
        with holdfast.training("iris", store=registry) as run:
            ours = vars(BaseSearchCV)["fit"]
            theirs = functools.partialmethod(ours)
            BaseSearchCV.fit = theirs
            run.model(boosted(rows, labels))
        search = GridSearchCV(LogisticRegression(), CELL, cv=2).fit(rows, labels)

        assert vars(BaseSearchCV)["fit"] is theirs
        assert search.best_score_ > 0
    finally:
        BaseSearchCV.fit = before


def test_a_mistake_of_ours_is_logged_once_and_breaks_nothing(
    registry: Registry,
    rows: Any,
    labels: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_fitted: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(fit_reports, "of", broken)
    with holdfast.training("iris", store=registry) as run, caplog.at_level(logging.WARNING):
        boosted(rows, labels)
        run.model(boosted(rows, labels))

    assert run.version.version == "1.0.0"
    assert [log.message for log in caplog.records] == ["autolog could not record fit: ours"]


def test_an_error_of_the_caller_is_the_callers(registry: Registry, rows: Any) -> None:
    with (
        pytest.raises(ValueError, match="inconsistent numbers"),
        holdfast.training("iris", store=registry),
    ):
        boosted(rows, [0, 1])


def test_a_fit_within_a_fit_is_the_outer_ones(registry: Registry, rows: Any, labels: Any) -> None:
    inner = GradientBoostingClassifier(n_estimators=2)
    with holdfast.training("iris", store=registry) as run:
        search = GridSearchCV(inner, {"max_depth": [1, 2]}, cv=2).fit(rows, labels)
        fits = [fit for block in fit_hooks._hooks._blocks for fit in block.fits]
        run.model(search.best_estimator_)

    assert len(fits) == 1
    assert sorted(record(registry).curves) == ["search/score", "train/loss"]


def test_of_very_many_fits_those_that_are_gone_are_let_go(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run:
        kept = boosted(rows, labels, 1)
        for _ in range(50):
            boosted(rows, labels, 1)
        count = sum(len(block.fits) for block in fit_hooks._hooks._blocks)
        run.model(kept)

    assert count < 45
    assert record(registry).curves["train/loss"].given == 1


def test_a_thread_tells_its_own_block_or_the_only_one(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run:
        models: list[Any] = []
        thread = threading.Thread(target=lambda: models.append(boosted(rows, labels)))
        thread.start()
        thread.join()
        run.model(models[0])
    assert record(registry).curves["train/loss"].given == 3
    with holdfast.training("outer", store=registry) as outer:
        with holdfast.training("iris", store=registry) as run:
            run.model(boosted(rows, labels, 4))
        outer.model(boosted(rows, labels, 5))

    assert record(registry).curves["train/loss"].given == 4
    assert registry.trainings.record("outer@latest").curves["train/loss"].given == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_fits_as_if_nothing_watched(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run:
        with fit_hooks._hooks._lock:
            child = os.fork()
            if not child:
                boosted(rows, labels)
                count = sum(len(block.fits) for block in fit_hooks._hooks._blocks)
                os._exit(count)
        _, status = os.waitpid(child, 0)
        run.model(boosted(rows, labels))

    assert status == 0


def test_a_perceptron_that_stops_early_is_recorded(
    registry: Registry, rows: Any, labels: Any
) -> None:
    with holdfast.training("iris", store=registry) as run, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.model(MLPClassifier(max_iter=3, early_stopping=True).fit(rows, labels))

    assert sorted(record(registry).curves) == ["train/loss", "validation/score"]


def test_it_imports_no_library() -> None:
    heavy = "sklearn xgboost lightgbm torch numpy matplotlib".split()
    program = (
        "import holdfast, sys; holdfast.autolog(); "
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
