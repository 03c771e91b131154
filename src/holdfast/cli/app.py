"""The group of all commands, and the one place where errors become messages and statuses."""

import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from holdfast import __version__
from holdfast.cli import (
    bytes_,
    exits,
    facts,
    life,
    look,
    notify,
    predictions,
    rollout,
    serve,
    signing,
    upkeep,
)
from holdfast.cli.context import SCHEMA
from holdfast.cli.tables import inert
from holdfast.errors import HoldfastError

FAMILIES = {
    "Versions": life.COMMANDS,
    "Looking": look.COMMANDS,
    "Facts and rules": facts.COMMANDS,
    "Serving": serve.COMMANDS,
    "Rollouts": rollout.COMMANDS,
    "Predictions": predictions.COMMANDS,
    "Notices": notify.COMMANDS,
    "Trust": signing.COMMANDS,
    "Bytes": bytes_.COMMANDS,
    "Upkeep": upkeep.COMMANDS,
}


class _Group(click.Group):
    """A group whose help lists the commands by family."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each family."""
        for family, commands in FAMILIES.items():
            with formatter.section(family):
                formatter.write_dl(
                    [(str(command.name), command.get_short_help_str(80)) for command in commands]
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


for _commands in FAMILIES.values():
    for _command in _commands:
        app.add_command(_command)


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
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), err=True)
    else:
        click.echo(f"holdfast: {inert(message)}", err=True)


def _hang_up() -> int:
    """Leave quietly when the reader of a pipe has gone."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.DONE
