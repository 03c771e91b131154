"""Commands for the prediction log."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import tables
from holdfast.cli.context import Context, command, seconds
from holdfast.cli.context import yes as yes_option
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from holdfast.predictions import Filter, Log, Prediction
    from holdfast.predictions.stats import Accuracy, Served

_DAY_S = 86_400
_NAMED = 3
_LISTED = 20
_SHOWN = 60


@click.group("predictions")
def predictions() -> None:
    """Ask which version answered, how well, and keep the log in bounds.

    The log is --log, else the environment's HOLDFAST_LOG, else ./predictions.
    """


_log = click.option(
    "--log",
    "location",
    metavar="DIR|URL",
    help="The log: a folder or postgresql://… [HOLDFAST_LOG, else ./predictions].",
)


def _filtered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose rows."""
    for option in (
        click.option("--errors", is_flag=True, help="Only what was answered with an error."),
        click.option("--status", type=int, metavar="CODE", help="Of this HTTP status."),
        click.option("--key", metavar="HASH", help="Of this sticky key, hashed."),
        click.option("--until", metavar="TIME", help="Answered before this time."),
        click.option("--since", metavar="TIME", help="Answered at this time or later."),
        click.option(
            "--role",
            type=click.Choice(["active", "canary", "shadow", "pinned"]),
            help="What the version was then.",
        ),
        click.option("--version", metavar="VERSION", help="Of this version."),
        click.option("--model", metavar="MODEL", help="Of this model."),
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

    given = location or os.environ.get("HOLDFAST_LOG")
    where = given or "predictions"
    if "://" not in where and not Path(where).is_dir():
        problem = "no such prediction log"
        raise NotFoundError(f"folder {where!r}", advice=f"{problem}; give --log DIR|URL")
    return closing(open_log(where))


def _filter(options: dict[str, Any], **more: Any) -> "Filter":
    from holdfast.predictions import Filter
    from holdfast.predictions.telling import moment_us

    since, until = options.pop("since"), options.pop("until")
    times: dict[str, Any] = {
        "since_us": moment_us(since, of_a_day="start") if since else None,
        "until_us": moment_us(until) if until else None,
    }
    return Filter(**options, **times, **more)


@command("show")
@click.argument("prediction_id", metavar="ID")
@_log
def show(given: Context, prediction_id: str, location: str | None) -> None:
    """Tell which version made the prediction ID, what it was then, and who had put it live.

    The last of these comes from the store, where it is at hand.
    """
    with opened(location) as log:
        row = log.get(prediction_id)
        labels = log.feedback.of(prediction_id)
    known = _history(given, row)
    given.emit({"prediction": row, **known, "feedback": labels}, _answer(row, known, labels))


def _history(given: Context, row: "Prediction") -> dict[str, Any]:
    """Return what the store knows of the answer's time, and what stands against believing it."""
    from holdfast.predictions.export import time_of

    at = time_of(row.at_us)
    known: dict[str, Any] = {"live": None, "rollout": None, "doubt": None}
    try:
        registry = given.registry()
        periods, lines = registry.served(row.model), registry.history(row.model)
        digest = registry.resolve(f"{row.model}@{row.version}").digest
    except HoldfastError as error:
        return {**known, "doubt": str(error)}
    if digest.removeprefix("sha256:") != row.digest.removeprefix("sha256:"):
        known["doubt"] = f"{row.model}@{row.version} is another one in {given.store}: {digest}"
    known["live"] = next(
        (one for one in periods if one.since <= at and (one.until is None or at < one.until)), None
    )
    known["rollout"] = next((line for line in lines if line.seq == row.rollout), None)
    return known


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
    for one in labels:
        said = f"{json_of(one.label)}, told by {one.by} at {time_of(one.at_us)}"
        lines.append(f"truth      {tables.one_line(said)}")
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
def list_(given: Context, location: str | None, limit: int, **options: Any) -> None:
    """List predictions, the newest first."""
    with opened(location) as log:
        rows = list(log.scan(_filter(options, limit=limit, order="newest")))
    header = ("ID", "ANSWERED", "MODEL", "VERSION", "ROLE", "STATUS", "MS", "ERROR")
    given.emit(rows, tables.columns(header, map(_row, rows)) if rows else ["no such predictions"])


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
    told = tables.one_line(error)
    return told if len(told) <= _SHOWN else f"{told[: _SHOWN - 1]}…"


@command("stats")
@_filtered
def stats(given: Context, location: str | None, **options: Any) -> None:
    """Tell of each version how much it answered, how fast, how often it failed and was right."""
    from holdfast.predictions.stats import stats as counted

    with opened(location) as log:
        found = counted(log, _filter(options))
    header = (
        "MODEL", "VERSION", "ROLE", "REQUESTS", "FAILED", "REFUSED", "P50", "P90", "P99 MS",
        "FIRST", "LAST", "LABELLED", "RIGHT", "MAE", "RMSE",
    )  # fmt: skip
    given.emit(found, tables.columns(header, map(_stat, found)) if found else ["no predictions"])


def _stat(one: "Served") -> tuple[str, ...]:
    from holdfast.predictions.export import time_of

    accuracy: Accuracy = one.accuracy
    right = accuracy.accuracy
    return (
        one.model,
        one.version,
        one.role,
        f"{one.requests:,}",
        f"{one.failed:,}",
        f"{one.refused:,}",
        *(f"{latency / 1000:.1f}" for latency in one.latency_us.values()),
        tables.moment(time_of(one.first_us)),
        tables.moment(time_of(one.last_us)),
        f"{accuracy.labelled:,}",
        "–" if right is None else f"{100 * right:.4g} %",
        tables.number(accuracy.mae),
        tables.number(accuracy.rmse),
    )


@command("export")
@_filtered
@click.option(
    "--format",
    "kind",
    type=click.Choice(["cloudevents", "cloudevents-batch", "csv", "parquet"]),
    default="cloudevents",
    show_default=True,
    help="CloudEvents 1.0 by line or as one array, CSV or Parquet.",
)
@click.option("-o", "--output", metavar="FILE", help="Write it there instead of to the output.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
def export(
    given: Context, location: str | None, kind: Any, output: str | None, **options: Any
) -> None:
    """Write predictions out, the oldest first."""
    from holdfast.predictions import export as form

    if given.as_json and output is None:
        raise InvalidInputError("--json", "is no format of rows", "give --output, or leave it out")
    counter = _Counter()
    with opened(location) as log:
        rows = counter.counted(log.scan(_filter(options)))
        if output is None:
            sys.stdout.flush()
            sys.stdout.buffer.writelines(form.stream(rows, kind))
            sys.stdout.buffer.flush()
            return
        form.save(rows, kind, Path(output))
    found = {"file": output, "format": kind, "rows": counter.rows}
    given.emit(found, [f"wrote {tables.count(counter.rows, 'row')} to {output}"])


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
@click.option("--csv", "file", metavar="FILE", help="Columns prediction_id, label; also at, by.")
@click.option("--at", metavar="TIME", help="When it was told [now].")
@_log
def feedback(
    given: Context,
    prediction_id: str | None,
    label: str | None,
    file: str | None,
    at: str | None,
    location: str | None,
) -> None:
    """Tell what turned out to be true of the prediction ID, or of all in a CSV file.

    LABEL is JSON (1, 2.5, [0, 1]) or a word; of several labels the last one told counts.
    """
    from holdfast.predictions import Label, telling
    from holdfast.registry.author import author

    at_us = telling.moment_us(at) if at else time.time_ns() // 1000
    by = given.by or author()
    if file is not None and prediction_id is None:
        labels = telling.from_csv(Path(file), at_us, by)
    elif file is None and prediction_id is not None and label is not None:
        labels = [Label(prediction_id, telling.value_of(label), at_us, by)]
    else:
        raise InvalidInputError("feedback", "neither one nor many", "give ID LABEL, or --csv FILE")
    with opened(location) as log:
        unknown = log.feedback.add(labels)
    lines = [f"kept {tables.count(len(labels), 'label')}"]
    if unknown:
        lines.append(
            f"{len(unknown)} of them of no prediction that is kept (never made, or left out by "
            f"sampling): {', '.join(unknown[:_NAMED])}{' …' if unknown[_NAMED:] else ''}"
        )
    given.emit({"labels": len(labels), "unknown": unknown}, lines)


@command("compact")
@_log
def compact(given: Context, location: str | None) -> None:
    """Turn the days that are over into Parquet, which takes a third of the space."""
    from holdfast.predictions import compaction
    from holdfast.predictions.folder import FolderLog

    with opened(location) as log:
        if not isinstance(log, FolderLog):
            raise UnsupportedError("compact", "a database keeps its rows its own way")
        done = [compaction.compact(log.root, day) for day in compaction.closed(log.days())]
    rows = [
        (one.day, f"{one.rows:,}", tables.size(one.before_bytes), tables.size(one.after_bytes))
        for one in done
    ]
    header = ("DAY", "ROWS", "BEFORE", "AFTER")
    given.emit(done, tables.columns(header, rows) if rows else ["no day to compact"])


@command("expire")
@click.option("--older-than", metavar="SPAN", required=True, help="Age: 90d, 52w.")
@click.option("--dry-run", is_flag=True, help="Only print the plan.")
@yes_option
@_log
def expire(
    given: Context, older_than: str, *, dry_run: bool, yes: bool, location: str | None
) -> None:
    """Remove the predictions of days older than a span, with their labels, for good."""
    from holdfast.predictions.retention import expired

    age_days = int(seconds("--older-than", older_than) // _DAY_S)
    with opened(location) as log:
        plan = expired(log.days(), age_days, datetime.now(UTC).date().isoformat())
        if plan and not dry_run:
            days = tables.count(len(plan), "day")
            given.confirm(f"remove the predictions of {days} for good", yes=yes)
            for day in plan:
                log.drop(day.day)
    verb = "would be removed" if dry_run else "removed"
    rows = [
        (day.day, f"{day.rows:,}", "–" if day.size_bytes is None else tables.size(day.size_bytes))
        for day in plan
    ]
    total = tables.count(sum(day.rows for day in plan), "prediction")
    lines = [*tables.columns(("DAY", "ROWS", "SIZE"), rows), f"{total} {verb}"]
    given.emit({"removed": not dry_run, "days": plan}, lines if plan else ["nothing is that old"])


for _command in (show, list_, stats, export, feedback, compact, expire):
    predictions.add_command(_command)

COMMANDS: tuple[click.Command, ...] = (predictions,)
