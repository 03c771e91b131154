"""Commands by which versions come to be and move."""

from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import context
from holdfast.cli.context import Context, command
from holdfast.cli.tables import columns, moment
from holdfast.cli.telling import telling
from holdfast.errors import NoPreviousVersionError

if TYPE_CHECKING:
    from holdfast.core.views import Moved
    from holdfast.registry import Registry


@command("register")
@click.argument("name")
@click.argument("model", type=click.Path(), required=False)
@click.argument("preprocessor", type=click.Path(), required=False)
@click.option("--metric", multiple=True, metavar="NAME=NUMBER", help="A metric; may be repeated.")
@click.option("--metrics", metavar="FILE", help="Metrics from a JSON object.")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A hyperparameter.")
@click.option("--training-data", multiple=True, metavar="NAME=VALUE", help="source=, samples=, …")
@click.option("--lineage", multiple=True, metavar="NAME=VALUE", help="data_window=, run_id=, …")
@click.option(
    "--environment",
    multiple=True,
    metavar="NAME=VERSION",
    help="python= or a package; in place of what is installed here.",
)
@click.option("--base", metavar="MODEL@REF", help="What an adapter is put on; kept by its digest.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Anything of your own.")
@click.option("--limitation", multiple=True, metavar="TEXT", help="A known limitation.")
@click.option("--artifact", multiple=True, metavar="ROLE=PATH", help="A further file or folder.")
@click.option("--postprocessor", metavar="PATH", help="Makes the answer of what MODEL predicts.")
@click.option(
    "--code", metavar="PATH", help="Its own Python: a module, package or folder of these."
)
@click.option("--entry", metavar="MODULE:CLASS", help="What of --code makes the model; no MODEL.")
@click.option(
    "--format", "form", multiple=True, metavar="ROLE=FORMAT", help="Where content misleads."
)
@click.option("--description", metavar="TEXT")
@click.option("--author", metavar="NAME")
@click.option("--framework", metavar="NAME")
@click.option("--algorithm", metavar="NAME")
@click.option("--input-schema", metavar="FILE", help="JSON Schema of the input; null for none.")
@click.option("--output-schema", metavar="FILE", help="JSON Schema of the output; null for none.")
@click.option("--input-example", metavar="FILE", help="A few rows: .json, .csv, .parquet.")
@click.option("--major", "bump", flag_value="major", help="Callers break.")
@click.option("--minor", "bump", flag_value="minor", help="Better or retrained.")
@click.option("--patch", "bump", flag_value="patch", help="A fix, no change expected.")
@click.option(
    "--auto", "bump", flag_value="auto", help="What the schemas demand, else minor [default]."
)
@click.option("--version", metavar="SEMVER", help="An exact version.")
@context.losses
@click.option("--trust", metavar="REASON", help="Take in code outside the allow-list.")
@click.option(
    "--scanner", multiple=True, metavar="NAME", help="Ask picklescan or modelaudit as well."
)
@context.new
@context.reason
@context.key
def register(
    given: Context, name: str, model: str | None, preprocessor: str | None, **options: Any
) -> None:
    """Register MODEL and its PREPROCESSOR as a new version of NAME.

    Files and folders are copied, never moved. What is not said is found out where it can be: git
    commit, environment, framework, algorithm, hyperparameters, schema.
    """
    from holdfast.cli.facts_given import facts_from

    if model is None and options["entry"] is None:
        raise click.UsageError("give MODEL, or --code with --entry")
    registry, facts = given.registry(), facts_from(options)
    given.require_meant(registry, name, new=options["new"])
    done = registry.register(
        name,
        model,
        preprocessor,
        bump=options["bump"] or "auto",
        version=options["version"],
        **facts,
    )
    said = "registered" if done.created else "already there"
    lines = [
        f"{said} {done.ref} (v{done.version.number})",
        f"  version  {done.why}",
        f"  digest   {done.version.digest}",
    ]
    if done.same_bytes:
        lines.append(f"  files    the same bytes as {name}@{done.same_bytes}: only facts are new")
    given.emit(done, lines)


@command("adopt")
@click.argument("name")
@click.argument("folder", type=click.Path())
@click.option(
    "--preprocessor",
    multiple=True,
    metavar="MODEL=FILE",
    help="Which belongs to which; `*=FILE` for all, `=none` for none.",
)
@click.option("--live", metavar="FILE", help="The file that is live now; it is promoted.")
@click.option("--trust", metavar="REASON", help="Take in code outside the allow-list.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@context.new
@context.reason
def adopt(given: Context, name: str, folder: str, **options: Any) -> None:
    """Register every model file of FOLDER as a version of NAME, oldest first.

    The plan comes first: which file is what, in which order, with which preprocessor. Nothing in
    FOLDER is moved or changed.
    """
    registry = given.registry()
    answers = context.pairs("--preprocessor", options["preprocessor"])
    plan = registry.adopt_plan(name, folder, preprocessors=answers)
    if not given.as_json or options["dry_run"]:
        given.emit(plan, _plan_lines(plan))
    if options["dry_run"]:
        return
    given.require_meant(registry, name, new=options["new"])
    for file in plan.questions if given.interactive else ():
        choices = click.Choice([*plan.choices, "none"])
        answers[file] = click.prompt(f"preprocessor of {file}", type=choices, err=True)
    done = registry.adopt(
        name,
        folder,
        preprocessors=answers,
        live=options["live"],
        trust=options["trust"],
        reason=options["reason"],
    )
    lines = [f"registered {info.ref} from {file}" for file, info in done.versions.items()]
    if done.live:
        lines.append(f"{name}@{done.live} is live")
    else:
        lines.append(f"next  holdfast promote {name}@VERSION   (nothing is live yet)")
    given.emit(done, lines)


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
@click.argument("ref")
@context.reason
@context.key
def stage(given: Context, ref: str, **options: Any) -> None:
    """Let `staging` name the version REF."""
    done = given.registry().stage(ref, **options)
    given.emit(done, [done.note if not done.changed else f"{done.ref} is staged"])


_wait = click.option(
    "--wait",
    metavar="[SPAN]",
    is_flag=False,
    flag_value="30s",
    help="Return once all servers answer by it; status 1 if some do not, or none is live [30s].",
)


@command("promote")
@click.argument("ref")
@click.option("--dry-run", is_flag=True, help="Ask the gate and move nothing.")
@click.option("--expect", metavar="VERSION", help="Do it only if this version is live now.")
@_wait
@context.force
@context.reason
@context.key
@telling
def promote(
    given: Context, ref: str, *, dry_run: bool, wait: str | None, **options: Any
) -> int | None:
    """Make the version REF live, if the gate lets it pass."""
    registry = given.registry()
    if dry_run:
        return _judge(given, ref)
    done = registry.promote(ref, **options)
    lines = [f"gate: {remark}" for remark in done.remarks]
    lines += [f"gate passed over: {reason}" for reason in done.refused]
    if done.changed:
        lines.append(f"{done.ref} is live" + (f", {done.was} is archived" if done.was else ""))
        lines += _ended(done)
        lines.append(f"  head  {done.head}")
    else:
        lines.append(f"nothing to do: {done.note}")
    return _emit_moved(given, registry, done, lines, wait)


def _emit_moved(
    given: Context, registry: "Registry", done: "Moved", lines: list[str], wait: str | None
) -> int:
    """Print what was moved, and with --wait how far the servers are."""
    import msgspec

    from holdfast.cli.exits import CHECK, DONE

    if wait is None:
        given.emit(done, lines)
        return DONE
    found = registry.wait(done.model, timeout_s=context.seconds("--wait", wait))
    lines.append(f"  serving {found}" if found.workers else "  serving: no live server to wait for")
    lines += [f"  {one.worker}: {one.says}" for one in found.lagging]
    given.emit(msgspec.to_builtins(done) | {"serving": found}, lines)
    return DONE if found.workers and found.whole else CHECK


def _judge(given: Context, ref: str) -> int:
    from holdfast.cli.exits import BY_CODE, DONE

    verdict = given.registry().judge(ref)
    lines = [f"refuses: {reason}" for reason in verdict.reasons]
    lines += [f"remarks: {remark}" for remark in verdict.remarks]
    lines.append("the gate lets it pass" if verdict.passed else "the gate refuses it")
    given.emit(verdict, lines)
    return DONE if verdict.passed else BY_CODE["refused"]


@command("rollback")
@click.argument("model")
@click.option("--to", metavar="VERSION|REF", help="Another version that was ever live.")
@click.option("--expect", metavar="VERSION", help="Do it only if this version is live now.")
@_wait
@context.reason
@context.key
@telling
def rollback(
    given: Context, model: str, *, to: str | None, wait: str | None, **options: Any
) -> int:
    """Go back to the version of MODEL that was live before, its bytes verified first."""
    registry = given.registry()
    try:
        done = registry.rollback(model, to=to, **options)
    except NoPreviousVersionError:
        _point_to_rollout(registry, model)
        raise
    lines = [f"{done.ref} is live, {done.was} is archived"] if done.changed else [done.note]
    if not options["reason"] and done.changed:
        click.echo(f"no reason given; holdfast note {model}@{done.was} says it later", err=True)
    if done.changed:
        lines += [*_ended(done), f"  head  {done.head}"]
    return _emit_moved(given, registry, done, lines, wait)


def _ended(done: "Moved") -> list[str]:
    return [f"  rollout {done.rollout} ended by this"] if done.rollout else []


def _point_to_rollout(registry: "Registry", model: str) -> None:
    """Say how to stop what is no rollback's: a rollout beside the only version ever live."""
    rollout = registry.rollout(model)
    if rollout is not None and rollout.goes_on:
        ending = f"holdfast rollout abort {model} ends it"
        click.echo(f"rollout {rollout.number} of {rollout.version} goes on; {ending}", err=True)


@command("archive")
@click.argument("ref")
@context.reason
@context.key
def archive(given: Context, ref: str, **options: Any) -> None:
    """Put the version REF away; the live one cannot be."""
    done = given.registry().archive(ref, **options)
    given.emit(done, [done.note if not done.changed else f"{done.ref} is archived"])


@command("alias")
@click.argument("ref")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Take the alias away; REF is then the model.")
@context.force
@context.reason
def alias(given: Context, ref: str, alias: str, *, remove: bool, **options: Any) -> None:
    """Let ALIAS name the version REF."""
    registry = given.registry()
    if remove:
        done = registry.remove_alias(ref.partition("@")[0], alias, **options)
        given.emit(done, [f"{alias} names nothing any more (it named {done.was})"])
    else:
        done = registry.alias(ref, alias, **options)
        given.emit(done, [done.note if not done.changed else f"{alias} names {done.ref}"])


COMMANDS = (register, adopt, stage, promote, rollback, archive, alias)
