"""Models that MLflow logged with code of their own: each version runs its own."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import HoldfastError
from holdfast.formats.pyfunc import Mlflow

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'holdfast[mlflow]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow warns of its own use of others

MODEL = """
    import mlflow
    from ourlib import FACTOR

    class Scaled(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            from ourlib.late import scale
            return [scale(row, FACTOR) for row in model_input]
"""
LOADER = """
    class Scaled:
        def predict(self, rows, params=None):
            import ourlib.late
            return [ourlib.late.scale(row, 1) for row in rows]

    def _load_pyfunc(path):
        return Scaled()
"""


def code(folder: Path, factor: int) -> Path:
    package = folder / "ourlib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"FACTOR = {factor}\n")
    (package / "late.py").write_text(f"def scale(x, by):\n    return x * {factor} * by\n")
    return package


@contextmanager
def importable(libs: Path) -> Iterator[None]:
    """Have code found as at its author's, for a moment."""
    sys.path.insert(0, str(libs))
    try:
        yield
    finally:
        sys.path.remove(str(libs))
        for name in ("ourlib", "ourlib.late"):
            sys.modules.pop(name, None)


def saved(model: object, folder: Path, package: Path) -> Path:
    import mlflow

    mlflow.pyfunc.save_model(
        str(folder / "model"),
        python_model=model,
        code_paths=[str(package)],
        pip_requirements=["mlflow"],
    )
    return folder / "model"


def by_file(folder: Path, factor: int) -> Path:
    """A model from code: MLflow runs its file."""
    package = code(folder / "libs", factor)
    text = textwrap.dedent(MODEL) + "\nmlflow.models.set_model(Scaled())\n"
    (folder / "the_model.py").write_text(text)
    with importable(folder / "libs"):
        return saved(str(folder / "the_model.py"), folder, package)


def by_pickle(folder: Path, factor: int) -> Path:
    """A model of a class that nobody can import: MLflow pickles its functions."""
    package = code(folder / "libs", factor)
    space: dict[str, Any] = {"__name__": "__main__"}
    with importable(folder / "libs"):
        exec(textwrap.dedent(MODEL), space)
        return saved(space["Scaled"](), folder, package)


def by_loader(folder: Path, factor: int) -> Path:
    """A model whose loader is in its code."""
    package = code(folder / "model" / "code", factor)
    (package / "loads.py").write_text(textwrap.dedent(LOADER))
    flavor = "python_function:\n    code: code\n    loader_module: ourlib.loads\n"
    (folder / "model" / "MLmodel").write_text(f"flavors:\n  {flavor}")
    return folder / "model"


WAYS = {"file": (by_file, 1), "pickle": (by_pickle, 1), "loader": (by_loader, 0)}


@pytest.mark.parametrize(("make", "squares"), WAYS.values(), ids=WAYS)
def test_versions_run_their_own_code_side_by_side(
    tmp_path: Path, make: Callable[[Path, int], Path], squares: int
) -> None:
    folders = []
    for factor in (2, 3):
        (tmp_path / str(factor)).mkdir()
        folders.append(make(tmp_path / str(factor), factor))
    path = list(sys.path)
    first, second = (Mlflow().load(folder) for folder in folders)

    for _ in range(2):
        assert first.predict([1, 10]) == [2 * 2**squares, 20 * 2**squares]  # type: ignore[attr-defined]
        assert second.predict([1, 10]) == [3 * 3**squares, 30 * 3**squares]  # type: ignore[attr-defined]
    assert sys.path == path
    assert "ourlib" not in sys.modules


def test_code_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = by_loader(tmp_path, 2)
    (folder / "code" / "ourlib" / "loads.py").write_text("raise RuntimeError('no')\n")
    path = list(sys.path)
    with pytest.raises(HoldfastError, match="no"):
        Mlflow().load(folder)

    assert sys.path == path
    assert not [name for name in sys.modules if name.endswith("ourlib")]
