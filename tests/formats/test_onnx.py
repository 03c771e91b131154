from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from holdfast import formats
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.onnx_header import read_header

ROWS = np.random.default_rng(5).random((30, 3)).astype("float32")
LABELS = (ROWS[:, 0] > 0.5).astype(int)
CLASSIFIER: Any = LogisticRegression().fit(ROWS, LABELS)


def _loaded(model: Any, folder: Path) -> Any:
    packaged = formats.package(model, "model", folder)
    return formats.load(packaged.format, packaged.path)


def _doubling(**options: Any) -> Any:
    """Return a model that multiplies by a matrix of weights, 2 on its diagonal."""
    weights = numpy_helper.from_array(np.eye(300, dtype="float32") * 2, "weights")
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 300])
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, ["n", 300])
    node = helper.make_node("MatMul", ["rows", "weights"], ["doubled"])
    graph = helper.make_graph([node], "doubling", [rows], [doubled], [weights])
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8, **options)


def test_probabilities_come_out_of_a_list_of_dictionaries(tmp_path: Path) -> None:
    loaded = _loaded(to_onnx(CLASSIFIER, ROWS[:1], options={"zipmap": True}), tmp_path)

    assert np.allclose(loaded.predict_proba(ROWS), CLASSIFIER.predict_proba(ROWS), atol=1e-5)


def test_probabilities_come_out_of_an_array(tmp_path: Path) -> None:
    loaded = _loaded(to_onnx(CLASSIFIER, ROWS[:1], options={"zipmap": False}), tmp_path)

    assert np.allclose(loaded.predict_proba(ROWS), CLASSIFIER.predict_proba(ROWS), atol=1e-5)


def test_a_regression_gives_one_value_per_row_and_no_probabilities(tmp_path: Path) -> None:
    model = LinearRegression().fit(ROWS, LABELS)
    loaded = _loaded(to_onnx(model, ROWS[:1]), tmp_path)

    assert np.allclose(loaded.predict(ROWS.tolist()), model.predict(ROWS), atol=1e-5)
    with pytest.raises(UnsupportedError, match="has no probabilities; call predict"):
        loaded.predict_proba(ROWS)


def test_a_graph_of_several_inputs_takes_a_table(tmp_path: Path) -> None:
    table = pd.DataFrame({"height": ROWS[:, 0], "colour": np.where(LABELS, "red", "blue")})
    parts = [("n", StandardScaler(), ["height"]), ("c", OneHotEncoder(), ["colour"])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(table, LABELS)
    loaded = _loaded(to_onnx(model, table[:1]), tmp_path)

    assert loaded.inputs == ("height", "colour")
    assert np.array_equal(loaded.predict(table.astype({"height": "float32"})), LABELS)
    with pytest.raises(InvalidInputError, match="input 'colour' is missing"):
        loaded.predict(table[["height"]])


def test_it_shows_inputs_and_outputs(tmp_path: Path) -> None:
    loaded = _loaded(_doubling(), tmp_path)

    assert repr(loaded) == "OnnxModel(rows -> doubled)"


def test_bytes_in_memory_are_taken_as_they_are(tmp_path: Path) -> None:
    raw = to_onnx(CLASSIFIER, ROWS[:1]).SerializeToString()
    packaged = formats.package(raw, "model", tmp_path)

    assert packaged.format == "onnx"
    assert packaged.path.read_bytes() == raw


def test_other_bytes_are_not_taken_for_a_model(tmp_path: Path) -> None:
    assert formats.package(b"\x08\x01just bytes", "model", tmp_path).format == "joblib"


def test_a_file_tells_producer_operators_and_signature(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(_doubling(producer_name="ours", producer_version="3").SerializeToString())

    assert formats.package(path, "model", tmp_path).description.hyperparameters == {
        "producer": "ours 3",
        "opset": {"ai.onnx": 17},
        "inputs": [{"name": "rows", "dtype": "float32", "shape": [None, 300]}],
        "outputs": [{"name": "doubled", "dtype": "float32", "shape": [None, 300]}],
    }


def test_weights_that_old_producers_list_as_inputs_are_left_out(tmp_path: Path) -> None:
    model = _doubling()
    weights = helper.make_tensor_value_info("weights", TensorProto.FLOAT, [300, 300])
    model.graph.input.append(weights)
    described = formats.package(model, "model", tmp_path).description

    assert [item["name"] for item in described.hyperparameters["inputs"]] == ["rows"]


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Return a folder with a model and its weights in a file of their own."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(_doubling(), folder / "model.onnx", save_as_external_data=True,
              location="weights.bin", size_threshold=0)  # fmt: skip
    return folder


def test_a_folder_with_weights_apart_is_one_model(split: Path, tmp_path: Path) -> None:
    packaged = formats.package(split, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, split)
    rows = np.ones((2, 300), dtype="float32")

    assert packaged.format == "onnx"
    assert packaged.description.framework == "onnx"
    assert formats.scan(split).unknown == ()
    assert np.array_equal(loaded.predict(rows), rows * 2)


def test_a_model_without_its_weights_is_refused(split: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"keeps its weights in weights\.bin beside it"):
        formats.package(split / "model.onnx", "model", tmp_path)


def test_a_folder_of_two_models_is_just_a_folder(split: Path, tmp_path: Path) -> None:
    (split / "second.onnx").write_bytes(_doubling().SerializeToString())

    assert formats.package(split, "model", tmp_path).format == "folder"


def test_a_cut_file_is_refused_unless_it_is_to_be_just_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(_doubling().SerializeToString()[:-7])

    assert formats.scan(path).kind == "unknown"
    with pytest.raises(InvalidInputError, match="is cut short"):
        formats.package(path, "model", tmp_path)
    assert formats.package(path, "model", tmp_path, "file").format == "file"


def test_another_object_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="dict object is not an ONNX model"):
        formats.package({}, "model", tmp_path, "onnx")


def test_whole_numbers_beside_the_labels_are_no_probabilities(tmp_path: Path) -> None:
    rows = helper.make_tensor_value_info("rows", TensorProto.INT64, ["n", 2])
    outputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", 2]) for name in "ab"]
    nodes = [helper.make_node("Identity", ["rows"], [name]) for name in "ab"]
    graph = helper.make_graph(nodes, "same", [rows], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    loaded = _loaded(model, tmp_path)

    assert loaded.predict([[1, 2]]).tolist() == [[1, 2]]
    with pytest.raises(UnsupportedError, match="has no probabilities"):
        loaded.predict_proba([[1, 2]])


def test_a_broken_message_is_described_as_far_as_it_goes() -> None:
    raw = _doubling(producer_name="ours").SerializeToString()

    assert read_header(raw[:12]).facts == {"producer": "ours"}
    assert read_header(None).facts == {}
