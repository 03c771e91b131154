"""The command line: `holdfast`."""

import gc
import sys
from collections.abc import Sequence

from holdfast import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status (`docs/reference/exit-codes.md`)."""
    argv = sys.argv[1:] if arguments is None else list(arguments)
    if argv == ["--version"]:  # answered before anything is imported
        sys.stdout.write(f"holdfast {__version__}\n")
        return
    gc.disable()  # importing makes nothing that it could free; whoever begins work enables it
    _import_msgspec()
    from holdfast.cli.app import run

    sys.exit(run(argv))


def _import_msgspec() -> None:
    """Import msgspec as it is where typing_extensions is not installed.

    It takes that library's `get_type_hints` where it can, and `typing` has the same; with all that
    typing_extensions imports in turn it would be a quarter of the start.
    """
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]
