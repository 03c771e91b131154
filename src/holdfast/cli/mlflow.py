"""Commands that carry versions to and from MLflow."""

import os
from typing import TYPE_CHECKING

import click

from holdfast.cli import tables
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.core import wording

if TYPE_CHECKING:
    from holdfast.gateways.mlflow.migration import PlannedVersion

_tracking = click.option(
    "--tracking",
    metavar="URI",
    help="Ask this tracking server [MLFLOW_TRACKING_URI].",
)


@click.group("mlflow")
def mlflow() -> None:
    """Carry versions to and from MLflow."""


@command("push")
@click.argument("ref")
@click.option(
    "--experiment", default="holdfast", show_default=True, metavar="NAME", help="Log there."
)
@click.option("--name", metavar="NAME", help="Register it under this name there.")
@_tracking
def push(ctx: Context, ref: str, experiment: str, name: str | None, tracking: str | None) -> None:
    """Log REF to a tracking server as a run, and register it there."""
    _use(tracking)
    from holdfast.gateways.mlflow import push_pull

    done = push_pull.push(ctx.registry(), ref, experiment, name)
    word = "is" if done.created else "was already"
    ctx.emit(done, [f"{done.ref} {word} {done.name} version {done.version}, run {done.run_id}"])


@command("pull")
@click.argument("spec", metavar="NAME/VERSION|NAME@ALIAS|runs:/RUN/PATH")
@click.option("--model", metavar="MODEL", help="Register it under this name here.")
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@_tracking
def pull(
    ctx: Context, spec: str, model: str | None, trust: str | None, tracking: str | None
) -> None:
    """Register what a tracking server has, with its run as lineage."""
    _use(tracking)
    from holdfast.gateways.mlflow import push_pull

    done = push_pull.pull(ctx.registry(), spec, model, trust)
    word = "registered" if done.created else "nothing to do: registered before as"
    ctx.emit(done, [f"{word} {done.ref} ({done.why})"])


@command("import")
@click.argument("uri")
@click.option(
    "--live",
    multiple=True,
    metavar="STAGE|ALIAS",
    help="Make live what has this stage or alias there; the first that a model has counts.",
)
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
def import_(
    ctx: Context, uri: str, live: tuple[str, ...], trust: str | None, *, dry_run: bool
) -> None:
    """Import all models of an MLflow registry; run it again to continue.

    URI is sqlite:///FILE, postgresql://…, a tracking server's address, or the folder mlruns. What
    cannot be reached becomes a reference, and each is told.
    """
    _use(None)
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # it is read, and left as it is
    from holdfast.cli.progress import progress
    from holdfast.gateways.mlflow.migration import Migration

    migration = Migration(ctx.registry(), uri, live, trust)
    if dry_run:
        rows = migration.plan()
        ctx.emit(rows, _plan_lines(rows))
        return
    with progress("import", shown=not ctx.as_json) as told:
        done = migration.run(told)
    lines = [f"{ref} is a reference: its bytes cannot be reached" for ref in done.references]
    lines += [f"{ref} {predicate}" for ref, predicate in done.unmade.items()]
    versions = wording.count(done.versions, "version")
    total = f"{done.new} of {versions} of {wording.count(done.models, 'model')} imported"
    ctx.emit(done, [*lines, total])


def _plan_lines(rows: "list[PlannedVersion]") -> list[str]:
    header = ("MODEL", "VERSION", "STAGE", "ALIASES", "BECOMES")
    told = [
        (
            row.model,
            f"{row.number} → v{row.number}",
            row.stage,
            ", ".join(row.aliases) or "–",
            _becomes(row),
        )
        for row in rows
    ]
    return [
        *tables.columns(header, told),
        f"{wording.count(len(rows), 'version')}; nothing was written",
    ]


def _becomes(row: "PlannedVersion") -> str:
    if row.done:
        return "is here already"
    if row.problem:  # nothing of it is hashed, so it is never live
        return f"a reference: {row.problem}" + (", and so not live" if row.live else "")
    return "a version, live" if row.live else "a version"


def _use(tracking: str | None) -> None:
    """Set up MLflow for one command.

    Raises:
        MissingLibraryError: If it is not installed.
    """
    from importlib.util import find_spec

    from holdfast.errors import MissingLibraryError

    if find_spec("mlflow") is None:
        raise MissingLibraryError("mlflow", "mlflow", "this command speaks to MLflow")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if tracking is not None:
        import mlflow

        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(tracking)


mlflow.add_command(push)
mlflow.add_command(pull)
mlflow.add_command(import_)
COMMANDS = (mlflow,)
