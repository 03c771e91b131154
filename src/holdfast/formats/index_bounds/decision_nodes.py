"""Trees of scikit-learn: children behind their parents, each with one, and features that exist."""

import sys
from typing import Any, Final

__all__ = ["problem_of"]

_LEAF: Final = -1
_NEIGHBOURS: Final = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")
_STATE: Final = 13


def problem_of(item: object) -> str | None:
    """Return what is wrong with the indices of a tree, None for anything else."""
    kind = type(item)
    if kind.__module__ == "sklearn.tree._tree" and kind.__name__ == "Tree":
        return _of_tree(item)
    if kind.__name__ == "TreePredictor" and kind.__module__.startswith("sklearn.ensemble."):
        return _of_predictor(item)
    if kind.__module__ in _NEIGHBOURS and hasattr(kind, "get_tree_stats"):
        return _of_neighbours(item)
    return None


def _of_tree(tree: Any) -> str | None:
    if not 1 <= tree.node_count <= tree.capacity:  # its arrays are views of that length
        return f"node count is {tree.node_count}, of {tree.capacity} nodes"
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != _LEAF
    features = feature[inner]
    if len(features) and not 0 <= features.min() <= features.max() < tree.n_features:
        return f"nodes ask for features beyond the {tree.n_features} it has"
    problem = _of_children(left, right, inner)
    if problem is None and not _depth(left, right, inner) <= tree.max_depth < tree.node_count:
        return f"depth is said to be {tree.max_depth}, which its nodes contradict"
    return problem


def _of_children(left: Any, right: Any, inner: Any) -> str | None:
    """Return a problem unless every node but the first is the child of exactly one before it."""
    numpy = sys.modules["numpy"]
    parents = numpy.flatnonzero(inner)
    children = numpy.concatenate((left[inner], right[inner])).astype(numpy.int64)
    if (children <= numpy.concatenate((parents, parents))).any():
        return "nodes lead back to nodes before them"
    if not numpy.array_equal(numpy.sort(children), numpy.arange(1, len(left))):
        return f"nodes lead beyond the {len(left)} it has, or twice to one"
    return None


def _depth(left: Any, right: Any, inner: Any) -> int:
    """Return the depth of a tree whose children are known to be sound."""
    numpy = sys.modules["numpy"]
    depth, level = 0, numpy.flatnonzero(inner[:1])
    while len(level):
        depth += 1
        below = numpy.concatenate((left[level], right[level]))
        level = below[inner[below]]
    return depth


def _of_predictor(predictor: Any) -> str | None:
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
    inner = nodes["is_leaf"] == 0
    if not len(nodes):
        return "nodes are missing"
    asked = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    if bitsets.ndim != 2 or bitsets.shape[1] != 8:  # noqa: PLR2004 - 256 bits of 32 each
        return f"bitsets are of shape {bitsets.shape}"
    if len(asked) and asked.max() >= len(bitsets):
        return f"nodes ask for bitsets beyond the {len(bitsets)} it has"
    return _of_children(nodes["left"], nodes["right"], inner)


def _of_neighbours(tree: Any) -> str | None:
    state = tree.__getstate__()
    if len(state) != _STATE:
        return "state is of an unknown form"
    data, indices, nodes, bounds = state[:4]
    levels, count = state[5], state[6]
    weights = state[12]
    numpy = sys.modules["numpy"]
    rows, columns = data.shape
    if not (count == len(nodes) == bounds.shape[1] == (1 << min(max(levels, 0), 62)) - 1):
        return f"lengths contradict each other: {count} nodes, {len(nodes)} described"
    if bounds.shape[2] != columns or (weights is not None and len(weights) != rows):
        return "bounds or weights are not those of its rows"
    if len(indices) != rows or ((indices < 0) | (indices >= rows)).any():
        return f"rows lie beyond the {rows} it has"
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    if ((starts < 0) | (starts > ends) | (ends > rows)).any():
        return f"nodes hold rows beyond the {rows} it has"
    childless = 2 * numpy.arange(count) + 2 >= count
    return "nodes lead beyond the last" if (childless & (nodes["is_leaf"] == 0)).any() else None
