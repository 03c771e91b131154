"""Bootstraps: against scikit-learn on drawn rows, and against plain loops."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from holdfast.scoring import comparison, resampling
from holdfast.scoring.task_metrics import Classified, Regressed

Numbers = NDArray[Any]
ROWS = 300


def binary(seed: int = 1, rows: int = ROWS) -> Classified:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    share = np.clip(0.3 * truth + random.random(rows) * 0.7, 0, 1).round(2)
    chances = np.column_stack([1 - share, share])
    return Classified(truth, (share >= 0.5).astype(int), ("0", "1"), 1, chances, "")


def drawn(side: Classified | Regressed, score: Any, resamples: int = 400) -> Numbers:
    """Return what plain resampling gives."""
    random = np.random.default_rng(0)
    count = len(side.truth)
    return np.asarray([score(side.of(random.integers(0, count, count))) for _ in range(resamples)])


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("roc_auc", lambda one: oracle.roc_auc_score(one.truth, one.chances[:, 1])),
        (
            "average_precision",
            lambda one: oracle.average_precision_score(one.truth, one.chances[:, 1]),
        ),
        ("precision", lambda one: oracle.precision_score(one.truth, one.answered)),
        ("recall", lambda one: oracle.recall_score(one.truth, one.answered)),
        ("f1", lambda one: oracle.f1_score(one.truth, one.answered)),
        ("balanced_accuracy", lambda one: oracle.balanced_accuracy_score(one.truth, one.answered)),
        ("accuracy", lambda one: oracle.accuracy_score(one.truth, one.answered)),
        ("log_loss", lambda one: oracle.log_loss(one.truth, one.chances)),
    ],
)
def test_intervals_of_two_classes_are_those_of_plain_resampling(name: str, score: Any) -> None:
    side = binary()
    figure = next(one for one in comparison.figures(side, None)[0] if one.name == name)
    low, high = np.percentile(drawn(side, score), [2.5, 97.5])

    assert figure.value == pytest.approx(score(side))
    assert figure.low == pytest.approx(low, abs=0.02)
    assert figure.high == pytest.approx(high, abs=0.02)
    assert figure.resamples == 1_000


def several(seed: int = 2) -> Classified:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, ROWS)
    weights = random.random((ROWS, 3)) + np.eye(3)[truth]
    chances = weights / weights.sum(axis=1, keepdims=True)
    return Classified(truth, chances.argmax(axis=1), ("a", "b", "c"), None, chances, "")


@pytest.mark.parametrize(
    ("name", "score"),
    [
        (
            "roc_auc",
            lambda one: oracle.roc_auc_score(one.truth, one.chances, multi_class="ovr"),
        ),
        ("f1", lambda one: oracle.f1_score(one.truth, one.answered, average="macro")),
        ("recall", lambda one: oracle.recall_score(one.truth, one.answered, average="macro")),
        ("precision", lambda one: oracle.precision_score(one.truth, one.answered, average="macro")),
        ("balanced_accuracy", lambda one: oracle.balanced_accuracy_score(one.truth, one.answered)),
        ("log_loss", lambda one: oracle.log_loss(one.truth, one.chances)),
        (
            "average_precision",
            lambda one: oracle.average_precision_score(np.eye(3)[one.truth], one.chances),
        ),
    ],
)
def test_intervals_of_three_classes_are_those_of_plain_resampling(name: str, score: Any) -> None:
    side = several()
    figure = next(one for one in comparison.figures(side, None)[0] if one.name == name)
    low, high = np.percentile(drawn(side, score, 250), [2.5, 97.5])

    assert figure.value == pytest.approx(score(side))
    assert figure.low == pytest.approx(low, abs=0.02)
    assert figure.high == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("mae", lambda one: oracle.mean_absolute_error(one.truth, one.answered)),
        ("rmse", lambda one: oracle.root_mean_squared_error(one.truth, one.answered)),
        ("r2", lambda one: oracle.r2_score(one.truth, one.answered)),
        ("mape", lambda one: oracle.mean_absolute_percentage_error(one.truth, one.answered)),
    ],
)
def test_intervals_of_numbers_are_those_of_plain_resampling(name: str, score: Any) -> None:
    random = np.random.default_rng(4)
    truth = random.normal(10, 2, ROWS)
    side = Regressed(truth, truth + random.normal(0, 1, ROWS))
    figure = next(one for one in comparison.figures(side, None)[0] if one.name == name)
    low, high = np.percentile(drawn(side, score), [2.5, 97.5])

    assert figure.value == pytest.approx(score(side))
    assert figure.low == pytest.approx(low, abs=0.02)
    assert figure.high == pytest.approx(high, abs=0.02)


def test_both_sides_are_drawn_together() -> None:
    side = binary()
    figures, _ = comparison.figures(side, side)

    assert {(one.change, one.change_low, one.change_high) for one in figures} == {(0.0, 0.0, 0.0)}
    assert {one.verdict for one in figures} == {"unclear"}


def test_the_same_rows_give_the_same_intervals() -> None:
    assert comparison.figures(binary(), binary(9)) == comparison.figures(binary(), binary(9))


def test_a_difference_beyond_chance_is_told() -> None:
    better = binary()
    chances = better.chances[::-1]
    worse = Classified(better.truth, better.answered[::-1], ("0", "1"), 1, chances, "")
    figures, _ = comparison.figures(better, worse)

    assert {one.name: one.verdict for one in figures if one.name != "brier"}["log_loss"] == "better"
    assert all(one.verdict == "better" for one in figures)
    assert all(one.verdict == "worse" for one in comparison.figures(worse, better)[0])


def test_many_rows_are_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_MOST_DRAWS", 1)
    figures = {one.name: one for one in comparison.figures(binary(), None)[0]}

    assert figures["roc_auc"].resamples == 100
    assert figures["accuracy"].resamples == 1_000


def test_neighbours_are_drawn_together_where_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_UNITS", 100)
    figure = next(one for one in comparison.figures(binary(), None)[0] if one.name == "accuracy")

    assert figure.low is not None
    assert figure.low < (figure.value or 0)


def test_tables_that_are_too_large_have_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_MOST_CELLS", 3)
    figure = next(one for one in comparison.figures(binary(), None)[0] if one.name == "recall")

    assert (figure.low, figure.resamples) == (None, 0)


def test_a_figure_that_most_resamples_lack_has_no_interval() -> None:
    values = np.full(100, np.nan)
    values[:80] = 1.0

    assert resampling.interval(values) is None
