"""Out as in: what was written of objects answers as they do, or is refused."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from holdfast import Registry
from holdfast.errors import InvalidInputError, RefusedError
from holdfast.registry import round_trip

ROWS = np.random.default_rng(5).random((40, 3))
LABELS = (ROWS[:, 0] > 0.5).astype(int)


class Forgetful(LinearRegression):  # type: ignore[misc]
    """Keeps one thing in memory and another in its file."""

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {**state, "intercept_": state["intercept_"] + self.loss}

    loss: Any = 1.0


class Dice(LinearRegression):  # type: ignore[misc]
    """Answers otherwise each time it is asked."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's
        return super().predict(X) + np.random.default_rng().random(len(X))


class Lonely(LinearRegression):  # type: ignore[misc]
    """Cannot be built again."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise RuntimeError("a part of it is on another machine")


def test_objects_that_come_back_are_let_in(registry: Registry) -> None:
    scaler = StandardScaler().fit(ROWS)
    model = LogisticRegression().fit(scaler.transform(ROWS), LABELS)
    registry.register("iris", model, scaler, input_example=ROWS[:4])

    assert np.array_equal(
        registry.load("iris@latest").predict(ROWS), model.predict(scaler.transform(ROWS))
    )


def test_another_answer_is_refused_with_both(registry: Registry) -> None:
    model = Forgetful().fit(ROWS, LABELS)
    expected = model.predict(ROWS[:2])[0]

    with pytest.raises(RefusedError) as caught:
        registry.register("iris", model, input_example=ROWS[:2], trust="mine")

    assert "registration refused iris: " in str(caught.value)
    assert f"predict, row 1: the object answers {expected}, the file {expected + 1}" in str(
        caught.value
    )
    assert registry.models() == []


def test_another_type_of_the_answer_is_refused(registry: Registry) -> None:
    model = Forgetful().fit(ROWS.astype("float32"), LABELS.astype("float32"))
    model.loss = np.float64(0)

    with pytest.raises(RefusedError, match="object answers float32, the file float64"):
        registry.register("iris", model, input_example=ROWS[:2].astype("float32"), trust="mine")


def test_what_cannot_be_loaded_again_is_refused(registry: Registry) -> None:
    with pytest.raises(RefusedError, match=r"loaded and asked again: .*another machine"):
        registry.register("iris", Lonely().fit(ROWS, LABELS), input_example=ROWS[:2], trust="mine")


def test_an_object_that_does_not_answer_its_example_is_refused(registry: Registry) -> None:
    model = LinearRegression().fit(ROWS, LABELS)

    with pytest.raises(RefusedError, match="does not answer its input_example: ValueError"):
        registry.register("iris", model, input_example=ROWS[:2, :1])


@pytest.mark.parametrize(
    "example",
    [
        [{"a": 0.1, "b": 0.2, "c": 0.3}],
        {"a": [0.1, 0.2], "b": [0.1, 0.2], "c": [0.1, 0.2]},
        {"a": 0.1, "b": 0.2, "c": 0.3},
        [[0.1, 0.2, 0.3]],
    ],
)
def test_rows_as_callers_send_them_are_laid_out_as_the_objects_take_them(
    registry: Registry, example: Any
) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    forgetful = Forgetful().fit(ROWS, LABELS)

    assert registry.register("iris", model, input_example=example).created
    with pytest.raises(RefusedError, match="answers differently"):
        registry.register("iris", forgetful, input_example=example, trust="mine")


def test_rows_that_only_a_server_can_lay_out_are_no_reason_to_refuse(registry: Registry) -> None:
    model = LinearRegression().fit(ROWS, LABELS)

    assert registry.register("iris", model, input_example=[{"a": "words"}]).created


def test_an_object_that_answers_otherwise_each_time_is_let_in(registry: Registry) -> None:
    model = Dice().fit(ROWS, LABELS)

    assert registry.register("iris", model, input_example=ROWS[:2], trust="mine").created


def test_a_nursery_that_was_ended_is_begun_again(registry: Registry) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    registry.register("iris", model, input_example=ROWS[:2])
    nursery = round_trip.NURSERIES._nursery
    if nursery is None:
        pytest.skip("this system restrains nothing")
    nursery.process.kill()
    nursery.process.wait()

    assert registry.register("iris", model, input_example=ROWS[:3]).created


def test_a_booster_is_asked_as_it_will_be_served(registry: Registry) -> None:
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(frame, LABELS), 3)

    assert registry.register("iris", booster, input_example=frame.head(3)).created


def test_a_long_example_is_asked_in_part(registry: Registry) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    frame = pd.DataFrame(np.tile(ROWS, (50, 1)))

    assert registry.register("iris", model, input_example=frame.to_numpy()).created
    assert registry.register("iris", model, input_example=frame).created


ZEROS = np.random.default_rng(0).random((60, 3)) * ([[1], [0], [1]] * 20)
POSITIVE = (ZEROS[:, 0] > 0).astype(int)


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, coo_matrix, csr_array])
def test_a_sparse_example_is_asked_with_its_zeros(registry: Registry, kind: Any) -> None:
    model = LogisticRegression().fit(csr_matrix(ZEROS), POSITIVE)
    registry.register("churn", model, input_example=kind(ZEROS))
    manifest = registry.manifest("churn@latest")

    assert manifest.input_schema == registered_schema(registry, model, ZEROS)
    assert manifest.input_example == ZEROS[:5].tolist()


def registered_schema(registry: Registry, model: object, example: object) -> Any:
    registry.register("other", model, input_example=example)
    return registry.manifest("other@latest").input_schema


def test_a_model_to_which_left_out_is_missing_is_not_taken_with_a_sparse_example(
    registry: Registry,
) -> None:
    sparse = csr_matrix(ZEROS)
    settings: dict[str, Any] = {"n_estimators": 3, "max_depth": 2}
    blind = xgboost.XGBClassifier(**settings).fit(sparse, POSITIVE)
    seeing = xgboost.XGBClassifier(**settings, missing=0).fit(sparse, POSITIVE)

    with pytest.raises(RefusedError, match="takes what the sparse input_example leaves out for"):
        registry.register("churn", blind, input_example=sparse)
    registry.register("churn", seeing, input_example=sparse)

    assert np.array_equal(registry.load("churn@latest").predict(sparse), seeing.predict(ZEROS))


def test_a_model_that_takes_nothing_sparse_is_asked_with_the_zeros_alone(
    registry: Registry,
) -> None:
    model = GaussianNB().fit(ZEROS, POSITIVE)

    assert registry.register("churn", model, input_example=csr_matrix(ZEROS)).created


def test_tables_of_tensors_have_nothing_to_be_asked(registry: Registry) -> None:
    assert registry.register("iris", {"weights": ROWS}, input_example=ROWS[:2]).created


def test_systems_without_restraint_prove_it_here(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "chosen", lambda _: None)
    monkeypatch.setattr(round_trip, "NURSERIES", round_trip.Nurseries())

    assert registry.register(
        "iris", LinearRegression().fit(ROWS, LABELS), input_example=ROWS[:2]
    ).created
    with pytest.raises(RefusedError, match="another machine"):
        registry.register("iris", Lonely().fit(ROWS, LABELS), input_example=ROWS[:2], trust="mine")


@pytest.mark.parametrize(
    ("value", "other", "same"),
    [
        (1.0, 1.0 + 1e-8, True),
        (float("nan"), float("nan"), True),
        (1.0, 1.001, False),
        ({"a": [1, 2]}, {"a": [1, 3]}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ([[0.5]], [[0.5], [0.5]], False),
        (True, 1, False),
        ("yes", None, False),
    ],
)
def test_answers_are_the_same_within_the_tolerance_of_floats(
    value: Any, other: Any, *, same: bool
) -> None:
    assert (round_trip._difference(value, other) is None) == same


_SCRIPT = """
import pickle, sys
import holdfast
from sklearn.linear_model import LinearRegression
class Mine(LinearRegression):  # type: ignore[misc]
    pass
model = Mine().fit([[0.0], [1.0]], [0.0, 1.0])
pickle.dump(model, open("model.pkl", "wb"))
try:
    holdfast.open("store").register("iris", model, trust="mine")
except holdfast.errors.InvalidInputError as error:
    print(error)
"""


def test_a_class_of_the_script_that_ran_is_told_with_the_fix(
    registry: Registry, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _SCRIPT]
    ran = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    assert "Mine, which is defined in __main__" in ran.stdout
    assert "move it to a module" in ran.stdout
    with pytest.raises(InvalidInputError, match=r"Mine, which is defined in __main__"):
        registry.register("iris", tmp_path / "model.pkl", trust="mine")


def test_a_module_that_no_installed_package_brings_is_told(
    registry: Registry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "own_models.py").write_text(
        "from sklearn.linear_model import Ridge\nclass Own(Ridge):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import own_models  # type: ignore[import-not-found]

    model = own_models.Own().fit(ROWS, LABELS)
    registry.register("iris", model, trust="mine")
    (tmp_path / "lost.pkl").write_bytes(pickle.dumps(model).replace(b"own_models", b"his_models"))
    registry.register("iris", tmp_path / "lost.pkl", trust="mine")

    assert "own_models is imported from " in caplog.text
    assert "which no installed package brings" in caplog.text
    assert "his_models is not installed here" in caplog.text
    assert "sklearn is" not in caplog.text


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, while it scripts
def test_the_code_that_a_script_of_pytorch_brings_itself_is_nothing_to_install(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    network = torch.jit.script(torch.nn.Linear(3, 1).eval())
    registry.register("iris", network, input_example=ROWS[:3], trust="mine")

    assert "is not installed" not in caplog.text


def _graph(*, of: Any, opset: int = 17) -> bytes:
    """Return a graph that doubles a number and says that the result is of a type."""
    helper = pytest.importorskip("onnx", reason="onnx is not installed").helper
    number = helper.make_tensor_value_info("number", 1, ["n"])
    doubled = helper.make_tensor_value_info("doubled", of, ["n"])
    node = helper.make_node("Add", ["number", "number"], ["doubled"])
    graph = helper.make_graph([node], "doubling", [number], [doubled])
    opsets = [helper.make_opsetid("", opset)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def test_a_graph_that_nobody_can_open_is_refused_and_one_of_a_newer_standard_is_not(
    registry: Registry, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    for name, raw in (
        ("whole", _graph(of=1)), ("torn", _graph(of=11)), ("newer", _graph(of=1, opset=999)),
    ):  # fmt: skip
        (tmp_path / f"{name}.onnx").write_bytes(raw)
    registry.register("whole", tmp_path / "whole.onnx")
    registry.register("newer", tmp_path / "newer.onnx")

    with pytest.raises(RefusedError, match="the graph cannot be opened"):
        registry.register("torn", tmp_path / "torn.onnx")
    assert [known.model for known in registry.models()] == ["newer", "whole"]


def test_an_example_that_the_given_schema_does_not_admit_is_refused(registry: Registry) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    model = GaussianNB().fit([[1.0], [2.0]], [0, 1])

    with pytest.raises(InvalidInputError, match="input_example does not fit the input schema: age"):
        registry.register("m", model, input_schema=schema, input_example=[{"age": "old"}])
    registry.register("m", model, input_schema=schema, input_example=[{"age": 30}])
