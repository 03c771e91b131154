"""Which instructions surely act where a stream is loaded, even if the stream breaks later.

Random bytes and text are full of instructions by chance, and what ends in an error before it has
imported, called or changed anything is harmless. So a stream that breaks is a finding only if one
of its instructions got so far. Where loaders differ, the one that goes further counts.
"""

import sys
from functools import cache

from holdfast.formats.scanner.allowlist import packages
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.symbols import OPAQUE, Global, Listed, Made, Mapped

_EXTENSION = "copyreg extension"
_LETTERS = 8  # of text that is taken for arguments: Python's own unpickler hands over one by one
_NEVER_CALLED = (int, float, str, bytes, tuple, Listed, Mapped)
_NO_KEYWORDS = Mapped()
_UNPACKED_IDLY = (str, bytes, tuple, Listed, Mapped)
_TOOLS = frozenset(("pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack", "IPython"))


@cache
def libraries() -> frozenset[str]:
    """Return the packages that are there to be imported: Python's own and those of the list."""
    return sys.stdlib_module_names | packages() | _TOOLS


def may_be_text(value: object) -> bool:
    """Tell whether a value may name a module or what is in it: unpicklers stop at all else."""
    # A constant of a module is named like a class, and may be text: `os.name` is.
    unknown = value is OPAQUE or (isinstance(value, Global | Made) and not is_extension(value))
    return unknown or isinstance(value, str)


def is_spelled_out(module: object, name: object) -> bool:
    """Tell whether two texts on the stack name what may be imported: no chance writes both.

    Of GLOBAL, whose argument is two lines, text is full by chance, and only `libraries` count.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        return False
    return all(part.isascii() and part.isidentifier() for part in f"{module}.{name}".split("."))


def extension(code: int) -> Global:
    """Return the stand-in of what a program registered under a number by `copyreg`.

    A number that is not registered ends the run, and chance writes many. So one is counted only
    where a class or a function would be called or changed; picklers write numbers for no others.
    """
    return Global(_EXTENSION, str(code), None)


def is_extension(value: object) -> bool:
    """Tell whether *value* stands for something registered under a number."""
    return isinstance(value, Global) and value.module == _EXTENSION


def calls(func: object, args: object, keywords: object = _NO_KEYWORDS) -> bool:
    """Tell whether calling *func* or its `__new__` is a call in an unpickler, and the file's doing.

    Where it hands nothing to what a program registered, the file has chosen a number and no more;
    what it then does with the result counts.

    Raises:
        UnreadableError: If both unpicklers surely end in an error here.
    """
    if _must_fail(func, args, keywords):
        raise UnreadableError("calls what cannot be called, or hands over what cannot be unpacked")
    if not is_extension(func):
        return isinstance(func, Global | Made)
    if is_extension(args):
        return False  # an error in both unpicklers
    if isinstance(args, str | bytes) and len(args) > _LETTERS:
        return False
    return not (_is_empty(args) and _is_empty(keywords))


def _must_fail(func: object, args: object, keywords: object) -> bool:
    # Neither numbers, text nor containers can be called or are classes, and neither None nor a
    # number can be unpacked. One unpickler unpacks first, and going through an object may act.
    if args is None or isinstance(args, int | float):
        return True
    uncalled = func is None or isinstance(func, _NEVER_CALLED)
    return uncalled and isinstance(args, _UNPACKED_IDLY) and isinstance(keywords, Mapped)


def sets_state(target: object, state: object) -> bool:
    """Tell whether BUILD with *state* changes *target*, or has it change something."""
    if not is_extension(target):
        return isinstance(target, Global | Made)
    parts = state if isinstance(state, tuple) else (state,)
    tables = (part for part in parts if isinstance(part, Global | Made | Mapped))
    return not all(_is_empty(table) or is_extension(table) for table in tables)


def _is_empty(values: object) -> bool:
    match values:
        case tuple() | str() | bytes():
            return not values
        case Listed():
            return values.whole and not values.items
        case Mapped():
            return values.whole and not values.entries
    return False
