"""`holdfast predict`: the rows of files answered by one version."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from holdfast.cli import tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.progress import progress
from holdfast.core.wording import count, size

if TYPE_CHECKING:
    from holdfast.batch.batch_run import BatchRequest, BatchResult
    from holdfast.predictions import Log

_SHOWN = 8


@command("predict")
@click.argument("ref")
@click.option(
    "--input",
    "source",
    metavar="FILE",
    required=True,
    help="Score .parquet, .csv[.gz], .jsonl[.gz], a folder of Parquet, a pattern, s3://….",
)
@click.option(
    "--output", metavar="FILE", required=True, help="Write .parquet, .csv or .jsonl, or to s3://…."
)
@click.option("--id", "id_column", metavar="COLUMN", help="Give back the column that names rows.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Give back this column, too.")
@click.option("--chunk", type=int, metavar="N", help="Hold N rows in memory at once [65536].")
@click.option("--strict", is_flag=True, help="Stop at a row that the schema does not admit.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--sandbox", type=click.Choice(["auto", "require", "off"]))
@click.option(
    "--log",
    "location",
    metavar="DIR|URL",
    help="Record the batch here: a folder, postgresql://… or none [./predictions].",
)
def predict(ctx: Context, ref: str, **options: Any) -> None:
    """Score the rows of files with REF, and record the batch.

    Input and output may be in buckets: s3://, gs:// or az://. Columns are found by name. A row that
    the version's schema does not admit gets no score but an `error`. The output is there whole or
    not at all; --log is as for `serve`, where HOLDFAST_LOG is asked next.
    """
    from holdfast.batch import batch_run
    from holdfast.predictions.ids import Mint

    location = options.pop("location") or os.environ.get("HOLDFAST_LOG") or "predictions"
    request = _request(ctx, ref, options)
    began = time.perf_counter()
    batch_id = Mint(f"batch-{os.urandom(8).hex()}")()
    with ExitStack() as stack:
        report = stack.enter_context(progress("predict", shown=not ctx.as_json))
        done = batch_run.score(
            ctx.registry(),
            request,
            _opened(location, stack),
            batch_id,
            lambda: datetime.now(UTC),
            report,
        )
    done = replace(done, record=replace(done.record, drift=None))  # which `drift` shows
    ctx.emit(done, _lines(done, time.perf_counter() - began))


def _request(ctx: Context, ref: str, options: dict[str, Any]) -> "BatchRequest":
    from holdfast.batch.batch_run import CHUNK_ROWS, BatchRequest
    from holdfast.registry.author import author

    return BatchRequest(
        ref=ref,
        source=options["source"],
        output=options["output"],
        id_column=options["id_column"],
        keep=options["keep"],
        chunk_rows=CHUNK_ROWS if options["chunk"] is None else options["chunk"],
        refused="stop" if options["strict"] else "kept",
        replacing="replace" if options["overwrite"] else "refuse",
        sandbox=options["sandbox"] or "auto",
        by=ctx.by or author(),
    )


def _opened(location: str, stack: ExitStack) -> "Log | None":
    if location == "none":
        return None
    from holdfast.predictions import open_log

    log = open_log(location, sync="full")
    stack.callback(log.close)
    return log


def _lines(done: "BatchResult", took_s: float) -> Iterator[str]:
    record = done.record
    yield (
        f"{record.model}@{record.version} scored {_rows(record.rows)} of "
        f"{tables.one_line(record.input)} in {took_s:.1f} s"
    )
    written = size(done.output_bytes)
    yield f"output   {tables.one_line(record.output)}, {written}, sha256:{record.output_digest}"
    kept = "in the log" if done.logged else "in no log"
    yield f"batch    {record.batch_id}, {kept}"
    if record.refused:
        yield f"refused  {_rows(record.refused)}, whose `error` says why"
        for row, problem in done.first_errors:
            yield f"  row {row:,}: {tables.one_line(problem)}"
    if record.nulls:
        yield f"no score {_rows(record.nulls)} that the version gave no answer to"
    if done.ignored:
        listed = ", ".join(map(tables.one_line, done.ignored[:_SHOWN]))
        more = " …" if len(done.ignored) > _SHOWN else ""
        yield f"ignored  {count(len(done.ignored), 'column')}: {listed}{more}"
    for remark in done.remarks:
        yield f"remark   {remark}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


COMMANDS = (predict,)
