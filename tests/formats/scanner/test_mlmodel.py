"""Hostile folders of MLflow's kind: nothing that they name is run, and each name is a doubt."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from holdfast import formats
from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError
from holdfast.formats.scanner import mlmodel

yaml = pytest.importorskip("yaml", reason="PyYAML, which comes with MLflow, is not installed")


def folder(
    path: Path,
    loader: object = "mlflow.sklearn",
    words: dict[str, Any] | None = None,
    flavor: dict[str, Any] | None = None,
    **further: Any,
) -> Path:
    """Write a folder with a pickle of plain data, loaded as MLflow loads scikit-learn's."""
    path.mkdir(exist_ok=True)
    name = str(loader).rpartition(".")[2]
    function = {"loader_module": loader, "model_path": "model.pkl", **(words or {})}
    flavors = {"python_function": function, name: {"serialization_format": "pickle"}}
    flavors[name] |= flavor or {}
    (path / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors, **further}))
    (path / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}, protocol=5))
    return path


def judged(path: Path) -> Scan:
    return formats.judged("mlflow", path, formats.scan(path))


def test_a_loader_that_is_understood_runs_no_more_than_its_files(tmp_path: Path) -> None:
    scan = judged(folder(tmp_path / "model"))

    assert (scan.kind, scan.unknown) == ("mlflow", ())
    assert scan.executes_code


@pytest.mark.parametrize(
    "loader", ["os", "subprocess", "evil", "mlflow.pytorch", "mlflow.pyfunc.model", None, ["os"]]
)
def test_any_other_loader_is_a_doubt(tmp_path: Path, loader: object) -> None:
    path = folder(tmp_path / "model", loader)
    (path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    scan = judged(path)

    assert any("loader_module" in doubt for doubt in scan.unknown)
    assert scan.executes_code
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("words", "flavor", "doubt"),
    [
        ({"code": "code"}, {}, "code 'code'"),
        ({}, {"code": "code"}, "code 'code'"),
        ({"model_config": {"a": 1}}, {}, "model_config"),
        ({"predict_fn": "__reduce__"}, {}, "predict_fn"),
        ({"predict_fn": ["x"]}, {}, "predict_fn"),
        ({"data": "inner/model.pkl"}, {}, "no file of the folder"),
        ({"data": None}, {}, "no file of the folder"),
        ({"model_path": "absent.pkl"}, {}, "no file of the folder"),
        ({"model_path": "MLmodel"}, {}, "is text, not pickle"),
        ({}, {"serialization_format": "dill"}, "serialization_format"),
        ({}, {"serialization_format": "skops"}, "is pickle, not skops"),
    ],
)
def test_a_setting_that_makes_a_loader_do_more_is_a_doubt(
    tmp_path: Path, words: dict[str, Any], flavor: dict[str, Any], doubt: str
) -> None:
    try:
        found = judged(folder(tmp_path / "model", words=words, flavor=flavor)).unknown
    except InvalidInputError as error:
        found = (str(error),)

    assert any(doubt in text for text in found), found


@pytest.mark.parametrize(
    ("loader", "words", "flavor", "doubt"),
    [
        ("mlflow.xgboost", {}, {"model_class": "subprocess.Popen"}, "model_class 'subprocess.Pop"),
        ("mlflow.xgboost", {}, {"model_class": ["x"], "data": "model.pkl"}, "model_class list"),
        ("mlflow.xgboost", {"data": "a/b"}, {}, "data 'a/b'"),
        ("mlflow.xgboost", {}, {"data": "model.pkl"}, "is pickle, not xgboost-ubj"),
        ("mlflow.lightgbm", {}, {"data": "model.pkl"}, "is pickle, not lightgbm"),
        ("mlflow.lightgbm", {}, {"model_class": "x", "serialization_format": "x"}, "serializ"),
        ("mlflow.catboost", {"data": "model.pkl"}, {"save_format": "json"}, "save_format 'json'"),
        ("mlflow.onnx", {"data": "model.pkl"}, {}, "is pickle, not onnx"),
        ("mlflow.onnx", {}, {"providers": [["TensorrtExecutionProvider", {}]]}, "providers list"),
        ("mlflow.onnx", {}, {"providers": "CustomExecutionProvider"}, "providers 'Custom"),
        ("mlflow.onnx", {}, {"onnx_session_options": {"extra_session_config": {}}}, "extra_sess"),
        ("mlflow.onnx", {}, {"onnx_session_options": "x"}, "onnx_session_options 'x'"),
    ],
)
def test_each_loader_has_names_of_its_own_to_doubt(
    tmp_path: Path, loader: str, words: dict[str, Any], flavor: dict[str, Any], doubt: str
) -> None:
    found = judged(folder(tmp_path / "model", loader, words, flavor)).unknown

    assert any(doubt in text for text in found), found


def test_bytes_that_only_joblib_passes_over_are_no_pickle_of_mlflows(tmp_path: Path) -> None:
    import joblib
    import numpy as np

    path = folder(tmp_path / "model")
    joblib.dump(np.arange(100.0), path / "model.pkl")

    assert any("is joblib, not pickle" in text for text in judged(path).unknown)


def test_a_pickle_outside_the_list_stays_a_doubt(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    (path / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")

    assert any("system" in text for text in judged(path).unknown)


@pytest.mark.parametrize(
    "outside", ["/etc/passwd", "../other", "a/../../b", "C:\\model", "~/../../x", "x" * 300]
)
@pytest.mark.parametrize("word", ["data", "model_path", "code", "python_model"])
def test_files_beyond_the_folder_are_refused_whoever_trusts_them(
    tmp_path: Path, outside: str, word: str
) -> None:
    path = folder(tmp_path / "model", words={word: outside})

    with pytest.raises(InvalidInputError, match="names a file outside its folder"):
        judged(path)
    with pytest.raises(InvalidInputError, match="names a file outside its folder"):
        formats.load("mlflow", path)


@pytest.mark.parametrize(
    "further",
    [
        {"saved_input_example_info": {"artifact_path": "/etc/passwd"}},
        {"saved_input_example_info": {"serving_input_path": "../x"}},
    ],
)
def test_an_example_beyond_the_folder_is_refused(tmp_path: Path, further: Any) -> None:
    with pytest.raises(InvalidInputError, match="outside its folder"):
        judged(folder(tmp_path / "model", **further))


def test_artifacts_beyond_the_folder_are_refused(tmp_path: Path) -> None:
    artifacts = {"lexicon": {"path": "../../lexicon", "uri": "/home/of/the/author"}}

    with pytest.raises(InvalidInputError, match="outside its folder"):
        judged(folder(tmp_path / "model", words={"artifacts": artifacts}))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"x" * ((1 << 20) + 1), "too long"),
        (b"a: !!python/object/apply:os.system [true]", "is not YAML"),
        (b"a: [", "is not YAML"),
        (b"[" * 5000, "is not YAML"),
        (b"\xff\xfea", "is not YAML"),
        ("a: 1\u2028flavors: {}".encode(), "end lines in YAML alone|is not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, raw: bytes, problem: str) -> None:
    path = folder(tmp_path / "model")
    (path / "MLmodel").write_bytes(raw)

    with pytest.raises(InvalidInputError, match=problem):
        judged(path)


def test_references_within_yaml_are_never_written_out(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    (path / "MLmodel").write_text("\n".join(lines))

    assert any("loader_module" in doubt for doubt in judged(path).unknown)
    assert mlmodel.function(mlmodel.read(path)) == {}
