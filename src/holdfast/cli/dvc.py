"""Commands for DVC."""

from pathlib import Path

import click

from holdfast.cli import context
from holdfast.cli.clicked import command
from holdfast.cli.context import Context


@click.group("dvc")
def dvc() -> None:
    """Write files of DVC that name versions at a server."""


@command("export")
@click.argument("ref")
@click.argument("folder", type=click.Path(), default=".")
@click.option(
    "--url",
    required=True,
    metavar="URL",
    help="Address of the server that DVC asks, or remote://NAME.",
)
@context.at
def export(ctx: Context, ref: str, folder: str, url: str, at: str | None) -> None:
    """Write a .dvc file for each file of REF into FOLDER.

    `dvc update` then fetches the bytes from `holdfast web` at URL; `dvc pull` those that were
    pushed to the project's own remote. Each carries its checksum.
    """
    from holdfast.errors import InvalidInputError
    from holdfast.gateways.dvc_files import dvc_files

    registry = ctx.registry()
    texts = dvc_files(registry.manifest(ctx.named(ref, at)), url)
    written = []
    for name, text in texts.items():
        path = Path(folder, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise InvalidInputError(f"file {str(path)!r}", problem, "check the folder") from error
        written.append(str(path))
    ctx.emit({"files": written}, written)


dvc.add_command(export)
COMMANDS = (dvc,)
