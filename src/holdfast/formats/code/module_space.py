"""A version's own modules, apart from everything else that is imported in the process.

Each load has a space of its own. Its modules are known to Python under a private name that leads
there alone (`_holdfast_code_3.shop.scoring`), so that two versions of one package never meet. The
code itself goes on saying `import shop`: each of its modules is given an `__import__` that looks in
its own space first, and as functions keep their module's built-ins, that holds for imports inside
functions too, whenever and on whichever thread they run.

Pickles name classes by their plain names, and find them in `sys.modules`. While a version is
loaded, and only then, the plain names lead to its space: what had them before is put aside and put
back, and other threads that import these names meanwhile wait.
"""

import builtins
import importlib
import importlib.util
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from holdfast import forks
from holdfast.errors import UnsupportedError
from holdfast.formats.code import tree
from holdfast.formats.libraries import importing

__all__ = ["PREFIX", "ModuleSpace"]

PREFIX: Final = "_holdfast_code_"
_NUMBERS: Final = itertools.count(1)
_PATIENCE_S: Final = 600.0
"""Longest wait for another version's code to be loaded."""


class ModuleSpace:
    """The modules of one load of one version.

    Args:
        folder: What `tree.stage` made; every Python file is read now, and none again later.

    Attributes:
        name: The private package that all of its modules are in.
        tops: The names that lead here in its own code.
        builtins: What its modules have for built-ins.
        modules: By private name, those that were imported.
        left: How many of the parts made with it are still there.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"{PREFIX}{next(_NUMBERS)}"
        self._sources = tree.sources(folder)
        self.tops = frozenset(module.partition(".")[0] for module in self._sources)
        self._packages = {
            module[:end]
            for module in self._sources
            for end in range(len(module))
            if module[end] == "."
        }
        self.builtins = {**vars(builtins), "__import__": self._import}
        self._importlib = _Importlib(self._import_module)
        root = ModuleType(self.name)
        root.__path__ = []
        self.modules: dict[str, ModuleType] = {self.name: root}
        self.left = 0
        _SPACES[self.name] = self
        _install()
        sys.modules[self.name] = root

    def module(self, name: str) -> ModuleType:
        """Import a module of this space by its plain name.

        Raises:
            ModuleNotFoundError: If there is none.
        """
        self._show()
        return importlib.import_module(f"{self.name}.{name}")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let the plain names lead here, for this thread, until the block ends.

        Raises:
            UnsupportedError: If another thread's block does not end.
        """
        with _WINDOW.held(), importing():
            outer, _ACTIVE.space = getattr(_ACTIVE, "space", None), self
            _WINDOW.open(self.tops)
            try:
                yield
            finally:
                _WINDOW.close()
                _ACTIVE.space = outer

    def last_as_long_as(self, parts: Iterable[object]) -> None:
        """Take the private names out of `sys.modules` once none of *parts* is left.

        Whatever is left of the code then goes on: its own imports show the names again.
        """
        for part in parts:
            with suppress(TypeError):  # some cannot be referred to weakly
                weakref.finalize(part, _gone, weakref.ref(self)).atexit = False
                self.left += 1

    def hide(self) -> None:
        """Take the private names out of `sys.modules`."""
        for name in tuple(self.modules):
            sys.modules.pop(name, None)

    def _show(self) -> None:
        if self.name not in sys.modules:
            sys.modules.update(self.modules)

    def spec(self, module: str) -> ModuleSpec:
        """Say where a module comes from.

        Raises:
            ModuleNotFoundError: If it is not of this space; nobody else is asked.
        """
        full = f"{self.name}.{module}"
        if module in self._sources:
            path, content = self._sources[module]
            loader = _SourceLoader(full, str(path), self, content)
            within = [str(path.parent)] if path.name == "__init__.py" else None
            spec = importlib.util.spec_from_file_location(
                full, path, loader=loader, submodule_search_locations=within
            )
            assert spec is not None  # noqa: S101 - it has a loader
            return spec
        if module in self._packages:
            return ModuleSpec(full, _PackageLoader(self), is_package=True)
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - Python's own names
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Do what an import statement of this space's code asks for."""
        self._show()
        top = name.partition(".")[0]
        if level or top not in self.tops:
            module = builtins.__import__(name, globals, locals, fromlist or (), level)
            return self._importlib if module is importlib else module
        private = f"{self.name}.{name}"
        with nullcontext() if private in sys.modules else importing():
            module = builtins.__import__(private, globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[f"{self.name}.{top}"]

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        self._show()
        absolute = importlib.util.resolve_name(name, package) if name.startswith(".") else name
        own = absolute.partition(".")[0] in self.tops
        return importlib.import_module(f"{self.name}.{absolute}" if own else absolute)


def _gone(reference: "weakref.ref[ModuleSpace]") -> None:
    space = reference()
    if space is not None:
        space.left -= 1
        if not space.left:
            space.hide()


_SPACES: Final[weakref.WeakValueDictionary[str, ModuleSpace]] = weakref.WeakValueDictionary()
_ACTIVE: Final = threading.local()
"""Its `space`, where there is one: where plain names lead on this thread."""


class _Importlib(ModuleType):
    """`importlib` as a version's code sees it: `import_module` looks in its own space first."""

    def __init__(self, import_module: Callable[[str, str | None], ModuleType]) -> None:
        super().__init__("importlib", importlib.__doc__)
        self.import_module = import_module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib, name)


class _SourceLoader(SourceFileLoader):
    """Runs the bytes that were read when the space was made, never a compiled file."""

    def __init__(self, full: str, path: str, space: ModuleSpace, content: bytes) -> None:
        super().__init__(full, path)
        self._space = space
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self._content, self.get_filename(fullname))
        return code

    def exec_module(self, module: ModuleType) -> None:
        _run(self._space, module, super().exec_module)


class _PackageLoader(Loader):
    """Makes a package of a folder without `__init__.py`."""

    def __init__(self, space: ModuleSpace) -> None:
        self._space = space

    def exec_module(self, module: ModuleType) -> None:
        _run(self._space, module, lambda _: None)


def _run(space: ModuleSpace, module: ModuleType, execute: Callable[[ModuleType], None]) -> None:
    module.__dict__["__builtins__"] = space.builtins
    space.modules[module.__name__] = module
    try:
        execute(module)
    except BaseException:
        space.modules.pop(module.__name__, None)
        raise


class _AliasLoader(Loader):
    """Gives a module of a space its plain name."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # which the import of the plain name has replaced


class _Finder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        del path, target
        root, _, module = fullname.partition(".")
        if module and root.startswith(PREFIX):
            space = _SPACES.get(root)
            return space.spec(module) if space else None
        active = getattr(_ACTIVE, "space", None)
        if active is None or root not in active.tops:
            return None
        return ModuleSpec(fullname, _AliasLoader(active.module(fullname)))


_FINDER: Final = _Finder()


def _install() -> None:
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


class _Window:
    """Where plain names lead to a space, for one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._restorers: list[Callable[[], None]] = []
        forks.tell(self)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other threads out.

        Raises:
            UnsupportedError: If another thread does not leave.
        """
        lock = self._lock
        if not lock.acquire(timeout=_PATIENCE_S):
            problem = "waited 10 minutes for the code of another version to load"
            raise UnsupportedError("code", problem, "check what that version does while it loads")
        outer, self._owner = self._owner, threading.get_ident()
        try:
            yield
        finally:
            self._owner = outer
            lock.release()

    def open(self, tops: frozenset[str]) -> None:
        """Put aside what has these names."""
        before, free = _taken_out(tops), builtins.__import__

        def restore() -> None:
            builtins.__import__ = free
            _taken_out(tops)
            sys.modules.update(before)

        self._restorers.append(restore)
        builtins.__import__ = _waiting(tops)

    def close(self) -> None:
        """Put back what was put aside last."""
        self._restorers.pop()()

    def after_fork(self) -> None:
        """Close what a thread of the parent had open."""
        if self._owner not in (None, threading.get_ident()):
            while self._restorers:
                self.close()
            self._lock, self._owner = threading.RLock(), None


_WINDOW: Final = _Window()


def _taken_out(tops: frozenset[str]) -> dict[str, ModuleType]:
    names = [name for name in list(sys.modules) if name.partition(".")[0] in tops]
    return {name: sys.modules.pop(name) for name in names}


def _waiting(tops: frozenset[str]) -> Callable[..., ModuleType]:
    """Return an `__import__` with which other threads wait for the names that lead elsewhere."""
    free, owner = builtins.__import__, threading.get_ident()

    def wait(
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - Python's own names
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        asked = (globals or {}).get("__package__") or "" if level else name
        if asked.partition(".")[0] not in tops or threading.get_ident() == owner:
            return free(name, globals, locals, fromlist, level)
        with _WINDOW.held():
            return builtins.__import__(name, globals, locals, fromlist, level)

    return wait
