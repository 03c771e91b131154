import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from holdfast import formats
from holdfast.errors import InvalidInputError

FIRST = {"a": np.arange(6.0).reshape(2, 3)}
SECOND = {"b": np.arange(4, dtype="int32")}


def _foreign(path: Path, **tensors: tuple[str, list[int], bytes]) -> Path:
    header: dict[str, Any] = {}
    body = b""
    for name, (dtype, shape, raw) in tensors.items():
        offsets = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        body += raw
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + body)
    return path


def _sharded(folder: Path) -> Path:
    folder.mkdir()
    save_file(FIRST, folder / "model-00001-of-00002.safetensors")
    save_file(SECOND, folder / "model-00002-of-00002.safetensors")
    places = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text("{}")
    return folder


def test_short_floats_come_back_as_what_they_are(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    halves = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    bytes_ = np.array([0.5, 448], dtype=ml_dtypes.float8_e4m3fn)
    path = _foreign(
        tmp_path / "model.safetensors",
        half=("BF16", [2], halves.tobytes()),
        byte=("F8_E4M3", [1, 2], bytes_.tobytes()),
        plain=("F32", [1], np.float32(3).tobytes()),
    )
    loaded: Any = formats.load(formats.package(path, "model", tmp_path).format, path)

    assert loaded["half"].dtype == ml_dtypes.bfloat16
    assert loaded["half"].astype("f4").tolist() == [1.5, -2.0]
    assert loaded["byte"].astype("f4").tolist() == [[0.5, 448.0]]
    assert loaded["plain"].tolist() == [3.0]


def test_a_folder_of_shards_is_one_table(tmp_path: Path) -> None:
    folder = _sharded(tmp_path / "weights")
    packaged = formats.package(folder, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, folder)

    assert packaged.format == "safetensors"
    assert packaged.description.hyperparameters == {"tensors": 2, "parameters": 10}
    assert np.array_equal(loaded["a"], FIRST["a"])
    assert np.array_equal(loaded["b"], SECOND["b"])


def test_an_index_that_names_a_shard_that_is_not_there_is_refused(tmp_path: Path) -> None:
    folder = _sharded(tmp_path / "weights")
    (folder / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(InvalidInputError, match=r"lacks model-00002.* which model.* names"):
        formats.package(folder, "model", tmp_path)


def test_a_shard_without_a_tensor_that_its_index_names_is_refused(tmp_path: Path) -> None:
    folder = _sharded(tmp_path / "weights")
    save_file(FIRST, folder / "model-00002-of-00002.safetensors")

    with pytest.raises(InvalidInputError, match="lacks the tensor b in model-00002"):
        formats.package(folder, "model", tmp_path)


def test_an_index_alone_is_refused(tmp_path: Path) -> None:
    index = _sharded(tmp_path / "weights") / "model.safetensors.index.json"

    with pytest.raises(InvalidInputError, match="register the folder that holds both"):
        formats.package(index, "model", tmp_path)


def test_an_index_leads_to_no_file_of_another_folder(tmp_path: Path) -> None:
    folder = _sharded(tmp_path / "weights")
    save_file(SECOND, tmp_path / "elsewhere.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"b": "../elsewhere.safetensors"}}))

    assert formats.load("safetensors", folder) == {}
