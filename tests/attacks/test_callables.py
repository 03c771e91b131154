import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch, all_estimators
from tests.formats.boosters import lightgbm

from holdfast import formats
from holdfast.formats.scanner.allowlist import AllowList


def _reader(name: str) -> Any:
    words = CountVectorizer(input=name, vocabulary=["secret", "other"])
    return make_pipeline(words, Ridge()).set_params(ridge__fit_intercept=False)


@pytest.mark.parametrize("wrap", [lambda words: words, lambda words: FeatureUnion([("a", words)])])
def test_a_file_comes_back_through_a_prediction_and_is_refused(
    wrap: Callable[[Any], Any], tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret secret secret")
    model = _reader("filename")
    model.steps[0] = ("words", wrap(model.steps[0][1]))
    model.steps[1][1].coef_, model.steps[1][1].intercept_ = np.array([1.0, 0.0]), 0.0
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))

    loaded = pickle.load(io.BytesIO(path.read_bytes()))

    assert loaded.predict([str(tmp_path / "secret.txt")]).tolist() == [3.0]
    assert any("of a file in input" in doubt for doubt in formats.scan(path).unknown)


def test_a_class_held_as_a_function_is_called_with_the_rows_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(FunctionTransformer(Ridge)))

    assert isinstance(pickle.loads(path.read_bytes()).transform([[1.0]]), Ridge)
    assert any("Ridge to call" in doubt for doubt in formats.scan(path).unknown)


def test_a_bunch_lends_its_items_to_numpy_as_memory_and_is_refused(tmp_path: Path) -> None:
    there = np.arange(4.0)
    path = tmp_path / "model.pkl"
    bunch = Bunch(__array_interface__=there.__array_interface__)
    path.write_bytes(pickle.dumps(bunch))

    assert np.asarray(pickle.loads(path.read_bytes())).tolist() == there.tolist()
    assert any("__array_interface__" in doubt for doubt in formats.scan(path).unknown)


def test_no_part_passes_that_honest_files_do_not_make(
    hostile_part: Callable[[str], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_part("true"))

    assert formats.scan(path).unknown


def _callable_names() -> list[tuple[str, str]]:
    """Name every class of the list whose instances can be called, under all its names."""
    listed = AllowList()
    return [
        (name, attribute)
        for name, module in sorted(sys.modules.items())
        if name.startswith(("sklearn.", "scipy.interpolate", "numpy.polynomial"))
        for attribute, thing in vars(module).items()
        if isinstance(thing, type)
        and any("__call__" in vars(cls) for cls in thing.__mro__)
        and listed.use_of(name, attribute) in ("call", "make")
    ]


def test_what_can_be_called_is_refused_as_a_function_by_every_name_it_has(
    as_function: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    all_estimators()  # imports all of scikit-learn
    names, path = _callable_names(), tmp_path / "model.pkl"
    passed = []
    for module, name in names:
        path.write_bytes(as_function(f"c{module}\n{name}\n".encode()))
        if not formats.scan(path).unknown:
            passed.append(f"{module}.{name}")

    assert len(names) >= 60
    assert passed == []


@pytest.mark.parametrize(
    "model",
    [
        lightgbm().LGBMRegressor(verbose=-1, monotone_constraints=[1]),
        np.random.RandomState(1),
        np.random.default_rng(1),
        np.ma.masked_array([1.0], [True]),
        FunctionTransformer(np.sum, kw_args={"axis": 1, "keepdims": True}),
        FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 1}),
        CountVectorizer(dtype=np.float32, encoding="latin-1", analyzer="char"),
        CountVectorizer(vocabulary={"input": 1, "memory": 0}),
    ],
)
def test_honest_parameters_pass(model: object, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))

    assert formats.scan(path).unknown == ()


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_skops_models_with_an_output_of_their_own_pass(output: Any, tmp_path: Path) -> None:
    from skops import io as skops

    model = FunctionTransformer().set_output(transform=output)
    skops.dump(model, tmp_path / "model.skops")

    assert formats.scan(tmp_path / "model.skops").unknown == ()


def test_a_file_s_name_is_refused_in_a_skops_file(tmp_path: Path) -> None:
    from skops import io as skops

    skops.dump(_reader("filename"), tmp_path / "model.skops")

    assert any("input" in doubt for doubt in formats.scan(tmp_path / "model.skops").unknown)
