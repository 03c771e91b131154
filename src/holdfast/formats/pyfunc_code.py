"""Code that MLflow logged with a model: modules of this version alone.

MLflow puts the folder `code` on `sys.path`, where the first version of a process would lend its
modules to all later ones. Here it becomes a space of its own (`code.module_space`). What MLflow
makes of the model itself, by running a file or by reading functions out of a pickle, is given that
space's `__import__` too, so that `import` inside a method leads there whenever it runs.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from holdfast.formats.code.module_space import ModuleSpace
from holdfast.formats.scanner import mlmodel

__all__ = ["folder_of", "loading_with"]

_PICKLES: Final = "cloudpickle.cloudpickle"
"""What reads the functions that MLflow pickled."""
_BUILTINS: Final = "__builtins__"


def folder_of(path: Path, document: Mapping[str, Any]) -> Path | None:
    """Return the folder of a model's own modules, `None` if it has none."""
    name = mlmodel.function(document).get("code")
    folder = path / name if isinstance(name, str) and name else None
    return folder if folder is not None and folder.is_dir() else None


@contextmanager
def loading_with(space: ModuleSpace, path: Path, folder: Path) -> Iterator[None]:
    """Have MLflow load the model at *path* with the modules of a space, from *folder*."""
    pickles = vars(importlib.import_module(_PICKLES))
    make, known = importlib.util.module_from_spec, pickles[_BUILTINS]

    def made(spec: ModuleSpec) -> ModuleType:
        module = make(spec)
        if spec.origin is not None and Path(spec.origin).is_relative_to(path):
            vars(module)[_BUILTINS] = space.builtins
        return module

    with space.named():  # nobody else loads code meanwhile
        importlib.util.module_from_spec = made
        pickles[_BUILTINS] = space.builtins
        try:
            yield
        finally:
            importlib.util.module_from_spec = make
            pickles[_BUILTINS] = known
            sys.path[:] = [entry for entry in sys.path if entry != str(folder)]
