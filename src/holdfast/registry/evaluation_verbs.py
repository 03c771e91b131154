"""The verb `evaluate`: figures that were measured elsewhere and are told, or measured here."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from holdfast.errors import InvalidInputError
from holdfast.registry.reader import Reader, Reference
from holdfast.registry.session import CommitOptions

if TYPE_CHECKING:
    from holdfast.core.evaluation import EvaluationResult
    from holdfast.core.views import Moved
    from holdfast.registry.evaluating import Unrecorded
    from holdfast.registry.losses import Measured
    from holdfast.sandbox import Mode
    from holdfast.scoring.alignment import AskedTask

_TOLD = frozenset(("dataset", "losses", "evaluation_set"))


class MeasuringOptions(TypedDict, total=False):
    """How a version is measured.

    Attributes:
        name: What a gate asks for it by; the file's name without folder and ending if left out.
        slice: A column whose values are measured apart.
        task: `auto` tells it from the model, its schema and the label.
        positive: The class that precision, recall and the like are of; the last in order of two.
        alone: Leave out the champion.
        sandbox: Run the models under restraint: `auto`, `require` or `off`.
        time_limit_s: For each version; by its size and the rows if left out.
        most_slices: How many slices are kept, those with the most rows.
    """

    name: str | None
    slice: str | None
    task: AskedTask
    positive: str | None
    alone: bool
    sandbox: Mode
    time_limit_s: float | None
    most_slices: int


class EvaluationVerbs(Reader):
    """What records figures of a version."""

    @overload
    def evaluate(
        self,
        ref: Reference,
        metrics: Mapping[str, object] = ...,
        *,
        dataset: str | None = ...,
        losses: Mapping[str, object] = ...,
        evaluation_set: str | PathLike[str] | None = ...,
        reason: str | None = ...,
    ) -> Moved: ...

    @overload
    def evaluate(
        self,
        ref: Reference,
        *,
        data: str | PathLike[str],
        label: str,
        reason: str | None = ...,
        **options: Unpack[MeasuringOptions],
    ) -> EvaluationResult: ...

    def evaluate(
        self,
        ref: Reference,
        metrics: Mapping[str, object] = {},
        *,
        reason: str | None = None,
        **options: Any,
    ) -> Moved | EvaluationResult:
        """Measure a version on a file of rows, beside the champion; or record told metrics.

        With *data* the version and the champion answer the same rows, under restraint, and what
        comes of it is one entry: figures with intervals, losses, the file's digest. With *metrics*
        it is what somebody measured elsewhere; a gate that demands an evaluation takes no such
        figures for one. Either way gate and comparison use the latest.

        To measure, give *data*, a file (`.parquet`, `.csv`, `.jsonl`) whose columns are taken by
        name, *label*, its column with the right answers, which no version sees, and what
        `MeasuringOptions` has. Of what is told, *dataset* names what it was measured on; *losses*
        are one value a row by metric (a list, an array, a `.csv` or `.npy` file), which are kept,
        their means being metrics, and paired with the champion's by the gate; *evaluation_set* is
        what they are of, row by row: its file, or `sha256:…`.

        Raises:
            InvalidInputError: If there are no metrics, one is not the mean of its losses, or the
                file or a column of it is unfit.
            RefusedError: If the version was trained on this very file.
            UnsupportedError: If a version fails on the rows; nothing is recorded.
        """
        if "data" not in options and "label" not in options:
            return self._tell(str(ref), metrics, CommitOptions(reason), options)
        from holdfast.registry import evaluating

        if metrics or options.keys() & _TOLD:
            problem = "are given beside data, from which figures are measured"
            raise InvalidInputError("told figures", problem, "record them by a call of their own")
        _check(options, {"data", "label", *MeasuringOptions.__annotations__})
        for needed in ("data", "label"):
            if options.get(needed) is None:
                advice = "give data and label to measure, or metrics to record"
                raise InvalidInputError(needed, "is missing", advice)
        asked = {name: value for name, value in options.items() if value is not None}
        asked["data"] = Path(asked["data"])
        if "slice" in asked:
            asked["slice_by"] = asked.pop("slice")
        return evaluating.evaluate(
            self._session,
            str(ref),
            evaluating.Measurement(**asked),
            CommitOptions(reason),
            self._record_evaluation,
        )

    def _tell(
        self,
        ref: str,
        metrics: Mapping[str, object],
        commit: CommitOptions,
        options: Mapping[str, Any],
    ) -> Moved:
        from holdfast.registry import losses as measuring

        _check(options, _TOLD)
        measured = measuring.read(options.get("losses", {}), options.get("evaluation_set"))
        return self._evaluate(ref, metrics, options.get("dataset"), measured, commit)

    def _evaluate(
        self,
        ref: str,
        metrics: Mapping[str, object],
        dataset: str | None,
        measured: Measured | None,
        options: CommitOptions,
    ) -> Moved:
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.evaluate(self._session, ref, metrics, dataset, measured, options)

    def _record_evaluation(self, made: Unrecorded, options: CommitOptions) -> Moved:
        from holdfast.registry import evaluating

        return evaluating.record(self._session, made, options)


def _check(options: Mapping[str, Any], known: set[str] | frozenset[str]) -> None:
    for name in options:
        if name not in known:
            message = f"evaluate() got an unexpected keyword argument {name!r}"
            raise TypeError(message)
