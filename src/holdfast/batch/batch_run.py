"""One batch: rows of files answered by one version, part by part, and a record of it."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.batch import bucket_output, input_columns, input_files, version_loading
from holdfast.batch.batch_drift import BatchTally
from holdfast.batch.bucket_output import Output
from holdfast.batch.chunk_scoring import ERROR, PREDICTION, ChunkScorer, declared
from holdfast.batch.input_columns import InputColumns, TableColumns
from holdfast.batch.input_files import InputFiles
from holdfast.batch.output_file import ROW, Replacing
from holdfast.batch.version_loading import ReadyVersion
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.formats.bootstrap import numpy
from holdfast.predictions import BatchRecord, Log, ids
from holdfast.predictions.export import time_of
from holdfast.registry import Registry
from holdfast.rows.row_layout import layout
from holdfast.sandbox import Mode
from holdfast.scoring.data_file import DataFile, pyarrow
from holdfast.store.metering import Progress
from holdfast.store.objects import bucket_files

__all__ = ["BATCH_ID", "CHUNK_ROWS", "FACTS", "BatchRequest", "BatchResult", "score"]

CHUNK_ROWS: Final = 65_536
MOST_CHUNK_ROWS: Final = 1 << 20
BATCH_ID: Final = "batch_id"
FACTS: Final = "holdfast."
"""Begins the keys that tell of a batch in the footer of a Parquet file."""

_TOLD: Final = (
    "batch_id", "model", "version", "digest", "input", "input_digest", "rows", "refused", "nulls",
)  # fmt: skip
_SHOWN_ERRORS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What is to be scored, and how.

    Attributes:
        ref: The version; an alias is resolved once.
        source: A file, a folder of Parquet files or a pattern; also in a bucket.
        output: The file or object that the scores go to.
        id_column: The column that names a row for its owner; it goes to the output.
        keep: Further columns that do.
        chunk_rows: How many rows are in memory at once.
        refused: Whether a row that the schema does not admit is `kept`, with its error and without
            a score, or is to `stop` the run.
        replacing: Whether an output that exists is to be `refuse`d or `replace`d.
        sandbox: Whether the version is loaded in a restrained child first.
        by: Who asks for it.
    """

    ref: str
    source: str
    output: str | Path
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    chunk_rows: int = CHUNK_ROWS
    refused: Literal["kept", "stop"] = "kept"
    replacing: Replacing = "refuse"
    sandbox: Mode = "auto"
    by: str | None = None

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns of the input that go to the output."""
        named = () if self.id_column is None else (self.id_column,)
        return tuple(dict.fromkeys((*named, *self.keep)))


class BatchResult(Struct, frozen=True, kw_only=True):
    """What was scored.

    Attributes:
        record: What the log keeps of it.
        logged: Whether a log has it.
        output_bytes: The length of the output.
        ignored: Columns of the input that the version does not take.
        remarks: What one should know.
        first_errors: Of the first refused rows, number and reason.
    """

    record: BatchRecord
    logged: bool
    output_bytes: int = 0
    ignored: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    first_errors: tuple[tuple[int, str], ...] = ()


def score(
    registry: Registry,
    request: BatchRequest,
    log: Log | None,
    batch_id: str,
    now: Callable[[], datetime],
    progress: Progress | None = None,
) -> BatchResult:
    """Score files, write the scores, and keep a record; all of it or nothing.

    Args:
        log: Where the record is kept; None keeps none.
        batch_id: A new UUIDv7.
        now: Tells the time, aware.
        progress: Told the bytes read, and how many there are.

    Raises:
        InvalidInputError: If the input does not fit the version, before a row is read where that
            can be told, a row is refused and the request is to stop at one, the input changes
            meanwhile, or the output exists.
        UnsupportedError: If the version fails.
        BusyError: If another run writes the same output.
        StoreError: If the disk or the log refuses.
    """
    files = _checked(request)
    run = _Run(request, files, batch_id)
    started = now()
    with bucket_output.opened(str(request.output), request.replacing) as output:
        version = version_loading.ready(registry, request.ref, request.sandbox)
        run.find(version)
        reference, tally = (None, None) if log is None else _tally(registry, version.ref)
        run.write(version, output, tally, progress or _untold)
        record = run.record(version, (_micros(started), _micros(now())))
        written, output_bytes = output.finish(_facts(record)), output.size_bytes
        drift = None if tally is None else tally.counts(ids.day_of(batch_id))
        record = replace(record, output_digest=written, reference=reference, drift=drift)
        output.publish()
        try:
            if log is not None:
                log.batches.add(record)
        except HoldfastError:
            output.withdraw()
            raise
    return BatchResult(
        record=record,
        logged=log is not None,
        output_bytes=output_bytes,
        ignored=run.inputs.ignored,
        remarks=run.remarks,
        first_errors=tuple(run.first_errors),
    )


class _Run:
    """The rows of one batch, from its files to its output."""

    inputs: InputColumns

    def __init__(self, request: BatchRequest, files: InputFiles, batch_id: str) -> None:
        self._request = request
        self._files = files
        self._batch_id = batch_id
        self._digests: list[str] = []
        self._scorer: ChunkScorer | None = None
        self._rows = self._refused = self._nulls = 0
        self.first_errors: list[tuple[int, str]] = []

    @property
    def remarks(self) -> tuple[str, ...]:
        """What one should know of the columns."""
        return () if self.inputs.remark is None else (self.inputs.remark,)

    def find(self, version: ReadyVersion) -> None:
        """Check the columns of every file before a row of any is read."""
        for place, path in enumerate(self._files.paths):
            with DataFile(path) as file:
                inputs = self._inputs(version, file)
            if place == 0:
                self.inputs = inputs

    def _inputs(self, version: ReadyVersion, file: DataFile) -> InputColumns:
        beside = self._request.beside
        schema_names = layout(version.loaded.input_schema).names
        file.look_for((*beside, *filter(None, schema_names)))
        for name in beside:
            file.require(name, "raw", "which --id or --keep names")
        table = TableColumns(file.subject, file.names, file.types, file.untyped)
        signature = version.loaded.input_schema
        return input_columns.found(version.ref, signature, version.known_names, table, beside)

    def write(
        self,
        version: ReadyVersion,
        output: Output,
        tally: BatchTally | None,
        progress: Progress,
    ) -> None:
        """Score all files in their order."""
        files = list(self._files.sizes())
        total = sum(size for _, size, _ in files)
        for path, size, before in files:
            with DataFile(path) as file:
                for part in self._parts(version, file, tally):
                    output.write(part)
                    progress(before + int(size * file.share_read), total)
        if not self._rows:
            output.write(self._empty(version))

    def _parts(
        self, version: ReadyVersion, file: DataFile, tally: BatchTally | None
    ) -> Iterator[Any]:
        """Score one file part by part."""
        self._digests.append(file.digest)
        inputs = self._inputs(version, file)
        if inputs.names != self.inputs.names:
            problem = "has other columns than the first file"
            raise InvalidInputError(file.subject, problem, "score them apart")
        scorer = self._scorer
        if scorer is None or scorer.inputs.absent != inputs.absent:
            scorer = self._scorer = ChunkScorer(version.loaded, inputs, is_text=file.untyped)
        names = tuple(dict.fromkeys((*self._request.beside, *inputs.names)))
        for count, held in file.parts(names, self._request.chunk_rows):
            yield self._scored(scorer, tally, count, held)
        file.require_unchanged()

    def _scored(
        self, scorer: ChunkScorer, tally: BatchTally | None, count: int, held: dict[str, Any]
    ) -> Any:
        scores = scorer(count, held, self._rows)
        errors = sorted(scores.checked.errors.items())
        if errors and self._request.refused == "stop":
            place, problem = errors[0]
            refused = f"row {self._rows + place} of {self._files.shown!r}"
            advice = "leave out --strict to have it told in the output"
            raise InvalidInputError(refused, f"is refused: {problem}", advice)
        shown = errors[: _SHOWN_ERRORS - len(self.first_errors)]
        self.first_errors += [(self._rows + place, problem) for place, problem in shown]
        if tally is not None:
            tally.add(count, scores.checked)
        beside = {name: held[name] for name in self._request.beside}
        table = _table(self._batch_id, self._rows, count, beside, scores.columns)
        self._rows += count
        self._refused += scores.refused
        self._nulls += scores.nulls
        return table

    def _empty(self, version: ReadyVersion) -> Any:
        """Make the output of no rows, whose types are as far as the schemas tell them."""
        pa = pyarrow()
        with DataFile(self._files.paths[0]) as file:
            types = file.types
        beside = {name: pa.nulls(0, types.get(name, pa.string())) for name in self._request.beside}
        answers = {
            name: pa.nulls(0) if of is None else pa.nulls(0, of)
            for name, of in declared(version.loaded.output_schema).items()
        }
        answers[ERROR] = pa.nulls(0, pa.string())
        return _table(self._batch_id, 0, 0, beside, answers)

    def record(self, version: ReadyVersion, times_us: tuple[int, int]) -> BatchRecord:
        """Say what was scored; the output's digest is not known yet."""
        loaded = version.loaded
        return BatchRecord(
            batch_id=self._batch_id,
            model=loaded.model,
            version=loaded.version,
            digest=loaded.digest,
            input=self._files.shown,
            input_digest=input_files.digest_of(self._files, self._digests),
            rows=self._rows,
            refused=self._refused,
            nulls=self._nulls,
            output=_absolute(str(self._request.output)),
            output_digest="",
            started_us=times_us[0],
            ended_us=times_us[1],
            by=self._request.by,
        )


def _checked(request: BatchRequest) -> InputFiles:
    if not 0 < request.chunk_rows <= MOST_CHUNK_ROWS:
        problem = f"must be 1 to {MOST_CHUNK_ROWS:,}, not {request.chunk_rows}"
        raise InvalidInputError("--chunk", problem)
    for name in request.beside:
        if name in (BATCH_ID, ROW, ERROR, PREDICTION):
            problem = "is a column of the output already"
            raise InvalidInputError(f"column {name!r}", problem, "leave it out, or rename it")
    files = input_files.listed(request.source)
    if files.has(str(request.output)):
        raise InvalidInputError("--output", "is one of the input's files", "name another")
    return files


def _absolute(output: str) -> str:
    return output if bucket_files.is_address(output) else os.path.abspath(output)


def _tally(registry: Registry, ref: str) -> tuple[str | None, BatchTally | None]:
    """Return the digest of the training counts and what counts in their bins, if there are any."""
    try:
        kept = registry.drift.reference(ref)
    except NotFoundError:
        return None, None
    return kept.sha256, BatchTally(kept.reference)


def _untold(_done: int, _total: int) -> None:
    """Tell nobody how far it is."""


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _facts(record: BatchRecord) -> dict[str, str]:
    """Return what a Parquet file tells of its batch in its footer."""
    told = {name: str(getattr(record, name)) for name in _TOLD}
    told |= {"started": time_of(record.started_us), "ended": time_of(record.ended_us)}
    return {f"{FACTS}{name}": text for name, text in told.items()}


def _table(
    batch_id: str, first: int, count: int, beside: Mapping[str, Any], answers: Mapping[str, Any]
) -> Any:
    pa = pyarrow()
    clash = answers.keys() & {BATCH_ID, ROW, *beside}
    if clash:
        problem = "is both an answer and another column of the output"
        raise InvalidInputError(f"column {min(clash)!r}", problem, "leave it out of --keep")
    one = pa.array([batch_id] if count else [], pa.string())
    coded = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count), one)
    rows = pa.array(numpy().arange(first, first + count, dtype="int64"))
    columns = {BATCH_ID: coded, ROW: rows, **beside}
    return pa.table(columns | dict(answers))
