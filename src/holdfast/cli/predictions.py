"""Commands for the prediction log."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import batch_rows, tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, seconds
from holdfast.cli.context import yes as yes_option
from holdfast.core import wording
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from holdfast.predictions import Filter, Log, Prediction
    from holdfast.predictions.stats import Accuracy, ServedVersion

_DAY_S = 86_400
_NAMED = 3
_LISTED = 20
_ID_WIDTH = 36
_SHOWN = 60


@click.group("predictions")
def predictions() -> None:
    """Query the log of predictions and keep its size in bounds.

    The log is --log, else the environment's HOLDFAST_LOG, else ./predictions.
    """


_log = click.option(
    "--log",
    "location",
    metavar="DIR|URL",
    help="Use this log: a folder or postgresql://… [HOLDFAST_LOG, else ./predictions].",
)


def _filtered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose rows."""
    for option in (
        click.option("--errors", is_flag=True, help="Only those answered with an error."),
        click.option(
            "--status", type=int, metavar="CODE", help="Only those with this HTTP status."
        ),
        click.option(
            "--routing-key", metavar="HASH", help="Only those with this routing key, hashed."
        ),
        click.option("--until", metavar="TIME", help="Only those answered before this time."),
        click.option("--since", metavar="TIME", help="Only those answered at this time or later."),
        click.option(
            "--role",
            type=click.Choice(["active", "canary", "shadow", "pinned"]),
            help="Only those by a version in this role.",
        ),
        click.option(
            "--model", metavar="MODEL|REF", help="Only those of this model, or of this version."
        ),
        _log,
    ):
        function = option(function)
    return function


def opened(location: str | None) -> "closing[Log]":
    """Open the log at a place, else that of the environment, for as long as a block lasts.

    Raises:
        NotFoundError: If it is a folder that is not there.
    """
    from holdfast.predictions import open_log

    address = location or os.environ.get("HOLDFAST_LOG")
    where = address or "predictions"
    if "://" not in where and not Path(where).is_dir():
        problem = "that is not a prediction log"
        raise NotFoundError(f"folder {where!r}", advice=f"{problem}; give --log DIR|URL")
    return closing(open_log(where))


def _filter(ctx: Context, options: dict[str, Any], **more: Any) -> "Filter":
    from holdfast.predictions import Filter
    from holdfast.predictions.label_csv import moment_us

    since, until = options.pop("since"), options.pop("until")
    times: dict[str, Any] = {
        "since_us": moment_us(since, of_a_day="start") if since else None,
        "until_us": moment_us(until) if until else None,
    }
    model, version = _of(ctx, options.pop("model"))
    key = options.pop("routing_key")
    return Filter(model=model, version=version, key=key, **options, **times, **more)


def _of(ctx: Context, ref: str | None) -> tuple[str | None, str | None]:
    """Read a model, or a version as MODEL@REF; the store resolves what is not an exact version."""
    from holdfast.core.version import Version, parse

    model, _, selector = (ref or "").partition("@")
    if not selector:
        return ref, None
    with suppress(InvalidInputError):
        version: Version = parse(selector)
        return model, str(version)
    return model, ctx.registry().resolve(str(ref)).version


@command("show")
@click.argument("prediction_id", metavar="ID")
@_log
def show(ctx: Context, prediction_id: str, location: str | None) -> None:
    """Show which version made the prediction ID, and who put it live.

    Who put it live comes from the store, if it is at hand. ID may be BATCH:ROW or BATCH of
    `holdfast predict`.
    """
    with opened(location) as log:
        row, of_batch = _found(log, prediction_id)
        if row is None:
            ctx.emit(of_batch, batch_rows.lines(of_batch))
            return
        labels = log.feedback.of(prediction_id)
    known = _history(ctx, row)
    ctx.emit({"prediction": row, **known, "feedback": labels}, _answer(row, known, labels))


def _found(log: "Log", prediction_id: str) -> "tuple[Prediction | None, dict[str, Any]]":
    """Return the prediction of an id, else what is known of the row of a batch."""
    try:
        return log.get(prediction_id), {}
    except NotFoundError:
        with suppress(NotFoundError):
            return None, batch_rows.found(log, prediction_id)
        batch_rows.require_row(log, prediction_id)
        raise


def _history(ctx: Context, row: "Prediction") -> dict[str, Any]:
    """Return what the store knows of the answer's time, and the reason to doubt that, if any."""
    from holdfast.registry.answer_origin import origin_of

    known: dict[str, Any] = {"live": None, "rollout": None, "doubt": None}
    try:
        origin = origin_of(ctx.registry(), row)
    except HoldfastError as error:
        return {**known, "doubt": str(error)}
    if origin.digest is not None:
        known["doubt"] = f"{row.model}@{row.version} is another one in {ctx.store}: {origin.digest}"
    return {**known, "live": origin.live, "rollout": origin.rollout}


def _answer(row: "Prediction", known: dict[str, Any], labels: list[Any]) -> list[str]:
    from holdfast.predictions.columns import json_of
    from holdfast.predictions.export import time_of

    weight = "" if row.weight is None else f" at weight {100 * row.weight:.3g} %"
    routed = "" if row.rollout is None else f", rollout {row.rollout}{weight}"
    lines = [
        f"{row.model}@{row.version}  {row.digest}",
        "",
        f"answered   {time_of(row.at_us)}, status {row.status}, in {row.latency_us / 1000:.1f} ms",
        f"as         {row.role}{routed}",
        *_live_lines(known),
        f"worker     {tables.one_line(row.worker)}, batch of {row.batch}",
        f"request    {tables.one_line(row.request_id or '–')}",
        f"key        {tables.one_line(row.key or '–')}",
        f"input      {tables.one_line(json_of(row.input) or 'not kept')}",
        f"output     {tables.one_line(json_of(row.output) or 'not kept')}",
    ]
    if row.error is not None:
        lines.append(f"error      {tables.one_line(row.error)}")
    for label in labels:
        text = f"{json_of(label.label)}, told by {label.by} at {time_of(label.at_us)}"
        lines.append(f"truth      {tables.one_line(text)}")
    return lines


def _live_lines(known: dict[str, Any]) -> list[str]:
    live, rollout, lines = known["live"], known["rollout"], []
    if live is not None:
        how = live.how.replace("_", " ")
        lines.append(
            f"live then  {live.version}, {how} by {live.by} at {live.since}: "
            f"{tables.quoted(live.reason)}"
        )
    if rollout is not None:
        lines.append(
            f"routed by  {rollout.what}, by {rollout.by} at {rollout.at}: "
            f"{tables.quoted(rollout.reason)}"
        )
    if known["doubt"] is not None:
        lines.append(f"doubt      {tables.one_line(known['doubt'])}")
    return lines


@command("list")
@_filtered
@click.option("--limit", type=click.IntRange(1), metavar="N", default=_LISTED, show_default=True)
def list_(ctx: Context, location: str | None, limit: int, **options: Any) -> None:
    """List predictions, newest first."""
    with opened(location) as log:
        rows = list(log.scan(_filter(ctx, options, limit=limit, order="newest")))
    header = ("ID", "ANSWERED", "MODEL", "VERSION", "ROLE", "STATUS", "MS", "ERROR")
    spare = ("MS", "ROLE", "ANSWERED", "STATUS")
    lines = tables.columns(header, map(_row, rows), spare, first=_ID_WIDTH) if rows else []
    ctx.emit(rows, lines or ["no such predictions"])


def _row(row: "Prediction") -> tuple[str, ...]:
    from holdfast.predictions.export import time_of

    return (
        row.prediction_id,
        time_of(row.at_us)[:19].replace("T", " "),
        row.model,
        row.version,
        row.role,
        str(row.status),
        f"{row.latency_us / 1000:.1f}",
        _short(row.error or "–"),
    )


def _short(error: str) -> str:
    """Cut what a library said to a line of a table; `show` tells it whole."""
    line = tables.one_line(error)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


@command("stats")
@_filtered
def stats(ctx: Context, location: str | None, **options: Any) -> None:
    """Show counts, latency, failures and accuracy of each version."""
    from holdfast.predictions.stats import stats as counted

    with opened(location) as log:
        summaries = counted(log, _filter(ctx, options))
    header = (
        "MODEL", "VERSION", "ROLE", "REQUESTS", "FAILED", "REFUSED", "P50", "P90", "P99 MS",
        "FIRST", "LAST", "LABELLED", "RIGHT", "MAE", "RMSE",
    )  # fmt: skip
    spare = ("FIRST", "RMSE", "MAE", "P90", "P50", "LAST", "LABELLED", "REFUSED", "ROLE")
    lines = tables.columns(header, map(_stat, summaries), spare) if summaries else []
    ctx.emit(summaries, lines or ["no predictions"])


def _stat(summary: "ServedVersion") -> tuple[str, ...]:
    from holdfast.predictions.export import time_of

    accuracy: Accuracy = summary.accuracy
    right = accuracy.accuracy
    return (
        summary.model,
        summary.version,
        summary.role,
        f"{summary.requests:,}",
        f"{summary.failed:,}",
        f"{summary.refused:,}",
        *(f"{latency / 1000:.1f}" for latency in summary.latency_us.values()),
        wording.moment(time_of(summary.first_us)),
        wording.moment(time_of(summary.last_us)),
        f"{accuracy.labelled:,}",
        "–" if right is None else f"{100 * right:.4g} %",
        wording.number(accuracy.mae),
        wording.number(accuracy.rmse),
    )


@command("export")
@_filtered
@click.option(
    "--format",
    "kind",
    type=click.Choice(["cloudevents", "cloudevents-batch", "csv", "parquet"]),
    default="cloudevents",
    show_default=True,
    help="Write CloudEvents 1.0 by line or as one array, CSV or Parquet.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="Write to this file instead of standard output."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Write at most this many.")
def export(
    ctx: Context, location: str | None, kind: Any, output: str | None, **options: Any
) -> None:
    """Export predictions, oldest first."""
    from holdfast.predictions import export as form

    if ctx.as_json and output is None:
        raise InvalidInputError(
            "--json", "is not a format of rows", "give --output, or leave it out"
        )
    counter = _Counter()
    with opened(location) as log:
        rows = counter.counted(log.scan(_filter(ctx, options)))
        if output is None:
            sys.stdout.flush()
            sys.stdout.buffer.writelines(form.stream(rows, kind))
            sys.stdout.buffer.flush()
            return
        form.save(rows, kind, Path(output))
    result = {"file": output, "format": kind, "rows": counter.rows}
    ctx.emit(result, [f"wrote {wording.count(counter.rows, 'row')} to {output}"])


class _Counter:
    """Counts rows that pass."""

    def __init__(self) -> None:
        self.rows = 0

    def counted(self, rows: "Iterator[Prediction]") -> "Iterator[Prediction]":
        for row in rows:
            self.rows += 1
            yield row


@command("feedback")
@click.argument("prediction_id", metavar="[ID", required=False)
@click.argument("label", metavar="LABEL]", required=False)
@click.option(
    "--csv",
    "file",
    metavar="FILE",
    help="Read the columns prediction_id, label and optionally at, by.",
)
@click.option("--at", metavar="TIME", help="Set when it became known [now].")
@_log
def feedback(
    ctx: Context,
    prediction_id: str | None,
    label: str | None,
    file: str | None,
    at: str | None,
    location: str | None,
) -> None:
    """Record what turned out true for ID, or for all in a CSV file.

    An id may be BATCH:ROW of `holdfast predict`. LABEL is JSON (1, 2.5, [0, 1]) or a word; of
    several labels the last one counts.
    """
    from holdfast.predictions import Label, label_csv
    from holdfast.registry.author import author

    at_us = label_csv.moment_us(at) if at else time.time_ns() // 1000
    by = ctx.by or author()
    if file is not None and prediction_id is None:
        labels = label_csv.from_csv(Path(file), at_us, by)
    elif file is None and prediction_id is not None and label is not None:
        labels = [Label(prediction_id, label_csv.value_of(label), at_us, by)]
    else:
        raise InvalidInputError("feedback", "needs labels", "give ID LABEL, or --csv FILE")
    with opened(location) as log:
        batch_rows.require_rows(log, [label.prediction_id for label in labels])
        unknown = log.feedback.add(labels)
    lines = [f"kept {wording.count(len(labels), 'label')}"]
    unknown = batch_rows.as_written(unknown, [label.prediction_id for label in labels])
    if unknown:
        lines.append(
            f"{len(unknown)} of them for predictions that are not kept (never made, or left out by "
            f"sampling): {', '.join(unknown[:_NAMED])}{' …' if unknown[_NAMED:] else ''}"
        )
    ctx.emit({"labels": len(labels), "unknown": unknown}, lines)


@command("compact")
@_log
def compact(ctx: Context, location: str | None) -> None:
    """Convert past days to Parquet, which takes a third of the space."""
    from holdfast.predictions import compaction
    from holdfast.predictions.log_folder import FolderLog

    with opened(location) as log:
        if not isinstance(log, FolderLog):
            raise UnsupportedError("compact", "does not apply to a database")
        done = [compaction.compact(log.root, day) for day in compaction.closed(log.days())]
    rows = [
        (
            result.day,
            f"{result.rows:,}",
            wording.size(result.before_bytes),
            wording.size(result.after_bytes),
        )
        for result in done
    ]
    header = ("DAY", "ROWS", "BEFORE", "AFTER")
    ctx.emit(done, tables.columns(header, rows) if rows else ["no day to compact"])


@command("expire")
@click.option(
    "--older-than", metavar="SPAN", required=True, help="Delete what is older than this: 90d, 52w."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@yes_option
@_log
def expire(
    ctx: Context, older_than: str, *, dry_run: bool, yes: bool, location: str | None
) -> None:
    """Delete predictions of days older than a span, with their labels."""
    from holdfast.predictions.log_retention import expired

    age_days = int(seconds("--older-than", older_than) // _DAY_S)
    with opened(location) as log:
        plan = expired(log.days(), age_days, datetime.now(UTC).date().isoformat())
        if plan and not dry_run:
            days = wording.count(len(plan), "day")
            ctx.confirm(f"remove the predictions of {days} for good", yes=yes)
            for day in plan:
                log.drop(day.day)
    verb = "would be removed" if dry_run else "removed"
    rows = [
        (day.day, f"{day.rows:,}", "–" if day.size_bytes is None else wording.size(day.size_bytes))
        for day in plan
    ]
    total = wording.count(sum(day.rows for day in plan), "prediction")
    lines = [*tables.columns(("DAY", "ROWS", "SIZE"), rows), f"{total} {verb}"]
    ctx.emit({"removed": not dry_run, "days": plan}, lines if plan else ["nothing is that old"])


for _command in (show, list_, stats, export, feedback, compact, expire):
    predictions.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (predictions,)
