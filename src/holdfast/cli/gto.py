"""Commands that exchange models with GTO registries."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import tables
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
    """Tag each version and move of MODEL in the Git REPOSITORY.

    `gto show` then lists them, and `dvc artifacts get` fetches their bytes from `holdfast web` at
    URL. Run it again to add what is new; what was exported is never changed.
    """
    from holdfast.gateways.gto import gto_export
    from holdfast.gateways.gto.git_repository import GitRepository

    there = GitRepository(Path(repository).absolute(), _environment())
    done = gto_export.export(ctx.registry(), model, there, url, branch)
    lines = [f"left out: {what}" for what in done.left_out]
    what = f"{wording.count(done.versions, 'version')}, {wording.count(done.tags, 'new tag')}"
    ctx.emit(done, [*lines, f"{done.repository} has {model} ({what}) on branch {done.branch}"])


@command("import")
@click.argument("repository")
@click.argument("artifacts", metavar="[ARTIFACT]...", nargs=-1)
@click.option("--as", "model", metavar="MODEL", help="Register as this model [ARTIFACT].")
@click.option("--path", metavar="PATH", help="Take this file or folder, not that of dvc.yaml.")
@click.option(
    "--live",
    multiple=True,
    metavar="STAGE",
    help="Promote what was assigned this stage; the first there is [production, prod].",
)
@click.option("--trust", metavar="REASON", help="Accept code outside the allow-list, and say why.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
def import_(
    ctx: Context, repository: str, artifacts: tuple[str, ...], *, dry_run: bool, **options: Any
) -> None:
    """Import versions and stages of a GTO registry.

    Run it again to continue. REPOSITORY is a folder or an address that git clones. Files that Git
    does not hold are fetched by DVC's own client.
    """
    from holdfast.cli.progress import progress
    from holdfast.gateways.gto import gto_import

    live = options.pop("live") or gto_import.LIVE
    wanted = gto_import.ImportOptions(artifacts, live=live, environment=_environment(), **options)
    registry = ctx.registry()
    if dry_run:
        planned = gto_import.plan(registry, repository, wanted)
        ctx.emit(planned, _plan_lines(planned))
        return
    with progress("import", shown=not ctx.as_json) as told:
        done = gto_import.run(registry, repository, wanted, told)
    versions = wording.count(len(done.versions), "version")
    moves = wording.count(done.moves, "name")
    ctx.emit(done, [*_left_out(done), f"{done.new} of {versions} imported; {moves} moved"])


def _environment() -> dict[str, str]:
    """Return what `git` and DVC are told: nothing of a repository that a hook is run for."""
    of_hooks = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
    kept = {name: text for name, text in os.environ.items() if name not in of_hooks}
    return kept | {"DVC_NO_ANALYTICS": "1", "LC_ALL": "C"}


def _plan_lines(planned: "GtoImport") -> list[str]:
    header = ("MODEL", "VERSION", "TAG", "STAGES", "BECOMES")
    rows = [
        (
            row.model,
            row.version,
            row.tag,
            ", ".join(row.stages) or "–",
            "is here already" if row.done else "a version",
        )
        for row in planned.versions
    ]
    count = wording.count(len(rows), "version")
    return [
        *_left_out(planned),
        *tables.columns(header, rows),
        f"{count}; nothing was written",
    ]


def _left_out(done: "GtoImport") -> list[str]:
    return [f"left out: {what}" for what in done.left_out]


gto.add_command(export)
gto.add_command(import_)
COMMANDS = (gto,)
