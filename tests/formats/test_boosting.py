from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from tests.formats.boosters import lightgbm
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier

from holdfast import formats

ROWS = np.random.default_rng(2).random((40, 3))
LABELS = (ROWS[:, 0] > 0.5).astype(int)


def _loaded(model: Any, folder: Path, suffix: str = ".ubj") -> Any:
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


def test_a_bare_booster_predicts_from_rows_what_it_would_from_a_matrix(tmp_path: Path) -> None:
    matrix = xgboost.DMatrix(ROWS, LABELS)
    booster = xgboost.train({"objective": "binary:logistic"}, matrix, 3)
    loaded = _loaded(booster, tmp_path)

    assert np.allclose(loaded.predict(ROWS), booster.predict(matrix))
    assert np.allclose(loaded.predict(matrix), booster.predict(matrix))
    assert isinstance(loaded.booster, xgboost.Booster)


def test_lightgbm_s_estimators_go_to_joblib(tmp_path: Path) -> None:
    model = lightgbm().LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    model.fit(ROWS, LABELS)
    packaged = formats.package(model, "model", tmp_path)

    assert packaged.format == "joblib"
    assert packaged.description.framework == "lightgbm"
    assert formats.scan(packaged.path).unknown == ()
