"""Which constructors a pickle may name, and what may be done with each.

The list itself is `allowed.txt` beside this file: one sentence of reason per group.
"""

import re
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import Literal, cast

from holdfast.errors import InvalidInputError

Use = Literal["call", "make", "name", "type", "wrap", "note", "own"]
"""The first six as `allowed.txt` explains them; `own`: a policy vouches for it."""

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")

# Importing a module runs it: under a package that is allowed as a whole these are not.
_NEVER = frozenset((
    "__main__", "_build_utils", "_testing", "conftest", "datasets", "experimental", "externals",
    "setup", "test", "testing", "tests",
))  # fmt: skip


class AllowList:
    """The packaged list and a policy's own additions.

    Args:
        own: Exact names such as `shop.features.Clip`, or `shop.*` for every name in that package;
            these may be used in any way.

    Raises:
        InvalidInputError: If an addition is neither; `*` alone would allow `os.system`.
    """

    __slots__ = ("_own", "_own_packages")

    def __init__(self, own: Collection[str] = ()) -> None:
        for pattern in own:
            _check(pattern)
        self._own = frozenset(own)
        self._own_packages = tuple(pattern[:-2] for pattern in own if pattern.endswith(".*"))

    def use_of(self, module: str, name: str) -> Use | None:
        """Tell what may be done with `module.name`; None for nothing."""
        exact, packages = _packaged()
        use = exact.get((module, name))
        if use in ("wrap", "note"):
            return use  # the scan's own reading hangs on these: no policy widens them
        if f"{module}.{name}" in self._own:
            return "own"
        if "." not in name and any(_within(module, package) for package in self._own_packages):
            return "own"
        if use or not _DOTTED.fullmatch(module) or not _NEVER.isdisjoint(module.split(".")):
            return use
        fitting = (uses for package, uses in packages.items() if _within(module, package))
        return next((uses[name] for uses in fitting if name in uses), None)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _check(pattern: str) -> None:
    if not _DOTTED.fullmatch(pattern.removesuffix(".*")) or "." not in pattern:
        advice = "write module.Name or package.*"
        raise InvalidInputError(f"allowed {pattern!r}", "does not name a constructor", advice)


@cache
def packages() -> frozenset[str]:
    """Return the top packages of which anything is on the packaged list."""
    exact, within = _packaged()
    places = (*(module for module, _ in exact), *within)
    return frozenset(module_name.partition(".")[0] for module_name in places)


@cache
def _packaged() -> tuple[dict[tuple[str, str], Use], dict[str, dict[str, Use]]]:
    exact: dict[tuple[str, str], Use] = {}
    packages: dict[str, dict[str, Use]] = {}
    text = files(__package__).joinpath("allowed.txt").read_text(encoding="utf-8")
    for use, module, name in _rules(text):
        if module.endswith(".*"):
            packages.setdefault(module[:-2], {})[name] = use
        else:
            exact[module, name] = use
    return exact, packages


def _rules(text: str) -> Iterator[tuple[Use, str, str]]:
    use, module = "", ""
    for line in text.splitlines():
        if line.startswith(" "):
            for name in line.split():
                yield cast("Use", use), module, name
        elif line and not line.startswith("#"):
            use, module = line.split()
