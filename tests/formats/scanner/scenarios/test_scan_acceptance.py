"""Honest models pass: whatever scikit-learn and its neighbours pickle is on the list."""

import functools
import importlib
import io
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.experimental import (  # noqa: F401 - they switch estimators on
    enable_halving_search_cv,
    enable_iterative_imputer,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, TweedieRegressor
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import all_estimators
from tests.formats.boosters import lightgbm

from holdfast.formats import scan

sparse: Any = importlib.import_module("scipy.sparse")  # has no types
RANDOM = np.random.default_rng(11)
ROWS = RANDOM.normal(size=(60, 6))
CLASSES = np.repeat([0, 1, 2], 20)
VALUES = ROWS @ np.arange(6.0) + RANDOM.normal(size=60)
POSITIVE = np.abs(ROWS)
TABLE = pd.DataFrame(ROWS, columns=list("abcdef")).assign(
    colour=np.where(CLASSES == 1, "red", "blue"), size=pd.Categorical(["S", "M", "L"] * 20)
)
_WORDS = ["a b c", "b c d", "a d e"] * 20
_BASE = LogisticRegression()
_ARGUMENTS: list[dict[str, Any]] = [
    {"n_estimators": 3}, {"max_iter": 3, "max_leaf_nodes": 5},  # a few trees are of all kinds
    {}, {"estimator": _BASE}, {"estimator": Ridge()}, {"regressor": Ridge()},
    {"estimators": [("a", _BASE), ("b", LogisticRegression(C=2))]},
    {"estimators": [("a", Ridge()), ("b", Ridge(2))]},
    {"estimator": _BASE, "param_grid": {"C": [1, 2]}},
    {"estimator": _BASE, "param_distributions": {"C": [1, 2]}, "n_iter": 2},
    {"estimator": _BASE, "param_distributions": {"C": [1, 2]}},
    {"steps": [("a", _BASE)]}, {"transformers": [("a", "passthrough", [0, 1])]},
    {"transformer_list": [("a", StandardScaler())]}, {"dictionary": np.eye(6)},
    {"n_components": 2}, {"token_pattern": r"\w"}, {"estimator": _BASE.fit(ROWS, CLASSES)},
]  # fmt: skip
_DATA: list[tuple[Any, ...]] = [
    (ROWS, CLASSES), (POSITIVE, CLASSES), (ROWS, VALUES), (POSITIVE, np.abs(VALUES)), (ROWS,),
    (POSITIVE,), (_WORDS,), (ROWS[:, 0], VALUES), (CLASSES,), (ROWS, np.c_[VALUES, VALUES]),
    (ROWS, np.c_[CLASSES > 0, CLASSES > 1].astype(int)), ([{"a": 1}, {"b": 2}],),
    ([("a", "b"), ("c",)],), (ROWS, (CLASSES > 0).astype(int)), (ROWS @ ROWS.T,),
    (RANDOM.random((20, 500)),),
]  # fmt: skip


def _fitted(estimator: type) -> Any:
    for arguments in _ARGUMENTS:
        for data in _DATA:
            try:
                return clone(estimator(**arguments)).fit(*data)
            except Exception:  # noqa: BLE001 - many do not fit together; one has to
                continue
    return None


def _written(model: object, folder: Path) -> Iterator[Path]:
    for protocol in range(6):
        path = folder / f"model-{protocol}.pkl"
        try:
            path.write_bytes(pickle.dumps(model, protocol))
        except TypeError:  # some have no way to be pickled by the oldest protocols
            assert protocol < 2
            continue
        yield path
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        path = folder / f"model-{compress}.joblib"
        joblib.dump(model, path, compress=compress)
        yield path


def _findings(model: object, folder: Path) -> dict[str, tuple[str, ...]]:
    scans = {path.name: scan(path) for path in _written(model, folder)}
    return {name: result.unknown for name, result in scans.items() if result.unknown}


_FROZEN = pytest.mark.filterwarnings("ignore")  # of models that small data cannot train well


# Found when a test first asks: it imports all of scikit-learn, and one process alone needs it.
_estimators = functools.cache(lambda: dict(all_estimators()))
_SAMPLE = (
    "Birch", "ColumnTransformer", "CountVectorizer", "FunctionTransformer", "GridSearchCV",
    "HistGradientBoostingClassifier", "IterativeImputer", "LogisticRegressionCV", "MLPClassifier",
    "NearestNeighbors", "RandomForestClassifier", "StackingClassifier",
)  # fmt: skip


_SHARES = 16
"""Into which the other estimators are cut: their names are not known before they are looked for."""


def _as_skops(model: object, folder: Path) -> tuple[str, ...]:
    skops = importlib.import_module("skops.io")
    if isinstance(model, _estimators()["Birch"]):
        return ()  # skops does not write it
    skops.dump(model, folder / "model.skops")
    return scan(folder / "model.skops").unknown


def _check_estimator(name: str, folder: Path) -> None:
    model = _fitted(_estimators()[name])

    assert model is not None, name
    assert {name: _findings(model, folder)} == {name: {}}
    assert {name: _as_skops(model, folder)} == {name: ()}


@_FROZEN
@pytest.mark.parametrize("name", _SAMPLE)
def test_estimators_of_every_make_pass(name: str, tmp_path: Path) -> None:
    _check_estimator(name, tmp_path)


@pytest.mark.long
@_FROZEN
@pytest.mark.parametrize("share", range(_SHARES))
def test_every_other_estimator_passes(share: int, tmp_path: Path) -> None:
    others = sorted(set(_estimators()) - set(_SAMPLE))

    assert len(others) > 100
    for name in others[share::_SHARES]:
        (tmp_path / name).mkdir()
        _check_estimator(name, tmp_path / name)


def _pipeline() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        (OrdinalEncoder(), ["size"]),
        remainder="drop",
    )
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=StratifiedKFold(2))
    return make_pipeline(columns, search).fit(TABLE, CLASSES)


_LATER = np.random.RandomState(3)
_MODELS: dict[str, Any] = {
    "pipeline over a table": _pipeline,
    "search with a scorer": lambda: GridSearchCV(
        _BASE, {"C": [1]}, scoring=metrics.make_scorer(metrics.f1_score, average="macro"),
        cv=KFold(2, shuffle=True, random_state=0)).fit(ROWS, CLASSES),
    "search by several scores": lambda: GridSearchCV(
        _BASE, {"C": [1]}, scoring=["accuracy", "neg_log_loss"], refit="accuracy",
        ).fit(ROWS, CLASSES),
    "search at random": lambda: RandomizedSearchCV(
        _BASE, {"C": [1, 2]}, n_iter=2, random_state=_LATER).fit(ROWS, CLASSES),
    "boosting with categories": lambda: HistGradientBoostingClassifier(
        max_iter=12, early_stopping=True, categorical_features=[0]
        ).fit(np.c_[CLASSES, ROWS], CLASSES),
    "text": lambda: TfidfVectorizer(dtype=np.float32, ngram_range=(1, 2), token_pattern=r"\w",
                                    strip_accents="unicode").fit(_WORDS),
    "a function of numpy's": lambda: FunctionTransformer(np.log1p, np.expm1).fit(POSITIVE),
    "a function with arguments": lambda: FunctionTransformer(
        functools.partial(np.clip, a_min=0, a_max=1)).fit(ROWS),
    "a kernel": lambda: GaussianProcessRegressor(
        kernels.ConstantKernel() * kernels.Matern() + kernels.WhiteKernel() ** 2
        ).fit(ROWS[:, :2], VALUES),
    "pandas out": lambda: StandardScaler().set_output(transform="pandas").fit(TABLE[["a", "b"]]),
    "sparse in": lambda: LogisticRegression().fit(sparse.csr_matrix(ROWS), CLASSES),
} | {
    f"calibration by {method}": lambda method=method: CalibratedClassifierCV(
        _BASE, method=method).fit(ROWS, CLASSES)
    for method in ("sigmoid", "isotonic")
} | {
    f"gradient descent, {loss}": lambda loss=loss: SGDClassifier(loss=loss).fit(ROWS, CLASSES)
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "squared_error", "huber",
                 "perceptron", "epsilon_insensitive", "squared_epsilon_insensitive")
} | {
    f"boosting, {loss}": lambda loss=loss: GradientBoostingRegressor(
        loss=loss, n_estimators=2).fit(ROWS, VALUES)
    for loss in ("squared_error", "absolute_error", "huber", "quantile")
} | {
    f"boosting of classes, {loss}": lambda loss=loss: GradientBoostingClassifier(
        loss=loss, n_estimators=2).fit(ROWS, CLASSES > 0)
    for loss in ("log_loss", "exponential")
} | {
    f"binned boosting, {loss}": lambda loss=loss: HistGradientBoostingRegressor(
        loss=loss, quantile=0.3, max_iter=2).fit(ROWS, np.abs(VALUES) + 1)
    for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile")
} | {
    f"forest, {criterion}": lambda criterion=criterion: RandomForestRegressor(
        3, criterion=criterion).fit(ROWS, np.abs(VALUES))
    for criterion in ("squared_error", "friedman_mse", "absolute_error", "poisson")
} | {
    f"tweedie of {power}": lambda power=power: TweedieRegressor(
        power=power).fit(ROWS, np.abs(VALUES) + 1)
    for power in (0, 1, 1.5, 2, 3)
} | {
    f"neighbours, {metric} in a {tree}": lambda metric=metric, tree=tree: KNeighborsClassifier(
        metric=metric, algorithm=tree).fit(POSITIVE[:, :2], CLASSES)
    for metric, tree in (("euclidean", "kd_tree"), ("manhattan", "ball_tree"),
                         ("haversine", "ball_tree"), ("minkowski", "brute"),
                         ("chebyshev", "kd_tree"), ("canberra", "ball_tree"))
} | {
    f"density, {kernel}": lambda kernel=kernel: KernelDensity(kernel=kernel).fit(ROWS)
    for kernel in ("gaussian", "tophat", "cosine")
}  # fmt: skip


@_FROZEN
@pytest.mark.parametrize("make", _MODELS.values(), ids=_MODELS.keys())
def test_what_models_are_made_of_passes(make: Any, tmp_path: Path) -> None:
    assert _findings(make(), tmp_path) == {}


def _boosters() -> dict[str, Any]:
    import xgboost

    labels = (CLASSES > 0).astype(int)
    light: dict[str, Any] = {"n_estimators": 3, "verbose": -1, "min_child_samples": 2}
    return {
        "XGBClassifier": lambda: xgboost.XGBClassifier(n_estimators=3).fit(ROWS, labels),
        "XGBRegressor": lambda: xgboost.XGBRegressor(n_estimators=3, early_stopping_rounds=2).fit(
            ROWS, VALUES, eval_set=[(ROWS, VALUES)], verbose=False),
        "XGBRanker": lambda: xgboost.XGBRanker(n_estimators=3).fit(ROWS, labels, group=[30, 30]),
        "XGBRFClassifier": lambda: xgboost.XGBRFClassifier(n_estimators=3).fit(ROWS, labels),
        "xgboost.Booster": lambda: xgboost.train({}, xgboost.DMatrix(ROWS, labels), 2),
        "LGBMClassifier": lambda: lightgbm().LGBMClassifier(**light).fit(ROWS, CLASSES),
        "LGBMRegressor": lambda: lightgbm().LGBMRegressor(**light).fit(TABLE[["a", "b"]], VALUES),
        "LGBMRanker": lambda: lightgbm().LGBMRanker(**light).fit(ROWS, labels, group=[30, 30]),
        "lightgbm.Booster": lambda: lightgbm().train(
            {"verbose": -1, "min_data_in_leaf": 2}, lightgbm().Dataset(ROWS, labels), 2),
    }  # fmt: skip


@_FROZEN
@pytest.mark.parametrize("make", _boosters().values(), ids=_boosters().keys())
def test_gradient_boosting_of_other_libraries_passes(make: Any, tmp_path: Path) -> None:
    assert _findings(make(), tmp_path) == {}


_TIMES = pd.date_range("2026-01-01", periods=3, freq="D", tz="UTC")
_RECORD = np.dtype([("a", "<f4"), ("b", "<i2", (3,)), ("c", "S5")])
_VALUES: dict[str, Any] = {
    "frame": TABLE,
    "frame by time": pd.DataFrame({"x": [1, None, 3]}, index=_TIMES, dtype="Float32"),
    "frame of many kinds": pd.DataFrame({
        "i": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean"),
        "s": pd.array(["a", None], dtype="string"), "d": pd.to_timedelta([1, 2]),
        "v": pd.arrays.IntervalArray.from_breaks([0, 1, 2]), "o": [{"a": 1}, None],
        "z": pd.arrays.SparseArray([0, 1]), "p": pd.period_range("2026", periods=2, freq="M"),
    }),
    "series": pd.Series([1, 2], index=["x", "y"], name="z", dtype="int16"),
    "many levels": TABLE.set_index(["colour", "size"]),
    "offsets": [pd.offsets.MonthEnd(), pd.offsets.BDay(2), pd.DateOffset(months=1)],
    "missing": [pd.NA, pd.NaT],
    "types": [np.float32, np.int64, np.bool_, np.ndarray, float, dict],
    "masked": np.ma.masked_array([1, 2], [False, True]),
    "matrix": np.eye(1).view(np.matrix),
    "objects": np.array([1, "x", None, {"a": np.arange(3)}], dtype=object),
    "structured": np.zeros(2, _RECORD),
    "structured objects": np.zeros(2, [("a", "O"), ("b", "f4")]),
    "no items": np.zeros((0, 3)),
    "one item": np.array(1.5),
    "column order": np.asfortranarray(ROWS),
    "every other": ROWS[::2, ::2],
    "scalars": [np.float64(1), np.int8(2), np.ones(1, "?")[0], np.str_("x"), np.datetime64("NaT")],
    "state of chance": [_LATER, RANDOM, np.random.PCG64(1), np.random.SeedSequence(2)],
    "polynomial": np.polynomial.Polynomial([1, 2]),
} | {
    f"numbers of {code}": np.zeros((2, 3), code)
    for code in ("f2", ">f8", "f16", "c16", "?", "u1", "i8", "S5", "U7", "V3", "M8[ns]", "m8[s]")
} | {
    f"{kind} {shape}": getattr(sparse, f"{kind}_{shape}")(np.eye(3))
    for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil") for shape in ("array", "matrix")
}  # fmt: skip


@_FROZEN
@pytest.mark.parametrize("value", _VALUES.values(), ids=_VALUES.keys())
def test_data_passes(value: object, tmp_path: Path) -> None:
    assert _findings(value, tmp_path) == {}


@pytest.mark.parametrize("dtype", ["str", "string[pyarrow]", "int64[pyarrow]", "float[pyarrow]"])
def test_columns_of_pyarrow_pass(dtype: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    column = pd.Series(["1", "2", None]).astype(dtype)

    assert _findings(column, tmp_path) == {}


def test_an_array_once_mapped_from_disk_passes(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "array", dtype="f8", mode="w+", shape=(3,))
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joblib.dump({"rows": mapped}, stream)
    (tmp_path / "model.joblib").write_bytes(stream.getvalue())

    assert scan(tmp_path / "model.joblib").unknown == ()


def test_skops_files_of_a_pipeline_pass(tmp_path: Path) -> None:
    from skops import io as skops

    skops.dump(_pipeline(), tmp_path / "model.skops")
    result = scan(tmp_path / "model.skops")

    assert result.kind == "skops"
    assert result.unknown == ()


@pytest.mark.parametrize(
    "state", [RANDOM, _LATER, np.ma.masked_array([1], [False]), sparse.csr_matrix(np.eye(2)),
              np.array([None, "x"], dtype=object), np.dtype("f4"), np.float32]
)  # fmt: skip
def test_skops_files_of_data_pass(state: object, tmp_path: Path) -> None:
    from skops import io as skops

    skops.dump({"state": state, "again": state}, tmp_path / "model.skops")

    assert scan(tmp_path / "model.skops").unknown == ()
