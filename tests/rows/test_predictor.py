"""Verified pairs as serving calls them, with the libraries themselves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.serving.facing import NUMBER, NUMBERS, Does, made

from holdfast.core import schema
from holdfast.errors import UnsupportedError
from holdfast.formats import example
from holdfast.formats.onnx import OnnxModel
from holdfast.formats.xgboost import Xgboost
from holdfast.rows.checking import Checker
from holdfast.rows.outcome import OutputChecker, listed

RANDOM = np.random.default_rng(7)
MATRIX = RANDOM.normal(size=(60, 3))
TWO = (MATRIX[:, 0] > 0).astype(int)
THREE = RANDOM.integers(0, 3, size=60)
TENSOR = example.describe(MATRIX[:2]).schema
FRAME = pd.DataFrame({"age": RANDOM.integers(20, 60, 60), "city": ["Bern", "Oslo", "Rome"] * 20})
CODED = {"type": "object", "properties": {"c": {"type": "string", "dtype": "category"}}}
DECLARED = {
    "type": "object",
    "properties": {"c": {"type": "string", "dtype": "category", "enum": ["a", "b"]}},
}


def _torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed")


CONTAINERS: list[Callable[[list[float]], Any]] = [
    list,
    tuple,
    iter,
    np.array,
    pd.Series,
    lambda values: np.array(values, object),
    lambda values: [np.float64(one) for one in values],
    lambda values: (one for one in values),
    lambda values: (np.array(values), "and more"),
    lambda values: _torch().tensor(values, requires_grad=True),
    lambda values: _torch().tensor(values, dtype=_torch().bfloat16),
    lambda values: np.array(values).reshape(2, 1),
]


class Keeps:
    """Keeps what it is fed."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def predict(self, rows: Any) -> Any:
        self.seen.append(rows)
        return [1] * len(rows)


def answered(model: Any, payload: Any, **facts: Any) -> Any:
    """Check rows and predict, as a request does."""
    loaded = made(model, **facts)
    return loaded.predict(Checker(loaded.input_schema)(payload))


def test_a_preprocessor_and_its_model_are_called_as_one() -> None:
    scaler = StandardScaler().fit(MATRIX)
    model = LogisticRegression().fit(scaler.transform(MATRIX), TWO)
    output = answered(model, MATRIX[:5].tolist(), preprocessor=scaler, input_schema=TENSOR)

    assert output.tolist() == model.predict(scaler.transform(MATRIX[:5])).tolist()


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        ({"type": "array", "items": {"type": "number"}, "shape": [None, 2]}, [0, 1]),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, [0, 1]),
        ({"type": "number", "minimum": 0, "maximum": 1}, 1),
    ],
)
def test_probabilities_are_given_where_the_output_schema_asks_for_them(
    words: dict[str, Any], columns: Any
) -> None:
    model = LogisticRegression().fit(MATRIX, TWO)
    output = answered(model, MATRIX[:4].tolist(), input_schema=TENSOR, output_schema=words)
    chances = model.predict_proba(MATRIX[:4])

    assert np.allclose(output, chances[:, columns])


def test_labels_are_given_where_it_asks_for_none() -> None:
    model = LogisticRegression().fit(MATRIX, TWO)
    output = answered(
        model, MATRIX[:4].tolist(), input_schema=TENSOR, output_schema={"type": "integer"}
    )

    assert output.tolist() == model.predict(MATRIX[:4]).tolist()


def test_one_probability_of_three_classes_is_refused() -> None:
    model = LogisticRegression().fit(MATRIX, THREE)
    share = {"type": "number", "minimum": 0, "maximum": 1}

    with pytest.raises(UnsupportedError, match="describe an array"):
        answered(model, MATRIX[:4].tolist(), input_schema=TENSOR, output_schema=share)


@pytest.mark.parametrize("target", [TWO, THREE])
def test_a_record_has_label_and_probability_side_by_side(target: Any) -> None:
    words = {
        "type": "object",
        "properties": {
            "class": {"type": "integer"},
            "probability": {"type": "number"},
            "scores": {"type": "array", "items": {"type": "number"}},
        },
    }
    model = LogisticRegression().fit(MATRIX, target)
    output = answered(model, MATRIX[:4].tolist(), input_schema=TENSOR, output_schema=words)
    chances = model.predict_proba(MATRIX[:4])
    alone = chances[:, 1] if chances.shape[1] == 2 else chances.max(axis=1)

    assert output["class"].tolist() == model.predict(MATRIX[:4]).tolist()
    assert np.allclose(output["probability"], alone)
    assert np.allclose(output["scores"], chances)


def test_a_record_is_taken_as_the_model_gives_it_or_from_its_columns() -> None:
    words = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
    frame = Does(lambda rows: pd.DataFrame({"a": rows[:, 0], "b": rows[:, 1]}))
    matrix = Does(lambda rows: rows)
    facts = {"input_schema": NUMBERS, "output_schema": words}

    for model in (frame, matrix):
        output = answered(model, [[1, 2], [3, 4]], **facts)

        assert listed(output) == [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]


def test_a_frame_with_texts_reaches_a_pipeline_by_the_names_of_its_columns() -> None:
    city = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(city, LogisticRegression(max_iter=1000)).fit(FRAME, THREE)
    words = example.describe(FRAME.head()).schema
    rows = FRAME.head(4).to_dict(orient="records")
    output = answered(model, rows, input_schema=words)
    by_position = answered(model, FRAME.head(4).to_numpy().tolist(), input_schema=words)

    assert output.tolist() == by_position.tolist() == model.predict(FRAME.head(4)).tolist()


def test_columns_come_in_the_order_the_model_was_fitted_with() -> None:
    frame = pd.DataFrame(MATRIX, columns=["c", "a", "b"])
    model = LinearRegression().fit(frame, MATRIX @ [1.0, 10.0, 100.0])
    words = {
        "type": "object",
        "properties": {name: {"type": "number"} for name in "abc"},
        "required": ["a", "b", "c"],
    }
    output = answered(model, [{"a": 2, "b": 3, "c": 1}], input_schema=words)

    assert np.allclose(output, [321.0])


def test_columns_without_order_are_not_fed_to_a_model_that_goes_by_position() -> None:
    model = LinearRegression().fit(MATRIX, TWO)
    words = {"type": "object", "properties": {name: {"type": "number"} for name in "abc"}}

    with pytest.raises(UnsupportedError, match="gives them no order"):
        made(model, input_schema=words)


def test_dates_and_missing_numbers_keep_their_types_in_a_frame() -> None:
    frame = pd.DataFrame(
        {"day": pd.to_datetime(["2026-01-01", "2026-01-02"]), "x": [1.5, None], "n": [1, 2]}
    )
    words = example.describe(frame).schema
    model = Keeps()
    seen = model.seen
    answered(model, [{"day": "2026-01-01", "x": None, "n": 3}], input_schema=words)

    assert seen[0]["n"].tolist() == [3]
    assert seen[0]["day"].iloc[0] == pd.Timestamp("2026-01-01")
    assert (seen[0]["x"].dtype, seen[0]["n"].dtype) == ("float64", "int64")
    assert np.isnan(seen[0]["x"].iloc[0])


def test_without_a_schema_numbers_are_an_array_records_a_frame_and_the_rest_as_sent() -> None:
    model = Keeps()
    seen = model.seen
    for payload in ([[1, 2]], [{"a": 1}], [[1], [2, 3]], ["a"], np.zeros((1, 2))):
        answered(model, payload)

    assert isinstance(seen[0], np.ndarray)
    assert list(seen[1].columns) == ["a"]
    assert seen[2:4] == [[[1], [2, 3]], ["a"]]
    assert seen[4].shape == (1, 2)


class Sparse:
    def toarray(self) -> Any:
        return np.array([[1.0], [2.0]])


@pytest.mark.parametrize(
    "result",
    [
        np.array([1.0, 2.0]),
        np.array([[1.0], [2.0]]),
        pd.Series([1.0, 2.0]),
        Sparse(),
        (np.array([1.0, 2.0]), "more"),
        [1.0, 2.0],
        range(1, 3),
    ],
)
def test_what_libraries_return_becomes_one_form(result: Any) -> None:
    model = Does(lambda _: result)
    output = answered(
        model, [[1, 2], [3, 4]], input_schema=NUMBERS, output_schema={"type": "number"}
    )

    assert listed(output) == [1.0, 2.0]


def test_a_graph_of_several_inputs_gets_arrays_by_name() -> None:
    class Item:
        def __init__(self, name: str, kind: str) -> None:
            self.name, self.type, self.shape = name, kind, [None, 1]

    class Session:
        """Stands where onnxruntime's session does."""

        def get_inputs(self) -> list[Item]:
            return [Item("age", "tensor(float)"), Item("city", "tensor(string)")]

        def get_outputs(self) -> list[Item]:
            return [Item("out", "tensor(float)")]

        def run(self, _: Any, fed: dict[str, Any]) -> list[Any]:
            return [fed["age"] * 2]

    words = {
        "type": "object",
        "properties": {"age": {"type": "number"}, "city": {"type": "string"}},
        "order": ["age", "city"],
    }
    numbers = {**words, "properties": {"age": {"type": "number"}, "city": {"type": "number"}}}
    output = answered(OnnxModel(Session()), [[1, "a"], [2, "b"]], input_schema=words)
    of_numbers = answered(OnnxModel(Session()), [[1, 0], [2, 0]], input_schema=numbers)

    assert output.tolist() == of_numbers.tolist() == [2.0, 4.0]
    assert made(OnnxModel(Session()), framework="onnx").rowwise


def test_a_booster_gets_the_names_it_knows() -> None:
    import xgboost

    matrix = xgboost.DMatrix(MATRIX, label=TWO, feature_names=["c", "a", "b"])
    booster = xgboost.train({"objective": "binary:logistic"}, matrix, num_boost_round=3)
    words = {"type": "object", "properties": {name: {"type": "number"} for name in "abc"}}
    row = dict(zip(["c", "a", "b"], MATRIX[0].tolist(), strict=True))
    output = answered(Xgboost().face(booster), [row], input_schema=words, framework="xgboost")

    assert np.allclose(output, booster.predict(matrix)[:1])


@pytest.mark.parametrize(
    ("facts", "rowwise"),
    [
        ({"framework": "scikit-learn"}, True),
        ({"framework": None}, False),
        ({"framework": None, "metadata": {"rowwise": True}}, True),
        ({"framework": "scikit-learn", "metadata": {"rowwise": False}}, False),
        ({"framework": "scikit-learn", "input_schema": {"type": "string"}}, False),
        ({"framework": "lightgbm", "input_schema": CODED}, False),
        ({"framework": "lightgbm", "input_schema": DECLARED}, True),
    ],
)
def test_rows_share_a_call_where_the_framework_is_known_for_it_or_the_version_says_so(
    facts: dict[str, Any], *, rowwise: bool
) -> None:
    assert made(Does(lambda rows: rows), **facts).rowwise is rowwise


def test_what_cannot_predict_is_not_loaded() -> None:
    with pytest.raises(UnsupportedError, match="holds a dict, which cannot predict"):
        made({"weights": [1, 2]})


@pytest.mark.parametrize("container", CONTAINERS)
def test_an_output_is_held_against_the_same_promise_whatever_its_container(container: Any) -> None:
    well, ill = ([0.25, 0.5], [0.25, float("inf")])
    checker = OutputChecker(schema.parse({"type": "number"}, "output_schema"), counted=True)

    def output(values: list[float]) -> Any:
        return made(Does(lambda _: container(values)), output_schema=NUMBER).predict([[1], [3]])

    outputs = [output(well), output(ill)]

    assert listed(outputs[0]) == well
    assert [checker.problem(output, 2) for output in outputs] == [None, "is not a finite number"]
