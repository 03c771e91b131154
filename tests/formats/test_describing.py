import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from tests.formats.boosters import lightgbm

from holdfast import formats
from holdfast.errors import InvalidInputError
from holdfast.formats import Description, scanner
from holdfast.formats.describing import describe_object

ROWS = np.random.default_rng(1).random((40, 3))
LABELS = (ROWS[:, 0] > 0.5).astype(int)
_SCALED = ColumnTransformer([("scaled", StandardScaler(), [0, 1])])


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(C=0.5, class_weight={0: 1.0, 1: 2.0}),
        RandomForestClassifier(3, max_depth=2),
        AdaBoostClassifier(LogisticRegression(), n_estimators=2),
        make_pipeline(_SCALED, LogisticRegression(C=3)),
        make_pipeline("passthrough", FunctionTransformer(np.log1p), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2),
        VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(2))]),
        StackingClassifier([("a", LogisticRegression(C=2))], cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_file_tells_of_an_estimator_what_the_object_does(model: Any, tmp_path: Path) -> None:
    packaged = formats.package(model.fit(ROWS, LABELS), "model", tmp_path)
    from_file = formats.package(packaged.path, "model", tmp_path).description

    assert packaged.description.hyperparameters
    assert from_file == packaged.description


def test_a_compressed_file_is_described_as_well(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib.gz"
    joblib.dump(LogisticRegression(C=7).fit(ROWS, LABELS), path, compress=("gzip", 3))
    described = formats.package(path, "model", tmp_path).description

    assert described.algorithm == "LogisticRegression"
    assert described.hyperparameters["C"] == 7


def test_every_protocol_tells_the_same(tmp_path: Path) -> None:
    model = LogisticRegression(C=7).fit(ROWS, LABELS)
    descriptions = []
    for protocol in range(6):
        path = tmp_path / f"model-{protocol}.pkl"
        path.write_bytes(pickle.dumps(model, protocol))
        descriptions.append(formats.package(path, "model", tmp_path).description)

    assert descriptions == [descriptions[0]] * 6
    assert descriptions[0].algorithm == "LogisticRegression"


def test_parameters_are_plain_json() -> None:
    class Odd(BaseEstimator):  # type: ignore[misc]
        def __init__(self, gap: object = None, kind: object = None, scale: object = None) -> None:
            self.gap = gap
            self.kind = kind
            self.scale = scale

    description = describe_object(Odd(float("nan"), np.float32, np.arange(2)))

    assert description.framework == "scikit-learn"
    assert description.algorithm == "Odd"
    assert description.hyperparameters == {"gap": "nan", "kind": "numpy.float32", "scale": [0, 1]}


def test_a_model_whose_get_params_fails_is_described_without() -> None:
    class Broken:
        def get_params(self, *, deep: bool) -> dict[str, object]:
            raise RuntimeError(f"no parameters, deep or not: {deep}")

    assert describe_object(Broken()) == Description(algorithm="Broken")


def test_a_get_params_of_another_meaning_is_not_believed() -> None:
    class Other:
        def get_params(self, deep: object) -> object:
            return deep

    assert describe_object(Other()).hyperparameters == {}
    assert describe_object(LogisticRegression).hyperparameters == {}


@pytest.mark.parametrize(
    "model", [{"a": 1}, [1], OrderedDict(a=1), ROWS], ids=lambda m: type(m).__name__
)
def test_a_container_is_no_algorithm(model: object, tmp_path: Path) -> None:
    packaged = formats.package(model, "model", tmp_path, "joblib")
    from_file = formats.package(packaged.path, "model", tmp_path).description

    assert packaged.description.algorithm is None
    assert from_file.algorithm is None
    assert from_file.framework is None


def test_the_packages_of_a_model_are_named_by_distribution(tmp_path: Path) -> None:
    packaged = formats.package(LogisticRegression().fit(ROWS, LABELS), "model", tmp_path)

    assert packaged.description.packages == ("joblib", "numpy", "scikit-learn")


def test_a_hostile_file_is_described_without_being_followed(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x02cos\nsystem\n(U\x04truetR.")

    assert formats.package(path, "model", tmp_path).description.framework is None


def test_a_pickle_nested_without_end_is_described(tmp_path: Path) -> None:
    """A list of lists of lists ... as a parameter must not exhaust the stack."""
    estimator = b"csklearn.linear_model._base\nLinearRegression\n)\x81"
    deep = b"]" * 50_000 + b"a" * 49_999
    path = tmp_path / "model.pkl"
    path.write_bytes(
        b"\x80\x02" + estimator + b"}(U\x05depth" + deep + b"U\x05coef_K\x01U\x01nK\x03ub."
    )

    assert formats.package(path, "model", tmp_path).description.hyperparameters == {"n": 3}


def test_a_booster_is_described_by_its_objective(tmp_path: Path) -> None:
    booster = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(ROWS, LABELS), 2)
    packaged = formats.package(booster, "model", tmp_path)
    from_file = formats.package(packaged.path, "model", tmp_path).description

    assert packaged.description.hyperparameters == {"objective": "reg:squarederror"}
    assert from_file == packaged.description


def test_a_lightgbm_file_tells_the_parameters_of_its_training(tmp_path: Path) -> None:
    data = lightgbm().Dataset(ROWS, LABELS)
    booster = lightgbm().train({"verbose": -1, "objective": "binary", "num_leaves": 5}, data, 2)
    packaged = formats.package(booster, "model", tmp_path)
    stated = formats.package(packaged.path, "model", tmp_path).description.hyperparameters

    assert packaged.description.hyperparameters["num_leaves"] == 5
    assert stated["num_leaves"] == 5
    assert stated["objective"] == "binary"
    assert stated["learning_rate"] == 0.1


def test_a_safetensors_file_tells_its_numbers_and_its_library(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": ROWS, "b": LABELS}, path, metadata={"format": "pt"})
    described = formats.package(path, "model", tmp_path).description

    assert described.framework == "pytorch"
    assert described.hyperparameters == {"tensors": 2, "parameters": 160}


def test_ranges_are_told_as_lists(tmp_path: Path) -> None:
    model = MinMaxScaler((0, 2)).fit(ROWS)
    packaged = formats.package(model, "model", tmp_path)
    from_file = formats.package(packaged.path, "model", tmp_path).description

    assert from_file.hyperparameters["feature_range"] == [0, 2]
    assert from_file == packaged.description


def test_estimators_within_estimators_are_told_to_a_depth(tmp_path: Path) -> None:
    model: Any = LogisticRegression(C=5).fit(ROWS, LABELS)
    for _ in range(7):
        model = make_pipeline(model)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    parameters = formats.package(path, "model", tmp_path).description.hyperparameters

    assert parameters["verbose"] is False
    assert max(name.count("__") for name in parameters) == 4


def test_a_broken_compressed_file_has_no_root(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib.gz"
    path.write_bytes(b"\x1f\x8b\x08broken")

    assert scanner.root_of(path) is None


def test_what_only_looks_compressed_has_no_root(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("xylophone")

    assert scanner.root_of(path) is None


def test_a_skops_file_of_a_list_has_no_algorithm(tmp_path: Path) -> None:
    packaged = formats.package([1.5], "model", tmp_path, "skops")
    from_file = formats.package(packaged.path, "model", tmp_path).description

    assert from_file.framework is None


def test_a_lying_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 20)

    with pytest.raises(InvalidInputError, match="announces 18,446,744,073,709,551,615 bytes"):
        formats.package(path, "model", tmp_path)


def test_a_broken_skops_file_has_no_root(tmp_path: Path) -> None:
    path = formats.package({"a": 1}, "model", tmp_path, "skops").path
    content = path.read_bytes()
    path.write_bytes(content.replace(b"schema.json", b"schemA.json", 1))

    assert scanner.skops_root(path) is None


def test_the_libraries_of_every_step_of_a_pipeline_are_named(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    model = lightgbm().LGBMClassifier(n_estimators=2, min_child_samples=2, verbose=-1)
    pipeline = make_pipeline(StandardScaler(), model).fit(ROWS, LABELS)
    packaged = formats.package(pipeline, "model", tmp_path)
    from_file = formats.package(packaged.path, "model", tmp_path)

    packages = {"joblib", "lightgbm", "numpy", "scikit-learn"}
    assert packages <= set(packaged.description.packages)
    assert packages <= set(from_file.description.packages)


def test_a_library_that_nobody_listed_is_named_where_it_is_installed() -> None:
    described = describe_object(
        FunctionTransformer(), "hypothesis.strategies", "os", "nowhere_to_be"
    )

    assert described.packages == ("hypothesis", "scikit-learn")


class _Wide(BaseEstimator):  # type: ignore[misc]
    def __init__(self, count: int = 0) -> None:
        self.count = count

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as in sklearn
        return {f"weight_{index}": index for index in range(self.count)} if deep else {}


def test_parameters_are_recorded_whole_and_what_is_left_out_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len(describe_object(_Wide(900)).hyperparameters) == 900
    assert caplog.text == ""
    assert len(describe_object(_Wide(2100)).hyperparameters) == 2000
    assert "2000 of 2100 hyperparameters are recorded" in caplog.text
