"""Commands that exchange versions with Weights & Biases."""

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.cli.declaring import option
from holdfast.core import wording


@click.group("wandb")
def wandb() -> None:
    """Import artifacts of Weights & Biases, or export versions there."""


@command("import")
@click.argument("artifact", metavar="ENTITY/PROJECT/ARTIFACT:ALIAS")
@option("--as", "model", metavar="MODEL", help="Register as this model [ARTIFACT].")
@option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
def import_(ctx: Context, artifact: str, model: str | None, trust: str | None) -> None:
    """Register an artifact, with its metadata, run and free aliases.

    Every byte is hashed against what the artifact lists, and scanned as at any registration. The
    SDK's own settings hold: WANDB_API_KEY, WANDB_BASE_URL.
    """
    from holdfast.gateways.wandb import artifact_import

    registry = ctx.registry()
    done = artifact_import.register(registry, artifact_import.find(artifact), model, trust)
    outcome = "registered" if done.created else "already there:"
    lines = [f"{outcome} {done.ref} from {done.source}; {done.why}"]
    if done.aliases:
        lines.append(f"aliases: {', '.join(done.aliases)}")
    lines += [f"alias {alias} was left: {why}" for alias, why in done.left.items()]
    ctx.emit(done, lines)


@command("export")
@click.argument("ref")
@option("--project", required=True, metavar="[ENTITY/]NAME", help="Log to this project.")
@option("--name", metavar="NAME", help="Use this artifact [the model's name].")
@option("--url", metavar="URL", help="Refer to the files at this server, and upload none.")
@context.at
def export(
    ctx: Context, ref: str, project: str, name: str | None, url: str | None, at: str | None
) -> None:
    """Log REF as an artifact with its digests, metadata and aliases.

    With WANDB_MODE=offline nothing is sent; `wandb sync` uploads what was written.
    """
    from holdfast.gateways.wandb import artifact_export

    target = artifact_export.ExportTarget(project, name, url)
    done = artifact_export.export(ctx.registry(), ctx.named(ref, at), target)
    files = wording.count(len(done.digests), "file")
    line = f"logged {done.ref} as {project}/{done.artifact} ({files}), {', '.join(done.aliases)}"
    ctx.emit(done, [line, *([f"upload it: wandb sync {done.folder}"] if done.folder else [])])


wandb.add_command(import_)
wandb.add_command(export)
COMMANDS = (wandb,)
