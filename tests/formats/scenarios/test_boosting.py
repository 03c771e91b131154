import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from tests.formats.boosters import lightgbm
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from holdfast import formats
from holdfast.errors import InvalidInputError

ROWS = np.random.default_rng(2).random((40, 3))
LABELS = (ROWS[:, 0] > 0.5).astype(int)


def _loaded(model: Any, folder: Path, suffix: str = ".ubj") -> Any:
    folder.mkdir(exist_ok=True)
    packaged = formats.package(model, "model", folder)
    path = packaged.path.rename(packaged.path.with_suffix(suffix))
    return formats.load(packaged.format, path)


@pytest.mark.parametrize("suffix", [".ubj", ".json", ".bin"])
def test_the_extension_does_not_mislead_xgboost(suffix: str, tmp_path: Path) -> None:
    model = XGBRegressor(n_estimators=3).fit(ROWS, LABELS)
    loaded = _loaded(model, tmp_path, suffix)

    assert isinstance(loaded, XGBRegressor)
    assert np.allclose(loaded.predict(ROWS), model.predict(ROWS))


def test_json_is_read_like_binary_json(tmp_path: Path) -> None:
    model = XGBClassifier(n_estimators=3).fit(ROWS, LABELS)
    path = tmp_path / "model.json"
    model.save_model(path)
    packaged = formats.package(path, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, path)

    assert formats.scan(path).kind == "xgboost-json"
    assert packaged.description.algorithm == "XGBClassifier"
    assert np.array_equal(loaded.predict_proba(ROWS), model.predict_proba(ROWS))


def test_a_ranker_comes_back_as_one(tmp_path: Path) -> None:
    model = XGBRanker(n_estimators=3).fit(ROWS, LABELS, group=[20, 20])

    assert isinstance(_loaded(model, tmp_path), XGBRanker)


def test_a_random_forest_predicts_as_before(tmp_path: Path) -> None:
    model = XGBRFClassifier(n_estimators=3).fit(ROWS, LABELS)

    assert np.array_equal(_loaded(model, tmp_path).predict(ROWS), model.predict(ROWS))


def test_a_bare_booster_comes_back_as_one_that_predicts_from_rows_too(tmp_path: Path) -> None:
    matrix = xgboost.DMatrix(ROWS, LABELS)
    booster = xgboost.train({"objective": "binary:logistic"}, matrix, 3)
    loaded = _loaded(booster, tmp_path)

    assert isinstance(loaded, xgboost.Booster)
    assert np.allclose(loaded.predict(ROWS), booster.predict(matrix))
    assert np.allclose(
        loaded.predict(matrix, output_margin=True), booster.predict(matrix, output_margin=True)
    )
    assert np.allclose(pickle.loads(pickle.dumps(loaded)).predict(matrix), booster.predict(matrix))
    assert _loaded(loaded, tmp_path / "again").get_dump() == booster.get_dump()


def _comparable(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in parameters.items()}  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(
    ("made", "parameters"),
    [
        (XGBClassifier, {"missing": -999.0, "importance_type": "cover"}),
        (XGBClassifier, {"missing": float("nan"), "learning_rate": np.float64(0.2)}),
        (
            XGBRegressor,
            {"missing": 0.0, "eval_metric": ["rmse", "mae"], "monotone_constraints": "(1,0,0)"},
        ),
        (XGBRFClassifier, {"missing": -1, "subsample": 0.5}),
        (XGBRFRegressor, {"missing": -999, "enable_categorical": True}),
    ],
)
def test_an_estimator_comes_back_with_its_class_and_its_parameters(
    made: Any, parameters: dict[str, Any], tmp_path: Path
) -> None:
    rows = np.where(ROWS > 0.8, parameters["missing"], ROWS)
    model = made(n_estimators=4, **parameters).fit(rows, LABELS)
    loaded = _loaded(model, tmp_path)

    assert type(loaded) is made
    assert _comparable(loaded.get_params()) == _comparable(model.get_params())
    assert np.array_equal(loaded.predict(rows), model.predict(rows))
    assert loaded.predict(rows).dtype == model.predict(rows).dtype
    assert model.get_booster().attributes() == loaded.get_booster().attributes()


def test_values_that_stand_for_missing_are_missing_after_a_load(tmp_path: Path) -> None:
    rows = np.where(ROWS > 0.6, -999, ROWS)
    model = XGBClassifier(n_estimators=20, missing=-999).fit(rows, LABELS)

    assert np.array_equal(_loaded(model, tmp_path).predict_proba(rows), model.predict_proba(rows))


def test_what_was_learnt_beside_the_trees_comes_back(tmp_path: Path) -> None:
    three = np.arange(40) % 3
    frame = pd.DataFrame(ROWS, columns=["age", "income", "city"])
    frame["city"] = pd.Categorical(np.where(ROWS[:, 2] > 0.5, "Bern", "Rome"))
    model = XGBClassifier(n_estimators=9, enable_categorical=True, early_stopping_rounds=3)
    model.fit(frame, three, eval_set=[(frame, three)], verbose=False)
    loaded = _loaded(model, tmp_path)

    assert loaded.n_classes_ == 3
    assert loaded.feature_names_in_.tolist() == ["age", "income", "city"]
    assert loaded.get_booster().feature_types == model.get_booster().feature_types
    assert loaded.best_iteration == model.best_iteration
    assert loaded.evals_result() == model.evals_result()
    assert np.array_equal(loaded.predict_proba(frame), model.predict_proba(frame))


class Doubled(XGBRegressor):
    """An estimator with code of its own."""

    def predict(self, X: Any, *arguments: Any, **further: Any) -> Any:  # noqa: N803 - XGBoost's
        return 2 * super().predict(X, *arguments, **further)


@pytest.mark.parametrize(
    "model",
    [Doubled(n_estimators=2), XGBRegressor(n_estimators=2, random_state=np.random.RandomState(1))],
)
def test_what_the_file_would_lose_goes_to_joblib_and_comes_back(model: Any, tmp_path: Path) -> None:
    model.fit(ROWS, LABELS)
    packaged = formats.package(model, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)

    assert packaged.format == "joblib"
    assert type(loaded) is type(model)
    assert np.array_equal(loaded.predict(ROWS), model.predict(ROWS))


def test_a_subclass_is_not_written_as_less_than_it_is(tmp_path: Path) -> None:
    model = Doubled(n_estimators=2).fit(ROWS, LABELS)

    with pytest.raises(InvalidInputError, match=r"kept whole .*Doubled is a class of its own"):
        formats.package(model, "model", tmp_path, "xgboost")
    with pytest.raises(InvalidInputError, match="it is not XGBoost's own"):
        formats.package(LABELS, "model", tmp_path, "xgboost")


def test_a_record_in_a_file_of_others_names_no_class_beyond_xgboost_s(tmp_path: Path) -> None:
    model = XGBRegressor(n_estimators=2).fit(ROWS, LABELS)
    model.get_booster().set_attr(
        holdfast='{"class": "open", "parameters": {"file": "/etc/passwd"}}'
    )
    model.get_booster().save_model(tmp_path / "model.ubj")

    assert isinstance(formats.load("xgboost", tmp_path / "model.ubj"), xgboost.Booster)


def test_lightgbm_s_estimators_go_to_joblib(tmp_path: Path) -> None:
    model = lightgbm().LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    model.fit(ROWS, LABELS)
    packaged = formats.package(model, "model", tmp_path)

    assert packaged.format == "joblib"
    assert packaged.description.framework == "lightgbm"
    assert formats.scan(packaged.path).unknown == ()
