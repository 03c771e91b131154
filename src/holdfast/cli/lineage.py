"""Commands for where versions come from: lineage both ways, and making a version once more."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import lineage_files, plot_files
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.exit_codes import BY_CODE, CHECK, DONE, FAILED, LIMIT
from holdfast.cli.output import echo
from holdfast.cli.tables import columns, inert
from holdfast.core.wording import count, moment

if TYPE_CHECKING:
    from holdfast.core.drawing.lineage_graph import LineageNode
    from holdfast.predictions import Log
    from holdfast.registry.data_users import VersionsUsing
    from holdfast.registry.lineage_tree import LineageTree
    from holdfast.retraining.reproduction import Reproduced, ReproductionRequest

_QUESTIONS: Final = ("data", "commit", "parent", "failed")
_LOG_LINES: Final = 20
_NAMED: Final = ("version", "rollout", "live", "more")
"""Kinds that a name tells of itself."""


@command("lineage")
@click.argument("ref", required=False)
@click.option("--data", metavar="DIGEST|DATA@V|PATH", help="List what was trained on it instead.")
@click.option("--commit", metavar="SHA", help="List what the code of this commit made instead.")
@click.option("--parent", metavar="REF", help="List what was made from this version instead.")
@click.option("--failed", metavar="MODEL", help="List slots of retraining that failed instead.")
@click.option("--log", metavar="DIR|URL", help="Count its predictions in this log, too.")
@plot_files.plot("Draw it, too.")
@click.option(
    "--openlineage", metavar="FILE|URL", help="Write or send its run as OpenLineage events, too."
)
@click.option("--slsa", metavar="FILE", help="Write SLSA provenance, too; signed with --key-file.")
def lineage(ctx: Context, ref: str | None, **options: Any) -> None:
    """Show what REF was made from, and what became of it.

    Above are data, code, environment and parents; below are children, aliases, rollouts and
    servers. With --data, --commit or --parent, list the versions of all models that used it.
    With --failed, list the slots that made no version; --openlineage has their runs.
    """
    questions = [name for name in _QUESTIONS if options[name] is not None]
    if len(questions) + (ref is not None) != 1:
        raise click.UsageError("give REF, or one of --data, --commit, --parent and --failed")
    file = plot_files.named(options["plot"])
    verbs = ctx.registry().lineage
    if ref is None:
        if file is not None or any(options[name] for name in ("log", "slsa")):
            raise click.UsageError("--plot, --log and --slsa need REF")
        if options["failed"] is not None:
            _emit_failures(ctx, options["failed"], options["openlineage"])
            return
        if options["openlineage"] is not None:
            raise click.UsageError("--openlineage needs REF or --failed")
        look = {
            "data": verbs.users_of_data,
            "commit": verbs.users_of_commit,
            "parent": verbs.children,
        }[questions[0]]
        _emit_users(ctx, look(options[questions[0]]))
        return
    tree = verbs.of(ref)
    became = (*tree.became, *_predictions(tree, options["log"]))
    if file is not None:
        from holdfast.core import plots

        file.write(plots.lineage(tree.here, became))
    if options["slsa"] is not None:
        lineage_files.write("--slsa", options["slsa"], verbs.slsa(tree.info.ref))
    if options["openlineage"] is not None:
        lineage_files.deliver(options["openlineage"], verbs.openlineage(tree.info.ref))
    ctx.emit(_document(tree, became), _lines(tree, became))


def _predictions(tree: "LineageTree", location: str | None) -> "Iterator[LineageNode]":
    """Count what a log has of a version, by role."""
    if location is None:
        return
    from holdfast.cli.predictions import opened
    from holdfast.core.drawing.lineage_graph import LineageNode
    from holdfast.predictions import Filter
    from holdfast.predictions.stats import stats

    with opened(location) as log:
        summaries = stats(log, Filter(model=tree.info.model, version=tree.info.version))
        batches = list(_batches(log, tree))
    for served in summaries:
        yield LineageNode("predictions", f"{served.requests:,} answered", f"as {served.role}")
    if not summaries:
        yield LineageNode("predictions", "none in the log")
    yield from batches


def _batches(log: "Log", tree: "LineageTree") -> "Iterator[LineageNode]":
    """Go through the batches that a version scored in the last days, the newest first."""
    from datetime import UTC, datetime

    from holdfast.core.drawing.lineage_graph import LineageNode
    from holdfast.predictions import ids
    from holdfast.predictions.batch_record import days_since, recent

    days = days_since(tree.manifest.registered_at, datetime.now(UTC).date())
    for record in recent(log.batches, tree.info.model, tree.info.version, days):
        note = f"{ids.day_of(record.batch_id)}, {record.input} → {record.output}"
        yield LineageNode("batch", count(record.rows, "row"), note)


def _document(tree: "LineageTree", became: "Sequence[LineageNode]") -> dict[str, Any]:
    """Return everything for programs: facts of the manifest, and both trees."""
    from msgspec import to_builtins

    manifest = tree.manifest
    return {
        "ref": tree.info.ref,
        "digest": tree.info.digest,
        "registered_at": manifest.registered_at,
        "registered_by": manifest.registered_by,
        "lineage": to_builtins(manifest.lineage),
        "training_data": manifest.training_data,
        "environment": to_builtins(manifest.environment),
        "above": to_builtins(tree.here.sources),
        "below": to_builtins(tuple(became)),
        "unread": tree.unread,
    }


def _lines(tree: "LineageTree", became: "Sequence[LineageNode]") -> Iterator[str]:
    yield "made from"
    yield from _branches(tree.here.sources) if tree.here.sources else ["  nothing was recorded"]
    yield f"{tree.info.ref}  {tree.here.note}  {tree.info.digest}"
    yield from _branches(became) if became else ["  nothing was made from it or names it"]
    if tree.unread:
        yield f"{count(tree.unread, 'version')} could not be read; `verify` tells why"


def _branches(nodes: "Sequence[LineageNode]", before: str = "") -> Iterator[str]:
    for place, node in enumerate(nodes):
        is_last = place == len(nodes) - 1
        kind = "" if node.kind in _NAMED else f"{node.kind} "
        note = f"  {node.note}" if node.note else ""
        yield f"{before}{'└─' if is_last else '├─'} {kind}{node.text}{note}"
        yield from _branches(node.sources, before + ("   " if is_last else "│  "))


def _emit_failures(ctx: Context, model: str, place: str | None) -> None:
    verbs = ctx.registry().lineage
    slots = verbs.failures(model)
    if place is not None:
        lineage_files.deliver(place, verbs.openlineage_of_failures(model))
    rows = [
        (slot.slot, slot.entry, str(slot.attempts), slot.outcome or "", slot.why) for slot in slots
    ]
    header = ("SLOT", "ENTRY", "ATTEMPTS", "OUTCOME", "WHY")
    ctx.emit(slots, columns(header, rows) if rows else ["no slot failed"])


def _emit_users(ctx: Context, users: "VersionsUsing") -> None:
    rows = [
        (
            user.info.ref,
            user.info.status,
            moment(user.info.registered_at)[:16],
            ", ".join(user.uses),
        )
        for user in users.versions
    ]
    lines = columns(("VERSION", "STATUS", "REGISTERED", "AS"), rows) if rows else ["no version"]
    if users.unread:
        lines.append(f"{count(users.unread, 'version')} could not be read")
    ctx.emit(users, lines)


@command("reproduce")
@click.argument("ref")
@click.option("--run", is_flag=True, help="Train once more, and compare; register nothing.")
@click.option(
    "--data", multiple=True, metavar="NAME=PATH", help="Say where data of the training is now."
)
@click.option("--command", metavar="TEXT", help="Run this program, if a program made it.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-6,
    show_default=True,
    help="Let metrics differ so far, relative.",
)
@click.option(
    "--trust-patch", is_flag=True, help="Run the patch that was kept with it, once reviewed."
)
@click.option("--time-limit", metavar="SPAN", help="Stop the training after this long [4h].")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Set the threads of numerical libraries, unless the run recorded them.",
)
@click.option(
    "--sandbox",
    type=click.Choice(["auto", "require", "off"]),
    default="auto",
    show_default=True,
    help="Compare versions under restraint.",
)
def reproduce(ctx: Context, ref: str, **options: Any) -> int:
    """Say what making REF once more needs, and with --run do it.

    The commit is looked for in the repository around the current folder. Exit status 0: identical,
    the same predictions, or metrics within --tolerance; 1: different; 3: something is missing; 12:
    the training failed; 13: it met a limit.
    """
    from holdfast.retraining import reproduction

    make = reproduction.reproduce if options["run"] else reproduction.plan
    made = make(ctx.registry(), _request(ref, options))
    ctx.emit(made, _reproduced(made))
    for line in made.log.splitlines()[-_LOG_LINES:] if not ctx.as_json else ():
        echo(f"  {inert(line)}", err=True)
    if made.missing:
        return BY_CODE["not_found"]
    if made.problem:
        return LIMIT if made.met_limit else FAILED
    return CHECK if made.likeness and made.likeness.verdict == "different" else DONE


def _request(ref: str, options: dict[str, Any]) -> "ReproductionRequest":
    import os
    import shlex
    from pathlib import Path

    from holdfast.cli.context import pairs, seconds
    from holdfast.retraining.reproduction import ReproductionRequest
    from holdfast.retraining.training_process import ProcessLimits

    limit = options["time_limit"]
    time_s = seconds("--time-limit", limit) if limit else ProcessLimits().time_s
    return ReproductionRequest(
        ref=ref,
        folder=Path.cwd(),
        environment=dict(os.environ),
        paths={name: Path(path) for name, path in pairs("--data", options["data"]).items()},
        command=tuple(shlex.split(options["command"] or "")),
        tolerance=options["tolerance"],
        trusts_patch=options["trust_patch"],
        limits=ProcessLimits(time_s=time_s, threads=options["threads"]),
        sandbox=options["sandbox"],
    )


def _reproduced(made: "Reproduced") -> Iterator[str]:
    yield made.ref
    marks = {"there": "ok", "differs": "differs", "missing": "MISSING"}
    yield from (f"  {marks[need.state]:<8} {need.what}: {need.note}" for need in made.needs)
    if made.problem:
        yield made.problem
    elif made.likeness is not None:
        yield f"verdict: {made.likeness.verdict}"
        yield from (f"  {note}" for note in made.likeness.notes)
    elif made.missing:
        yield f"{count(len(made.missing), 'thing')} missing"
    else:
        yield f"nothing is missing: holdfast reproduce {made.ref} --run"


COMMANDS: tuple[click.Command, ...] = (lineage, reproduce)
