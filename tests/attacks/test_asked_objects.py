"""Files whose object is no estimator, and acts all the same once it is asked to predict."""

import collections
import functools
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse  # type: ignore[import-untyped]
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]
from lightgbm import Booster
from sklearn.metrics import pairwise_distances
from sklearn.utils.validation import check_array
from tests.attacks.skops_nodes import listed, mapped, node, skops_file, text, type_of

from holdfast import formats

_NUMBERS = pd.Int64Dtype()


def _with(thing: Any, **attributes: Any) -> Any:
    vars(thing).update(attributes)
    return thing


def _each(*values: object) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _overwrites(path: str) -> Any:
    """Make a function of one row that empties a file, by three of the list."""
    called = functools.partial(
        pairwise_distances, _each(path), _each("uint8"), mode="w+", shape=(1,)
    )
    asked = _with(collections.OrderedDict(a=1), iloc=1, dtype=_NUMBERS, astype=called)
    return functools.partial(check_array, asked, dtype=np.memmap, ensure_2d=False)


def _reads(path: str) -> Any:
    """Make a function that has a library open a file."""
    return functools.partial(
        pairwise_distances, Y=_each(None), metric=Booster, model_file=path, ensure_all_finite=False
    )


_HOSTS: dict[str, Callable[[Any], Any]] = {
    "an ordered dict": lambda act: _with(collections.OrderedDict(), predict=act),
    "a partial": lambda act: _with(functools.partial(np.abs), predict=act),
    "a polynomial": lambda act: _with(np.poly1d([1, 2]), predict=act),
    "a sparse matrix": lambda act: _with(scipy.sparse.csr_matrix([[1]]), predict=act),
    "a time span": lambda act: _with(relativedelta(days=1), predict=act),
    "a series' label": lambda act: pd.Series([act], index=["predict"]),
}


@pytest.mark.parametrize("host", _HOSTS)
def test_what_answers_like_a_model_empties_a_file_and_is_refused(host: str, tmp_path: Path) -> None:
    precious, path = tmp_path / "precious", tmp_path / "model.pkl"
    precious.write_text("for years")
    path.write_bytes(pickle.dumps(_HOSTS[host](_overwrites(str(precious)))))

    with pytest.raises(ValueError, match="sequence"):
        pickle.loads(path.read_bytes()).predict(np.array([[1.0]]))

    assert precious.read_bytes() == b"\0"
    assert any("numpy.memmap to call" in doubt for doubt in formats.scan(path).unknown)


@pytest.mark.parametrize("host", _HOSTS)
def test_a_class_that_opens_files_is_held_by_nothing(host: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(_HOSTS[host](_reads("/etc/passwd"))))

    assert any("Booster to call" in doubt for doubt in formats.scan(path).unknown)


def test_what_one_object_may_hold_another_may_not(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    shared = {"a": pd.DataFrame}
    series = pd.Series([shared])
    path.write_bytes(pickle.dumps([series, functools.partial(np.abs, a=shared)]))

    assert any("DataFrame to call" in doubt for doubt in formats.scan(path).unknown)


_IN_SKOPS = (
    "collections.OrderedDict",
    "dateutil.relativedelta.relativedelta",
    "numpy.poly1d",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.utils._bunch.Bunch",
)


@pytest.mark.parametrize("host", _IN_SKOPS)
def test_in_a_skops_file_an_object_with_attributes_is_judged_as_in_a_pickle(
    host: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.skops"
    called = type_of("pandas.core.frame.DataFrame")
    for held, passes in ((called, False), (listed(text(1), called), False), (text(1), True)):
        node_of = node(host, "ObjectNode", content=mapped(type_of(), predict=held))
        path.write_bytes(skops_file(node_of))

        doubt = f"gives {host} pandas.core.frame.DataFrame to call"
        doubts = formats.scan(path).unknown
        assert any(doubt in one for one in doubts) is not passes
        assert (doubts == ()) is passes


@pytest.mark.parametrize(
    "thing",
    [
        _with(
            collections.OrderedDict(a=1), _metadata=collections.OrderedDict({"": {"version": 1}})
        ),
        functools.partial(np.clip, a_min=0, a_max=1),
        pd.DataFrame({"a": ["x", "y"], "b": pd.Categorical(["u", "v"])}),
        pd.Series(pd.date_range("2026-01-01", periods=2, tz="UTC")),
        scipy.sparse.csr_matrix([[1.0]]),
        np.poly1d([1, 2]),
        relativedelta(days=1),
        uuid.UUID(int=1),
        {"model": dict, "kind": [collections.OrderedDict(a=np.float64(1))]},
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_honest_objects_pass(thing: object, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(thing))

    assert formats.scan(path).unknown == ()
