"""Files whose indices lie are refused with what and which; honest ones load."""

import functools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.neighbors import BallTree, KDTree
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops

from holdfast import formats
from holdfast.errors import UnsupportedError
from holdfast.formats import index_bounds

ROWS = np.random.default_rng(3).normal(size=(40, 3))
CLASSES = np.repeat([0, 1, 2, 0], 10)
FAR = 1 << 30


@functools.cache
def _fitted(name: str) -> bytes:
    models: dict[str, Callable[[], object]] = {
        "tree": lambda: DecisionTreeClassifier(max_depth=3).fit(ROWS, CLASSES),
        "boosting": lambda: GradientBoostingClassifier(n_estimators=2).fit(ROWS, CLASSES),
        "histograms": lambda: HistGradientBoostingClassifier(
            max_iter=2, min_samples_leaf=2, categorical_features=[2]
        ).fit(np.c_[ROWS[:, :2], CLASSES], CLASSES),
        "classes": lambda: SVC().fit(ROWS, CLASSES),
        "sparse classes": lambda: SVC().fit(sparse.csr_matrix(ROWS), CLASSES),
        "values": lambda: SVR().fit(ROWS, CLASSES),
        "words": lambda: CountVectorizer().fit(["some words", "other words"]),
        "keys": lambda: DictVectorizer().fit([{"a": 1, "b": 2}]),
        "columns": lambda: OneHotEncoder(min_frequency=2, drop="first").fit(
            [[0, 0], [1, 1], [2, 0], [0, 1]]
        ),
        "all columns": lambda: OneHotEncoder().fit([[0, 0], [1, 1]]),
        "ball": lambda: BallTree(ROWS, leaf_size=2),
        "halves": lambda: KDTree(ROWS, leaf_size=2),
    }
    return pickle.dumps(models[name]())


def fitted(name: str) -> Any:
    return pickle.loads(_fitted(name))


class Stated:
    """Is pickled as a tree of a state in which values, or some of its first node, are changed.

    A tree that had such a state would end the process that writes it.
    """

    def __init__(self, tree: Any, **changes: Any) -> None:
        state = tree.__getstate__()
        nodes = state["nodes"].copy()
        for name in changes.keys() - state.keys():
            nodes[name][0] = changes[name]
        known = {name: changes[name] for name in changes.keys() & state.keys()}
        self._tree, self._state = tree, state | {"nodes": nodes} | known

    def __reduce__(self) -> tuple[Any, ...]:
        return (*self._tree.__reduce__()[:2], self._state)


def in_tree(**changes: Any) -> Callable[[], object]:
    def lying() -> object:
        model = fitted("tree")
        model.tree_ = Stated(model.tree_, **changes)
        return model

    return lying


def in_state(name: str, place: int, change: Callable[[Any], Any]) -> Callable[[], object]:
    """Change one item of the state of a neighbours' tree."""

    def lying() -> object:
        tree = fitted(name)
        state = list(tree.__getstate__())
        state[place] = change(state[place])
        tree.__setstate__(tuple(state))
        return tree

    return lying


def having(name: str, **attributes: Any) -> Callable[[], object]:
    def lying() -> object:
        model = fitted(name)
        vars(model).update(attributes)
        return model

    return lying


def in_nodes(field: str, value: Any, *, node: int = 0) -> Callable[[], object]:
    def lying() -> object:
        model = fitted("histograms")
        model._predictors[0][0].nodes[field][node] = value
        return model

    return lying


def matrix(kind: str, **attributes: Any) -> Callable[[], object]:
    def lying() -> object:
        built = getattr(sparse, kind)(sparse.csr_matrix(np.eye(4)))
        vars(built).update(attributes)
        return built

    return lying


def _first(values: Any, number: Any) -> Any:
    changed = values.copy()
    changed.flat[0] = number
    return changed


def _starting(nodes: Any) -> Any:
    changed = nodes.copy()
    changed["idx_end"][0] = FAR
    return changed


def _no_leaves(nodes: Any) -> Any:
    changed = nodes.copy()
    changed["is_leaf"] = 0
    return changed


def _foreign_tree() -> object:
    model = fitted("boosting")
    model.estimators_[0, 0].tree_ = DecisionTreeClassifier().fit(np.c_[ROWS, ROWS], CLASSES).tree_
    return model


def _no_bitsets() -> object:
    model = fitted("histograms")
    model._predictors[0][0].raw_left_cat_bitsets = np.zeros((0, 8), np.uint32)
    model._predictors[0][0].nodes["is_categorical"][0] = 1
    return model


def _flat_bitsets() -> object:
    model = fitted("histograms")
    model._predictors[0][0].raw_left_cat_bitsets = np.zeros(8, np.uint32)
    return model


def _no_nodes() -> object:
    model = fitted("histograms")
    model._predictors[0][0].nodes = model._predictors[0][0].nodes[:0]
    return model


def _numeric_categories() -> object:
    model = fitted("histograms")
    model._bin_mapper.is_categorical_ = np.zeros(3, np.uint8)
    nodes = model._predictors[0][0].nodes
    nodes["is_categorical"] = 1
    nodes["bitset_idx"] = 0
    model._predictors[0][0].raw_left_cat_bitsets = np.zeros((1, 8), np.uint32)
    return model


def _sparse_weights() -> object:
    model = fitted("sparse classes")
    model._dual_coef_ = sparse.csr_matrix(model._dual_coef_.shape)
    return model


LYING: dict[str, tuple[Callable[[], object], str]] = {
    "csr: a column beyond the shape": (
        matrix("csr_matrix", indices=np.array([0, 1, 2, FAR], np.int32)), "csr_matrix"),
    "csr: a negative column": (
        matrix("csr_array", indices=np.array([0, 1, 2, -9], np.int32)), "csr_array"),
    "csr: rows that end beyond": (
        matrix("csr_matrix", indptr=np.array([0, 1, 2, 3, FAR], np.int32)), "csr_matrix"),
    "csr: rows that go back": (
        matrix("csr_matrix", indptr=np.array([0, 4, -4, 4, 4], np.int32)), "csr_matrix"),
    "csr: another shape": (matrix("csr_matrix", _shape=(FAR, 1)), "csr_matrix"),
    "csc: a row beyond the shape": (
        matrix("csc_matrix", indices=np.array([0, 1, 2, FAR], np.int32)), "csc_matrix"),
    "bsr: a block beyond the shape": (
        matrix("bsr_matrix", indices=np.array([FAR], np.int32)), "bsr_matrix"),
    "coo: a column beyond the shape": (
        matrix("coo_matrix", coords=(np.arange(4), np.array([0, 1, 2, FAR]))), "coo_matrix"),
    "coo: fewer columns than values": (
        matrix("coo_array", coords=(np.arange(4), np.arange(3))), "coo_array"),
    "dia: more offsets than diagonals": (
        matrix("dia_matrix", offsets=np.arange(9, dtype=np.int32)), "dia_matrix"),
    "csr: indices that are text": (matrix("csr_matrix", indices="0123"), "csr_matrix"),
    "tree: a child beyond the nodes": (in_tree(left_child=FAR), "Tree"),
    "tree: a child before the first": (in_tree(right_child=-7), "Tree"),
    "tree: a circle": (in_tree(left_child=0), "Tree"),
    "tree: one child twice": (in_tree(right_child=1), "Tree"),
    "tree: a feature beyond the rows": (in_tree(feature=FAR), "Tree"),
    "tree: a feature before the first": (in_tree(feature=-5), "Tree"),
    "tree: no nodes": (in_tree(node_count=0), "Tree"),
    "tree: a depth that is too small": (in_tree(max_depth=0), "Tree"),
    "tree: a depth beyond all memory": (in_tree(max_depth=1 << 62), "Tree"),
    "tree: fewer features asked for": (having("tree", n_features_in_=1), "DecisionTreeClassifier"),
    "boosting: fewer features asked for": (
        having("boosting", n_features_in_=1), "GradientBoostingClassifier"),
    "boosting: fewer outputs": (
        having("boosting", n_trees_per_iteration_=1), "GradientBoostingClassifier"),
    "boosting: a tree of more features": (_foreign_tree, "GradientBoostingClassifier"),
    "histograms: a child beyond the nodes": (in_nodes("left", FAR), "TreePredictor"),
    "histograms: a circle": (in_nodes("right", 0), "TreePredictor"),
    "histograms: a feature beyond the rows": (
        in_nodes("feature_idx", FAR), "HistGradientBoostingClassifier"),
    "histograms: no nodes": (_no_nodes, "TreePredictor"),
    "histograms: bitsets that are missing": (_no_bitsets, "TreePredictor"),
    "histograms: bitsets of another shape": (_flat_bitsets, "TreePredictor"),
    "histograms: categories of numbers": (_numeric_categories, "HistGradientBoostingClassifier"),
    "histograms: fewer features": (
        having("histograms", n_features_in_=1), "HistGradientBoostingClassifier"),
    "vectors: more than there are": (
        having("classes", _n_support=np.array([FAR, 1, 1], np.int32)), "SVC"),
    "vectors: a negative number of them": (
        having("classes", _n_support=np.array([-1, 1, 1], np.int32)), "SVC"),
    "vectors: weights of fewer": (having("classes", _dual_coef_=np.zeros((2, 1))), "SVC"),
    "vectors: sparse weights left out": (_sparse_weights, "SVC"),
    "vectors: fewer than named": (having("classes", support_vectors_=ROWS[:1]), "SVC"),
    "vectors: of rows that were not there": (having("values", shape_fit_=(1, 3)), "SVR"),
    "vectors: fewer constants": (having("classes", _intercept_=np.zeros(1)), "SVC"),
    "words: a column beyond them": (
        having("words", vocabulary_={"words": FAR, "some": 0}), "CountVectorizer"),
    "words: in no dict": (having("words", vocabulary_=[1, 2]), "CountVectorizer"),
    "keys: a column before the first": (
        having("keys", vocabulary_={"a": -3, "b": 0}), "DictVectorizer"),
    "columns: more than categories": (
        having("columns", _n_features_outs=[FAR, 4 - FAR]), "OneHotEncoder"),
    "columns: rare ones beyond them": (
        having("columns", _default_to_infrequent_mappings=[np.array([0, 1, FAR]), None]),
        "OneHotEncoder"),
    "columns: fewer rare ones": (
        having("columns", _default_to_infrequent_mappings=[np.array([0]), None]), "OneHotEncoder"),
    "columns: one dropped that is not there": (
        having("columns", _drop_idx_after_grouping=np.array([7, None], object)), "OneHotEncoder"),
    "columns: of more features": (
        having("columns", _n_features_outs=[2, 2, FAR]), "OneHotEncoder"),
    "ball: rows beyond": (in_state("ball", 1, lambda rows: _first(rows, FAR)), "BallTree"),
    "ball: fewer rows": (in_state("ball", 1, lambda rows: rows[:3]), "BallTree"),
    "halves: nodes of rows beyond": (in_state("halves", 2, _starting), "KDTree"),
    "halves: nodes without leaves": (in_state("halves", 2, _no_leaves), "KDTree"),
    "halves: more nodes than described": (in_state("halves", 6, lambda _: FAR), "KDTree"),
    "halves: bounds of fewer columns": (
        in_state("halves", 3, lambda bounds: bounds[:, :, :1].copy()), "KDTree"),
}  # fmt: skip


@pytest.mark.parametrize(("lying", "name"), LYING.values(), ids=LYING.keys())
def test_what_lies_is_refused_with_what_and_which(
    tmp_path: Path, lying: Callable[[], object], name: str
) -> None:
    joblib.dump({"steps": [("held", lying())]}, tmp_path / "model.joblib")

    with pytest.raises(UnsupportedError, match=rf"model\.joblib.*holds a {name} whose"):
        formats.load("joblib", tmp_path / "model.joblib")


@pytest.mark.parametrize(
    "name", ["tree", "boosting", "histograms", "classes", "sparse classes", "values", "words",
             "keys", "columns", "all columns", "ball", "halves"],
)  # fmt: skip
def test_what_is_honest_loads(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.pkl").write_bytes(_fitted(name))

    assert type(formats.load("pickle", tmp_path / "model.pkl")) is type(fitted(name))


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia", "lil", "dok"])
@pytest.mark.parametrize("form", ["matrix", "array"])
def test_honest_matrices_load(kind: str, form: str) -> None:
    index_bounds.check(getattr(sparse, f"{kind}_{form}")(np.eye(3)), "model")
    index_bounds.check(getattr(sparse, f"{kind}_{form}")((3, 2)), "model")


def test_libraries_that_are_not_imported_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("scipy", "sklearn"))]:
        monkeypatch.delitem(sys.modules, name)

    index_bounds.check([{"a": 1}], "model")

    assert "scipy" not in sys.modules


def _held_in_array(lying: object) -> object:
    cells = np.empty((1, 2), object)
    cells[0, 1] = {"deep": lying}
    return cells


def _circle(lying: object) -> object:
    circle: list[object] = [lying]
    circle.append(circle)
    return circle


HOLDERS: dict[str, Callable[[object], object]] = {
    "a pipeline": lambda lying: Pipeline([("a", lying), ("b", "passthrough")]),
    "an array": _held_in_array,
    "a masked array": lambda lying: np.ma.MaskedArray(_held_in_array(lying)),
    "a partial": lambda lying: functools.partial(print, lying),
    "a tuple of sets": lambda lying: ({"a": frozenset(((0, lying),))},),
    "itself": _circle,
}  # fmt: skip


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS.keys())
def test_what_lies_is_found_whatever_holds_it(hold: Callable[[object], object]) -> None:
    lying = pickle.loads(pickle.dumps(in_tree(left_child=FAR)()))

    with pytest.raises(UnsupportedError, match="holds a Tree whose"):
        index_bounds.check(hold(lying), "model")


def test_a_lying_tree_in_skops_is_refused(tmp_path: Path) -> None:
    skops.dump(pickle.loads(pickle.dumps(in_tree(left_child=FAR)())), tmp_path / "model.skops")

    with pytest.raises(UnsupportedError, match="holds a Tree whose nodes lead"):
        formats.load("skops", tmp_path / "model.skops")


def test_a_lying_tree_ends_the_process_that_follows_it(tmp_path: Path) -> None:
    """Keep the lies honest: what is refused would be a crash."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(in_tree(left_child=1 << 40)()))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb')).predict([[-9.0] * 3])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.pkl")], check=False, capture_output=True
    )

    assert done.returncode < 0


def test_a_state_of_an_unknown_form_is_refused() -> None:
    class Odd:
        get_tree_stats = None

        def __getstate__(self) -> tuple[int, ...]:
            return (1, 2)

    Odd.__module__ = "sklearn.neighbors._kd_tree"

    with pytest.raises(UnsupportedError, match="unknown form"):
        index_bounds.check(Odd(), "model")


def test_what_was_never_fitted_is_none_of_its_business() -> None:
    for model in (
        DecisionTreeClassifier(), GradientBoostingClassifier(), HistGradientBoostingClassifier(),
        SVC(), CountVectorizer(), DictVectorizer(), OneHotEncoder(),
    ):  # fmt: skip
        index_bounds.check(model, "model")
