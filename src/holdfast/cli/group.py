"""The group of all commands, for click."""

from collections.abc import Iterator

import click

from holdfast import __version__
from holdfast.cli.clicked import made
from holdfast.cli.families import FAMILIES, MODULES, load


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
