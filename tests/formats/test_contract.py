import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from tests.formats.boosters import lightgbm

from holdfast import formats
from holdfast.errors import InvalidInputError

_RANDOM = np.random.default_rng(7)
ROWS = _RANDOM.random((40, 4))
LABELS = (ROWS[:, 0] > 0.5).astype(int)


@dataclass(frozen=True)
class Case:
    """What is to be true of one format.

    Attributes:
        format: Its name.
        model: An object for it.
        same: Tells whether the object read back is as good as the model.
        natural: Whether the object goes there unasked.
        kind: What the scan calls the file.
        executes_code: Whether loading runs code.
        unknown: Findings in the format's own files.
        framework: As described from the object and from the file.
        algorithm: As described from the object.
        libraries: What loading must not find, and the extra to be named.
    """

    format: str
    model: object
    same: Callable[[Any], bool]
    natural: bool
    kind: str
    executes_code: bool = False
    unknown: tuple[str, ...] = ()
    framework: str | None = None
    algorithm: str | None = None
    libraries: dict[str, str] = field(default_factory=dict)


_LOAD_WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from pathlib import Path
from holdfast import formats
from holdfast.errors import MissingLibraryError
formats.scan(Path(sys.argv[3]))
described = formats.package(Path(sys.argv[3]), "model", Path())
assert described.format == sys.argv[2], described
try:
    formats.load(sys.argv[2], Path(sys.argv[3]))
except MissingLibraryError as error:
    print(error)
"""


class FormatContract:
    """What every format promises; a format's class gives the fixture `case`."""

    @pytest.fixture
    def case(self) -> Case:
        raise NotImplementedError

    @pytest.fixture
    def packaged(self, case: Case, tmp_path: Path) -> formats.Packaged:
        return formats.package(case.model, "model", tmp_path, case.format)

    def test_an_object_comes_back_as_it_went(self, case: Case, packaged: formats.Packaged) -> None:
        assert case.same(formats.load(packaged.format, packaged.path))

    def test_an_object_finds_its_natural_home(self, case: Case, tmp_path: Path) -> None:
        package = formats.package(case.model, "model", tmp_path)

        assert (package.format == case.format) == case.natural

    def test_the_file_bears_the_stem(self, packaged: formats.Packaged, tmp_path: Path) -> None:
        assert packaged.path.parent == tmp_path
        assert packaged.path.name.partition(".")[0] == "model"

    def test_it_is_recognised_under_another_extension(
        self, case: Case, packaged: formats.Packaged, tmp_path: Path
    ) -> None:
        other = packaged.path.rename(tmp_path / "weights.bin")

        assert formats.package(other, "model", tmp_path).format == case.format

    def test_it_is_described_from_the_object(self, case: Case, packaged: formats.Packaged) -> None:
        assert packaged.description.framework == case.framework
        assert packaged.description.algorithm == case.algorithm

    def test_its_framework_is_told_from_the_file(
        self, case: Case, packaged: formats.Packaged
    ) -> None:
        described = formats.package(packaged.path, "model", packaged.path.parent).description

        assert described.framework == case.framework

    def test_its_own_files_scan_as_they_should(
        self, case: Case, packaged: formats.Packaged
    ) -> None:
        scan = formats.scan(packaged.path)

        assert scan.kind == case.kind
        assert scan.executes_code == case.executes_code
        assert scan.unknown == case.unknown

    def test_a_random_file_is_not_of_this_format(self, case: Case, tmp_path: Path) -> None:
        path = tmp_path / "weights.bin"
        path.write_bytes(_RANDOM.bytes(5000))

        with pytest.raises(InvalidInputError, match="not contain"):
            formats.package(path, "model", tmp_path, case.format)

    def test_a_missing_library_is_named_with_its_extra(
        self, case: Case, packaged: formats.Packaged
    ) -> None:
        for library, extra in case.libraries.items():
            command = [sys.executable, "-c", _LOAD_WITHOUT, library, case.format]
            ran = subprocess.run(
                [*command, str(packaged.path)], check=True, capture_output=True, text=True
            )

            assert f"{library} is not installed" in ran.stdout
            assert f"holdfast[{extra}]" in ran.stdout


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)


def _predicts_as(model: Any) -> Callable[[Any], bool]:
    return lambda loaded: bool(np.allclose(loaded.predict(ROWS), model.predict(ROWS)))


class TestJoblib(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        forest = _forest()
        return Case(
            "joblib", forest, _predicts_as(forest), natural=True, kind="joblib",
            executes_code=True, framework="scikit-learn", algorithm="RandomForestClassifier",
            libraries={"joblib": "joblib", "sklearn": "sklearn"},
        )  # fmt: skip


class TestPickle(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        forest = _forest()
        return Case(
            "pickle", forest, _predicts_as(forest), natural=False, kind="pickle",
            executes_code=True, framework="scikit-learn", algorithm="RandomForestClassifier",
            libraries={"sklearn": "sklearn"},
        )  # fmt: skip


class TestSkops(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        forest = _forest()
        return Case(
            "skops", forest, _predicts_as(forest), natural=False, kind="skops",
            executes_code=True, framework="scikit-learn", algorithm="RandomForestClassifier",
            libraries={"skops": "skops"},
        )  # fmt: skip


class TestOnnx(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        from skl2onnx import to_onnx

        forest = _forest()
        return Case(
            "onnx", to_onnx(forest, ROWS[:1].astype("float32")), _predicts_as(forest),
            natural=True, kind="onnx", framework="onnx", algorithm="TreeEnsembleClassifier",
            libraries={"onnxruntime": "onnx"},
        )  # fmt: skip


class TestSafetensors(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        tensors = {"weights": ROWS.T[::2], "bias": LABELS.astype("float32")}
        return Case(
            "safetensors", tensors,
            lambda loaded: all(np.array_equal(loaded[name], tensors[name]) for name in tensors),
            natural=True, kind="safetensors", libraries={"safetensors": "safetensors"},
        )  # fmt: skip


class TestXgboost(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        from xgboost import XGBClassifier

        model = XGBClassifier(n_estimators=3).fit(ROWS, LABELS)
        return Case(
            "xgboost", model, _predicts_as(model), natural=True, kind="xgboost-ubj",
            framework="xgboost", algorithm="XGBClassifier", libraries={"xgboost": "xgboost"},
        )  # fmt: skip


class TestLightGBM(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        data = lightgbm().Dataset(ROWS, LABELS)
        model = lightgbm().train({"verbose": -1, "min_data_in_leaf": 2}, data, 3)
        return Case(
            "lightgbm", model, _predicts_as(model), natural=True, kind="lightgbm",
            framework="lightgbm", algorithm="Booster", libraries={"lightgbm": "lightgbm"},
        )  # fmt: skip


def _network() -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))


def _computes_as(network: Any) -> Callable[[Any], bool]:
    import torch

    expected = network(torch.as_tensor(ROWS, dtype=torch.float32)).detach().numpy()
    return lambda loaded: bool(np.allclose(loaded.predict(ROWS), expected, atol=1e-6))


class TestCatBoost(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        catboost = pytest.importorskip("catboost", reason="CatBoost is not installed")
        words = np.array(["no", "yes"])[LABELS]
        model = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False)
        model.fit(ROWS, words)
        return Case(
            "catboost", model,
            lambda loaded: type(loaded) is type(model)
            and bool((loaded.predict(ROWS) == model.predict(ROWS)).all())
            and model.get_params().items() <= loaded.get_params().items(),
            natural=True, kind="catboost", framework="catboost", algorithm="CatBoostClassifier",
            libraries={"catboost": "catboost"},
        )  # fmt: skip


class TestTorchState(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        state = _network().state_dict()
        return Case(
            "torch-state", state,
            lambda loaded: all(bool((loaded[name] == state[name]).all()) for name in state),
            natural=True, kind="torch", executes_code=True, framework="pytorch",
            libraries={"torch": "torch"},
        )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
class TestTorchScript(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        network = _network()
        import torch

        trace: Any = torch.jit.trace  # which has no types of its own
        traced = trace(network, torch.zeros(1, 4))
        return Case(
            "torchscript", traced, _computes_as(network), natural=True, kind="torchscript",
            executes_code=True, framework="pytorch", algorithm="Sequential",
            unknown=("TorchScript program: can read and write files when it runs",),
            libraries={"torch": "torch"},
        )  # fmt: skip


class TestTorchExport(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        network = _network()
        import torch

        rows = torch.export.Dim("rows")
        program = torch.export.export(network, (torch.zeros(5, 4),), dynamic_shapes=({0: rows},))
        return Case(
            "torch-export", program, _computes_as(network), natural=True, kind="torch-export",
            executes_code=True, framework="pytorch", libraries={"torch": "torch"},
            unknown=("torch.export program: loading it evaluates expressions out of the file",),
        )  # fmt: skip


class TestTensorFlow(FormatContract):
    @pytest.fixture
    def case(self) -> Case:
        tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
        weights = tensorflow.Variable(ROWS[:4, :2].astype("float32"))

        class Weighted(tensorflow.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                self.weights = weights

            @tensorflow.function(  # type: ignore[untyped-decorator]
                input_signature=[tensorflow.TensorSpec((None, 4), tensorflow.float32)]
            )
            def __call__(self, rows: Any) -> Any:
                return rows @ self.weights

        model = Weighted()
        expected = model(ROWS.astype("float32")).numpy()
        return Case(
            "tensorflow-savedmodel", model,
            lambda loaded: bool(np.allclose(loaded.predict(ROWS), expected, atol=1e-6)),
            natural=True, kind="tensorflow-savedmodel", executes_code=True,
            framework="tensorflow", algorithm="Weighted",
            unknown=(
                "saved_model.pb: TensorFlow graph: can read and write files when it runs",
            ),
            libraries={"tensorflow": "tensorflow"},
        )  # fmt: skip
