"""Count which ordinary models, fitted on small data, pass the scan without trust.

Every estimator of scikit-learn, XGBoost and LightGBM is scanned alone and as the last step of a
pipeline, as a file of pickle, joblib and skops (where skops can write and load it), and weights
of torch as it saves them: `python benchmarks/scan_estimators.py`.
"""

import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import torch
import xgboost
from sklearn.base import clone
from sklearn.experimental import (  # noqa: F401 - they switch estimators on
    enable_halving_search_cv,
    enable_iterative_imputer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators
from skops import io as skops

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


def doubts(model: object, folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what the scan refuses of *model* in each format that can keep it."""
    refused = {}
    for name, write in _WRITERS.items():
        path = folder / f"model.{name}"
        try:
            write(model, path)
        except Exception:  # noqa: BLE001 - skops has no way to write some
            continue
        refused[name] = scan(path).unknown
    return refused


def _pickled(model: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(model))


def _as_skops(model: object, path: Path) -> None:
    skops.dump(model, path)
    skops.load(path, trusted=skops.get_untrusted_types(file=path))


_WRITERS: dict[str, Callable[[Any, Path], object]] = {
    "pickle": _pickled, "joblib": joblib.dump, "skops": _as_skops,
}  # fmt: skip


def _piped(model: Any, data: tuple[Any, ...]) -> object:
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", clone(model))])
    return pipeline.fit(*data)


def _boosters() -> Iterator[tuple[str, object]]:
    few: dict[str, Any] = {"n_estimators": 3}
    quiet = few | {"verbose": -1, "min_child_samples": 2}
    labels = (_CLASSES > 0).astype(int)
    yield "XGBClassifier", xgboost.XGBClassifier(**few).fit(_ROWS, labels)
    yield "XGBRFClassifier", xgboost.XGBRFClassifier(**few).fit(_ROWS, labels)
    yield "XGBRegressor", xgboost.XGBRegressor(**few).fit(_ROWS, _VALUES)
    yield "XGBRFRegressor", xgboost.XGBRFRegressor(**few).fit(_ROWS, _VALUES)
    yield "XGBRanker", xgboost.XGBRanker(**few).fit(_ROWS, labels, group=[30, 30])
    yield "LGBMClassifier", lightgbm.LGBMClassifier(**quiet).fit(_ROWS, _CLASSES)
    yield "LGBMRegressor", lightgbm.LGBMRegressor(**quiet).fit(_ROWS, _VALUES)
    yield "LGBMRanker", lightgbm.LGBMRanker(**quiet).fit(_ROWS, labels, group=[30, 30])


def _networks(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Write weights of ordinary layers as `torch.save` does, and scan each."""
    layers = {
        "Linear": torch.nn.Linear(6, 3), "Conv2d": torch.nn.Conv2d(1, 2, 3),
        "LSTM": torch.nn.LSTM(6, 4), "GRU": torch.nn.GRU(6, 4),
        "Embedding": torch.nn.Embedding(9, 4), "BatchNorm1d": torch.nn.BatchNorm1d(6),
        "LayerNorm": torch.nn.LayerNorm(6), "MultiheadAttention": torch.nn.MultiheadAttention(6, 2),
        "TransformerEncoderLayer": torch.nn.TransformerEncoderLayer(6, 2, 8),
        "Sequential": torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.ReLU()),
    }  # fmt: skip
    for name, layer in layers.items():
        torch.save(layer.state_dict(), folder / "weights.pt")
        yield f"{name}'s weights", scan(folder / "weights.pt").unknown
    optimizer = torch.optim.Adam(layers["Linear"].parameters())
    torch.save({"optimizer": optimizer.state_dict(), "epoch": 3}, folder / "weights.pt")
    yield "Adam's state", scan(folder / "weights.pt").unknown


def _estimators() -> Iterator[tuple[str, str, object]]:
    for name, estimator in all_estimators():
        model, data = fitted(estimator)
        yield "alone", name, model
        try:
            whole = _piped(model, data)
        except Exception:  # noqa: BLE001 - a target's encoder is not a step
            continue
        yield "in a pipeline", name, whole
    for name, booster in _boosters():
        yield "boosters", name, booster
        yield "boosters in a pipeline", name, Pipeline([("same", FunctionTransformer()),
                                                        ("model", booster)])  # fmt: skip


def main() -> None:
    """Print each that is refused, and the counts."""
    warnings.simplefilter("ignore")
    passed: dict[str, list[int]] = {}

    def count(way: str, name: str, refused: tuple[str, ...]) -> None:
        counts = passed.setdefault(way, [0, 0])
        counts[0] += not refused
        counts[1] += 1
        if refused:
            sys.stdout.write(f"{name}, {way}: {refused[0]}\n")

    with tempfile.TemporaryDirectory() as folder:
        for way, name, model in _estimators():
            for kind, refused in doubts(model, Path(folder)).items():
                count(f"{way}, {kind}", name, refused)
        for name, refused in _networks(Path(folder)):
            count("torch", name, refused)
    for way, (good, tried) in passed.items():
        sys.stdout.write(f"{way}: {good} of {tried} pass\n")


if __name__ == "__main__":
    main()
