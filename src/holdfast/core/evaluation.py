"""Evaluations that Holdfast measured itself: a version, and the champion beside it, on one file.

Figures that somebody tells are metrics alone. What stands here was computed by the one who wrote
the entry, from answers to rows whose digest is kept; a reader takes that author's word for it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from holdfast.core import names, paired
from holdfast.core.manifest import is_digest
from holdfast.core.metrics import direction_of
from holdfast.core.paired import Losses
from holdfast.errors import InvalidInputError

Task = Literal["classification", "regression"]

MOST_ROWS: Final = 5_000_000
"""Of a file that a version is scored on."""
MOST_SLICES: Final = 50
MOST_FIGURES: Final = 50
LONGEST_TEXT: Final = 300
"""Signs of a slice's value, a remark or a reason."""


class Figure(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One metric of the version and of the champion beside it.

    Attributes:
        value: Of the version; `None` where only the champion's could be measured.
        low: Lower end of the bootstrapped 95 % interval of *value*, `None` without one.
        high: Its upper end.
        champion: The champion's value on the same rows.
        change: `value` less `champion`.
        change_low: Lower end of the interval of *change*, the rows of both drawn in pairs.
        change_high: Its upper end.
        resamples: How many the intervals come from.
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    champion: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    resamples: int = 0

    @property
    def verdict(self) -> Literal["better", "worse", "unclear"] | None:
        """What the change means beyond chance; `None` where nothing is compared.

        `unclear` where its interval covers 0, or nobody knows which way is better.
        """
        if self.change is None:
            return None
        low, high, direction = self.change_low, self.change_high, direction_of(self.name)
        if low is None or high is None or direction is None or low <= 0 <= high:
            return "unclear"
        return "better" if (low > 0) == (direction == "higher") else "worse"


class Slice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The rows that share one value of a column.

    Attributes:
        value: As text.
        figures: Empty where they are too few to measure.
        unmeasured: By metric, why it has no value here.
    """

    value: str
    rows: int
    figures: tuple[Figure, ...] = ()
    unmeasured: dict[str, str] = {}


class MeasuredChampion(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The version that was live and was scored on the same rows; its losses are kept as well."""

    version: str
    losses: tuple[Losses, ...] = ()


class Evaluation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was measured, on what, and how.

    Attributes:
        name: What the gate asks for it by.
        data: SHA-256 of the file that was read.
        label: Its column with the right answers.
        rows: How many it has.
        task: What kind of metrics they are.
        tool: Who computed them: scikit-learn's version.
        positive: The class that precision, recall and the like are of, as text.
        figures: Of all rows.
        unmeasured: By metric, why it has no value: nothing that is not a number is recorded.
        champion: `None` where none was live, or the version was measured alone.
        slice_by: Column that slices are made of.
        slices: Those measured, the largest first; only the entry has them, no fold keeps them.
        slices_left_out: How many others there are.
        seed: Of the bootstrap.
        restrained: Whether the models ran in a sandbox.
        remarks: What one should know before trusting the figures.
        data_rows: Digest of the file's rows, whatever file they are in; `None` if it has none.
    """

    name: str
    data: str
    label: str
    rows: int
    task: Task
    tool: str
    positive: str | None = None
    figures: tuple[Figure, ...] = ()
    unmeasured: dict[str, str] = {}
    champion: MeasuredChampion | None = None
    slice_by: str | None = None
    slices: tuple[Slice, ...] = ()
    slices_left_out: int = 0
    seed: int = 0
    restrained: bool = False
    remarks: tuple[str, ...] = ()
    data_rows: str | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The version's values by metric."""
        return {figure.name: figure.value for figure in self.figures if figure.value is not None}

    @property
    def champion_metrics(self) -> dict[str, float]:
        """The champion's values by metric."""
        return {
            figure.name: figure.champion for figure in self.figures if figure.champion is not None
        }


class PastEvaluation(Struct, frozen=True, omit_defaults=True):
    """What a version's record keeps of an evaluation, whichever side of it the version was.

    Attributes:
        by: Who measured it.
        seq: The entry that has all of it.
        beside: The version on the other side.
    """

    name: str
    data: str
    label: str
    rows: int
    task: Task
    metrics: dict[str, float]
    by: str
    at: str
    seq: int
    beside: str | None = None

    @property
    def sentence(self) -> str:
        """Say what it was measured on, and by whom."""
        return f"{self.name}: measured on {self.rows} rows (data {self.data[:12]}) by {self.by}"


class EvaluationResult(Struct, frozen=True):
    """The outcome of an evaluation.

    Attributes:
        why: What tells the task.
        note: What was recorded, in a few words.
        head: The journal's last entry after it, `42:9d1f…`, to be kept elsewhere and pinned.
    """

    model: str
    version: str
    evaluation: Evaluation
    why: str
    note: str
    head: str | None = None

    @property
    def ref(self) -> str:
        """The exact ref of the version."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        """Return the exact ref."""
        return self.ref


def check(
    evaluation: Evaluation, version: str, metrics: Mapping[str, float], losses: paired.Each
) -> Evaluation:
    """Return *evaluation* if it can be what it says, and agrees with what is recorded beside it.

    Raises:
        InvalidInputError: If a name, digest or number in it is invalid, or it disagrees.
    """
    subject = f"evaluation {evaluation.name!r}"
    _check_texts(subject, evaluation)
    if not is_digest(evaluation.data) or evaluation.rows < 1:
        raise InvalidInputError(subject, "has no digest of its data or no rows", "measure it again")
    for figures in (evaluation.figures, *(part.figures for part in evaluation.slices)):
        _check_figures(subject, figures)
    if evaluation.metrics != dict(metrics):
        raise InvalidInputError(subject, "has other figures than the metrics", "give them once")
    champion = evaluation.champion
    if champion is None:
        if evaluation.champion_metrics:
            raise InvalidInputError(subject, "has figures of a champion that it does not name")
        champion_losses: tuple[Losses, ...] = ()
    else:
        if champion.version == version:
            raise InvalidInputError(
                subject, "has the version itself as its champion", "name the champion"
            )
        champion_losses = paired.check(champion.losses, evaluation.champion_metrics)
    for series in (*losses, *champion_losses):
        if (series.on, series.rows) != (evaluation.data, evaluation.rows):
            raise InvalidInputError(subject, "has losses of other data", "measure it again")
    return evaluation


def _check_texts(subject: str, evaluation: Evaluation) -> None:
    if not names.is_key(evaluation.name):
        raise InvalidInputError(subject, "is not a valid name", "use printable characters")
    texts = [evaluation.label, evaluation.tool, *evaluation.remarks, evaluation.positive or "–"]
    texts += [text for pair in evaluation.unmeasured.items() for text in pair]
    for part in evaluation.slices:
        texts += [part.value or "–", *(text for pair in part.unmeasured.items() for text in pair)]
    if not all(0 < len(text) <= LONGEST_TEXT for text in texts):
        problem = f"has an empty text, or one of more than {LONGEST_TEXT} signs"
        raise InvalidInputError(subject, problem, "shorten it")
    if len(evaluation.slices) > MOST_SLICES:
        problem = f"has {len(evaluation.slices)} slices, more than {MOST_SLICES}"
        raise InvalidInputError(subject, problem, "keep the largest")


def _check_figures(subject: str, figures: Sequence[Figure]) -> None:
    if len({figure.name for figure in figures}) != len(figures) or len(figures) > MOST_FIGURES:
        raise InvalidInputError(subject, "has a figure twice, or too many", "give each once")
    for figure in figures:
        numbers = (
            figure.value, figure.low, figure.high, figure.champion, figure.change,
            figure.change_low, figure.change_high,
        )  # fmt: skip
        if not names.is_key(figure.name) or not all(map(_is_finite, numbers)):
            problem = f"has a figure {figure.name!r} without a name, or that is not finite"
            raise InvalidInputError(subject, problem, "leave out what was not measured")


def _is_finite(number: float | None) -> bool:
    return number is None or math.isfinite(number)


def origins(metrics: Mapping[str, float], known: Iterable[PastEvaluation]) -> dict[str, str]:
    """Say of each metric where it comes from: `measured (june)`, or that somebody told it."""
    sources = dict.fromkeys(metrics, "told")
    for past in known:
        for name, value in past.metrics.items():
            if metrics.get(name) == value:
                sources[name] = f"measured ({past.name})"
    return sources


def beside(a: Iterable[PastEvaluation], b: Iterable[PastEvaluation]) -> tuple[str, ...]:
    """Say of each evaluation of two versions whether it was of the same data."""
    first, other = ({past.name: past for past in side} for side in (a, b))
    lines = []
    for name in sorted(first.keys() | other.keys()):
        mine, theirs = first.get(name), other.get(name)
        if mine is None or theirs is None:
            lines.append(f"{name}: measured of one side alone")
        elif mine.data != theirs.data:
            lines.append(f"{name}: measured on different data")
        else:
            lines.append(f"{name}: measured on the same {mine.rows} rows")
    return tuple(lines)


def merged(known: Iterable[PastEvaluation], new: PastEvaluation) -> tuple[PastEvaluation, ...]:
    """Return what is known once *new* is measured: the last of each name, in order."""
    return (*(past for past in known if past.name != new.name), new)


def named(known: Iterable[PastEvaluation], name: str) -> PastEvaluation | None:
    """Return the evaluation of that name."""
    return next((past for past in known if past.name == name), None)
