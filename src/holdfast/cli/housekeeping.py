"""Commands that make a store, purge versions and clean up."""

from typing import Any

import click

from holdfast.cli import context, tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context, seconds
from holdfast.cli.exit_codes import DAMAGED, DONE
from holdfast.core import wording
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
def init(ctx: Context, folder: str | None) -> None:
    """Make a store in FOLDER after testing its file system."""
    made = ctx.open(folder or ctx.store).init()
    features = ", ".join(
        word
        for word, holds in (
            ("hard links", made.probe.links),
            ("case-sensitive", made.probe.case_sensitive),
            ("local locks", made.probe.locks),
        )
        if holds
    )
    ctx.emit(made, [f"{folder or ctx.store} is a store ({features})"])


@command("purge")
@click.argument("target", metavar="MODEL|REF")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    metavar="N",
    help="Keep this many archived versions, the newest by number.",
)
@click.option("--policy", is_flag=True, help="Purge what the model's retention says.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@context.yes
@_grace
@context.reason
def purge(ctx: Context, target: str, **options: Any) -> None:
    """Delete the bytes of versions; manifests and history stay for ever.

    The plan is shown first, with a reason for each version. Live, staged, aliased and held versions
    and the rollback target always stay.
    """
    model, _at, chosen = target.partition("@")
    if sum((bool(chosen), options["keep"] is not None, options["policy"])) != 1:
        raise InvalidInputError("purge", "needs one of --keep N, --policy, or a REF", "give one")
    registry = ctx.registry()
    selection: dict[str, Any] = {"keep": options["keep"], "versions": [target] if chosen else []}
    plan = registry.purge_plan(model, **selection)
    if not ctx.as_json or options["dry_run"]:
        ctx.emit(plan, _plan_lines(plan))
    if options["dry_run"]:
        return
    if chosen:
        _require_unprotected(registry.resolve(target), plan)
    grace_s = seconds("--grace", options["grace"])
    if plan.purged:
        versions = wording.count(len(plan.purged), "version")
        ctx.confirm(f"purge {versions} of {model}", yes=options["yes"])
    done = registry.purge(model, **selection, grace_s=grace_s, reason=options["reason"])
    lines = [f"purged {model}@{version}" for version in done.purged] or ["nothing was purged"]
    ctx.emit(done, [*lines, _freed(done.collected)])


def _require_unprotected(asked: Any, plan: Any) -> None:
    """Refuse if the one version that was named must keep its bytes."""
    why = next((row.reason for row in plan.rows if row.version == asked.version), None)
    if why is not None and asked.version not in plan.purged:
        raise RefusedError(asked.ref, "purge", [why])


def _plan_lines(plan: Any) -> list[str]:
    rows = [
        (row.version, "purge" if row.purge else "keep", wording.size(row.size_bytes), row.reason)
        for row in plan.rows
    ]
    lines = tables.columns(("VERSION", "PLAN", "SIZE", "WHY"), rows)
    if not plan.purged:
        lines.append("nothing would be purged")
    return lines


def _freed(collected: Any) -> str:
    files = wording.count(collected.freed_blobs, "file")
    freed = f"freed {wording.size(collected.freed_bytes)} ({files})"
    if not collected.waiting_blobs:
        return freed
    waiting = wording.size(collected.waiting_bytes)
    return f"{freed}; {waiting} wait for their grace time, then `holdfast gc` frees them"


@command("gc")
@_grace
def gc(ctx: Context, grace: str) -> None:
    """Remove bytes that no version names, and leftovers of crashes."""
    done = ctx.registry().gc(grace_s=seconds("--grace", grace))
    removed = wording.count(done.leftovers, "leftover")
    left = f"; removed {removed} of crashes" if done.leftovers else ""
    ctx.emit(done, [_freed(done) + left])


@command("repair")
@click.argument("model", required=False)
@click.option(
    "--from",
    "source",
    metavar="STORE|FOLDER",
    help="Fetch from a copy: another store, or a folder with the files under any names.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
def repair(ctx: Context, model: str | None, source: str | None, *, dry_run: bool) -> int:
    """Repair what `verify` finds in the store or in MODEL.

    What is derived from the journals is rebuilt. Damaged bytes and entries are fetched from the
    copy, verified before they take the damaged file's place, which is kept in trash/damaged; an
    entry must fit the chain on both sides. What cannot be repaired is listed, with exit status 6.
    A lost holdfast.json comes back too, from a copy whose journals begin as those here.
    """
    from holdfast.cli import screens

    copy = _copy(ctx, source) if source is not None else None
    put_back = False
    if copy is not None and not isinstance(copy, str) and not dry_run and "://" not in ctx.store:
        put_back = copy.put_back_config(ctx.store)
    registry = ctx.registry()
    deed = registry.repair_plan if dry_run else registry.repair
    done = deed(model, source=copy)
    rows = [(fix.action, fix.subject, fix.source or "–", fix.problem) for fix in done.mends]
    lines = tables.columns(("ACTION", "FILE", "FROM", "WHY"), rows) if rows else []
    lines += [f"left: {screens.damage(damage)}" for damage in done.left]
    lines += [f"holdfast.json was lost and is put back as {source} has it"] if put_back else []
    outcome = "would be repaired" if dry_run else "repaired"
    lines.append(f"{wording.count(len(done.mends), 'file')} {outcome}, {len(done.left)} left")
    ctx.emit(done, lines)
    return DONE if done.whole else DAMAGED


def _copy(ctx: Context, source: str) -> Any:
    """Open a copy as a store, or take the folder as it is."""
    try:
        return ctx.open(source)
    except NotAStoreError:
        return source


@command("delete")
@click.argument("model")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the history.")
@click.option("--force", is_flag=True, help="Delete it even if a version is live.")
@context.yes
def delete(ctx: Context, model: str, *, reason: str, force: bool, yes: bool) -> None:
    """Delete MODEL with all its versions; its history stays."""
    ctx.confirm(f"delete {model} with all its versions", yes=yes)
    done = ctx.registry().delete(model, reason=reason, force=force)
    ctx.emit(done, [done.note])


COMMANDS = (init, purge, gc, repair, delete)
