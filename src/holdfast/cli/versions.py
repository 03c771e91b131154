"""Commands that register and move versions."""

from typing import TYPE_CHECKING, Any

from holdfast.cli import context
from holdfast.cli.context import Context
from holdfast.cli.declaring import FilePath, argument, command, option
from holdfast.cli.notify_hook import telling
from holdfast.cli.output import echo
from holdfast.cli.progress import progress
from holdfast.cli.tables import columns
from holdfast.core.wording import moment
from holdfast.errors import NoPreviousVersionError

if TYPE_CHECKING:
    from holdfast.core.views import Moved
    from holdfast.registry import Registry


@command("register")
@argument("name")
@argument("model", type=FilePath(), required=False)
@argument("preprocessor", type=FilePath(), required=False)
@option("--metric", multiple=True, metavar="NAME=NUMBER", help="Add a metric; may be repeated.")
@option("--metrics", metavar="FILE", help="Read metrics from a JSON object.")
@option("--param", multiple=True, metavar="NAME=VALUE", help="Add a hyperparameter.")
@option(
    "--training-data",
    multiple=True,
    metavar="NAME=VALUE",
    help="Describe the training data: source=, samples=, …",
)
@option(
    "--lineage",
    multiple=True,
    metavar="NAME=VALUE",
    help="Describe the lineage: data_window=, run_id=, …",
)
@option(
    "--environment",
    multiple=True,
    metavar="NAME=VERSION",
    help="Set python= or a package, instead of what is installed here.",
)
@option(
    "--data",
    multiple=True,
    metavar="NAME=PATH|DATA@V",
    help="Record digests of what it was trained on: a path, or data by name.",
)
@option("--keep-patch", is_flag=True, help="Keep uncommitted changes; they may hold secrets.")
@option("--base", metavar="MODEL@REF", help="Name the base of an adapter; its digest is recorded.")
@option("--metadata", multiple=True, metavar="NAME=VALUE", help="Add anything of your own.")
@option("--limitation", multiple=True, metavar="TEXT", help="State a known limitation.")
@option("--artifact", multiple=True, metavar="ROLE=PATH", help="Add a further file or folder.")
@option("--postprocessor", metavar="PATH", help="Turn what MODEL predicts into the answer.")
@option("--reference", metavar="FILE", help="Keep counts of these training rows: for drift.")
@option(
    "--code", metavar="PATH", help="Add its own Python: a module, a package or a folder of these."
)
@option(
    "--entry", metavar="MODULE:CLASS", help="Name what of --code makes the model; without MODEL."
)
@option(
    "--format",
    "form",
    multiple=True,
    metavar="ROLE=FORMAT",
    help="Set the format where the content misleads.",
)
@option("--description", metavar="TEXT")
@option("--author", metavar="NAME")
@option("--framework", metavar="NAME")
@option("--algorithm", metavar="NAME")
@option("--input-schema", metavar="FILE", help="Set the JSON Schema of the input; null for none.")
@option("--output-schema", metavar="FILE", help="Set the JSON Schema of the output; null for none.")
@option("--input-example", metavar="FILE", help="Give a few rows: .json, .csv, .parquet.")
@option("--major", "bump", flag_value="major", help="Raise the major version: callers break.")
@option("--minor", "bump", flag_value="minor", help="Raise the minor version: better or retrained.")
@option(
    "--patch",
    "bump",
    flag_value="patch",
    help="Raise the patch version: a fix, no change expected.",
)
@option(
    "--auto", "bump", flag_value="auto", help="Raise what the schemas demand, else minor [default]."
)
@option("--version", metavar="SEMVER", help="Register this exact version.")
@context.losses
@option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@option("--scanner", multiple=True, metavar="NAME", help="Run picklescan or modelaudit as well.")
@context.new
@context.reason
@context.idempotency_key
def register(
    ctx: Context, name: str, model: str | None, preprocessor: str | None, **options: Any
) -> None:
    """Register MODEL and its PREPROCESSOR as a new version of NAME.

    Files and folders are copied, never moved. What is not given is detected where possible: git
    commit, environment, framework, algorithm, hyperparameters, schema.
    """
    from holdfast.cli.register_options import facts_from

    if model is None and options["entry"] is None:
        import click

        raise click.UsageError("give MODEL, or --code with --entry")
    registry, facts = ctx.registry(), facts_from(options)
    ctx.require_meant(registry, name, new=options["new"])
    with progress("register", shown=not ctx.as_json) as report:
        done = registry.register(
            name,
            model,
            preprocessor,
            bump=options["bump"] or "auto",
            version=options["version"],
            **facts | ({"progress": report} if report else {}),
        )
    outcome = "registered" if done.created else "already there"
    lines = [
        f"{outcome} {done.ref} (v{done.version.number})",
        f"  version  {done.why}",
        f"  digest   {done.version.digest}",
    ]
    if done.same_bytes:
        lines.append(f"  files    the same bytes as {name}@{done.same_bytes}: only facts are new")
    ctx.emit(done, lines)


@command("adopt")
@argument("name")
@argument("folder", type=FilePath())
@option(
    "--preprocessor",
    multiple=True,
    metavar="MODEL=FILE",
    help="Pair model files with it; `*=FILE` for all, `=none` for none.",
)
@option("--live", metavar="FILE", help="Promote this file, which is live now.")
@option(
    "--code", metavar="PATH", help="Add their own Python to each: a module, a package or a folder."
)
@option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@context.new
@context.reason
def adopt(ctx: Context, name: str, folder: str, **options: Any) -> None:
    """Register each model file of FOLDER as a version, oldest first.

    The plan is shown first: the role, order and preprocessor of each file. Nothing in
    FOLDER is moved or changed.
    """
    registry = ctx.registry()
    answers = context.pairs("--preprocessor", options["preprocessor"])
    plan = registry.adopt_plan(name, folder, preprocessors=answers)
    if not ctx.as_json or options["dry_run"]:
        ctx.emit(plan, _plan_lines(plan))
    if options["dry_run"]:
        return
    ctx.require_meant(registry, name, new=options["new"])
    for file in plan.questions if ctx.interactive else ():
        import click

        choices = click.Choice([*plan.choices, "none"])
        answers[file] = click.prompt(f"preprocessor of {file}", type=choices, err=True)
    done = registry.adopt(
        name,
        folder,
        preprocessors=answers,
        live=options["live"],
        trust=options["trust"],
        code=options["code"],
        reason=options["reason"],
    )
    lines = [f"registered {info.ref} from {file}" for file, info in done.versions.items()]
    if done.live:
        lines.append(f"{name}@{done.live} is live")
    else:
        lines.append(f"next  holdfast promote {name}@VERSION   (nothing is live yet)")
    ctx.emit(done, lines)


def _plan_lines(plan: Any) -> list[str]:
    rows = [
        (
            row.role,
            row.file,
            moment(row.modified),
            row.sha256[:12],
            row.preprocessor or ("?" if row.file in plan.questions else "–"),
            "; ".join(
                filter(
                    None, (row.note, row.findings and f"needs --trust: {', '.join(row.findings)}")
                )
            ),
        )
        for row in plan.rows
    ]
    return columns(("AS", "FILE", "MODIFIED", "SHA256", "PREPROCESSOR", "NOTE"), rows)


@command("stage")
@argument("ref")
@context.reason
@context.idempotency_key
def stage(ctx: Context, ref: str, **options: Any) -> None:
    """Move `staging` to REF."""
    done = ctx.registry().stage(ref, **options)
    ctx.emit(done, [done.note if not done.changed else f"{done.ref} is staged"])


_wait = option(
    "--wait",
    metavar="[SPAN]",
    is_flag=False,
    flag_value="30s",
    help="Wait until all servers answer with it; status 1 if one does not, or none is up [30s].",
)


@command("promote")
@argument("ref")
@option("--dry-run", is_flag=True, help="Ask the gate without moving anything.")
@option("--expect", metavar="VERSION|REF", help="Move only if this version is live now.")
@_wait
@context.force
@context.reason
@context.idempotency_key
@telling
def promote(
    ctx: Context, ref: str, *, dry_run: bool, wait: str | None, **options: Any
) -> int | None:
    """Make REF live if the gate allows it."""
    registry = ctx.registry()
    if dry_run:
        return _judge(ctx, ref)
    done = registry.promote(ref, **options)
    lines = [f"gate: {remark}" for remark in done.remarks]
    lines += [f"gate overridden: {reason}" for reason in done.refused]
    if done.changed:
        lines.append(f"{done.ref} is live" + (f", {done.was} is archived" if done.was else ""))
        lines += _ended(done)
        lines.append(f"  head  {done.head}")
    else:
        lines.append(f"nothing to do: {done.note}")
    return _emit_moved(ctx, registry, done, lines, wait)


def _emit_moved(
    ctx: Context, registry: "Registry", done: "Moved", lines: list[str], wait: str | None
) -> int:
    """Print what was moved, and with --wait how far the servers are."""
    import msgspec

    from holdfast.cli.exit_codes import CHECK, DONE

    if wait is None:
        ctx.emit(done, lines)
        return DONE
    serving = registry.wait(done.model, timeout_s=context.seconds("--wait", wait))
    lines.append(
        f"  serving {serving}" if serving.workers else "  serving: no live server to wait for"
    )
    lines += [f"  {laggard.worker}: {laggard.says}" for laggard in serving.lagging]
    ctx.emit(msgspec.to_builtins(done) | {"serving": serving}, lines)
    return DONE if serving.workers and serving.whole else CHECK


def _judge(ctx: Context, ref: str) -> int:
    from holdfast.cli.exit_codes import BY_CODE, DONE

    verdict = ctx.registry().judge(ref)
    lines = [f"refuses: {reason}" for reason in verdict.reasons]
    lines += [f"remarks: {remark}" for remark in verdict.remarks]
    lines.append("the gate allows it" if verdict.passed else "the gate refuses it")
    ctx.emit(verdict, lines)
    return DONE if verdict.passed else BY_CODE["refused"]


@command("rollback")
@argument("model")
@option("--to", metavar="VERSION|REF", help="Go to another version that has been live.")
@option("--expect", metavar="VERSION|REF", help="Move only if this version is live now.")
@_wait
@context.reason
@context.idempotency_key
@telling
def rollback(ctx: Context, model: str, *, to: str | None, wait: str | None, **options: Any) -> int:
    """Verify the previous live version and make it live again."""
    registry = ctx.registry()
    try:
        done = registry.rollback(model, to=to, **options)
    except NoPreviousVersionError:
        _point_to_rollout(registry, model)
        raise
    lines = [f"{done.ref} is live, {done.was} is archived"] if done.changed else [done.note]
    if not options["reason"] and done.changed:
        echo(f"no reason given; holdfast note {model}@{done.was} adds it later", err=True)
    if done.changed:
        lines += [*_ended(done), f"  head  {done.head}"]
    return _emit_moved(ctx, registry, done, lines, wait)


def _ended(done: "Moved") -> list[str]:
    return [f"  rollout {done.rollout} ended by this"] if done.rollout else []


def _point_to_rollout(registry: "Registry", model: str) -> None:
    """Say how to end a rollout beside the only version ever live, which no rollback can."""
    rollout = registry.rollout(model)
    if rollout is not None and rollout.goes_on:
        ending = f"holdfast rollout abort {model} ends it"
        echo(f"rollout {rollout.number} of {rollout.version} is running; {ending}", err=True)


@command("archive")
@argument("ref")
@context.reason
@context.idempotency_key
def archive(ctx: Context, ref: str, **options: Any) -> None:
    """Archive REF; the live version cannot be archived."""
    done = ctx.registry().archive(ref, **options)
    ctx.emit(done, [done.note if not done.changed else f"{done.ref} is archived"])


@command("alias")
@argument("ref")
@argument("alias", required=False)
@option("--remove", is_flag=True, help="Remove the alias: MODEL@ALIAS.")
@context.force
@context.reason
def alias(ctx: Context, ref: str, alias: str | None, *, remove: bool, **options: Any) -> None:
    """Point ALIAS to REF."""
    registry = ctx.registry()
    if remove:
        model, _, name = ref.partition("@")
        if alias is not None or not name:
            import click

            raise click.UsageError("name the alias to remove: holdfast alias MODEL@ALIAS --remove")
        done = registry.remove_alias(model, name, **options)
        ctx.emit(done, [f"{name} is removed (it pointed to {done.was})"])
    elif alias is None:
        import click

        raise click.UsageError("give the alias: holdfast alias MODEL@REF ALIAS")
    else:
        done = registry.alias(ref, alias, **options)
        ctx.emit(done, [done.note if not done.changed else f"{alias} points to {done.ref}"])


COMMANDS = (register, adopt, stage, promote, rollback, archive, alias)
