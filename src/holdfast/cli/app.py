"""Runs a command: the one place where errors become messages and statuses."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from holdfast.cli import exit_codes
from holdfast.cli.context import SCHEMA, context_of
from holdfast.cli.declaring import SHARED, understood
from holdfast.cli.families import MODULES, load
from holdfast.cli.output import echo, hang_up
from holdfast.cli.tables import folded, inert, inert_json
from holdfast.errors import HoldfastError

_DECLARED: Final = ("versions", "inspect")
"""Modules whose commands are declared without click."""
_COMPLETION: Final = "_HOLDFAST_COMPLETE"
"""Set by the shell that asks click what may follow."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    as_json = "--json" in arguments
    try:
        outcome = _outcome(arguments)
        sys.stdout.flush()
    except HoldfastError as error:
        _complain(as_json, error.code, str(error), _attributes(error))
        return exit_codes.status_of(error)
    except BrokenPipeError:
        return hang_up()
    except Exception as error:  # noqa: BLE001 - the last place to say that this is our fault
        if (status := _status_of_click(error, as_json)) is not None:
            return status
        import traceback

        traceback.print_exc()
        echo("holdfast: this is a bug in Holdfast; please report the lines above", err=True)
        return exit_codes.BUG
    return outcome if isinstance(outcome, int) else exit_codes.DONE


def _outcome(arguments: Sequence[str]) -> Any:
    """Call a command that is declared and plainly asked for; leave all others to click."""
    name, *words = arguments or [""]
    if MODULES.get(name) in _DECLARED and _COMPLETION not in os.environ:
        declared = load(name)
        values = understood(declared, words)
        if values is not None:
            shared = {option.name: values.pop(option.name) for option in SHARED}
            try:
                return declared.function(context_of(shared), **values)
            except (EOFError, KeyboardInterrupt):
                echo(err=True)  # ends the line with the terminal's ^C
                return exit_codes.INTERRUPTED
    gc.enable()
    from holdfast.cli.group import app

    return app.main(list(arguments), prog_name="holdfast", standalone_mode=False)


def _status_of_click(error: Exception, as_json: bool) -> int | None:  # noqa: FBT001
    """Say what click has to say, and return the exit status; None if the error is not click's."""
    if "click" not in sys.modules:
        return None
    import click

    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort():
            return exit_codes.INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            echo(error.format_message(), err=True)
            return exit_codes.INVALID
        case click.ClickException():
            _complain(as_json, "invalid_input", error.format_message(), {})
            return exit_codes.INVALID
        case _:
            return None


def _attributes(error: HoldfastError) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int | list | tuple) else str(value)
        for name, value in vars(error).items()
        if value is not None
    }


def _complain(as_json: bool, code: str, message: str, attributes: dict[str, Any]) -> None:  # noqa: FBT001
    if as_json:
        document = {"schema": SCHEMA, "error": {"code": code, "message": message} | attributes}
        echo(inert_json(document), err=True)
    else:
        echo(folded(f"holdfast: {inert(message)}"), err=True)
