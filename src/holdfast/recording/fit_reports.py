"""What fitted objects tell of their training: read from attributes, no library imported."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from holdfast.core.manifest import plain
from holdfast.formats import describing

__all__ = ["FitReport", "of", "of_history", "parts"]

_DEPTH: Final = 4
"""Of a search over a pipeline of a meta-estimator."""

_INNER: Final = ("best_estimator_", "estimator_", "regressor_", "final_estimator_")
_SERIES: Final = (
    ("train_score_", "train/score"),
    ("validation_score_", "validation/score"),
    ("oob_scores_", "out_of_bag/score"),
    ("loss_curve_", "train/loss"),
    ("validation_scores_", "validation/score"),
)
"""Attributes of scikit-learn's estimators, and the curves that they become."""

_MOST_CANDIDATES: Final = 1_000
_LOSSES: Final = ("sklearn.ensemble._gb",)
"""Modules whose `train_score_` is a loss."""


class FitReport(Struct, frozen=True):
    """What one fitted object tells.

    Attributes:
        series: Values by name of the curve.
        steps: Their steps, where they are not 1, 2, 3, ….
        candidates: What a search tried, as JSON; empty if it is not one.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    series: dict[str, list[Any]] = field(default_factory=dict)
    steps: dict[str, list[int]] = field(default_factory=dict)
    candidates: bytes = b""


def of(fitted: object) -> FitReport:
    """Read an estimator, a search, a pipeline, or a booster's wrapper."""
    series: dict[str, list[Any]] = {}
    for part in parts(fitted):
        series = {**_series(part), **series}
    if not hasattr(fitted, "cv_results_"):
        return FitReport(series=series)
    return FitReport(
        parameters=_best(fitted),
        metrics=_score(fitted),
        series={**series, "search/score": _scores(fitted)},
        candidates=_candidates(fitted),
    )


def of_history(history: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Return curves from a history as libraries keep them.

    `{"train": {"auc": [0.5, 0.7]}}` of XGBoost and LightGBM becomes `train/auc`, and
    `{"loss": [0.5, 0.2]}` of Keras stays `loss`. Of pairs of mean and deviation, which
    cross-validation keeps, the means are taken.
    """
    series: dict[str, list[Any]] = {}
    for name, values in history.items():
        if isinstance(values, Mapping):
            series |= of_history(values, f"{prefix}{name}/")
        else:
            series[f"{prefix}{name}"] = [
                value[0] if isinstance(value, tuple) else value for value in values
            ]
    return series


def parts(fitted: object, depth: int = _DEPTH) -> Iterator[object]:
    """Go through an object and the fitted ones in it, the outermost first."""
    yield fitted
    if depth == 0:
        return
    inner = [vars_of(fitted).get(name) for name in _INNER]
    steps = vars_of(fitted).get("steps")
    for step in steps if isinstance(steps, Sequence) else ():
        inner.append(step[1] if isinstance(step, tuple) and len(step) > 1 else None)
    for part in inner:
        if part is not None and not isinstance(part, str):
            yield from parts(part, depth - 1)


def vars_of(fitted: object) -> dict[str, Any]:
    """Return an object's own attributes, of which no property is asked."""
    found = getattr(fitted, "__dict__", {})
    return found if isinstance(found, dict) else {}


def _series(part: object) -> dict[str, list[Any]]:
    own = vars_of(part)
    series = {}
    for attribute, name in _SERIES:
        values = own.get(attribute)
        if values is not None and len(values) > 0:
            is_loss = attribute == "train_score_" and type(part).__module__ in _LOSSES
            series["train/loss" if is_loss else name] = list(values)
    for attribute in ("_evals_result", "evals_result_"):  # of LightGBM's and XGBoost's wrappers
        history = own.get(attribute)
        if isinstance(history, Mapping):
            series |= of_history(history)
    return series


def _best(search: Any) -> dict[str, Any]:
    """Return the parameters of what a search found, all of them if it was fitted again."""
    own = vars_of(search)
    best = own.get("best_estimator_")
    described = describing.describe_object(best).hyperparameters if best is not None else {}
    return {**described, **{str(k): plain(v) for k, v in own.get("best_params_", {}).items()}}


def _metric_of(search: Any) -> str:
    """Return under which name a search keeps the score that it chose by."""
    refit, scoring = getattr(search, "refit", None), getattr(search, "scoring", None)
    several = isinstance(scoring, list | tuple | set | dict)
    return refit if several and isinstance(refit, str) else "score"


def _score(search: Any) -> dict[str, float]:
    own = vars_of(search)
    index, results = own.get("best_index_"), search.cv_results_
    if index is None:
        return {}
    kept, scoring = _metric_of(search), getattr(search, "scoring", None)
    shown = scoring if isinstance(scoring, str) else kept
    found = {
        f"cv_{shown}_mean": results.get(f"mean_test_{kept}"),
        f"cv_{shown}_std": results.get(f"std_test_{kept}"),
    }
    return {name: float(values[index]) for name, values in found.items() if values is not None}


def _scores(search: Any) -> list[Any]:
    results = search.cv_results_
    values = results.get(f"mean_test_{_metric_of(search)}")
    if values is None:  # several scores, and none was chosen by
        values = next((results[key] for key in results if key.startswith("mean_test_")), [])
    return list(values)


def _candidates(search: Any) -> bytes:
    """List what was tried, with the mean, deviation and rank of each score."""
    results = search.cv_results_
    kept = [key for key in results if key.startswith(("mean_test_", "std_test_", "rank_test_"))]
    rows = [
        {"params": params, **{key: results[key][index] for key in kept}}
        for index, params in enumerate(results["params"][:_MOST_CANDIDATES])
    ]
    return msgspec.json.encode(plain(rows)) + b"\n"
