"""Brings label and answers to one scale: which task it is, and which classes there are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from holdfast.core import schema
from holdfast.core.evaluation import Task
from holdfast.core.manifest import Manifest
from holdfast.core.schema import Column
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.bootstrap import numpy
from holdfast.scoring.answers import MOST_CLASSES, Answers
from holdfast.scoring.comparison import Side
from holdfast.scoring.task_metrics import Classified, Regressed
from holdfast.scoring.truth import Gathered, is_number, shown

__all__ = ["AskedTask", "aligned", "task_of"]

AskedTask = Literal["auto", "classification", "regression"]
Named = tuple[str, Answers]
"""A ref and what that version answered."""

_BINARY: Final = 2
_MOST_CLASSES: Final = 1_000
_CUT: Final = 0.5


def task_of(
    asked: AskedTask, manifest: Manifest, answers: Answers, label: Gathered
) -> tuple[Task, str]:
    """Tell what kind of metrics are meant, and why.

    Raises:
        InvalidInputError: If nothing tells.
    """
    if asked != "auto":
        return asked, "it was asked for"
    if answers.estimator is not None:
        task: Task = "classification" if answers.estimator == "classifier" else "regression"
        return task, f"the model is a {answers.estimator}"
    if answers.chances is not None:
        return "classification", "the version gives probabilities"
    if answers.sort in ("text", "boolean"):
        return "classification", f"the answers are {answers.sort}"
    signature = schema.parse(manifest.output_schema, "output_schema")
    if signature is not None and _is_of_classes(signature.whole):
        return "classification", "the output schema says so"
    if label.sort in ("text", "boolean") or (label.sort == "untyped" and not _is_numeric(label)):
        return "classification", "the label is not a number"
    if _are_shares(answers, label):
        return "classification", "the answers lie within 0 and 1, and the label is 0 or 1"
    if not _whole(answers.values):
        return "regression", "the answers are not whole numbers"
    problem = "cannot be told: answers and label are whole numbers"
    raise InvalidInputError("task", problem, "give --task classification or --task regression")


def _is_of_classes(whole: Column) -> bool:
    return whole.enum is not None or whole.type in ("string", "boolean")


def _is_numeric(label: Gathered) -> bool:
    return all(is_number(value) for value in label.coded()[1])


def _whole(values: Any) -> bool:
    return bool((values == numpy().floor(values)).all())


def _are_shares(answers: Answers, label: Gathered) -> bool:
    """Tell whether answers are probabilities of the class 1, as boosters give them."""
    if answers.sort != "number" or answers.chances is not None or not _is_numeric(label):
        return False
    values = answers.values
    inside = bool((values >= 0).all() and (values <= 1).all())
    return (
        inside
        and not _whole(values)
        and {float(label_value) for label_value in label.coded()[1]} <= {0.0, 1.0}
    )


def aligned(
    task: Task, label: Gathered, sides: Sequence[Named], positive: str | None
) -> tuple[list[Side], tuple[str, ...]]:
    """Return both sides with truth and answers on one scale, and what one should know.

    Args:
        task: Which metrics are meant.
        label: The right answers.
        sides: The version, and the champion if there is one.
        positive: The class that precision and recall are of, as text; of two classes the last in
            order if it is not given.

    Raises:
        InvalidInputError: If label and answers cannot be compared.
        UnsupportedError: If a version answers with texts where numbers are due.
    """
    if task == "classification":
        return _classified(label, sides, positive)
    if positive is not None:
        raise InvalidInputError("--positive", "is for classification", "leave it out")
    truth = label.numbers()
    for ref, answers in sides:
        if answers.sort == "text":
            problem = f"has answers that are not numbers: {shown(*answers.texts)}"
            raise UnsupportedError(ref, problem, "give --task classification")
    return [Regressed(truth, answers.values) for _, answers in sides], ()


def _classified(
    label: Gathered, sides: Sequence[Named], positive: str | None
) -> tuple[list[Side], tuple[str, ...]]:
    np = numpy()
    remarks: list[str] = []
    read: list[Named] = []
    for ref, answers in sides:
        if _are_shares(answers, label):
            remarks.append(f"answers of {ref} are probabilities of the class 1, cut at {_CUT}")
            cut = (answers.values >= _CUT).astype("float64")
            shares = answers.values.reshape(-1, 1)
            answers = replace(answers, sort="integer", values=cut, chances=shares)  # noqa: PLW2901
        read.append((ref, answers))
    codes, values = _labels(label, read)
    for ref, answers in read:
        _check_same(label, values, ref, answers)
    universe = sorted({*values}.union(*(_known(answers) for _, answers in read)))
    if len(universe) > _MOST_CLASSES:
        problem = f"has {len(universe)} classes, more than {_MOST_CLASSES}"
        raise InvalidInputError(f"label {label.name!r}", problem, "give --task regression")
    names = tuple(_name(value) for value in universe)
    places = {value: at for at, value in enumerate(universe)}
    truth = np.asarray([places[value] for value in values], dtype="int64")[codes]
    positive_class = _positive(names, positive)
    made: list[Side] = []
    for ref, answers in read:
        unknown = [_name(value) for value in values if value not in _known(answers)]
        if unknown:
            remarks.append(f"{ref} never answers {shown(*unknown)}, which the label has")
        chances, why = _chances(answers, universe, places)
        answered = _coded(answers, places)
        made.append(Classified(truth, answered, names, positive_class, chances, why))
    return made, tuple(remarks)


def _labels(label: Gathered, sides: Sequence[Named]) -> tuple[Any, tuple[Any, ...]]:
    """Return the label's codes and values: texts, or numbers where the versions answer numbers."""
    numeric = label.sort in ("integer", "number", "boolean")
    if label.sort == "untyped":
        numeric = all(answers.sort != "text" for _, answers in sides)
    if not numeric:
        return label.coded()
    np = numpy()
    values, codes = np.unique(label.numbers(), return_inverse=True)
    return codes, tuple(values.tolist())


def _check_same(label: Gathered, values: tuple[Any, ...], ref: str, answers: Answers) -> None:
    """Refuse a label that no answer can ever equal, such as `"1"` for 1."""
    if {*values}.isdisjoint(_known(answers)):
        problem = (
            f"holds {shown(*values)}, but {ref} answers {shown(*sorted(_known(answers)))}, "
            "so no row could be right"
        )
        advice = "write the label as the version answers"
        raise InvalidInputError(f"label {label.name!r}", problem, advice)


def _known(answers: Answers) -> set[Any]:
    """Return what a version answered or could, texts or numbers."""
    known = {*answers.listed}
    if answers.classes is not None:
        known |= {*answers.classes}
    if answers.sort == "text":
        return {value for value in known if isinstance(value, str)}
    return {float(value) for value in known if not isinstance(value, str)}


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) or "(empty)"


def _positive(names: tuple[str, ...], asked: str | None) -> int | None:
    if asked is None:
        return 1 if len(names) == _BINARY else None
    if len(names) != _BINARY or asked not in names:
        problem = f"is not one of two classes: there are {shown(*names)}"
        raise InvalidInputError(f"--positive {asked!r}", problem, "name one of two")
    return names.index(asked)


def _coded(answers: Answers, places: dict[Any, int]) -> Any:
    np = numpy()
    if answers.sort == "text":
        table = np.asarray([places[text] for text in answers.texts], dtype="int64")
        return table[answers.values.astype("int64")]
    values, codes = np.unique(answers.values, return_inverse=True)
    return np.asarray([places[value] for value in values.tolist()], dtype="int64")[codes]


def _chances(answers: Answers, universe: list[Any], places: dict[Any, int]) -> tuple[Any, str]:
    """Return probabilities by class of the universe, and why there are none."""
    np = numpy()
    chances = answers.chances
    if chances is None:
        return None, answers.no_chances
    if len(universe) > 2 * MOST_CLASSES:
        return None, f"{len(universe)} classes are too many for probabilities of each"
    width = chances.shape[1]
    classes = answers.classes
    if classes is None or width == 1:
        if width == 1 and len(universe) == _BINARY:
            chances, classes = np.column_stack([1 - chances, chances]), tuple(universe)
        elif width == len(universe):
            classes = tuple(universe)
        else:
            return None, "it does not say which classes its probabilities are of"
    made = np.full((len(chances), len(universe)), np.nan)
    for at, value in enumerate(classes):
        key = value if isinstance(value, str) else float(value)
        if key not in places:
            return None, "its probabilities are of other classes than its answers"
        made[:, places[key]] = chances[:, at]
    return made, ""
