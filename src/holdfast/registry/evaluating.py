"""Evaluation as a verb: a version and the champion scored on one file, measured, recorded."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from holdfast import scratch
from holdfast.core import commands, events, names
from holdfast.core.drift import drift_reference
from holdfast.core.evaluation import (
    LONGEST_TEXT,
    MOST_SLICES,
    Evaluation,
    EvaluationResult,
    MeasuredChampion,
    Slice,
)
from holdfast.core.events import AnyEvent
from holdfast.core.manifest import Manifest
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.datasets import data_source
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError, RefusedError
from holdfast.registry import loading, losses, scored_versions
from holdfast.registry.commits import commit_on_version
from holdfast.registry.drift_verbs import Drifts
from holdfast.registry.losses import Measured
from holdfast.registry.scored_versions import Rows, Scored
from holdfast.registry.session import CommitOptions, Session
from holdfast.sandbox import Mode
from holdfast.scoring import comparison, resampling
from holdfast.scoring.alignment import AskedTask
from holdfast.scoring.data_file import DataFile
from holdfast.scoring.task_metrics import sklearn_version

__all__ = ["Measurement", "Unrecorded", "evaluate", "made", "record"]

_SHOWN_SLICES: Final = 20


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is to be evaluated, and how.

    Attributes:
        data: A file of rows, `.parquet`, `.csv` or `.jsonl`.
        label: Its column with the right answers.
        name: What a gate asks for the evaluation by; the file's stem if not given.
        slice_by: A column whose values are measured apart.
        task: Which metrics.
        positive: The class that precision and recall are of, as text.
        alone: Whether the champion is left out.
        sandbox: Whether versions run under restraint; `require` fails where it is not whole.
        time_limit_s: For each version; by its size and the rows if not given.
        most_slices: How many slices are kept, the largest.
    """

    data: Path
    label: str
    name: str | None = None
    slice_by: str | None = None
    task: AskedTask = "auto"
    positive: str | None = None
    alone: bool = False
    sandbox: Mode = "auto"
    time_limit_s: float | None = None
    most_slices: int = _SHOWN_SLICES


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An evaluation that is not recorded yet.

    Attributes:
        ref: The version, exactly.
        own: Its losses.
        beside: The champion's, None without one.
        evaluation: Without the champion's losses, which are stored when it is recorded.
        why: What tells the task.
    """

    ref: str
    own: Measured
    beside: Measured | None
    evaluation: Evaluation
    why: str


Recorder = Callable[[Unrecorded, CommitOptions], Moved]


def evaluate(
    session: Session, ref: str, asked: Measurement, options: CommitOptions, keep: Recorder
) -> EvaluationResult:
    """Score a version and the champion on one file, and record what was measured.

    Args:
        keep: Records it; here or on a server.

    Raises:
        InvalidInputError: If the file, a column or an option is unfit, before any model runs
            where that can be told.
        RefusedError: If the version was trained on this very file.
        UnsupportedError: If a version fails; nothing is recorded.
        MissingLibraryError: If pyarrow, numpy or scikit-learn is not installed.
    """
    done = made(session, ref, asked)
    moved = keep(done, options)
    version = done.ref.rpartition("@")[2]
    return EvaluationResult(
        model=moved.model,
        version=version,
        evaluation=done.evaluation,
        why=done.why,
        note=moved.note,
        head=moved.head,
    )


def made(session: Session, ref: str, asked: Measurement) -> Unrecorded:
    """Score and measure, and record nothing."""
    _check(asked)
    sklearn_version()  # before anything is read, if it is not installed
    state, record = session.find(ref)
    commands.require_bytes(state, record)
    with ExitStack() as stack:
        file = stack.enter_context(DataFile(asked.data))
        name = _name(asked, file)
        digests = (file.digest, data_source.rows_of(asked.data))
        remarks = _refuse_training_data(session, state, record, digests, asked)
        versions = [loading.fetch(session, f"{state.model}@{record.version}")]
        champion = _champion(state, record, asked)
        if champion is not None:
            versions.append(loading.fetch(session, f"{state.model}@{champion.version}"))
        folder = stack.enter_context(scratch.folder(session.scratch()))
        rows = scored_versions.prepared(file, versions, asked.label, asked.slice_by, folder)
        trials = scored_versions.trials_of(asked.sandbox)
        scored = scored_versions.score(
            versions, rows, trials, asked.task, asked.positive, asked.time_limit_s
        )
    evaluation = replace(
        _evaluation(asked, rows, scored),
        name=name,
        data=file.digest,
        data_rows=digests[1],
        champion=None if champion is None else MeasuredChampion(champion.version),
        restrained=trials is not None,
        remarks=tuple(remark[:LONGEST_TEXT] for remark in (*remarks, *scored.remarks)),
    )
    losses_of = [Measured(file.digest, losses_of_one) for losses_of_one in scored.losses]
    beside = losses_of[1] if champion is not None else None
    return Unrecorded(versions[0].ref, losses_of[0], beside, evaluation, scored.why)


def _evaluation(asked: Measurement, rows: Rows, scored: Scored) -> Evaluation:
    """Measure what was answered; by what name, on which bytes and beside whom comes after."""
    sides = (scored.sides[0], scored.sides[1] if len(scored.sides) > 1 else None)
    figures, unmeasured = comparison.figures(*sides)
    measured_slices: tuple[Slice, ...] = ()
    left_out = 0
    if rows.by is not None:
        measured_slices, left_out = comparison.slices(*sides, rows.by, asked.most_slices)
    return Evaluation(
        name="",
        data="",
        label=asked.label,
        rows=rows.count,
        task=scored.task,
        tool=f"scikit-learn {sklearn_version()}",
        positive=_positive(sides[0]),
        figures=figures,
        unmeasured=unmeasured,
        slice_by=asked.slice_by,
        slices=measured_slices,
        slices_left_out=left_out,
        seed=resampling.SEED,
    )


def _check(asked: Measurement) -> None:
    if not 0 < asked.most_slices <= MOST_SLICES:
        problem = f"must be 1 to {MOST_SLICES}, not {asked.most_slices}"
        raise InvalidInputError("number of slices", problem)
    if asked.time_limit_s is not None and not 0 < asked.time_limit_s < float("inf"):
        raise InvalidInputError("time limit", f"must be above 0, not {asked.time_limit_s}")
    if asked.task not in ("auto", "classification", "regression"):
        advice = "give auto, classification or regression"
        raise InvalidInputError(f"task {asked.task!r}", "is unknown", advice)


def _name(asked: Measurement, file: DataFile) -> str:
    name = file.stem if asked.name is None else asked.name
    if not names.is_key(name):
        raise InvalidInputError(f"name {name!r}", "is not a valid name", "give another by --name")
    return name


def _champion(state: State, record: Record, asked: Measurement) -> Record | None:
    if asked.alone or state.production in (None, record.version):
        return None
    return state.versions[state.production or ""]


def _refuse_training_data(
    session: Session,
    state: State,
    record: Record,
    digests: tuple[str, str | None],
    asked: Measurement,
) -> list[str]:
    """Refuse rows that the version was trained on, and remark them where the champion was.

    Figures on them say nothing about rows that are new, and a gate would take them for that.

    Args:
        digests: Of the file's bytes, and of its rows, which are the same in another kind of file.
    """
    known = _known_of(session, session.manifest(record), digests)
    if known is not None:
        reason = f"it was trained on {known}"
        advice = "give rows that it has not seen"
        raise RefusedError(f"{state.model}@{record.version}", "evaluation", [reason], advice)
    champion = _champion(state, record, asked)
    if champion is not None and _known_of(session, session.manifest(champion), digests):
        return [f"the champion {champion.version} was trained on this very file, which favours it"]
    return []


def _known_of(session: Session, manifest: Manifest, digests: tuple[str, str | None]) -> str | None:
    """Say how a version knows a file as its training data; None if it does not."""
    digest, rows = digests
    if _knows(session, manifest, digest):
        return f"this very file (sha256:{digest[:12]}…)"
    if rows is not None and rows.lower() in _texts(manifest):
        return f"these very rows ({rows[:19]}…)"
    return None


def _texts(manifest: Manifest) -> str:
    return repr((manifest.training_data, manifest.lineage, manifest.metadata)).lower()


def _knows(session: Session, manifest: Manifest, digest: str) -> bool:
    """Tell whether a version names a digest as its training data's, or its reference is of it."""
    texts = _texts(manifest)
    if digest in texts or drift_reference.ROLE not in manifest.artifacts:
        return digest in texts
    try:
        reference = Drifts(session).reference(f"{manifest.name}@{manifest.version}")
    except (DamagedError, NotFoundError):  # what is wrong with it, `verify` and `drift` say
        return False
    return reference.reference.source == digest


def _positive(side: Any) -> str | None:
    positive = getattr(side, "positive", None)
    return None if positive is None else side.classes[positive][:LONGEST_TEXT]


def record(session: Session, done: Unrecorded, options: CommitOptions) -> Moved:
    """Write what was measured as one entry, its losses before it."""
    own, beside = done.own, done.beside

    def decide(state: State, now: Record) -> AnyEvent:
        evaluation = done.evaluation
        if evaluation.champion is not None and evaluation.champion.version not in state.versions:
            name = f"{state.model}@{evaluation.champion.version}"
            raise InvalidInputError(f"champion {name}", "does not exist", "measure it again")
        if evaluation.champion is not None and beside is not None:
            champion = replace(evaluation.champion, losses=losses.stored(session, beside))
            evaluation = replace(evaluation, champion=champion)
        stored_losses = losses.stored(session, own)
        return commands.evaluate(
            now, evaluation.metrics, evaluation.name, stored_losses, evaluation
        )

    moved = commit_on_version(session, done.ref, decide, events.Evaluated, options)
    for measured in (own, beside):
        if measured is not None:
            losses.ensure(session, measured)
    return moved
