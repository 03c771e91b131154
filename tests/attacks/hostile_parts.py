"""Parts of models that are not what honest files make: callables by other names, memory, files.

Like `hostile_callables`: an attack is a function of the payload's shell command, it gives the
pickle.
"""

import functools
import operator
import pickle
import struct
from collections.abc import Callable
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import scipy.stats  # type: ignore[import-untyped]
import xgboost
from numpy._core.multiarray import _reconstruct
from numpy.ma.core import _mareconstruct  # type: ignore[attr-defined]
from numpy.random import _pickle as _chance
from sklearn.cluster import FeatureAgglomeration
from sklearn.cluster._kmeans import _kmeans_single_lloyd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import kernels
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer, StandardScaler

Attack = Callable[[str], bytes]


class Reduced:
    """Pickled as a call of an allowed function."""

    def __init__(self, function: object, *args: object) -> None:
        """Keep what is called, and with what."""
        self._called = function, args

    def __reduce__(self) -> Any:
        """Give the call."""
        return self._called


def text(value: str) -> bytes:
    """Push a text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    """Push what a module has by a name."""
    return f"c{module}\n{name}\n".encode()


def as_function(instance: bytes) -> bytes:
    """Write a transformer whose function is what *instance* pushes."""
    made = named("sklearn.preprocessing._function_transformer", "FunctionTransformer")
    return b"\x80\x02" + made + b")\x81}" + text("func") + instance + b"sb."


def of(model: Any, **attributes: Any) -> Attack:
    """Give an honest model attributes of the file's choice."""

    def attack(_: str) -> bytes:
        vars(model).update(attributes)
        return pickle.dumps(model)

    return attack


def _raw(content: bytes) -> Attack:
    return lambda _: content


def _call(function: Any, *args: object) -> Attack:
    return lambda _: pickle.dumps(Reduced(function, *args))


def _light(**parameters: Any) -> Attack:
    return lambda _: pickle.dumps(lightgbm.LGBMRegressor(**parameters))


_STATE = _chance.__randomstate_ctor
_GENERATOR = _chance.__generator_ctor
_BITS = _chance.__bit_generator_ctor
_FRAME = pd.DataFrame({"a": [1]})
_HIDING = np.dtype("f8", metadata={"a": Ridge})
_VECTORIZER = named("sklearn.feature_extraction.text", "CountVectorizer") + b")\x81"
_FILENAME = b"}" + text("input") + text("filename") + b"s"
_CONTENT = b"}" + text("input") + text("content") + b"s"

PARTS: dict[str, Attack] = {
    # what is called, by other names and in other places
    "a kernel by another module": _raw(as_function(
        named("sklearn.gaussian_process._gpc", "RBF") + b")\x81")),
    "a loss by another module": _raw(as_function(
        named("sklearn.ensemble._gb", "HuberLoss") + b")R")),
    "a scorer by another module": _raw(as_function(
        named("sklearn.model_selection._search", "_MultimetricScorer") + b")\x81")),
    "a method by its path": _raw(as_function(named("numpy", "ndarray.tofile"))),
    "a vectorized function": of(FunctionTransformer(), func=np.vectorize(np.abs)),
    "a getter": of(FunctionTransformer(), func=operator.attrgetter("eval")),
    "a caller of methods": of(FunctionTransformer(), func=operator.methodcaller("eval", "1")),
    "a function of operators": of(FunctionTransformer(), func=operator.itemgetter(0)),
    "a fold": of(FunctionTransformer(), func=functools.partial(functools.reduce, np.abs)),
    "a frozen distribution": of(FunctionTransformer(), func=scipy.stats.norm(0, 1)),
    "a generator by a scorer": _call(_STATE, Ridge(), _PassthroughScorer(None)),
    "a generator by a kernel": _call(_GENERATOR, "MT19937", kernels.RBF()),
    "a generator by a polynomial": _call(_STATE, 3, np.poly1d([1, 2])),
    "a generator by a class": _call(_GENERATOR, "1 2", np.matrix),
    "a generator by a dict": _call(_STATE, "a", dict),
    "a bit generator of another class": _call(_BITS, np.matrix),
    "a bit generator of an object": _call(_BITS, Ridge()),
    "a class in the metadata of a type": of(Ridge(), tree_=np.zeros(1, _HIDING)),
    "a frame among an index": of(Ridge(), tree_=pd.Index([_FRAME, 1], dtype=object)),
    "a frame among categories": of(Ridge(), tree_=pd.Index([pd.Series([1]), 2], dtype=object)),
    "a frame as an attribute of an offset": of(
        Ridge(), tree_=[Reduced(pd.DateOffset, _FRAME)]),
    "an objective that is a class": of(xgboost.XGBRegressor(), objective=Ridge),
    "callbacks": lambda _: pickle.dumps(
        xgboost.XGBRegressor(callbacks=[xgboost.callback.EarlyStopping(rounds=2)])),
    "an objective of LightGBM's": _light(objective=Ridge),
    "a class among a union": of(FeatureUnion([("a", "drop")]), transformer_list=[("a", Ridge)]),
    "columns by a scorer": of(ColumnTransformer([]), _columns=[_PassthroughScorer(None)]),
    "a vote of classes": of(VotingClassifier([]), estimators_=[LogisticRegression]),
    "scores by a class": of(GridSearchCV(Ridge(), {}), scorer_=_MultimetricScorer(
        scorers={"a": Ridge})),
    "a request that is a class": of(Ridge(), _metadata_request=Ridge),
    "an output that is not one": of(StandardScaler(), _sklearn_output_config={"transform": "x"}),
    "tags": of(Ridge(), __sklearn_tags__=np.abs),
    "a compiled function": of(FunctionTransformer(), func=_kmeans_single_lloyd),
    "a compiled function, held for later": of(
        FunctionTransformer(), func=functools.partial(_kmeans_single_lloyd, max_iter=1)),
    "a compiled function under the name of a module that has it": _raw(as_function(
        named("sklearn.cluster._kmeans", "lloyd_iter_chunked_dense"))),
    "a page": of(Ridge(), _repr_html_=np.abs),
    "an exception": lambda _: pickle.dumps(ValueError("x")),
    "a memory of calls": of(Ridge(), coef_=joblib.Memory(None)),
    "a remembered function": of(
        FunctionTransformer(), func=joblib.Memory(None).cache(np.abs)),
    "a frozen frame": lambda _: pickle.dumps(FrozenEstimator(_FRAME)),
    # memory as it happens to be
    "an array that is never filled": _call(_reconstruct, np.ndarray, (64,), b"d"),
    "an array that is never filled, of two dimensions": _call(
        _reconstruct, np.matrix, (8, 8), b"d"),
    "a masked array that is never filled": _call(
        _mareconstruct, np.ma.MaskedArray, np.ndarray, (64,), b"d"),
    "a masked array of another class": _call(_mareconstruct, bytearray, np.ndarray, (0,), b"d"),
    "a masked array over another class": _call(
        _mareconstruct, np.ma.MaskedArray, dict, (0,), b"d"),
    "a tensor of a size": _raw(b"\x80\x02" + named("torch", "Tensor") + b"K\x40\x85R."),
    "a storage of a size": _raw(b"\x80\x02" + named("torch", "FloatStorage") + b"K\x40\x85R."),
    "an untyped storage of a size": _raw(
        b"\x80\x02" + named("torch", "UntypedStorage") + b"K\x40\x85R."),
    "a tensor of a size, made anew": _raw(
        b"\x80\x02" + named("torch", "Tensor") + b"K\x40\x85\x81."),
    # files and machines
    "a file's name in a second state": _raw(
        b"\x80\x02" + _VECTORIZER + _CONTENT + b"b" + _FILENAME + b"b."),
    "a file's name in a slot": _raw(
        b"\x80\x02" + _VECTORIZER + _CONTENT + _FILENAME + b"\x86b."),
    "a file's name over another": _raw(
        b"\x80\x02" + _VECTORIZER + _CONTENT + text("input") + text("filename") + b"sb."),
    "a file's name as decoded bytes": of(
        CountVectorizer(), input=Reduced(str, b"filename", "latin1")),
    "a folder of pickles for clusters": lambda _: pickle.dumps(FeatureAgglomeration(memory="/tmp")),
    "a file of LightGBM's": _light(input_model="/etc/hostname"),
    "a file of LightGBM's by a short name": _light(fs="/etc/hostname"),
    "a file that LightGBM writes": _light(output_result="/tmp/result"),
    "machines of LightGBM's": _light(machines="192.0.2.1:80", num_machines=2),
    "parameters of LightGBM's unseen": of(lightgbm.LGBMRegressor(), _other_params=[1]),
}  # fmt: skip
