import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression

from holdfast import formats
from holdfast.errors import InvalidInputError, MissingLibraryError, UnsupportedError
from holdfast.formats import catalogue

_PLUGIN = """
from holdfast.formats import Description

class Upper:
    name = "upper"

    def takes(self, model):
        return isinstance(model, str) and model.isupper()

    def recognises(self, path):
        return path.is_file() and path.read_bytes().startswith(b"UPPER:")

    def dump(self, model, folder, stem):
        path = folder / f"{stem}.upper"
        path.write_text("UPPER:" + model)
        return path

    def load(self, path):
        return path.read_text()[6:]

    def describe(self, source):
        return Description("shouting")

made = Upper()
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder on Python's path whose distribution adds the entry points written there."""
    site = tmp_path / "site"
    (site / "shouting-1.0.dist-info").mkdir(parents=True)
    (site / "shouting-1.0.dist-info" / "METADATA").write_text("Name: shouting\nVersion: 1.0\n")
    (site / "shouting.py").write_text(_PLUGIN)
    monkeypatch.syspath_prepend(site)
    catalogue._entry_points.cache_clear()
    yield site / "shouting-1.0.dist-info" / "entry_points.txt"
    catalogue._entry_points.cache_clear()


def test_a_format_of_another_distribution_is_used_unasked(plugins: Path, tmp_path: Path) -> None:
    plugins.write_text("[holdfast.formats]\nupper = shouting:Upper\n")
    packaged = formats.package("HELLO", "model", tmp_path)

    assert packaged.format == "upper"
    assert packaged.description.framework == "shouting"
    assert formats.package(packaged.path, "model", tmp_path).format == "upper"
    assert formats.load("upper", packaged.path) == "HELLO"
    assert "upper" in formats.names()


def test_a_format_may_be_given_as_an_instance(plugins: Path) -> None:
    plugins.write_text("[holdfast.formats]\nupper = shouting:made\n")

    assert catalogue.named("upper").name == "upper"


def test_a_plug_in_that_cannot_be_imported_is_named(plugins: Path, tmp_path: Path) -> None:
    plugins.write_text("[holdfast.formats]\nlost = shouting:Nowhere\n")

    with pytest.raises(
        UnsupportedError, match="format 'lost' has a plug-in that cannot be imported:"
    ):
        formats.package("HELLO", "model", tmp_path)


def test_a_plug_in_cannot_take_the_name_of_a_built_in_format(plugins: Path) -> None:
    plugins.write_text("[holdfast.formats]\njoblib = shouting:Upper\n")

    assert catalogue.named("joblib").name == "joblib"
    assert formats.names().count("joblib") == 1


def test_an_unknown_format_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="format 'parquet' is unknown; use one of onnx, "):
        formats.load("parquet", tmp_path)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"model\.pkl' does not exist; check the path"):
        formats.package(tmp_path / "model.pkl", "model", tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").touch()

    with pytest.raises(InvalidInputError, match="is an empty file; write the model again"):
        formats.package(tmp_path / "model.pkl", "model", tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model" / "variables").mkdir(parents=True)

    with pytest.raises(InvalidInputError, match="is an empty folder"):
        formats.package(tmp_path / "model", "model", tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidInputError, match="is a named pipe"):
        formats.package(tmp_path / "pipe", "model", tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything"
)
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"x")
    (folder / "weights.bin").chmod(0)

    with pytest.raises(InvalidInputError, match=r"weights\.bin' cannot be read"):
        formats.package(folder, "model", tmp_path)


def test_a_path_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        formats.package(tmp_path / ("x" * 5000), "model", tmp_path)


def test_a_file_of_no_known_format_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\nbird\n")
    packaged = formats.package(path, "labels", tmp_path)

    assert packaged == formats.Packaged(path, "file", formats.Description())
    assert formats.load("file", path) == path


def test_a_folder_of_no_known_format_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.txt").write_text("a\n")
    packaged = formats.package(tmp_path / "tokenizer", "tokenizer", tmp_path)

    assert packaged.format == "folder"
    assert formats.load("folder", packaged.path) == tmp_path / "tokenizer"


def test_an_object_cannot_be_kept_as_just_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="dict object is not a file; register its path"):
        formats.package({}, "model", tmp_path, "file")


def test_the_extension_decides_between_two_formats_that_fit(tmp_path: Path) -> None:
    packaged = formats.package([1, 2], "model", tmp_path, "pickle")
    renamed = packaged.path.rename(tmp_path / "model.joblib")

    assert formats.package(renamed, "model", tmp_path).format == "joblib"


def test_a_plain_pickle_may_be_registered_for_joblib(tmp_path: Path) -> None:
    packaged = formats.package([1, 2], "model", tmp_path, "pickle")

    assert formats.package(packaged.path, "model", tmp_path, "joblib").format == "joblib"
    assert formats.load("joblib", packaged.path) == [1, 2]


def test_what_cannot_be_pickled_is_refused_with_the_cause(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"function object cannot be written: .*lambda"):
        formats.package(lambda: None, "model", tmp_path)


@pytest.mark.parametrize("name", ["pickle", "skops", "onnx", "safetensors", "xgboost", "lightgbm"])
def test_an_object_of_the_wrong_kind_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="generator object"):
        formats.package((part for part in "abc"), "model", tmp_path, name)


def test_a_missing_library_is_told_before_anything_is_written(tmp_path: Path) -> None:
    if "torch" in sys.modules:
        pytest.skip("PyTorch is installed")

    with pytest.raises(MissingLibraryError, match=r"pip install 'holdfast\[torch\]'"):
        formats.package({}, "model", tmp_path, "torch-state")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_one_s_own_class_is_loaded_by_that_class(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("class Model:\n    pass\n")
    code = (
        "import sys; from pathlib import Path; from holdfast import formats; import shop;"
        "print(formats.package(shop.Model(), 'model', Path(sys.argv[1])).path)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    path = Path(ran.stdout.strip())

    assert formats.scan(path).unknown == ("shop.Model",)
    assert formats.scan(path, ["shop.Model"]).unknown == ()
    assert formats.scan(path, ["shop.*"]).unknown == ()
    with pytest.raises(UnsupportedError, match="needs the module shop; put it where Python"):
        formats.load("joblib", path)


def test_an_error_of_the_loading_library_becomes_advice(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x8c\x14sklearn.linear_model\x94\x8c\x07Removed\x94\x93.")

    with pytest.raises(UnsupportedError, match=r"cannot be loaded here: AttributeError: .*Removed"):
        formats.load("pickle", path)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (
            "import nowhere_to_be_found",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        (
            "import ctypes; ctypes.CDLL('libnowhere.so.1')",
            "OSError: libnowhere.so.1: cannot open shared object file: No such file or directory",
        ),
        ("raise ImportError('no such symbol')", "ImportError: no such symbol"),
    ],
)
def test_a_library_that_is_installed_and_broken_says_so_itself(
    broken: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "lightgbm.py").write_text(broken)
    (tmp_path / "model.txt").write_text("tree\nversion=v4\n")
    code = (
        "from pathlib import Path; from holdfast import formats;"
        "formats.load('lightgbm', Path('model.txt'))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )

    expected = f"UnsupportedError: lightgbm is installed but cannot be imported: {problem}; fix its"
    assert expected in ran.stderr


def test_kept_files_take_no_object() -> None:
    assert not catalogue.named("file").takes({})
    assert not catalogue.named("folder").takes({})


def test_a_plug_in_beside_the_one_asked_for_is_left_alone(plugins: Path) -> None:
    plugins.write_text("[holdfast.formats]\nlost = shouting:Nowhere\nupper = shouting:Upper\n")

    assert catalogue.named("upper").name == "upper"


_LEAN = """
import sys
from holdfast import formats
from holdfast.formats.pair import Pair
heavy = {"joblib", "lightgbm", "numpy", "onnx", "onnxruntime", "pandas", "rich", "safetensors",
         "scipy", "skops", "sklearn", "tensorflow", "torch", "xgboost", "click"}
print(sorted(heavy & set(sys.modules)))
"""


def test_importing_formats_imports_no_library() -> None:
    ran = subprocess.run([sys.executable, "-c", _LEAN], check=True, capture_output=True, text=True)

    assert ran.stdout.strip() == "[]"


def test_a_scan_imports_no_library_either(tmp_path: Path) -> None:
    model: Any = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    path = formats.package(model, "model", tmp_path).path
    work = (
        "from pathlib import Path\npath = Path(sys.argv[1])\n"
        "formats.scan(path)\nformats.package(path, 'model', path.parent)\n"
    )
    code = _LEAN.replace("heavy =", f"{work}heavy =")
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )

    assert ran.stdout.strip() == "[]"


class Undecided:
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


@pytest.mark.parametrize(
    "part",
    [np.eye(3), csr_matrix(np.eye(3)), pd.DataFrame({"a": [1, 2]}), BaggingClassifier()],
    ids=lambda part: type(part).__name__,
)
def test_an_object_whose_truth_cannot_be_asked_has_a_home(part: object, tmp_path: Path) -> None:
    assert formats.package(part, "vocabulary", tmp_path).format == "joblib"


def test_no_format_asks_an_object_for_its_truth() -> None:
    taking = [name for name in catalogue.names() if catalogue.named(name).takes(Undecided())]

    assert taking == ["joblib"]
