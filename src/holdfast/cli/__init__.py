"""The command line: `holdfast`."""

import sys
from collections.abc import Sequence

from holdfast import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status (`docs/reference/exit-codes.md`)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"]:  # answered before anything is imported
        sys.stdout.write(f"holdfast {__version__}\n")
        return
    from holdfast.cli.app import run

    sys.exit(run(given))
