"""Label and answers on one scale: the task, the classes, and what cannot be compared."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from holdfast.core.manifest import Manifest
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.scoring.alignment import aligned, task_of
from holdfast.scoring.answers import Answers
from holdfast.scoring.comparison import figures, slices
from holdfast.scoring.task_metrics import Classified
from holdfast.scoring.truth import Gathered, Gatherer


def label(values: list[Any], *, untyped: bool = False) -> Gathered:
    gatherer = Gatherer("left", untyped=untyped)
    gatherer.add(pa.array(values))
    return gatherer.done()


def numbers(values: list[float], sort: Any = "integer", **more: Any) -> Answers:
    return Answers(sort, np.asarray(values, dtype="float64"), **more)


def texts(values: list[str], **more: Any) -> Answers:
    distinct = tuple(dict.fromkeys(values))
    codes = [float(distinct.index(value)) for value in values]
    return Answers("text", np.asarray(codes), distinct, **more)


def manifest(output: dict[str, Any] | None = None) -> Manifest:
    return Manifest(
        name="churn", version="1.0.0", number=1, registered_at="", registered_by="",
        artifacts={}, output_schema=output,
    )  # fmt: skip


def classified(truth: Gathered, *answers: Answers, positive: str | None = None) -> Any:
    named = [(f"churn@1.{at}.0", one) for at, one in enumerate(answers)]
    return aligned("classification", truth, named, positive)


@pytest.mark.parametrize(
    ("answers", "truth", "output", "task", "why"),
    [
        (numbers([1], estimator="regressor"), [1], None, "regression", "the model is a regressor"),
        (numbers([1], chances=np.ones((1, 2))), [1], None, "classification", "probabilities"),
        (texts(["a"]), ["a"], None, "classification", "the answers are text"),
        (numbers([1], "boolean"), [True], None, "classification", "the answers are boolean"),
        (numbers([1]), [1], {"type": "integer", "enum": [0, 1]}, "classification", "schema"),
        (numbers([1]), ["a"], None, "classification", "the label is not a number"),
        (numbers([0.2, 0.9], "number"), [0, 1], None, "classification", "within 0 and 1"),
        (numbers([0.2, 1.9], "number"), [0, 1], None, "regression", "not whole numbers"),
        (numbers([0.2, 0.9], "number"), [0, 7], None, "regression", "not whole numbers"),
    ],
)
def test_a_task_is_told_from_what_is_known(
    answers: Answers, truth: list[Any], output: Any, task: str, why: str
) -> None:
    found = task_of("auto", manifest(output), answers, label(truth))

    assert found[0] == task
    assert why in found[1]


def test_a_task_that_nothing_tells_is_asked_for() -> None:
    with pytest.raises(InvalidInputError, match="give --task classification or"):
        task_of("auto", manifest(), numbers([3, 4]), label([3, 5]))
    assert task_of("regression", manifest(), numbers([3]), label([3])) == (
        "regression",
        "it was asked for",
    )


def test_texts_of_a_file_without_types_are_read_as_the_version_answers() -> None:
    truth = label(["1", "0", "1.0"], untyped=True)
    (side,), remarks = classified(truth, numbers([1, 0, 0]))
    (of_texts,), _ = classified(truth, texts(["1", "0", "1.0"]))

    assert (side.truth.tolist(), side.answered.tolist()) == ([1, 0, 1], [1, 0, 0])
    assert of_texts.classes == ("0", "1", "1.0")
    assert remarks == ()


@pytest.mark.parametrize(
    ("truth", "answers"),
    [
        (label(["1", "0"]), numbers([1, 0])),
        (label([1, 0]), texts(["1", "0"])),
        (label([True, False]), texts(["True", "False"])),
        (label(["yes", "no"]), texts(["ja", "nein"])),
    ],
)
def test_a_label_of_another_type_is_refused(truth: Gathered, answers: Answers) -> None:
    with pytest.raises(InvalidInputError, match="so no row could be right"):
        classified(truth, answers)


def test_true_and_1_are_one_class() -> None:
    (side,), _ = classified(label([True, False]), numbers([1, 0]))

    assert side.classes == ("0", "1")
    assert side.positive == 1


def test_true_is_1_where_a_file_has_texts_alone() -> None:
    (side,), _ = classified(label(["True", "false"], untyped=True), numbers([1, 0]))

    assert side.truth.tolist() == [1, 0]


def test_a_class_that_is_never_answered_is_remarked() -> None:
    chances = np.asarray([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    answers = texts(["a", "b", "a"], chances=chances, classes=("a", "b"))
    (side,), remarks = classified(label(["a", "b", "c"]), answers)
    _, why = figures(side, None)

    assert remarks == ("churn@1.0.0 never answers 'c', which the label has",)
    assert "gives no probability for" in why["log_loss"]
    assert "gives no probability for" in why["roc_auc"]


def test_probabilities_go_by_their_classes() -> None:
    chances = np.asarray([[0.1, 0.9], [0.8, 0.2]])
    (side,), _ = classified(
        label(["a", "b"]), texts(["a", "b"], chances=chances, classes=("b", "a"))
    )

    assert side.chances.tolist() == [[0.9, 0.1], [0.2, 0.8]]


def test_probabilities_of_one_class_are_completed() -> None:
    (side,), _ = classified(label([0, 1]), numbers([0, 1], chances=np.asarray([[0.25], [0.75]])))

    assert side.chances.tolist() == [[0.75, 0.25], [0.25, 0.75]]


@pytest.mark.parametrize(
    ("chances", "classes", "why"),
    [
        (np.ones((2, 3)) / 3, None, "does not say which classes"),
        (np.ones((2, 1)), None, None),
        (np.ones((2, 2)) / 2, ("x", "y"), "of other classes than its answers"),
    ],
)
def test_probabilities_of_nobody_knows_what_are_left_out(
    chances: Any, classes: Any, why: str | None
) -> None:
    (side,), _ = classified(label([0, 1]), numbers([0, 1], chances=chances, classes=classes))

    assert (side.chances is None) == (why is not None)
    assert why is None or why in side.no_chances


def test_shares_stand_for_the_class_1() -> None:
    (side,), remarks = classified(label([0, 1, 1]), numbers([0.2, 0.7, 0.4], "number"))

    assert side.answered.tolist() == [0, 1, 0]
    assert side.chances[:, 1].tolist() == [0.2, 0.7, 0.4]
    assert remarks == ("answers of churn@1.0.0 are probabilities of the class 1, cut at 0.5",)


def test_the_class_that_is_looked_for_can_be_chosen() -> None:
    (side,), _ = classified(label(["no", "yes"]), texts(["no", "yes"]), positive="no")

    assert (side.classes, side.positive) == (("no", "yes"), 0)
    with pytest.raises(InvalidInputError, match="is not one of two classes"):
        classified(label(["no", "yes"]), texts(["no", "yes"]), positive="maybe")
    with pytest.raises(InvalidInputError, match="is not one of two classes"):
        classified(label(["a", "b"]), texts(["a", "c"]), positive="a")
    with pytest.raises(InvalidInputError, match="is for classification"):
        aligned("regression", label([1.5]), [("churn@1.0.0", numbers([1.5]))], "1")


def test_a_label_of_too_many_classes_is_refused() -> None:
    values = list(range(2_000))
    with pytest.raises(InvalidInputError, match="2000 classes, more than 1000"):
        classified(label(values), numbers([float(value) for value in values]))


def test_probabilities_of_very_many_classes_are_left_out() -> None:
    values = list(range(50))
    (side,), _ = classified(
        label(values), numbers(list(map(float, values)), chances=np.ones((50, 1)))
    )

    assert "50 classes are too many" in side.no_chances


def test_a_regression_needs_numbers() -> None:
    named = [("churn@1.0.0", texts(["a"]))]
    with pytest.raises(UnsupportedError, match="that are not numbers"):
        aligned("regression", label([1.0]), named, None)
    with pytest.raises(InvalidInputError, match="holds 'x', which is not a number"):
        aligned("regression", label(["1", "x"], untyped=True), named, None)
    with pytest.raises(InvalidInputError, match="is not finite in row 2"):
        aligned("regression", label([1.0, float("inf")]), named, None)


def test_a_label_has_values_of_one_type() -> None:
    gatherer = Gatherer("left", untyped=False)
    gatherer.add(pa.array([1]))
    gatherer.add(pa.array([0.5]))
    assert gatherer.done().numbers().tolist() == [1.0, 0.5]
    gatherer.add(pa.array(["x"]))
    with pytest.raises(InvalidInputError, match="several types: integer, number, text"):
        gatherer.done()


@pytest.mark.parametrize(
    "values", [[1.0, None], ["a", None], [1.0, float("nan")], [None, None], [True, None]]
)
def test_a_row_without_a_right_answer_is_refused(values: list[Any]) -> None:
    with pytest.raises(InvalidInputError, match="is null in"):
        label(values).require_filled()


def test_one_class_alone_measures_what_it_can() -> None:
    (side,), _ = classified(label([0, 0]), numbers([0, 0]))
    measured, why = figures(side, None)

    assert [(one.name, one.value) for one in measured] == [
        ("accuracy", 1.0), ("balanced_accuracy", 1.0),
    ]  # fmt: skip
    assert why["precision"] == "only one class is known, '0'"
    assert why["roc_auc"] == "it gives no probabilities"


def test_nothing_that_is_not_a_number_is_measured() -> None:
    chances = np.asarray([[0.9, 0.1], [0.8, 0.2]])
    (side,), _ = classified(label([0, 0]), numbers([0, 0], chances=chances, classes=(0, 1)))
    measured, why = figures(side, None)

    assert all(np.isfinite(one.value) for one in measured if one.value is not None)
    assert why == {
        "precision": "no row is answered with '1'",
        "recall": "the label has no '1'",
        "f1": "neither label nor answers have '1'",
        "roc_auc": "the label has one class alone, '0'",
        "average_precision": "the label has one class alone, '0'",
    }


def test_a_slice_without_a_class_says_which() -> None:
    truth = np.asarray([0, 1, 2] * 20 + [0, 1] * 20)
    chances = np.full((100, 3), 1 / 3)
    side = Classified(truth, truth, ("a", "b", "c"), None, chances, "")
    column = label(["x"] * 60 + ["y"] * 40)
    (first, other), left_out = slices(side, None, column, 20)

    assert (first.value, other.value, left_out) == ("x", "y", 0)
    assert first.unmeasured == {}
    assert other.unmeasured["roc_auc"] == "the label has no row of 'c'"


def test_the_largest_slices_are_kept() -> None:
    truth = np.asarray([0.0, 1.0] * 50)
    from holdfast.scoring.task_metrics import Regressed

    column = label([None] * 50 + [""] * 40 + ["c"] * 9 + ["d"])
    kept, left_out = slices(Regressed(truth, truth + 1), Regressed(truth, truth), column, 3)

    assert [(one.value, one.rows, bool(one.figures)) for one in kept] == [
        ("(null)", 50, True), ("(empty)", 40, True), ("c", 9, False),
    ]  # fmt: skip
    assert left_out == 1


def test_a_label_that_is_the_same_everywhere_has_no_r2() -> None:
    from holdfast.scoring.task_metrics import Regressed

    _, why = figures(Regressed(np.zeros(3), np.ones(3)), None)

    assert why == {
        "r2": "the label is the same in every row",
        "mape": "the label is 0 in 3 rows",
    }


def test_a_champion_alone_may_have_a_figure() -> None:
    chances = np.asarray([[0.9, 0.1], [0.2, 0.8]])
    sides, _ = classified(
        label([0, 1]), numbers([0, 1]), numbers([0, 1], chances=chances, classes=(0, 1))
    )
    measured, why = figures(*sides)
    auc = next(one for one in measured if one.name == "roc_auc")

    assert (auc.value, auc.champion, auc.change) == (None, 1.0, None)
    assert why["roc_auc"] == "it gives no probabilities"
