"""What fitted scikit-learn, XGBoost and LightGBM objects tell of their inputs and outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from tests.formats.boosters import lightgbm

from holdfast.core.schema import parse
from holdfast.formats.example import from_fitted

X = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 2)), columns=["age", "income"])
KIND = np.arange(24) % 2
PRICE = X["age"].to_numpy() * 3


def outputs(model: object) -> dict[str, Any] | None:
    return from_fitted({"model": model}).output_schema


def test_feature_names_are_columns_in_order_of_unsaid_type() -> None:
    fitted = from_fitted({"model": LogisticRegression().fit(X, KIND)})

    assert fitted.input_schema == {
        "type": "object",
        "properties": {"age": {}, "income": {}},
        "required": ["age", "income"],
        "order": ["age", "income"],
    }
    assert parse(fitted.input_schema, "input_schema") is not None


def test_the_number_of_features_is_the_width_of_an_array() -> None:
    fitted = from_fitted({"model": LogisticRegression().fit(X.to_numpy(), KIND)})

    assert fitted.input_schema == {
        "type": "array",
        "items": {"type": "array", "items": {}},
        "shape": [None, 2],
    }
    assert parse(fitted.input_schema, "input_schema") is not None


def test_the_preprocessor_tells_the_input_and_the_model_the_output() -> None:
    scaler = StandardScaler().fit(X)
    model = LogisticRegression().fit(scaler.transform(X), KIND)

    fitted = from_fitted({"model": model, "preprocessor": scaler})

    assert fitted.input_schema is not None
    assert fitted.input_schema["order"] == ["age", "income"]
    assert fitted.output_schema == {"type": "integer", "enum": [0, 1]}


def test_features_behind_a_preprocessor_that_tells_nothing_are_not_taken_for_its_input() -> None:
    words = CountVectorizer().fit(["good film", "bad film"])
    model = LogisticRegression().fit(words.transform(["good film", "bad film"]), [1, 0])

    assert from_fitted({"model": model, "preprocessor": words}).input_schema is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (KIND, {"type": "integer", "enum": [0, 1]}),
        (KIND.astype(bool), {"type": "boolean", "enum": [False, True]}),
        (KIND + 0.5 - 0.5, {"type": "number", "enum": [0.0, 1.0]}),
        (np.array(["no", "yes"])[KIND], {"type": "string", "enum": ["no", "yes"]}),
        (np.array(["no", "yes"], dtype=object)[KIND], {"type": "string", "enum": ["no", "yes"]}),
    ],
    ids=["int", "bool", "float", "str", "object"],
)
def test_a_classifier_gives_one_of_its_classes(labels: Any, expected: dict[str, Any]) -> None:
    model = RandomForestClassifier(2).fit(X, labels)

    assert outputs(model) == expected
    assert parse(expected, "output_schema") is not None


def test_classes_of_several_outputs_are_not_told_apart() -> None:
    model = RandomForestClassifier(2).fit(X, np.c_[KIND, KIND])

    assert outputs(model) is None


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        RandomForestRegressor(2),
        SVR(kernel="linear"),
        make_pipeline(StandardScaler(), LinearRegression()),
        GridSearchCV(make_pipeline(LinearRegression()), {}, cv=2),
        xgboost.XGBRegressor(n_estimators=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_regressor_gives_a_number(model: Any) -> None:
    model.fit(X.to_numpy(), PRICE)

    assert outputs(model) == {"type": "number"}


def test_lightgbm_tells_both_sides_too() -> None:
    light: dict[str, Any] = {"n_estimators": 2, "verbose": -1}
    regressor = lightgbm().LGBMRegressor(**light).fit(X.to_numpy(), PRICE)
    fitted = from_fitted({"model": lightgbm().LGBMClassifier(**light).fit(X, KIND)})

    assert outputs(regressor) == {"type": "number"}
    assert fitted.input_schema is not None
    assert fitted.input_schema["order"] == ["age", "income"]
    assert fitted.output_schema == {"type": "integer", "enum": [0, 1]}


@pytest.mark.parametrize(
    "model",
    [LinearRegression(), RandomForestRegressor(2), xgboost.XGBRegressor(n_estimators=2)],
    ids=lambda model: type(model).__name__,
)
def test_a_regressor_of_two_targets_gives_two_numbers(model: Any) -> None:
    model.fit(X, np.c_[PRICE, PRICE])
    expected = {"type": "array", "items": {"type": "number"}, "shape": [2]}

    assert outputs(model) == expected
    assert model.predict(X).shape == (24, 2)


@pytest.mark.parametrize(
    "model",
    [KNeighborsRegressor(), TransformedTargetRegressor(LinearRegression())],
    ids=lambda model: type(model).__name__,
)
def test_a_regressor_whose_number_of_targets_is_unknown_tells_nothing(model: Any) -> None:
    model.fit(X, PRICE)

    assert outputs(model) is None


@pytest.mark.parametrize(
    "model",
    [
        xgboost.XGBClassifier(n_estimators=2),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_classifiers_of_other_libraries_and_compositions_tell_both_sides(model: Any) -> None:
    model.fit(X, KIND)

    fitted = from_fitted({"model": model})

    assert fitted.input_schema is not None
    assert fitted.input_schema["order"] == ["age", "income"]
    assert fitted.output_schema == {"type": "integer", "enum": [0, 1]}


class Refusing:
    """An object whose properties fail in their own way."""

    @property
    def classes_(self) -> None:
        """Fail."""
        message = "not today"
        raise RuntimeError(message)


@pytest.mark.parametrize(
    "model", [LogisticRegression(), Refusing(), Path("model.onnx"), {"weight": 1}, StandardScaler]
)
def test_what_is_not_fitted_tells_nothing(model: object) -> None:
    fitted = from_fitted({"model": model})

    assert (fitted.input_schema, fitted.output_schema) == (None, None)


class OldRegressor:
    """A regressor of a time before tags."""

    _estimator_type = "regressor"
    n_outputs_ = 1


def test_a_regressor_of_an_older_library_is_recognised() -> None:
    assert outputs(OldRegressor()) == {"type": "number"}
