"""Scores a version on a run's evaluation rows: in a trial, and by losses that are computed here.

The champion and the new version are scored in the same way on the same rows, so nothing rests on
what a run says of itself, or on metrics that were measured on other rows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.registry import trial_runs
from holdfast.registry.loading import Fetched
from holdfast.retraining.evaluation_rows import EvaluationRows
from holdfast.sandbox import Trials

__all__ = ["LOSSES", "RunAnswers", "Scores", "answered", "score"]

WORK: Final = "holdfast.retraining.scoring:work"
_ANSWER_BYTES: Final = 192 << 20
_LEAST: Final = 1e-15
_MOST_CLASSES: Final = 20


class RunAnswers(Struct, frozen=True, forbid_unknown_fields=True):
    """What a version answers to the rows.

    Attributes:
        probabilities: Of each class, where it gives some.
        classes: Which those are.
    """

    predictions: list[Any]
    probabilities: list[list[float]] | None = None
    classes: list[Any] | None = None


class Scores(Struct, frozen=True):
    """One version on one set.

    Attributes:
        losses: Row by row, by name.
        metrics: Measured on all rows: `accuracy`, and for two classes `roc_auc`, `recall`, …
    """

    losses: dict[str, list[float]]
    metrics: dict[str, float]


def score(
    fetched: Fetched, trials: Trials | None, rows: EvaluationRows, wanted: Sequence[str]
) -> Scores:
    """Have a version answer the rows, and compute its losses.

    Args:
        fetched: The version, every byte verified.
        trials: Where it is tried out; `None` where this system restrains nothing.
        rows: What it is asked.
        wanted: Names of losses; those that fit the labels if empty.

    Raises:
        UnsupportedError: If it does not answer, or not once a row.
        InvalidInputError: If a loss is unknown, or needs what the version does not give.
    """
    answers = answered(fetched, trials, rows)
    names = wanted or _fitting(answers, rows.labels)
    unknown = [name for name in names if name not in LOSSES]
    if unknown:
        advice = f"use one of {', '.join(LOSSES)}"
        raise InvalidInputError(f"loss {unknown[0]!r}", "is unknown", advice)
    losses = {name: _losses(fetched.ref, name, answers, rows.labels) for name in names}
    return Scores(losses, _metrics(answers, rows.labels))


def answered(fetched: Fetched, trials: Trials | None, rows: EvaluationRows) -> RunAnswers:
    """Have a version answer rows.

    Raises:
        UnsupportedError: If it does not answer, or not once a row.
    """
    further = {"rows": rows.rows, "columns": rows.columns}
    trial = trial_runs.trial(WORK, fetched, _ANSWER_BYTES, **further)
    if trials is None:
        result: Any = work(trial.argument)
    else:
        outcome = trials.run(trial)
        if outcome.problem is not None:
            problem = f"cannot be scored on the evaluation rows: {outcome.problem}"
            raise UnsupportedError(fetched.ref, problem, "return rows as its schema says")
        result = outcome.result
    return _answers(fetched.ref, result, len(rows.rows))


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Load a version in the child and have it answer the rows."""
    pair = trial_runs.pair(argument)
    rows = _as_input(pair.parts.values(), argument["rows"], argument["columns"])
    answers: dict[str, Any] = {"predictions": _listed(pair.predict(rows))}
    classes = getattr(pair.model, "classes_", None)
    if classes is not None and callable(getattr(pair.model, "predict_proba", None)):
        answers["probabilities"] = _listed(pair.predict_proba(rows))
        answers["classes"] = _listed(classes)
    return answers


def _as_input(parts: Any, rows: list[list[Any]], columns: Sequence[str] | None) -> Any:
    """Return rows as their first reader was fitted: a frame where it knows names, else an array."""
    import numpy as np

    named = [part.feature_names_in_ for part in parts if hasattr(part, "feature_names_in_")]
    if columns is not None and (named or any(isinstance(value, str) for value in rows[0])):
        import pandas as pd

        frame = pd.DataFrame(rows, columns=list(columns))
        fitted = [str(name) for name in named[0]] if named else list(columns)
        return frame[fitted] if set(fitted) <= set(columns) else frame
    numeric = all(isinstance(value, int | float) for row in rows for value in row)
    return np.asarray(rows, dtype=float) if numeric else np.asarray(rows, dtype=object)


def _listed(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _answers(ref: str, result: Any, count: int) -> RunAnswers:
    import msgspec

    try:
        answers = msgspec.convert(result, RunAnswers)
    except msgspec.ValidationError as error:
        raise UnsupportedError(ref, f"answered in another form: {error}", "check it") from error
    answers = msgspec.structs.replace(
        answers,
        predictions=[
            item[0] if isinstance(item, list) and len(item) == 1 else item
            for item in answers.predictions
        ],
    )
    lengths = {len(answers.predictions), len(answers.probabilities or answers.predictions)}
    if lengths != {count}:
        problem = f"gave {len(answers.predictions)} answers to {count} rows"
        raise UnsupportedError(ref, f"answered wrongly: it {problem}", "give one answer a row")
    return answers


def _fitting(answers: RunAnswers, labels: Sequence[Any]) -> tuple[str, ...]:
    if answers.probabilities is not None:
        return ("log_loss", "error_rate")
    numeric = all(isinstance(label, int | float) for label in labels)
    whole = all(isinstance(label, str | bool) or float(label).is_integer() for label in labels)
    if numeric and (not whole or len(set(labels)) > _MOST_CLASSES):
        return ("mae",)
    return ("error_rate",)


def _losses(ref: str, name: str, answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    try:
        losses = LOSSES[name](answers, labels)
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        problem = f"gives no {name} on the evaluation rows: {error}"
        raise UnsupportedError(ref, f"has answers that do not fit: it {problem}", "") from error
    if not all(math.isfinite(value) for value in losses):
        raise UnsupportedError(ref, f"has a {name} that is not finite", "check its answers")
    return losses


def _error_rate(answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    return [
        float(answer != label) for answer, label in zip(answers.predictions, labels, strict=True)
    ]


def _absolute(answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    return [
        abs(float(answer) - float(label))
        for answer, label in zip(answers.predictions, labels, strict=True)
    ]


def _squared(answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    return [value * value for value in _absolute(answers, labels)]


def _log(answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    return [
        -math.log(min(1.0, max(_LEAST, _of_label(row, places, label))))
        for row, places, label in _probable(answers, labels)
    ]


def _brier(answers: RunAnswers, labels: Sequence[Any]) -> list[float]:
    return [
        sum((share - float(places.get(label) == index)) ** 2 for index, share in enumerate(row))
        + float(label not in places)
        for row, places, label in _probable(answers, labels)
    ]


def _probable(
    answers: RunAnswers, labels: Sequence[Any]
) -> list[tuple[list[float], dict[Any, int], Any]]:
    if answers.probabilities is None or answers.classes is None:
        raise ValueError("the model gives no probabilities")
    places = {value: index for index, value in enumerate(answers.classes)}
    return [(row, places, label) for row, label in zip(answers.probabilities, labels, strict=True)]


def _of_label(row: Sequence[float], places: Mapping[Any, int], label: Any) -> float:
    return row[places[label]] if label in places else 0.0


def _metrics(answers: RunAnswers, labels: Sequence[Any]) -> dict[str, float]:
    """Measure what can be compared with a metric that a run, or a policy, names."""
    if all(isinstance(label, float) for label in labels):
        return {}
    wrong = _error_rate(answers, labels)
    metrics = {"accuracy": 1 - sum(wrong) / len(wrong)}
    classes = answers.classes or sorted(set(labels), key=repr)
    if len(classes) == 2:  # noqa: PLR2004 - one of the two is what is looked for
        metrics |= _binary(answers, labels, classes[1])
    return metrics


def _binary(answers: RunAnswers, labels: Sequence[Any], positive: Any) -> dict[str, float]:
    pairs = list(zip(answers.predictions, labels, strict=True))
    hits = sum(answer == label == positive for answer, label in pairs)
    actual = sum(label == positive for label in labels)
    claimed = sum(answer == positive for answer in answers.predictions)
    metrics = {
        "recall": hits / actual if actual else 0.0,
        "precision": hits / claimed if claimed else 0.0,
        "f1": 2 * hits / (actual + claimed) if actual + claimed else 0.0,
    }
    if answers.probabilities is not None and 0 < actual < len(labels):
        scores = [row[-1] for row in answers.probabilities]
        area = _area(scores, [label == positive for label in labels])
        metrics |= {"roc_auc": area, "auc": area}
    return metrics


def _area(scores: Sequence[float], positives: Sequence[bool]) -> float:
    """Return the area under the ROC curve: the mean rank of the positives, ties shared."""
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        tied = sum(positives[index] for index in order[start:end])
        ranks += tied * (start + 1 + end) / 2
        start = end
    count = sum(positives)
    return (ranks - count * (count + 1) / 2) / (count * (len(scores) - count))


LOSSES: Final[dict[str, Callable[[RunAnswers, Sequence[Any]], list[float]]]] = {
    "log_loss": _log,
    "error_rate": _error_rate,
    "brier": _brier,
    "mae": _absolute,
    "mse": _squared,
}
"""What is lost on a row, by name: the mean of each is a metric."""
