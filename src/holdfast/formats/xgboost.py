"""XGBoost models in XGBoost's own JSON or binary JSON: data, unlike a pickle of the same."""

import re
from pathlib import Path
from typing import Any

from holdfast.core import strict_json
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, packages
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of

_HOMES = {"xgboost.core.Booster", "xgboost.sklearn.XGBModel"}
_EXAMINED = 1 << 16
_OBJECTIVE = re.compile(rb"((?:binary|count|multi|rank|reg|survival):[a-z0-9_]+)")
_WRAPPER = re.compile(rb'\\?"_estimator_type\\?": \\?"(classifier|regressor|ranker)')
_WRAPPERS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}


class Xgboost:
    """Boosters and the estimators around them."""

    name = "xgboost"

    def takes(self, model: object) -> bool:
        """Take a Booster or an estimator such as XGBClassifier."""
        return not _HOMES.isdisjoint(f"{c.__module__}.{c.__name__}" for c in type(model).__mro__)

    def recognises(self, path: Path) -> bool:
        """Recognise both spellings by their first key."""
        return path.is_file() and kind_of(path) in ("xgboost-json", "xgboost-ubj")

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write binary JSON."""
        path = folder / f"{stem}.ubj"
        saved: Any = model
        with writing(f"{type(model).__name__} object"):
            saved.save_model(path)
        return path

    def load(self, path: Path) -> object:
        """Read the estimator that was saved, or a Booster with a `predict` for rows."""
        xgboost = library("xgboost", "xgboost")
        with loading(path.name):
            raw = bytearray(path.read_bytes())  # of a path, xgboost believes the extension
            booster = xgboost.Booster(model_file=raw)
            attribute = strict_json.decode(booster.attr("scikit_learn") or "{}")
            kind = attribute.get("_estimator_type")
            if kind not in _WRAPPERS:
                return BoosterModel(booster)
            estimator = getattr(xgboost, _WRAPPERS[kind])()
            estimator.load_model(raw)
            return estimator

    def describe(self, source: object) -> Description:
        """Describe by class and parameters; from a file, by estimator and objective."""
        if isinstance(source, Path):
            return _described(source)
        described = describe_object(source, "xgboost", "numpy")
        if described.hyperparameters:
            return described
        config = strict_json.decode(source.save_config())["learner"]  # type: ignore[attr-defined]
        objective = {"objective": config["objective"]["name"]}
        return Description("xgboost", described.algorithm, objective, described.packages)


def _described(path: Path) -> Description:
    with path.open("rb") as stream:
        head = stream.read(_EXAMINED)
        stream.seek(max(0, path.stat().st_size - _EXAMINED))
        tail = stream.read()
    wrapper = _WRAPPER.search(head)
    objectives = _OBJECTIVE.findall(tail)
    algorithm = _WRAPPERS[wrapper[1].decode()] if wrapper else "Booster"
    parameters = {"objective": objectives[-1].decode()} if objectives else {}
    return Description("xgboost", algorithm, parameters, packages("xgboost", "numpy"))


class BoosterModel:
    """A Booster that predicts from rows.

    Attributes:
        booster: The `xgboost.Booster`, for everything else.
    """

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, rows: Any) -> Any:
        """Compute what the booster's objective gives: for `binary:logistic`, probabilities.

        Args:
            rows: An array, a DataFrame or a DMatrix, shape (n, d).
        """
        xgboost = library("xgboost", "xgboost")
        ready = isinstance(rows, xgboost.DMatrix)
        return self.booster.predict(
            rows if ready else xgboost.DMatrix(rows, enable_categorical=True)
        )
