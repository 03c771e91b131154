"""The files of a version's own code: which are kept, and which names they may have."""

import ast
import functools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from holdfast.core.manifest import CODE, Scan
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import trees
from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import known_modules
from holdfast.formats.scanner import allowlist

__all__ = ["CODE", "Code", "mark", "modules_used", "sources", "stage", "top_modules"]

_MOST_FILES: Final = 5_000
_MOST_BYTES: Final = 256 << 20
_MOST_SOURCE_BYTES: Final = 64 << 20
_COMPILED: Final = frozenset((".pyc", ".pyo"))
_NATIVE: Final = frozenset((".so", ".pyd", ".dll", ".dylib"))
_CACHE: Final = "__pycache__"
_INIT: Final = "__init__.py"


class Code:
    """A folder that holds modules and packages at its top, as a folder of `sys.path` does."""

    name = CODE

    def takes(self, model: object) -> bool:
        """Take no object."""
        del model
        return False

    def recognises(self, path: Path) -> bool:
        """Recognise a folder whose files and names may be a version's code."""
        try:
            return path.is_dir() and bool(top_modules(path))
        except InvalidInputError:
            return False

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Refuse: code is given as its folder.

        Raises:
            UnsupportedError: Always.
        """
        del folder, stem
        subject = f"{type(model).__name__} object"
        raise UnsupportedError(subject, "is not a path to code", "give the folder of its package")

    def load(self, path: Path) -> object:
        """Return the path: modules are imported as the version's other parts need them."""
        return path

    def describe(self, source: object) -> Description:
        """Name the distributions that the code imports."""
        return Description(packages=modules_used(source) if isinstance(source, Path) else ())


def mark(format_name: str, scan: Scan) -> Scan:
    """Say of code that it runs, whatever a look at its files found: the format decides it."""
    if format_name != CODE:
        return scan
    return replace(scan, kind=CODE, executes_code=True, unknown=scan.unknown or ("Python code",))


def stage(source: Path, folder: Path) -> Path:
    """Copy code to a folder of its own, without caches, compiled files and hidden files.

    Args:
        source: A module, a package's folder, or a folder of modules and packages.
        folder: Where the copy is put.

    Returns:
        The copy: the module or package lies in it under its own name.

    Raises:
        InvalidInputError: If it is not Python code, or more of it than a package has, or it has
            native libraries, a link that leads out of it, or the name of somebody else's module.
    """
    subject = f"code {str(source)!r}"
    if not source.exists():
        raise InvalidInputError(subject, "does not exist", "check the path")
    root = source if source.name not in ("", "..") else source.resolve()
    target = folder / CODE
    size_bytes = 0
    for count, (name, path) in enumerate(_found(source), start=1):
        size_bytes += path.stat().st_size
        if count > _MOST_FILES or size_bytes > _MOST_BYTES:
            problem = f"has more than {_MOST_FILES:,} files or {_MOST_BYTES >> 20} MiB"
            raise InvalidInputError(subject, problem, "name the folder of one package")
        inner = name if _is_root(source) else f"{root.name}/{name}"
        destination = target / (root.name if source.is_file() else inner)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
    if not target.is_dir() or not top_modules(target):
        advice = "name a module, a package's folder, or the folder that holds packages"
        raise InvalidInputError(subject, "holds no Python module", advice)
    return target


def _is_root(source: Path) -> bool:
    """Tell whether a folder holds modules and packages, and is not a package itself."""
    return source.is_dir() and not (source / _INIT).is_file()


def _found(source: Path) -> Iterator[tuple[str, Path]]:
    if source.is_file() or not source.is_dir():
        trees.require_readable(source)
        yield source.name, source
    else:
        yield from trees.walk(source, _is_left_out)


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name == _CACHE or Path(name).suffix.lower() in _COMPILED


def top_modules(folder: Path) -> tuple[str, ...]:
    """Name the modules and packages at the top of code, sorted, and check all of its names.

    Raises:
        InvalidInputError: If a file of it may not be part of a version's code.
    """
    names = [name for name, _ in trees.files(folder)]
    if len(names) > _MOST_FILES:
        raise InvalidInputError("code", f"has {len(names):,} files", "name one package")
    for name in names:
        _check_file(name)
    tops = sorted({_module_of(name) for name in names if name.endswith(".py")})
    for top in tops:
        _check_top(top)
    return tuple(tops)


def _module_of(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def _check_file(name: str) -> None:
    parts = name.split("/")
    subject = f"code file {name!r}"
    if any(_is_left_out(part) for part in parts):
        advice = "register the package's folder, which leaves these out"
        raise InvalidInputError(subject, "is hidden or compiled, so it could run unseen", advice)
    if Path(name).suffix.lower() in _NATIVE:
        advice = "install the library as a package wherever the version is loaded"
        raise InvalidInputError(subject, "is a native library, not Python code", advice)


def _check_top(top: str) -> None:
    if not top.isidentifier():
        advice = "give a module whose name is a Python identifier"
        raise InvalidInputError(f"code {top!r}", "cannot be imported by that name", advice)
    if top in reserved():
        problem = "has the name of a module of Python or of a library that versions are loaded with"
        raise InvalidInputError(f"code {top!r}", problem, "rename the package")


@functools.cache
def reserved() -> frozenset[str]:
    """Return the top modules that no version's code may pass itself off as."""
    own = {"holdfast", "__main__", "__mp_main__", "click", "msgspec", "rich", "sitecustomize"}
    own |= set(sys.builtin_module_names) | sys.stdlib_module_names
    return frozenset(own | allowlist.packages() | known_modules())


def sources(folder: Path) -> dict[str, tuple[Path, bytes]]:
    """Read every Python file of code: by module, such as `shop.scoring`, its path and bytes.

    Raises:
        InvalidInputError: If a file of it may not be part of a version's code, or there is more
            than 64 MiB of it.
    """
    top_modules(folder)
    read: dict[str, tuple[Path, bytes]] = {}
    size_bytes = 0
    for name, path in trees.files(folder):
        if not name.endswith(".py"):
            continue
        content = path.read_bytes()
        size_bytes += len(content)
        if size_bytes > _MOST_SOURCE_BYTES:
            raise InvalidInputError("code", "has more than 64 MiB of Python", "name one package")
        parts = name.removesuffix(".py").split("/")
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        if is_package or module not in read:  # a package is found before a module of its name
            read[module] = (path, content)
    return read


def modules_used(folder: Path) -> tuple[str, ...]:
    """Name the distributions that code imports, as far as its text tells, sorted."""
    own = set(top_modules(folder))
    used: set[str] = set()
    for _, content in sources(folder).values():
        used |= _imported(content)
    return packages(*sorted(used - own - sys.stdlib_module_names))


def _imported(content: bytes) -> set[str]:
    try:
        nodes = ast.walk(ast.parse(content))
        names = [
            name
            for node in nodes
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {name.partition(".")[0] for name in names if name}
