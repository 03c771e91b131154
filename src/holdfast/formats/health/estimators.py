"""Estimators: whether they are fitted, and objects rather than classes."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.formats.scanner import root_value_of
from holdfast.formats.scanner.symbols import Global, Listed, Made, Mapped

__all__ = ["check_file", "check_object"]

_LIBRARIES: Final = ("sklearn", "xgboost", "lightgbm", "imblearn")
_UNFITTED_ADVICE: Final = "call fit, then register it"
_INSTANCE_ADVICE: Final = "give an object of it, fitted"

# These need no fit, or hold one that was fitted elsewhere: none of their attributes tells.
_NEED_NO_FIT: Final = frozenset(
    """AdditiveChi2Sampler Binarizer ColumnSelector CountVectorizer FeatureHasher FeatureUnion
    FrozenEstimator FunctionTransformer GaussianProcessRegressor HashingVectorizer KernelCenterer
    KNeighborsTransformer Normalizer PatchExtractor RBFSampler SparseCoder StackingClassifier
    StackingRegressor DBSCAN OPTICS HDBSCAN FixedThresholdClassifier""".split()
)
_PIPELINES: Final = ("sklearn.pipeline.Pipeline", "imblearn.pipeline.Pipeline")


def check_object(model: object) -> None:
    """Check an object in memory.

    Raises:
        InvalidInputError: If it is a class, or an estimator that was never fitted.
    """
    if isinstance(model, type):
        problem = "is a class, and only an instance can predict"
        raise InvalidInputError(
            f"{model.__module__}.{model.__qualname__}", problem, _INSTANCE_ADVICE
        )
    unfitted = _unfitted(model)
    if unfitted:
        raise InvalidInputError(f"{unfitted} object", "was never fitted", _UNFITTED_ADVICE)


def _unfitted(model: object) -> str | None:
    """Return the class of an estimator that was never fitted, of a pipeline its last step's."""
    kind = type(model)
    try:
        state = vars(model)
        if f"{kind.__module__}.{kind.__name__}" in _pipelines(kind):
            steps = state.get("steps")
            return _unfitted(steps[-1][1]) if isinstance(steps, list) and steps else None
    except (TypeError, IndexError, KeyError):
        return None
    bare = _is_bare(kind.__module__, kind.__name__, state)
    return kind.__name__ if bare else None


def _pipelines(kind: type) -> tuple[str, ...]:
    # scikit-learn shows a class under the module that defines it
    return (*_PIPELINES, f"{kind.__module__}.Pipeline") if _known(kind.__module__) else _PIPELINES


def check_file(path: Path) -> None:
    """Check what a pickle or joblib file holds, from its bytes.

    Raises:
        InvalidInputError: If it is a class or function, or an estimator that was never fitted.
    """
    root = root_value_of(path)
    subject = f"{str(path)!r}"
    if isinstance(root, Global):
        problem = f"holds {root.path}, a class or a function, but no object"
        raise InvalidInputError(subject, problem, _INSTANCE_ADVICE)
    unfitted = _unfitted_made(root)
    if unfitted:
        raise InvalidInputError(
            subject, f"holds a {unfitted} that was never fitted", _UNFITTED_ADVICE
        )


def _unfitted_made(root: object) -> str | None:
    if not isinstance(root, Made) or root.maker is None or not isinstance(root.state, Mapped):
        return None
    state = root.state
    if root.is_a(*_PIPELINES):
        steps = state.entries.get("steps")
        items = steps.items if isinstance(steps, Listed) else []
        last = items[-1] if items else None
        return _unfitted_made(last[1]) if isinstance(last, tuple) and len(last) > 1 else None
    names = [name for name in state.entries if isinstance(name, str)]
    bare = state.whole and _is_bare(root.maker.module, root.maker.name, names)
    return root.maker.name if bare else None


def _is_bare(module: str, name: str, attributes: Collection[str]) -> bool:
    """Tell whether an estimator of a library has none of the attributes that fitting leaves."""
    if not _known(module) or name in _NEED_NO_FIT or not attributes:
        return False
    if module.partition(".")[0] == "xgboost":
        return "_Booster" not in attributes and "n_estimators" in attributes
    if module.partition(".")[0] == "lightgbm":
        return "_Booster" in attributes and "fitted_" not in attributes
    return not any(
        attribute.endswith("_") and not attribute.startswith("__") for attribute in attributes
    )


def _known(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES
