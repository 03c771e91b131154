"""Folders that MLflow itself wrote, loaded and asked."""

from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Registry, formats
from holdfast.errors import HoldfastError, InvalidInputError, UnsupportedError, UntrustedError
from holdfast.formats import mlflow_folder
from holdfast.formats.pyfunc import Mlflow
from holdfast.rows import predictor
from holdfast.rows.call_params import ParamsChecker
from holdfast.rows.refusal import Refusal

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'holdfast[mlflow]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow warns of its own use of others

PINS = ["mlflow==3.17.2", "scikit-learn==0.1  # an old one", "shop[all]==2.0; python_version>'3'"]


@pytest.fixture(scope="module")
def frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"amount": [float(n) for n in range(20)], "count": range(20)})


@pytest.fixture(scope="module")
def logged(frame: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scikit-learn model as MLflow writes it, with its signature."""
    import mlflow
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(frame, 2 * frame["amount"])
    path = tmp_path_factory.mktemp("mlflow") / "model"
    signature = infer_signature(frame, model.predict(frame))
    mlflow.sklearn.save_model(model, str(path), signature=signature, pip_requirements=PINS)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


def test_a_folder_is_registered_with_its_signature_and_answers(
    logged: Path, registry: Registry, frame: Any
) -> None:
    registry.register("shop", logged)
    manifest = registry.manifest("shop@1.0.0")
    pair = registry.load("shop@1.0.0")

    assert manifest.artifacts["model"].format == "mlflow"
    assert manifest.scan["model"].kind == "mlflow"
    assert manifest.executes_code
    assert manifest.framework == "scikit-learn"
    assert manifest.input_schema is not None
    assert manifest.input_schema["order"] == ["amount", "count"]
    assert manifest.environment.packages["scikit-learn"] == "0.1"
    assert manifest.environment.packages["shop"] == "2.0"
    assert manifest.metadata["mlflow"]["flavors"] == ["python_function", "sklearn"]
    for rows in (
        frame[:2],
        [[0, 0], [1, 1]],
        [{"amount": 0.0, "count": 0}, {"amount": 1, "count": 1}],
    ):
        assert pair.predict(rows) == pytest.approx([0.0, 2.0], abs=1e-6)


def test_what_a_caller_says_goes_before_what_the_folder_says(
    logged: Path, registry: Registry
) -> None:
    registry.register(
        "shop", logged, formats={"model": "folder"}, framework="own", description="as files"
    )
    manifest = registry.manifest("shop@1.0.0")

    assert manifest.artifacts["model"].format == "folder"
    assert manifest.input_schema is None
    with pytest.raises(UnsupportedError):
        registry.load("shop@1.0.0").predict([[1.0, 2]])


def test_other_versions_than_the_requirements_name_are_refused_where_that_is_demanded(
    logged: Path, registry: Registry
) -> None:
    registry.register("shop", logged)
    strict = holdfast.open(registry.location, by="ann")
    strict.demand_environment()

    with pytest.raises(UnsupportedError, match=r"scikit-learn 0\.1"):
        strict.load("shop@1.0.0")


def test_rows_that_the_signature_does_not_admit_are_refused_by_mlflow(
    logged: Path, registry: Registry
) -> None:
    registry.register("shop", logged)

    with pytest.raises(Exception, match="count"):
        registry.load("shop@1.0.0").predict([{"amount": 1.0}])


def test_code_of_its_author_is_loaded_only_with_a_reason(
    tmp_path: Path, registry: Registry
) -> None:
    import mlflow

    path, ran = tmp_path / "own", tmp_path / "ran"
    (tmp_path / "loader_of_own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "class Own:\n    def predict(self, rows): return [7] * len(rows)\n"
        "def _load_pyfunc(path): return Own()\n"
    )
    mlflow.pyfunc.save_model(
        str(path),
        loader_module="loader_of_own",
        code_paths=[str(tmp_path / "loader_of_own.py")],
        pip_requirements=PINS[:1],
    )
    ran.unlink(missing_ok=True)

    with pytest.raises(UntrustedError, match="loader_module 'loader_of_own'"):
        registry.register("own", path, formats={"model": "mlflow"})
    registry.register("own", path, trust="we wrote it")
    assert registry.manifest("own@1.0.0").artifacts["model"].format == "mlflow"
    assert not ran.exists()
    assert list(registry.load("own@1.0.0").predict([[1.0], [2.0]])) == [7, 7]
    assert ran.exists()


def test_a_folder_that_nobody_trusts_is_kept_and_never_loaded(
    tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "evil"
    path.mkdir()
    (path / "MLmodel").write_text("flavors: {python_function: {loader_module: os}}\n")
    (path / "weights.json").write_text("[1]")
    registry.register("evil", path)

    assert registry.manifest("evil@1.0.0").artifacts["model"].format == "folder"
    assert isinstance(registry.load("evil@1.0.0").model, Path)


def test_a_folder_whose_mlmodel_cannot_be_read_is_kept_unless_its_format_is_named(
    tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "broken"
    path.mkdir()
    (path / "MLmodel").write_text("a: [")
    registry.register("broken", path)

    assert registry.manifest("broken@1.0.0").artifacts["model"].format == "folder"
    with pytest.raises(InvalidInputError, match="is not YAML"):
        registry.register("broken", path, formats={"model": "mlflow"})


def test_a_folder_is_not_loaded_that_was_changed_to_lead_out(logged: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(logged, tmp_path / "model")
    text = (tmp_path / "model" / "MLmodel").read_text()
    (tmp_path / "model" / "MLmodel").write_text(text.replace(": model.", ": ../model."))

    with pytest.raises(InvalidInputError, match="outside its folder"):
        formats.load("mlflow", tmp_path / "model")
    assert not mlflow_folder.can_be_loaded(tmp_path / "model", "trusted")


def test_objects_are_written_by_mlflow_alone(tmp_path: Path) -> None:
    assert not Mlflow().takes(object())
    assert Mlflow().describe(object()).framework is None
    with pytest.raises(HoldfastError, match="save it by MLflow"):
        formats.package(object(), "extra", tmp_path, "mlflow")


class _Twice:
    """What a loaded model is to MLflow, of which the signature alone matters here."""

    def __init__(self, schema: Any) -> None:
        self.metadata = self
        self._schema = schema

    def get_input_schema(self) -> Any:
        return self._schema

    def predict(self, rows: Any, params: Any = None) -> Any:
        assert params is None
        return rows


def test_rows_are_laid_out_as_the_signature_types_them() -> None:
    from mlflow.types import ColSpec, DataType, Schema

    from holdfast.formats.pyfunc import PyfuncModel

    specs = [
        ColSpec(DataType.integer, "whole"),
        ColSpec(DataType.double, "part", required=False),
        ColSpec(DataType.long, "maybe", required=False),
        ColSpec(DataType.binary, "photo"),
        ColSpec(DataType.boolean, "flag"),
        ColSpec(DataType.string, "note", required=False),
    ]
    model: Any = PyfuncModel(_Twice(Schema(specs)))
    row = {"whole": 1, "part": None, "photo": "AAE=", "flag": True, "note": "x"}
    frame = model.predict([row, {**row, "part": 2.5}])

    assert frame.dtypes["whole"] == "int32"
    assert frame.dtypes["part"] == "float64"
    assert frame["photo"][0] == b"\x00\x01"
    assert "maybe" not in frame
    assert model.predict([{**row, "maybe": None}, {**row, "maybe": None}]).shape == (2, 4)
    mixed = {**{name: [value, value] for name, value in row.items()}, "maybe": [1, None]}
    unclear = type(frame)(mixed).astype({"maybe": object})
    with pytest.raises(InvalidInputError, match="whole numbers and nulls"):
        model.predict(unclear)


def test_tensors_are_given_as_arrays_of_the_types_that_the_signature_names() -> None:
    import numpy as np
    from mlflow.types import Schema, TensorSpec

    from holdfast.formats.pyfunc import PyfuncModel

    lone: Any = PyfuncModel(_Twice(Schema([TensorSpec(np.dtype("float32"), (-1, 2))])))
    named = [TensorSpec(np.dtype("int64"), (-1, 2), "a"), TensorSpec(np.dtype("f4"), (-1,), "b")]
    several: Any = PyfuncModel(_Twice(Schema(named)))
    free: Any = PyfuncModel(_Twice(None))
    given = several.predict([{"a": [1, 2], "b": 3}, {"a": [4, 5], "b": 6}])

    assert lone.predict([[1, 2]]).dtype == "float32"
    assert given["a"].shape == (2, 2)
    assert given["b"].tolist() == [3.0, 6.0]
    assert free.predict([[1]]) == [[1]]


def test_parameters_of_its_signature_reach_a_function_with_their_types(
    tmp_path: Path, registry: Registry
) -> None:
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    class Tells(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # half typed
        def predict(self, _context: Any, model_input: Any, params: Any = None) -> list[str]:
            return [str({name: params[name] for name in sorted(params)})] * len(model_input)

    frame = pd.DataFrame({"amount": [1.0]})
    defaults = {"top": 3, "heat": 0.5, "exact": False, "stop": [".", "!"], "day": "2026-01-01"}
    signature = infer_signature(frame, ["text"], params=defaults)
    mlflow.pyfunc.save_model(
        str(tmp_path / "told"), python_model=Tells(), signature=signature, pip_requirements=[]
    )
    registry.register("shop", tmp_path / "told", trust="ours")
    ready = predictor.loaded("shop", registry.load("shop@1.0.0"), "ab" * 32)
    check = ParamsChecker("shop@1.0.0", ready.params)
    asked = {"top": 4.0, "heat": 1, "stop": [], "day": None}

    assert registry.manifest("shop@1.0.0").metadata["mlflow"]["params"] == defaults
    assert list(ready.predict([[1.0]])) == [
        "{'day': '2026-01-01', 'exact': False, 'heat': 0.5, 'stop': ['.', '!'], 'top': 3}"
    ]
    assert list(ready.predict([[1.0]], check(asked))) == [
        "{'day': None, 'exact': False, 'heat': 1.0, 'stop': [], 'top': 4}"
    ]
    with pytest.raises(Refusal, match=r"params\.top must be a whole number, not 4\.5"):
        check({"top": 4.5})
