"""What fitted scikit-learn objects remember of what they take and give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from holdfast.core.schema import dtypes
from holdfast.formats import learned_categories
from holdfast.formats.arrays import dtype_name, is_array, plain_values

__all__ = ["Fitted", "from_fitted", "with_categories"]

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Schemas that fitted objects tell; None where they do not."""

    input_schema: Schema | None
    output_schema: Schema | None


def from_fitted(sources: Mapping[str, object]) -> Fitted:
    """Tell the schemas of fitted scikit-learn objects, as far as they remember them.

    The input is what the preprocessor was fitted on, or the model where there is none. The types
    of features are not remembered and stay unsaid. A regressor of which it cannot be told how
    many numbers it gives has no output schema.

    Args:
        sources: Objects or paths by role: `model`, `preprocessor`; of files, LightGBM's and
            XGBoost's tell their columns, where some have categories. What a `postprocessor`
            returns cannot be told.
    """
    model = sources.get("model")
    first = sources.get("preprocessor", model)
    answers = None if "postprocessor" in sources else _predictions(model)
    learned = _tried(lambda: learned_categories.schema_of(first))
    return Fitted(learned if isinstance(learned, dict) else _features(first), answers)


def with_categories(shown: Schema, fitted: Schema | None) -> Schema:
    """Return the schema of an example with the categories that the model learned.

    Rows of plain texts and numbers do not tell that a column is one of categories; a frame does.
    """
    columns, learned = shown.get("properties"), (fitted or {}).get("properties", {})
    if not isinstance(columns, dict):
        return shown
    added = {
        name: told
        for name, told in learned.items()
        if told.get("dtype") == "category" and "dtype" not in columns.get(name, {"dtype": None})
    }
    return {**shown, "properties": {**columns, **added}} if added else shown


def _features(model: object) -> Schema | None:
    names = _attribute(model, "feature_names_in_")
    if is_array(names):
        order = [str(name) for name in names]
        properties: Schema = {name: {} for name in order}
        return {"type": "object", "properties": properties, "required": order, "order": order}
    count = _attribute(model, "n_features_in_")
    if not isinstance(count, Integral):
        return None
    row = {"type": "array", "items": {}}
    return {"type": "array", "items": row, "shape": [None, int(count)]}


def _predictions(model: object) -> Schema | None:
    classes = _attribute(model, "classes_")
    if is_array(classes):
        values = plain_values(classes)
        kind = dtypes.json_type(dtype_name(classes) or "") or "string"
        return {"type": kind, "enum": values} if values else None
    # classes of several outputs come as a list of arrays: which of them is which is not told
    return _numbers(model) if classes is None and _kind(model) == "regressor" else None


def _numbers(model: object) -> Schema | None:
    count = _output_count(_last_step(model))
    if count is None:
        return None
    number = {"type": "number"}
    return number if count == 1 else {"type": "array", "items": number, "shape": [count]}


def _output_count(model: object) -> int | None:
    count = _attribute(model, "n_outputs_")
    if isinstance(count, Integral):
        return int(count)
    weights = _attribute(model, "coef_")
    if is_array(weights):
        return int(weights.shape[0]) if len(weights.shape) > 1 else 1
    offsets = _attribute(model, "intercept_")
    if is_array(offsets):
        return int(offsets.shape[0])
    several = _attribute(_attribute(_tags(model), "target_tags"), "multi_output")
    return 1 if several is False else None


def _last_step(model: object) -> object:
    steps = _attribute(model, "steps")
    last = steps[-1][1] if isinstance(steps, list) else _attribute(model, "best_estimator_")
    return model if last is None else _last_step(last)


def _kind(model: object) -> object:
    kind = _attribute(_tags(model), "estimator_type")
    return kind or _attribute(model, "_estimator_type")  # the latter before scikit-learn 1.6


def _tags(model: object) -> object:
    tags = _attribute(model, "__sklearn_tags__")
    return _tried(tags) if callable(tags) else None


def _attribute(owner: object, name: str) -> object:
    return _tried(lambda: getattr(owner, name, None))


def _tried(ask: Callable[[], object]) -> object:
    """Return what a stranger's object answers, None if it refuses."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - properties of other libraries may raise anything
        return None
