"""Commands that exchange models with GTO registries."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli.clicked import command
from holdfast.cli.context import Context
from holdfast.core import wording

if TYPE_CHECKING:
    from holdfast.gateways.gto.gto_import import GtoImport


@click.group("gto")
def gto() -> None:
    """Exchange models with GTO registries: tags of a Git repository."""


@command("export")
@click.argument("model")
@click.argument("repository", type=click.Path())
@click.option("--url", required=True, metavar="URL", help="Address of the server that DVC asks.")
@click.option(
    "--branch", default="holdfast", show_default=True, metavar="NAME", help="Commit to this branch."
)
def export(ctx: Context, model: str, repository: str, url: str, branch: str) -> None:
    """Tag each version and move of MODEL in the Git repository REPOSITORY.

    `gto show` then lists them, and `dvc artifacts get` fetches their bytes from `holdfast web` at
    URL. Run it again to add what is new; what was exported is never changed.
    """
    from holdfast.gateways.gto import gto_export

    done = gto_export.export(ctx.registry(), model, Path(repository).absolute(), url, branch)
    lines = [f"left out: {what}" for what in done.left_out]
    what = f"{wording.count(done.versions, 'version')}, {wording.count(done.tags, 'new tag')}"
    ctx.emit(done, [*lines, f"{done.repository} has {model} ({what}) on branch {done.branch}"])


gto.add_command(export)
COMMANDS = (gto,)
