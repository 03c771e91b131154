"""Whether the classes that a file names can be imported elsewhere, told while it is registered."""

import functools
import logging
import sys
import sysconfig
from collections.abc import Iterable
from importlib import machinery, metadata
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError

__all__ = ["check"]

_log = logging.getLogger(__name__)
_SCRIPT: Final = "__main__."


def check(shown: str, names: Iterable[str]) -> None:
    """Refuse what only the script that ran can load, and tell of what is not installed.

    Args:
        shown: The file, as the caller knows it.
        names: What loading it imports, as `module.name`.

    Raises:
        InvalidInputError: If a class or function of `__main__` is among them.
    """
    listed = list(names)
    lost = next((name for name in listed if name.startswith(_SCRIPT)), None)
    if lost is not None:
        problem = f"{lost.removeprefix(_SCRIPT)} is defined in __main__, the script that ran"
        advice = "move it to a module, import it from there, and register the model again"
        raise InvalidInputError(shown, problem, advice)
    for top in sorted({name.partition(".")[0] for name in listed}):
        doubt = _doubt(top)
        if doubt:
            _log.warning("%s: %s", shown, doubt)


def _doubt(top: str) -> str | None:
    """Say why a module may not be there where a version is loaded; no code of it is run."""
    if top in sys.stdlib_module_names or top in _installed() or not top.isidentifier():
        return None
    try:
        spec = machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError, OSError):
        return None
    if spec is None:
        return f"{top} is not installed here, and loading the version will need it"
    origin = Path(spec.origin or next(iter(spec.submodule_search_locations or ()), ""))
    libraries = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}
    if any(origin.is_relative_to(library) for library in libraries):
        return None
    advice = "install it as a package wherever the version is loaded"
    return f"{top} is imported from {origin}, which no installed package brings: {advice}"


@functools.cache
def _installed() -> frozenset[str]:
    """Return the modules that installed distributions bring."""
    return frozenset(metadata.packages_distributions())
