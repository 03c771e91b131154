"""Checks at registration whether the classes that a file names can be imported elsewhere."""

import functools
import logging
import sys
import sysconfig
from collections.abc import Collection, Iterable
from importlib import machinery, metadata
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.formats.code.module_space import PREFIX

__all__ = ["check"]

_log = logging.getLogger(__name__)
_SCRIPT: Final = "__main__."
_PROGRAM: Final = "__torch__"
"""Where TorchScript has the classes of a program, whose code is in the file itself."""
_CODE_OPTION: Final = "--code PATH (code=…), which keeps it with the version"
_ADVICE: Final = f"register with {_CODE_OPTION}, or install it wherever the version is loaded"


def check(shown: str, names: Iterable[str], own_modules: Collection[str] = ()) -> None:
    """Refuse what only the script that ran can load, and warn of what is not installed.

    Args:
        shown: The file, as the caller knows it.
        names: What loading it imports, as `module.name`.
        own_modules: Top modules of the code that is kept with it.

    Raises:
        InvalidInputError: If a class or function of `__main__`, or of a loaded version's own code,
            is among them.
    """
    listed = list(names)
    lost = next((name for name in listed if name.startswith(_SCRIPT)), None)
    if lost is not None:
        name = lost.removeprefix(_SCRIPT)
        problem = f"contains {name}, which is defined in __main__, the script that ran"
        advice = f"move it to a module, import it from there, and register with {_CODE_OPTION}"
        raise InvalidInputError(shown, problem, advice)
    theirs = next((name for name in listed if name.startswith(PREFIX)), None)
    if theirs is not None:
        name = theirs.partition(".")[2]
        advice = f"register with the same {_CODE_OPTION}, from an object that was made with it"
        raise InvalidInputError(shown, f"contains {name}, which is code of another version", advice)
    tops = {name.partition(".")[0] for name in listed}
    for top in sorted(tops.difference(own_modules, (_PROGRAM,))):
        doubt = _doubt(top)
        if doubt:
            _log.warning("%s: %s", shown, doubt)


def _doubt(top: str) -> str | None:
    """Say why a module may be missing where a version is loaded; its code is not run."""
    if top in sys.stdlib_module_names or top in _installed() or not top.isidentifier():
        return None
    try:
        spec = machinery.PathFinder.find_spec(top)
    except (ImportError, ValueError, OSError):
        return None
    if spec is None:
        return f"{top} is not installed here, and loading the version will need it: {_ADVICE}"
    origin = Path(spec.origin or next(iter(spec.submodule_search_locations or ()), ""))
    libraries = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}
    if any(origin.is_relative_to(library) for library in libraries):
        return None
    return f"{top} is imported from {origin}, which no installed package brings: {_ADVICE}"


@functools.cache
def _installed() -> frozenset[str]:
    """Return the modules that installed distributions bring."""
    return frozenset(metadata.packages_distributions())
