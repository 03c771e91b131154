"""The group of all commands, and the one place where errors become messages and statuses."""

import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

import click

from holdfast import __version__
from holdfast.cli import exits
from holdfast.cli.context import SCHEMA
from holdfast.cli.tables import inert, inert_json
from holdfast.errors import HoldfastError

FAMILIES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Versions": {"life": ("register", "adopt", "stage", "promote", "rollback", "archive", "alias")},
    "Looking": {"look": ("status", "ls", "show", "history", "compare", "card", "verify")},
    "Facts and rules": {
        "facts": ("tag", "note", "evaluate", "approve", "hold", "release", "policy")
    },
    "Serving": {"serve": ("serve",)},
    "Rollouts": {"rollout": ("rollout",)},
    "Predictions": {"predictions": ("predictions",)},
    "Notices": {"notify": ("notify",)},
    "Trust": {"signing": ("key", "sign", "head")},
    "Bytes": {"bytes_": ("load", "env", "checkout", "export", "import", "copy", "backup")},
    "Upkeep": {"upkeep": ("init", "purge", "gc", "repair", "delete")},
    "Help": {"helping": ("help", "completion")},
}
"""Every command by family and by the module that has it, which only its use imports."""
_MODULES: Final = {
    name: module
    for modules in FAMILIES.values()
    for module, names in modules.items()
    for name in names
}


def commands(family: str) -> Iterator[click.Command]:
    """Go through the commands of a family, in the order of the help."""
    for module, names in FAMILIES[family].items():
        for name in names:
            yield _load(module, name)


def _load(module: str, name: str) -> click.Command:
    loaded: tuple[click.Command, ...] = import_module(f"holdfast.cli.{module}").COMMANDS
    return next(command for command in loaded if command.name == name)


class _Group(click.Group):
    """A group that imports a command when it is used, and lists commands by family."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name every command."""
        return sorted(_MODULES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        module = _MODULES.get(cmd_name)
        return None if module is None else _load(module, cmd_name)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each family."""
        for family in FAMILIES:
            with formatter.section(family):
                formatter.write_dl(
                    [(str(one.name), one.get_short_help_str(80)) for one in commands(family)]
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


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    as_json = "--json" in arguments
    try:
        outcome = app.main(list(arguments), prog_name="holdfast", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return exits.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return exits.INVALID
    except click.ClickException as error:
        _complain(as_json, "invalid_input", error.format_message(), {})
        return exits.INVALID
    except HoldfastError as error:
        _complain(as_json, error.code, str(error), _attributes(error))
        return exits.status_of(error)
    except BrokenPipeError:
        return _hang_up()
    except Exception:  # noqa: BLE001 - the last place to say that this is our fault
        traceback.print_exc()
        click.echo("holdfast: this is a bug in Holdfast; please report the lines above", err=True)
        return exits.BUG
    return outcome if isinstance(outcome, int) else exits.DONE


def _attributes(error: HoldfastError) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int | list | tuple) else str(value)
        for name, value in vars(error).items()
        if value is not None
    }


def _complain(as_json: bool, code: str, message: str, attributes: dict[str, Any]) -> None:  # noqa: FBT001
    if as_json:
        document = {"schema": SCHEMA, "error": {"code": code, "message": message} | attributes}
        click.echo(inert_json(document), err=True)
    else:
        click.echo(f"holdfast: {inert(message)}", err=True)


def _hang_up() -> int:
    """Leave quietly when the reader of a pipe has gone."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.DONE
