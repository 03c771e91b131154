"""Lines for people and programs on the standard streams."""

import os
import re
import sys
from typing import Final

from holdfast.cli.exit_codes import DONE

_COLOUR: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def echo(message: str = "", *, err: bool = False) -> None:
    """Print a line at once; without colours where no terminal shows them.

    The console of Windows, and streams that take ASCII alone, are left to click, which knows how.
    """
    stream = sys.stderr if err else sys.stdout
    if sys.platform == "win32" or _is_ascii(getattr(stream, "encoding", None) or "ascii"):
        import click

        click.echo(message, err=err)
        return
    shown = message if stream.isatty() else _COLOUR.sub("", message)
    stream.write(f"{shown}\n")
    stream.flush()


def hang_up() -> int:
    """Leave quietly when the reader of a pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def _is_ascii(encoding: str) -> bool:
    if encoding.lower() in ("utf-8", "utf8"):
        return False
    import codecs

    return codecs.lookup(encoding).name == "ascii"
