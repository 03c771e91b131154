"""Commands that make a store, give bytes up and clean up."""

from typing import Any

import click

from holdfast.cli import context, tables
from holdfast.cli.context import Context, command, seconds
from holdfast.cli.exits import DAMAGED, DONE
from holdfast.errors import InvalidInputError, NotAStoreError, RefusedError

_grace = click.option(
    "--grace",
    default="7d",
    show_default=True,
    metavar="SPAN",
    help="How long bytes that no version names any more are kept, from when they were last "
    "stored: 12h, 7d, … With 0 they go at once, beyond recall and from under whoever reads them "
    "now. Buckets and disks that machines share ask for a day at least.",
)


@command("init")
@click.argument("folder", type=click.Path(), required=False)
def init(given: Context, folder: str | None) -> None:
    """Make a store in FOLDER, after trying out what its file system keeps."""
    made = given.open(folder or given.store).init()
    found = ", ".join(
        word
        for word, holds in (
            ("hard links", made.probe.links),
            ("case-sensitive", made.probe.case_sensitive),
            ("local locks", made.probe.locks),
        )
        if holds
    )
    given.emit(made, [f"{folder or given.store} is a store ({found})"])


@command("purge")
@click.argument("target", metavar="MODEL|REF")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    metavar="N",
    help="Archived versions to keep, the newest by number.",
)
@click.option("--policy", is_flag=True, help="What the model's retention says.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@context.yes
@_grace
@context.reason
def purge(given: Context, target: str, **options: Any) -> None:
    """Give up the bytes of versions; manifests and history stay for ever.

    The plan comes first, with a reason for every version. Live, staged, aliased and held versions
    and the rollback target always stay.
    """
    model, _at, chosen = target.partition("@")
    if sum((bool(chosen), options["keep"] is not None, options["policy"])) != 1:
        raise InvalidInputError("purge", "wants one of --keep N, --policy, or a REF", "name one")
    registry = given.registry()
    wanted: dict[str, Any] = {"keep": options["keep"], "versions": [target] if chosen else []}
    plan = registry.purge_plan(model, **wanted)
    if not given.as_json or options["dry_run"]:
        given.emit(plan, _plan_lines(plan))
    if options["dry_run"]:
        return
    if chosen:
        _require_unprotected(registry.resolve(target), plan)
    grace_s = seconds("--grace", options["grace"])
    if plan.purged:
        versions = tables.count(len(plan.purged), "version")
        given.confirm(f"purge {versions} of {model}", yes=options["yes"])
    done = registry.purge(model, **wanted, grace_s=grace_s, reason=options["reason"])
    lines = [f"purged {model}@{version}" for version in done.purged] or ["nothing was purged"]
    given.emit(done, [*lines, _freed(done.collected)])


def _require_unprotected(asked: Any, plan: Any) -> None:
    """Refuse to say that all went well where the one version asked for stays."""
    why = next((row.reason for row in plan.rows if row.version == asked.version), None)
    if why is not None and asked.version not in plan.purged:
        raise RefusedError(asked.ref, "purge", [why])


def _plan_lines(plan: Any) -> list[str]:
    rows = [
        (row.version, "purge" if row.purge else "keep", tables.size(row.size_bytes), row.reason)
        for row in plan.rows
    ]
    lines = tables.columns(("VERSION", "PLAN", "SIZE", "WHY"), rows)
    if not plan.purged:
        lines.append("nothing would be purged")
    return lines


def _freed(collected: Any) -> str:
    files = tables.count(collected.freed_blobs, "file")
    freed = f"freed {tables.size(collected.freed_bytes)} ({files})"
    if not collected.waiting_blobs:
        return freed
    waiting = tables.size(collected.waiting_bytes)
    return f"{freed}; {waiting} wait for their grace time, then `holdfast gc` frees them"


@command("gc")
@_grace
def gc(given: Context, grace: str) -> None:
    """Remove bytes that no version names any more, and what crashes left behind."""
    done = given.registry().gc(grace_s=seconds("--grace", grace))
    removed = tables.count(done.leftovers, "leftover")
    left = f"; removed {removed} of crashes" if done.leftovers else ""
    given.emit(done, [_freed(done) + left])


@command("repair")
@click.argument("model", required=False)
@click.option(
    "--from",
    "source",
    metavar="STORE|FOLDER",
    help="A copy: another store, or a folder that holds the files under any names.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
def repair(given: Context, model: str | None, source: str | None, *, dry_run: bool) -> int:
    """Put right what `verify` tells of the store or of MODEL.

    What is derived from the journals is made anew. Damaged bytes and entries are fetched from the
    copy, verified before they take the damaged file's place, which is kept in trash/damaged; an
    entry must fit the chain on both sides. What cannot be repaired is listed, with exit status 6.
    """
    from holdfast.cli import screens

    copy = _copy(given, source) if source is not None else None
    registry = given.registry()
    deed = registry.repair_plan if dry_run else registry.repair
    done = deed(model, source=copy)
    rows = [(one.action, one.subject, one.source or "–", one.problem) for one in done.mends]
    lines = tables.columns(("ACTION", "FILE", "FROM", "WHY"), rows) if rows else []
    lines += [f"left: {screens.damage(damage)}" for damage in done.left]
    told = "would be repaired" if dry_run else "repaired"
    lines.append(f"{tables.count(len(done.mends), 'file')} {told}, {len(done.left)} left")
    given.emit(done, lines)
    return DONE if done.whole else DAMAGED


def _copy(given: Context, source: str) -> Any:
    """Open a copy as a store, or take the folder as it is."""
    try:
        return given.open(source)
    except NotAStoreError:
        return source


@command("delete")
@click.argument("model")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the history.")
@click.option("--force", is_flag=True, help="Even if a version is live.")
@context.yes
def delete(given: Context, model: str, *, reason: str, force: bool, yes: bool) -> None:
    """Delete MODEL with all its versions; its history stays."""
    given.confirm(f"delete {model} with all its versions", yes=yes)
    done = given.registry().delete(model, reason=reason, force=force)
    given.emit(done, [done.note])


COMMANDS = (init, purge, gc, repair, delete)
