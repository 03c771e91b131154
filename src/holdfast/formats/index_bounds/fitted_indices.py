"""Estimators of scikit-learn that hold lengths and columns which compiled code follows."""

import sys
from typing import Any

__all__ = ["problem_of"]


def problem_of(item: object) -> str | None:
    """Return what is wrong between an estimator and what it holds, None for anything else."""
    for module, name, problem in _CHECKS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and issubclass(type(item), kind):
            return problem(item, vars(item))
    return None


def _of_tree(_tree: object, state: dict[str, Any]) -> str | None:
    tree = state.get("tree_")
    if tree is None:
        return None
    return _unlike("features", state.get("n_features_in_"), tree.n_features)


def _of_boosting(_model: object, state: dict[str, Any]) -> str | None:
    estimators = state.get("estimators_")
    if estimators is None:
        return None
    outputs = state.get("n_trees_per_iteration_", state.get("_n_trees_per_iteration"))
    if estimators.ndim != 2 or estimators.shape[1] != outputs:  # noqa: PLR2004 - rounds, outputs
        return f"trees are of shape {estimators.shape}, for {outputs} outputs"
    problems = (
        _unlike("features", state.get("n_features_in_"), estimator.tree_.n_features)
        for estimator in estimators.ravel()
    )
    return next(filter(None, problems), None)


def _of_histograms(_model: object, state: dict[str, Any]) -> str | None:
    predictors = state.get("_predictors")
    if predictors is None:
        return None
    is_categorical = state["_bin_mapper"].is_categorical_
    problem = _unlike("features", state.get("n_features_in_"), len(is_categorical))
    for predictor in (single for each in predictors for single in each):
        nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
        features = nodes["feature_idx"]
        if len(features) and not 0 <= features.min() <= features.max() < len(is_categorical):
            return f"nodes ask for features beyond the {len(is_categorical)} it has"
        if not is_categorical[features[nodes["is_categorical"] != 0]].all():
            return "nodes ask for categories of a feature that has none"
    return problem


def _of_support_vectors(model: Any, state: dict[str, Any]) -> str | None:
    if "_n_support" not in state:
        return None
    counts, vectors, rows = state["_n_support"], state["support_vectors_"], len(state["support_"])
    is_regression = model._impl in ("epsilon_svr", "nu_svr", "one_class")  # noqa: SLF001 - what decides in it
    total = int(counts[0] if is_regression else counts.sum())
    if (counts < 0).any() or total != rows:
        return f"support vectors are {rows}, but counted as {total}"
    weights = state["_dual_coef_"]
    if weights.shape != (len(counts) - 1, rows):
        return f"weights are of shape {weights.shape}, for {rows} support vectors"
    if getattr(weights, "nnz", rows * (len(counts) - 1)) != rows * (len(counts) - 1):
        return "weights leave out some of its support vectors"
    if vectors.shape[0] != rows and model.kernel != "precomputed" and not callable(model.kernel):
        return f"support vectors are {vectors.shape[0]}, but named as {rows}"
    named, fitted = state["support_"], state["shape_fit_"][0]
    if rows and not 0 <= named.min() <= named.max() < fitted:
        return f"support vectors lie beyond the {fitted} rows it was fitted on"
    pairs = len(counts) * (len(counts) - 1) // 2
    lengths = (len(state["_intercept_"]), len(state["_probA"]), len(state["_probB"]))
    if lengths[0] != pairs or lengths[1] != lengths[2] or lengths[1] not in (0, pairs):
        return f"constants are of lengths {lengths}, for {pairs} pairs"
    return None


def _of_vocabulary(_vectorizer: object, state: dict[str, Any]) -> str | None:
    words = state.get("vocabulary_")
    if words is None:
        return None
    if not isinstance(words, dict):
        return "vocabulary is not a dict"
    if all(0 <= column < len(words) for column in words.values()):
        return None
    return f"vocabulary names columns beyond the {len(words)} it has"


def _of_one_hot(_encoder: object, state: dict[str, Any]) -> str | None:
    """Check what an encoder adds to the columns that categories have, of each feature."""
    if "_n_features_outs" not in state:
        return None
    count = len(state["categories_"])
    dropped = state.get("_drop_idx_after_grouping")
    grouped = state.get("_infrequent_indices") or [None] * count
    mappings = state.get("_default_to_infrequent_mappings") or [None] * count
    drops = [None] * count if dropped is None else dropped
    columns = zip(
        state["categories_"], grouped, mappings, drops, state["_n_features_outs"], strict=True
    )
    for categories, group, mapping, drop, stated in columns:
        width = len(categories) - (0 if group is None else len(group) - 1)
        if drop is not None and not 0 <= drop < width:
            return f"dropped category is {drop}, of {width}"
        if stated != width - (drop is not None):
            return f"columns are {stated}, for {width} categories"
        if mapping is not None and not 0 <= mapping.min() <= mapping.max() < width:
            return f"rare categories lead beyond the {width} it has"
        if mapping is not None and len(mapping) != len(categories):
            return f"rare categories are {len(mapping)}, of {len(categories)}"
    return None


def _unlike(what: str, expected: object, actual: object) -> str | None:
    return None if expected == actual else f"{what} are {actual}, but said to be {expected}"


_CHECKS = (
    ("sklearn.tree._classes", "BaseDecisionTree", _of_tree),
    ("sklearn.ensemble._gb", "BaseGradientBoosting", _of_boosting),
    (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "BaseHistGradientBoosting",
        _of_histograms,
    ),
    ("sklearn.svm._base", "BaseLibSVM", _of_support_vectors),
    ("sklearn.preprocessing._encoders", "OneHotEncoder", _of_one_hot),
    ("sklearn.feature_extraction.text", "CountVectorizer", _of_vocabulary),
    ("sklearn.feature_extraction._dict_vectorizer", "DictVectorizer", _of_vocabulary),
)
