"""Versions scored on the rows of a file: `score` gives predictions and losses of each.

The file is read once, here. A version sees its own columns alone, in a copy without the right
answers, and answers in a child under restraint; nothing of it comes to this process but numbers.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from holdfast.core.evaluation import MOST_ROWS, Task
from holdfast.core.schema import ANY
from holdfast.errors import InvalidInputError, StoreError, UnsupportedError
from holdfast.registry import trial_runs
from holdfast.registry.loading import Fetched
from holdfast.registry.round_trip import NURSERIES
from holdfast.sandbox import Mode, Trial, TrialOutcome, Trials, chosen
from holdfast.scoring import alignment, answers, comparison, features
from holdfast.scoring.alignment import AskedTask
from holdfast.scoring.answers import Answers, Collector
from holdfast.scoring.comparison import Side
from holdfast.scoring.data_file import DataFile, Kind, pyarrow
from holdfast.scoring.features import Taken
from holdfast.scoring.truth import Gathered, Gatherer

__all__ = ["Rows", "Scored", "answers_of", "prepared", "score", "trials_of", "work"]

_WORK: Final = "holdfast.registry.scored_versions:work"
_S_A_ROW: Final = 0.001
_BYTES_A_ROW: Final = 1_000


@dataclass(frozen=True, slots=True)
class Rows:
    """What is left of a file: features on disk, in a copy without the label, and the rest here.

    Attributes:
        path: The copy, as an Arrow stream.
        count: How many rows.
        taken: What each version takes of it, by ref.
        label: The right answers.
        by: The column of the slices.
    """

    path: Path
    count: int
    taken: Mapping[str, Taken]
    label: Gathered
    by: Gathered | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Versions scored on the same rows.

    Attributes:
        task: Which metrics are meant.
        why: What tells the task.
        answers: Of each version, in the order they were given in.
        sides: The same, held against the right answers.
        losses: Of each row, as they are stored, by metric; of each version.
        remarks: What one should know of them.
    """

    task: Task
    why: str
    answers: tuple[Answers, ...]
    sides: tuple[Side, ...]
    losses: tuple[dict[str, bytes], ...]
    remarks: tuple[str, ...]


def prepared(
    file: DataFile, versions: Sequence[Fetched], label: str, by: str | None, folder: Path
) -> Rows:
    """Read a file once: check it, copy what versions take, keep the right answers.

    Args:
        file: Open; it is hashed again afterwards.
        versions: What will be scored on it.
        label: The column with the right answers.
        by: The column that slices are made of, None for none.
        folder: Where the copy may be put; nobody else's.

    Raises:
        InvalidInputError: If a column is missing or unfit, a value is null where a version admits
            none, a row has no right answer, there are no rows or too many, or the file changed.
    """
    taken = {
        version.ref: features.taken(version.ref, version.manifest, file, label, by)
        for version in versions
    }
    file.require(label, "raw", "which --label names")
    if by is not None:
        file.require(by, "raw", "which --slice names")
    columns = _joined(file.subject, taken)
    extra: dict[str, Kind] = {name: "raw" for name in (label, by) if name is not None}
    truth = Gatherer(label, untyped=file.untyped)
    slicing = None if by is None else Gatherer(by, untyped=file.untyped)
    count = 0
    with _Copy(folder / "rows.arrow", file.subject) as copy:
        for batch in file.batches(extra | columns):
            _check_nulls(file.subject, batch, versions, count)
            for ref, takes in taken.items():
                features.check_whole(file.subject, batch, takes, ref, count)
            count += batch.num_rows
            if count > MOST_ROWS:
                problem = f"has more than {MOST_ROWS:,} rows"
                raise InvalidInputError(file.subject, problem, "take a sample of them")
            truth.add(batch.column(label))
            if slicing is not None:
                slicing.add(batch.column(by))
            copy.add(batch.select(list(columns)))
    file.require_unchanged()
    if not count:
        raise InvalidInputError(file.subject, "has no rows", "give rows with right answers")
    gathered = truth.done()
    gathered.require_filled()
    return Rows(copy.path, count, taken, gathered, slicing.done() if slicing else None)


def _joined(subject: str, taken: Mapping[str, Taken]) -> dict[str, Kind]:
    """Join what versions take; numbers of all kinds are read as one where they differ."""
    columns: dict[str, Kind] = {}
    for ref, takes in taken.items():
        for name, kind in takes.columns.items():
            known = columns.setdefault(name, kind)
            if kind in (known, "any"):
                continue
            numeric = {known, kind} <= {"number", "integer", "boolean"}
            if not numeric and known != "any":
                problem = f"has the column {name!r}, which is {kind} for {ref}, but {known} before"
                raise InvalidInputError(subject, problem, "score the version alone")
            columns[name] = "number" if numeric else kind
    return columns


def _check_nulls(subject: str, batch: Any, versions: Sequence[Fetched], before: int) -> None:
    """Refuse a null where a version's schema admits none, as a server refuses the row."""
    for version in versions:
        for column in features.named(version.manifest).values():
            admits = column.nullable or column.type == ANY or "null" in column.type
            if admits or column.name not in batch.schema.names:
                continue
            values = batch.column(column.name)
            if values.null_count:
                row = before + values.is_null().to_pylist().index(True) + 1
                problem = (
                    f"has null in row {row} of {column.name!r}, which {version.ref} does not admit"
                )
                raise InvalidInputError(subject, problem, "fill it in, or leave out the row")


def trials_of(mode: Mode) -> Trials | None:
    """Return where versions run apart, in a process that is begun once for all scoring.

    Raises:
        UnsupportedError: If restraint is required, and something of it is missing.
    """
    return None if chosen(mode) is None else NURSERIES.trials()


class _Copy:
    """The features of a file, written part by part."""

    def __init__(self, path: Path, subject: str) -> None:
        self.path = path
        self._subject = subject
        self._writer: Any = None
        self._schema: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, batch: Any) -> None:
        """Write the next part, with the types of the first."""
        pa = pyarrow()
        if self._writer is None:
            self._schema = batch.schema
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(str(self.path), self._schema, options=options)
        try:
            self._writer.write_batch(batch.cast(self._schema))
        except pa.ArrowException as error:
            problem = f"changes the type of a column on the way: {error}"[:300]
            raise InvalidInputError(self._subject, problem, "write it alike in all rows") from error
        except OSError as error:
            problem = f"cannot hold a copy of the rows: {error.strerror or error}"
            raise StoreError(
                str(self.path.parent), problem, "set TMPDIR to a larger disk"
            ) from error


def score(
    versions: Sequence[Fetched],
    rows: Rows,
    trials: Trials | None,
    asked: AskedTask = "auto",
    positive: str | None = None,
    time_limit_s: float | None = None,
) -> Scored:
    """Have versions answer the same rows, and hold them against the right answers.

    Args:
        versions: One, or a version and the champion; their bytes are verified. One that is not
            registered yet will do: only its manifest and paths are used.
        rows: What `prepared` made of a file for these versions.
        trials: Where they run; None on systems without restraint, where they run here.
        asked: Which metrics are meant; `auto` tells it from the first version.
        positive: The class that precision and recall are of.
        time_limit_s: For each version; the least that its size and the rows allow by default.

    Raises:
        UnsupportedError: If one cannot be loaded, fails on the rows, ends its process, takes too
            long or too much memory, or does not give one answer for each row.
        InvalidInputError: If label and answers cannot be compared.
    """
    named = [(one.ref, answers_of(one, rows, trials, time_limit_s)) for one in versions]
    task, why = alignment.task_of(asked, versions[0].manifest, named[0][1], rows.label)
    sides, remarks = alignment.aligned(task, rows.label, named, positive)
    told = [taken.remark for taken in rows.taken.values() if taken.remark is not None]
    losses = tuple(comparison.kept_losses(side) for side in sides)
    answered = tuple(one for _, one in named)
    return Scored(task, why, answered, tuple(sides), losses, (*told, *remarks))


def answers_of(
    fetched: Fetched, rows: Rows, trials: Trials | None, time_limit_s: float | None = None
) -> Answers:
    """Have one version answer rows that were prepared for it.

    Raises:
        UnsupportedError: As `score` does.
    """
    names = list(rows.taken[fetched.ref].columns)
    by = None if rows.by is None else rows.by.name
    trial = _trial(fetched, rows, {"rows": str(rows.path.resolve()), "names": names, "by": by})
    if time_limit_s is not None:
        trial = replace(trial, limits=replace(trial.limits, time_s=time_limit_s))
    outcome = _here(trial) if trials is None else trials.run(trial)
    if outcome.problem is not None:
        problem = f"failed on these rows: {outcome.problem}"
        raise UnsupportedError(fetched.ref, problem, "nothing was recorded")
    return answers.received(fetched.ref, outcome.result, rows.count)


def _trial(fetched: Fetched, rows: Rows, further: dict[str, Any]) -> Trial:
    trial = trial_runs.trial(_WORK, fetched, answers.most_bytes(rows.count), **further)
    limits = replace(
        trial.limits,
        time_s=trial.limits.time_s + rows.count * _S_A_ROW,
        memory_bytes=trial.limits.memory_bytes + rows.count * _BYTES_A_ROW,
    )
    files, modules = [*trial.files, rows.path.resolve()], [*trial.modules, "pyarrow"]
    return replace(trial, files=files, modules=modules, limits=limits)


def _here(trial: Trial) -> TrialOutcome:
    try:
        return TrialOutcome(None, work(trial.argument))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a model raises anything
        return TrialOutcome(f"{type(error).__name__}: {error}"[:300])


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Load a version and have it answer rows part by part; in the child."""
    pair = trial_runs.pair(argument)
    columns = features.named(pair.manifest)
    names: list[str] = argument["names"]
    first = pair.model if pair.preprocessor is None else pair.preprocessor
    whole = features.whole_of(pair.manifest)
    feed = features.feeder(first, columns, names, argument["by"], whole)
    chances = getattr(pair.model, "predict_proba", None)
    collector = Collector(pair.answer, chances if callable(chances) else None)
    for batch in _parts(argument["rows"]):
        collector.add(pair.preprocess(feed(batch.select(names))), batch.num_rows)
    return collector.sent(_classes(pair)) | {"estimator": _estimator(pair.model)}


def _parts(path: str) -> Iterator[Any]:
    pa = pyarrow()
    with pa.OSFile(path) as file, pa.ipc.open_stream(file) as stream:
        yield from stream


def _classes(pair: Any) -> list[Any] | None:
    """Name what the probabilities are of, in the words of the answers."""
    classes = getattr(pair.model, "classes_", None)
    if classes is None or pair.postprocessor is None:
        return None if classes is None else list(classes)
    decode = getattr(pair.postprocessor, "inverse_transform", None)
    return list(decode(classes)) if callable(decode) else None


def _estimator(model: object) -> str | None:
    """Say what scikit-learn says that a model is; models of other libraries may know as well."""
    base = sys.modules.get("sklearn.base")
    if base is None:
        return None
    try:
        if base.is_classifier(model):
            return "classifier"
        return "regressor" if base.is_regressor(model) else None
    except Exception:  # noqa: BLE001 - whatever it does when asked for its tags
        return None
