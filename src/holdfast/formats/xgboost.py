"""XGBoost models in XGBoost's own JSON or binary JSON: data, unlike a pickle of the same."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from holdfast.core import strict_json
from holdfast.errors import InvalidInputError
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, packages
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of

_ESTIMATORS = (
    "XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor",
)  # fmt: skip
_EXAMINED = 1 << 16
_OBJECTIVE = re.compile(rb"((?:binary|count|multi|rank|reg|survival):[a-z0-9_]+)")
_WRAPPER = re.compile(rb'\\?"_estimator_type\\?": \\?"(classifier|regressor|ranker)')
_WRAPPERS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
_RECORD = "holdfast"
"""Attribute of the booster that holds what XGBoost's own file leaves out of an estimator."""

_DERIVED = ("objective", "booster", "base_score", "feature_types", "enable_categorical")
"""Parameters that `load_model` replaces by what the trees say."""

_DEEPEST = 4


class Xgboost:
    """Boosters and the estimators around them."""

    name = "xgboost"

    def takes(self, model: object) -> bool:
        """Take a Booster or an estimator, unless the file could not bring all of it back.

        The code of a subclass, an objective that is a function, callbacks and the like are kept by
        a pickle alone.
        """
        return _is_known(model) and _unkept(model) is None

    def recognises(self, path: Path) -> bool:
        """Recognise both spellings by their first key."""
        return path.is_file() and kind_of(path) in ("xgboost-json", "xgboost-ubj")

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write binary JSON, and beside the trees what the estimator around them was told."""
        path = folder / f"{stem}.ubj"
        subject = f"{type(model).__name__} object"
        unkept = _unkept(model) if _is_known(model) else "it is not XGBoost's own"
        if unkept:
            problem = f"cannot be kept whole in XGBoost's own format: {unkept}"
            raise InvalidInputError(subject, problem, "name the format joblib")
        saved: Any = model
        with writing(subject):
            if not hasattr(saved, "get_booster"):
                saved.save_model(path)
                return path
            booster = saved.get_booster()
            booster.set_attr(**{_RECORD: json.dumps(_record(saved), default=_item)})
            try:
                saved.save_model(path)
            finally:
                booster.set_attr(**{_RECORD: None})
        return path

    def load(self, path: Path) -> object:
        """Read the estimator that was saved, or a Booster whose `predict` takes rows too."""
        xgboost = library("xgboost", "xgboost")
        with loading(path.name):
            raw = bytearray(path.read_bytes())  # of a path, xgboost believes the extension
            booster = _row_booster()(model_file=raw)
            record = _json(booster.attr(_RECORD))
            attribute = _json(booster.attr("scikit_learn"))
            kind = attribute.get("_estimator_type")
            name = record.get("class") or _WRAPPERS.get(kind)
            if name not in _ESTIMATORS:
                return booster
            return _estimator(getattr(xgboost.sklearn, name), record, raw)

    def face(self, model: object) -> object:
        """Return a Booster in memory as it will be once loaded: `predict` takes rows."""
        if hasattr(model, "get_booster") or isinstance(model, _row_booster()):
            return model
        saved: Any = model
        return _row_booster()(model_file=saved.save_raw())

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


def _json(text: str | None) -> Any:
    """Read an attribute; XGBoost writes `NaN` there, as Python does."""
    return json.loads(text or "{}", object_pairs_hook=strict_json.distinct)


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


def _names(model: object) -> list[str]:
    return [f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__]


def _is_known(model: object) -> bool:
    return not {"xgboost.core.Booster", "xgboost.sklearn.XGBModel"}.isdisjoint(_names(model))


def _unkept(model: object) -> str | None:
    """Name what of a model XGBoost's file and our record would lose; None if nothing."""
    first = _names(model)[0]
    ours = "xgboost.core.Booster"
    if first == ours:
        return None
    if first not in [f"xgboost.sklearn.{name}" for name in _ESTIMATORS]:
        return f"{first} is a class of its own"
    estimator: Any = model
    parameters = _parameters(estimator)
    lost = sorted(name for name, value in parameters.items() if not _is_plain(value))
    return f"the parameter {lost[0]!r} is not plain data" if lost else None


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters as they were set: `get_params` draws a seed from a generator."""
    listed = estimator.get_params(deep=False)
    return {name: getattr(estimator, name, value) for name, value in listed.items()}


def _is_plain(value: object, depth: int = 0) -> bool:
    """Tell whether JSON brings a value back as it was, NaN and infinities included."""
    if depth > _DEEPEST:
        return False
    match value:
        case None | bool() | int() | float() | str():
            return True
        case list():
            return all(_is_plain(item, depth + 1) for item in value)
        case dict():
            return all(type(name) is str and _is_plain(value[name], depth + 1) for name in value)
    return _is_lone(value)


def _is_lone(value: object) -> bool:
    """Tell whether a value is a number of numpy's, such as a search over parameters leaves."""
    return hasattr(value, "item") and getattr(value, "shape", None) == ()


def _record(estimator: Any) -> dict[str, Any]:
    """Gather what `save_model` leaves out."""
    state = vars(estimator)
    learnt = {name: state[name] for name in ("n_classes_", "evals_result_") if name in state}
    return {
        "class": type(estimator).__name__,
        "parameters": _parameters(estimator),
        "fitted": {name: value for name, value in learnt.items() if _is_plain(value)},
    }


def _item(value: Any) -> Any:
    return value.item()


def _estimator(made: Any, record: dict[str, Any], raw: bytearray) -> Any:
    """Build the estimator around the trees; its class and names of parameters are XGBoost's own."""
    parameters = record.get("parameters", {})
    estimator = made(**parameters)
    known = estimator.get_params(deep=False)
    estimator.load_model(raw)
    estimator.get_booster().set_attr(**{_RECORD: None})
    for name in _DERIVED:
        if name in parameters and name in known:
            setattr(estimator, name, parameters[name])
    for name in ("n_classes_", "evals_result_"):
        if name in record.get("fitted", {}):
            setattr(estimator, name, record["fitted"][name])
    return estimator


@cache
def _row_booster() -> Any:
    """Return the class of Boosters that predict from rows as well as from a matrix."""
    xgboost = library("xgboost", "xgboost")

    def predict(self: Any, data: Any, *arguments: Any, **further: Any) -> Any:
        """Compute what the objective gives: for `binary:logistic`, probabilities.

        Args:
            data: An array or a DataFrame, shape (n, d), or a DMatrix.
        """
        ready = isinstance(data, xgboost.DMatrix)
        matrix = data if ready else xgboost.DMatrix(data, enable_categorical=True)
        return xgboost.Booster.predict(self, matrix, *arguments, **further)

    def reduce(self: Any) -> Any:
        return xgboost.Booster, (), self.__getstate__()

    body = {"predict": predict, "__reduce__": reduce, "__module__": "xgboost.core"}
    return type("Booster", (xgboost.Booster,), body)
