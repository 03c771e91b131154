"""Count which of scikit-learn's estimators, fitted on small data, pass the scan without trust.

Each is scanned alone and as the last step of a pipeline, by pickle and by joblib:
`python benchmarks/scan_estimators.py`.
"""

import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.experimental import (  # noqa: F401 - they switch estimators on
    enable_halving_search_cv,
    enable_iterative_imputer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators

from holdfast.formats import scan

_RANDOM = np.random.default_rng(11)
_ROWS = _RANDOM.normal(size=(60, 6))
_CLASSES = np.repeat([0, 1, 2], 20)
_VALUES = _ROWS @ np.arange(6.0)
_WORDS = ["a b c", "b c d", "a d e"] * 20
_MODEL = LogisticRegression()
_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {}, {"estimator": _MODEL}, {"estimator": Ridge()}, {"regressor": Ridge()},
    {"estimators": [("a", _MODEL), ("b", LogisticRegression(C=2))]},
    {"estimators": [("a", Ridge()), ("b", Ridge(2))]},
    {"estimator": _MODEL, "param_grid": {"C": [1, 2]}},
    {"estimator": _MODEL, "param_distributions": {"C": [1, 2]}, "n_iter": 2},
    {"estimator": _MODEL, "param_distributions": {"C": [1, 2]}},
    {"steps": [("a", _MODEL)]}, {"transformers": [("a", "passthrough", [0, 1])]},
    {"transformer_list": [("a", StandardScaler())]}, {"dictionary": np.eye(6)},
    {"n_components": 2}, {"token_pattern": r"\w"}, {"estimator": _MODEL.fit(_ROWS, _CLASSES)},
)  # fmt: skip
_DATA: tuple[tuple[Any, ...], ...] = (
    (_ROWS, _CLASSES), (abs(_ROWS), _CLASSES), (_ROWS, _VALUES), (abs(_ROWS), abs(_VALUES)),
    (_ROWS,), (abs(_ROWS),), (_WORDS,), (_ROWS[:, 0], _VALUES), (_CLASSES,),
    (_ROWS, np.c_[_VALUES, _VALUES]), (_ROWS, np.c_[_CLASSES > 0, _CLASSES > 1].astype(int)),
    ([{"a": 1}, {"b": 2}],), ([("a", "b"), ("c",)],), (_ROWS, (_CLASSES > 0).astype(int)),
    (_ROWS @ _ROWS.T,), (_RANDOM.random((20, 500)),),
)  # fmt: skip


def fitted(make: Callable[..., Any]) -> tuple[Any, tuple[Any, ...]]:
    """Fit with the first arguments and data that fit together."""
    for arguments in _ARGUMENTS:
        for data in _DATA:
            try:
                return clone(make(**arguments)).fit(*data), data
            except Exception:  # noqa: BLE001 - many do not fit together; one has to
                continue
    raise LookupError(make.__name__)


def doubts(model: object, folder: Path) -> tuple[str, ...]:
    """Return what the scan refuses of *model* as a pickle and as a joblib file."""
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    joblib.dump(model, folder / "model.joblib")
    return scan(folder / "model.pkl").unknown + scan(folder / "model.joblib").unknown


def _piped(model: Any, data: tuple[Any, ...]) -> object:
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", clone(model))])
    return pipeline.fit(*data)


def main() -> None:
    """Print each that is refused, and the counts."""
    warnings.simplefilter("ignore")
    passed = {"alone": [0, 0], "in a pipeline": [0, 0]}
    with tempfile.TemporaryDirectory() as folder:
        for name, estimator in all_estimators():
            model, data = fitted(estimator)
            for way, make in (("alone", lambda m, _: m), ("in a pipeline", _piped)):
                try:
                    whole = make(model, data)
                except Exception:  # noqa: BLE001 - a target's encoder is no step
                    continue
                refused = doubts(whole, Path(folder))
                passed[way][0] += not refused
                passed[way][1] += 1
                if refused:
                    sys.stdout.write(f"{name}, {way}: {refused[0]}\n")
    for way, (good, tried) in passed.items():
        sys.stdout.write(f"{way}: {good} of {tried} pass\n")


if __name__ == "__main__":
    main()
