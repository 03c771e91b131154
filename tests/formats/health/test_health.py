"""Health: what is not whole, not itself or not ready is refused, by every way in."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from safetensors.numpy import save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tests.formats.boosters import lightgbm

from holdfast import formats
from holdfast.errors import InvalidInputError, UnsupportedError

ROWS = np.random.default_rng(3).random((60, 4))
LABELS = (ROWS[:, 0] > 0.5).astype(int)

Write = Callable[[Path], None]


def _forest(path: Path, **compressed: Any) -> None:
    joblib.dump(RandomForestClassifier(3, random_state=0).fit(ROWS, LABELS), path, **compressed)


def _booster(path: Path) -> None:
    xgboost.XGBClassifier(n_estimators=4).fit(ROWS, LABELS).save_model(path)


def _trees(path: Path, rounds: int = 4) -> None:
    data = lightgbm().Dataset(ROWS, LABELS)
    lightgbm().train({"verbose": -1, "min_data_in_leaf": 2}, data, rounds).save_model(path)


def _graph(path: Path) -> None:
    from skl2onnx import to_onnx

    graph = to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS[:1].astype("float32"))
    path.write_bytes(graph.SerializeToString())


def _skops(path: Path) -> None:
    import skops.io

    skops.io.dump(LogisticRegression().fit(ROWS, LABELS), path)


def _torch(path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.save({"a": torch.zeros(500)}, path)


def _old_torch(path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    weights = torch.zeros(500)
    tensors = {
        "a": weights, "view": weights[3:], "half": torch.zeros(9, dtype=torch.bfloat16),
        "none": torch.zeros(0), "flags": torch.ones(7, dtype=torch.bool),
    }  # fmt: skip
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def _catboost(path: Path) -> None:
    catboost = pytest.importorskip("catboost", reason="CatBoost is not installed")
    model = catboost.CatBoostRegressor(iterations=3, verbose=False, allow_writing_files=False)
    model.fit(ROWS, LABELS).save_model(str(path))


def _gguf_text(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def _gguf(path: Path) -> None:
    """Write two tensors of 64 numbers, one of them in blocks of 4 bits."""
    keys = _gguf_text(b"general.name") + (8).to_bytes(4, "little") + _gguf_text(b"small")
    keys += _gguf_text(b"sizes") + (9).to_bytes(4, "little") + (4).to_bytes(4, "little")
    keys += (2).to_bytes(8, "little") + bytes(8)
    tensors = b""
    for name, kind, offset in ((b"a", 0, 0), (b"b", 2, 256)):
        tensors += _gguf_text(name) + (1).to_bytes(4, "little") + (64).to_bytes(8, "little")
        tensors += kind.to_bytes(4, "little") + offset.to_bytes(8, "little")
    head = b"GGUF" + (3).to_bytes(4, "little") + (2).to_bytes(8, "little") * 2 + keys + tensors
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(256 + 2 * 18))


_WHOLE: dict[str, Write] = {
    "model.joblib": _forest,
    "packed.joblib": lambda path: _forest(path, compress=3),
    "model.joblib.xz": _forest,
    "model.pkl": lambda path: _pickled(LogisticRegression().fit(ROWS, LABELS), path),
    "model.skops": _skops,
    "model.onnx": _graph,
    "model.safetensors": lambda path: save_file({"a": ROWS}, path),
    "model.pt": _torch,
    "old.pt": _old_torch,
    "model.ubj": _booster,
    "model.json": _booster,
    "lightgbm.txt": _trees,
    "model.cbm": _catboost,
    "model.gguf": _gguf,
    "model.npz": lambda path: np.savez(path, ROWS),
    "model.npy": lambda path: np.save(path, ROWS),
}  # fmt: skip


@pytest.mark.parametrize("name", _WHOLE)
def test_a_whole_file_is_taken_and_half_of_it_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    _WHOLE[name](path)
    formats.package(path, "model", tmp_path)
    raw = path.read_bytes()

    for length in (len(raw) // 2, len(raw) - (3 if name == "lightgbm.txt" else 1)):
        path.write_bytes(raw[:length])
        with pytest.raises(InvalidInputError, match=r"cut short|promises"):
            formats.package(path, "model", tmp_path)


def test_lightgbm_s_text_with_the_line_ends_of_windows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    _trees(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    with pytest.raises(InvalidInputError, match="line ends of Windows"):
        formats.package(path, "model", tmp_path)
    with pytest.raises(UnsupportedError, match="line ends of Windows"):
        formats.load("lightgbm", path)


def test_an_edited_text_of_lightgbm_is_refused_before_it_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    _trees(path)
    path.write_bytes(path.read_bytes().replace(b"Tree=2\n", b"# mine\nTree=2\n"))

    with pytest.raises(InvalidInputError, match="does not have tree 2 where its head says"):
        formats.package(path, "model", tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "Git LFS pointer",
        ),
        (b"/annex/objects/SHA256E-s12--4d7a.joblib\n", "git-annex pointer"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "HTML page"),
        (b"<!-- proxy -->\n<html lang='en'>denied</html>", "HTML page"),
        (b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', "error NoSuchKey"),
        (b'<?xml version="1.0"?><Error><Message>x</Message></Error>', "storage service's error"),
    ],
)
@pytest.mark.parametrize("name", ["model.joblib", "model", "weights.bin"])
def test_what_stands_in_for_a_model_is_refused(
    content: bytes, problem: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / name, tmp_path / "folder" / name):
        path.write_bytes(content)

    with pytest.raises(InvalidInputError, match=problem):
        formats.package(tmp_path / name, "model", tmp_path)
    with pytest.raises(InvalidInputError, match=f"holds {name}, which .*{problem}"):
        formats.package(tmp_path / "folder", "model", tmp_path)


@pytest.mark.parametrize("name", ["model.pkl", "model.onnx", "model.pt", "model.ubj", "model.gguf"])
def test_other_content_than_the_extension_promises_needs_its_format_named(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text('{"error": "token expired"}')

    with pytest.raises(InvalidInputError, match=r"promises: its content is json; .*--format"):
        formats.package(path, "model", tmp_path)
    assert formats.package(path, "model", tmp_path, "file").format == "file"


def test_a_model_of_many_weight_files_is_found_among_them(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    from skl2onnx import to_onnx

    folder = tmp_path / "model"
    folder.mkdir()
    graph = to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS[:1].astype("float32"))
    tensors = [onnx.numpy_helper.from_array(ROWS + index, f"w{index}") for index in range(70)]
    for index, tensor in enumerate(tensors):
        onnx.external_data_helper.set_external_data(tensor, f"a{index:02}.bin")
        (folder / f"a{index:02}.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
    graph.graph.initializer.extend(tensors)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())

    assert formats.package(folder, "model", tmp_path).format == "onnx"
    (folder / "a33.bin").unlink()
    with pytest.raises(InvalidInputError, match=r"lacks a33.bin, in which model.onnx keeps"):
        formats.package(folder, "model", tmp_path)


def test_a_saved_model_without_its_variables_is_refused(tmp_path: Path) -> None:
    variables = tmp_path / "model" / "variables"
    variables.mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"\x08\x01")
    (variables / "variables.index").write_bytes(b"index")
    (variables / "variables.data-00000-of-00002").write_bytes(b"data")

    with pytest.raises(InvalidInputError, match="lacks variables: only 1 of 2 parts"):
        formats.package(tmp_path / "model", "model", tmp_path)


_UNFITTED: dict[str, Any] = {
    "forest": RandomForestClassifier(),
    "pipeline": make_pipeline(StandardScaler().fit(ROWS), LogisticRegression()),
    "xgboost": xgboost.XGBClassifier(n_estimators=3),
}


@pytest.mark.parametrize("name", _UNFITTED)
def test_an_estimator_that_was_never_fitted_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="was never fitted; call fit"):
        formats.package(_UNFITTED[name], "model", tmp_path)

    for path, dump in ((tmp_path / "m.joblib", joblib.dump), (tmp_path / "m.pkl", _pickled)):
        dump(_UNFITTED[name], path)
        with pytest.raises(InvalidInputError, match="was never fitted; call fit"):
            formats.package(path, "model", tmp_path)


def test_lightgbm_s_estimator_that_was_never_fitted_is_refused(tmp_path: Path) -> None:
    model = lightgbm().LGBMClassifier(verbose=-1, min_child_samples=2)

    with pytest.raises(InvalidInputError, match="LGBMClassifier object was never fitted"):
        formats.package(model, "model", tmp_path)
    assert formats.package(model.fit(ROWS, LABELS), "model", tmp_path).format == "joblib"


def _pickled(model: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(model))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FunctionTransformer(), LogisticRegression().fit(ROWS, LABELS)),
        HashingVectorizer(n_features=8),
        {"threshold": 0.3},
    ],
)
def test_what_needs_no_fit_is_taken(model: Any, tmp_path: Path) -> None:
    packaged = formats.package(model, "model", tmp_path)

    assert formats.package(packaged.path, "preprocessor", tmp_path).format == "joblib"


def test_a_class_in_place_of_an_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"is a class, and only an instance can predict"):
        formats.package(RandomForestClassifier, "model", tmp_path)

    _pickled(RandomForestClassifier, tmp_path / "model.pkl")
    with pytest.raises(InvalidInputError, match=r"holds .*RandomForestClassifier, a class or a"):
        formats.package(tmp_path / "model.pkl", "model", tmp_path)
    assert formats.package(tmp_path / "model.pkl", "labels", tmp_path).format == "pickle"


def test_a_cut_archive_of_any_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(gzip.compress(json.dumps(list(range(5000))).encode())[:-20])

    with pytest.raises(InvalidInputError, match="is cut short or damaged: compressed data ends"):
        formats.package(path, "model", tmp_path)


def test_a_tensor_of_more_axes_than_there_are_is_refused(tmp_path: Path) -> None:
    """Their lengths would be multiplied."""
    path = tmp_path / "model.gguf"
    name = (1).to_bytes(8, "little") + b"t"
    axes = 300_000
    head = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(8)
    path.write_bytes(head + name + axes.to_bytes(4, "little") + b"\xff" * 8 * axes + bytes(12))

    with pytest.raises(InvalidInputError, match="a tensor of 300,000 axes"):
        formats.package(path, "model", tmp_path)


def test_items_that_take_no_bytes_are_passed_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    key = (7).to_bytes(8, "big") + b"learner"
    path.write_bytes(b"{L" + key + b"[$Z#L" + (1 << 60).to_bytes(8, "big") + b"}")

    assert formats.package(path, "model", tmp_path).format == "xgboost"


@pytest.mark.parametrize("name", ["model", "model.bin", "weights.dat"])
def test_the_beginning_of_an_onnx_model_is_refused_whatever_its_name(
    tmp_path: Path, name: str
) -> None:
    graph = b"\x0a\x10\x0a\x0ename of inputs" + b"\x12\x04name"
    begun = b"\x08\x0a\x12\x07pytorch\x3a" + bytes([len(graph)])
    opset = b"\x42\x04\x0a\x00\x10\x0d"
    whole = begun + graph + opset
    path = tmp_path / name
    for end in range(len(begun), len(whole)):
        path.write_bytes(whole[:end])
        if end == len(whole) - len(opset):  # behind its graph it is a model
            continue
        with pytest.raises(InvalidInputError, match="is cut short: an ONNX model"):
            formats.package(path, "model", tmp_path)
    path.write_bytes(whole)

    assert formats.package(path, "model", tmp_path).format == "onnx"


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\xff\x7f\x3a\x7fab",
        b"\x0a\x03abc\x3a\x7fab",
        b"\x08\x0a\x12\x7fab",
        b"\x08\x0a\x0b\x3a\x7f",
    ],
)
def test_bytes_that_only_begin_alike_are_kept_as_a_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)

    assert formats.package(path, "model", tmp_path).format == "file"
