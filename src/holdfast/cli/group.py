"""The group of all commands, for click."""

import difflib
from collections.abc import Iterator
from typing import Final

import click

from holdfast import __version__
from holdfast.cli.clicked import made
from holdfast.cli.families import FAMILIES, MODULES, load

_ALIKE: Final = 0.7
"""How much of a name must be the same, from 0 to 1, to be suggested."""


def commands(family: str) -> Iterator[click.Command]:
    """Go through the commands of a family, in the order of the help."""
    for names in FAMILIES[family].values():
        for name in names:
            yield made(load(name))


class _Group(click.Group):
    """A group that imports a command when it is used, and lists commands by family."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name every command."""
        return sorted(MODULES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        return made(load(cmd_name)) if cmd_name in MODULES else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none of its name, name those that are spelt alike."""
        name = args[0]
        if name in MODULES or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name, sorted(MODULES), cutoff=_ALIKE)
        advice = f"did you mean {' or '.join(near)}? " if near else ""
        raise click.UsageError(f"command {name!r} is unknown; {advice}`holdfast help` lists all")

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each family."""
        for family in FAMILIES:
            with formatter.section(family):
                formatter.write_dl(
                    [
                        (str(command.name), command.get_short_help_str(80))
                        for command in commands(family)
                    ]
                )


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="holdfast", message="%(prog)s %(version)s")
def app() -> None:
    """Version control for machine-learning models in production.

    A ref names one version: iris@1.2.0, iris@v3, iris@production, iris@previous, iris@staging,
    iris@latest, iris@ALIAS, iris@^1.2, iris@sha256:ab12…

    The store is --store, else the environment's HOLDFAST_STORE, else ./store.
    """
