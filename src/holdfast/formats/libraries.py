"""Optional libraries: asked for where they are used, missed with advice."""

import errno
import functools
import importlib
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast import forks
from holdfast.errors import (
    InvalidInputError,
    MissingLibraryError,
    StoreError,
    StoreFullError,
    UnsupportedError,
)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BROKEN = {errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.ETIMEDOUT}
"""What a disk says that fails, or is away."""


# Top-level module -> extra that brings it; what a pickle needs to be loaded.
_EXTRAS = {
    "catboost": "catboost", "joblib": "joblib", "keras": "keras", "lightgbm": "lightgbm",
    "ml_dtypes": "safetensors", "mlflow": "mlflow", "numpy": "sklearn", "onnx": "onnx",
    "onnxruntime": "onnx", "safetensors": "safetensors", "scipy": "sklearn",
    "sklearn": "sklearn", "skops": "skops", "tensorflow": "tensorflow", "torch": "torch",
    "xgboost": "xgboost",
}  # fmt: skip

# Top-level module -> framework, and the distributions that may provide it, usual one first.
_FRAMEWORKS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "catboost": ("catboost", ("catboost",)),
    "imblearn": ("imbalanced-learn", ("imbalanced-learn",)),
    "joblib": (None, ("joblib",)),
    "keras": ("keras", ("keras",)),
    "lightgbm": ("lightgbm", ("lightgbm",)),
    "numpy": (None, ("numpy",)),
    "onnx": ("onnx", ("onnx",)),
    "onnxruntime": ("onnx", ("onnxruntime", "onnxruntime-gpu")),
    "pandas": (None, ("pandas",)),
    "prophet": ("prophet", ("prophet",)),
    "safetensors": (None, ("safetensors",)),
    "scipy": (None, ("scipy",)),
    "sklearn": ("scikit-learn", ("scikit-learn",)),
    "skops": (None, ("skops",)),
    "statsmodels": ("statsmodels", ("statsmodels",)),
    "tensorflow": ("tensorflow", ("tensorflow", "tensorflow-cpu")),
    "torch": ("pytorch", ("torch",)),
    "transformers": ("transformers", ("transformers",)),
    "xgboost": ("xgboost", ("xgboost", "xgboost-cpu")),
}


class _Imports:
    """The lock around imports; a forked child has its own, whoever held it in the parent."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        forks.tell(self)

    def after_fork(self) -> None:
        self.lock = threading.RLock()


_IMPORTS = _Imports()
_PATIENCE_S = 60.0
"""Longest wait for imports of other threads, should one of them wait for this thread."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300
"""Signs of a library's message that are passed on; some are pages."""


def library(module: str, extra: str) -> Any:
    """Import an optional library.

    Raises:
        MissingLibraryError: If it is not installed; names the extra that brings it.
        UnsupportedError: If it is installed, but cannot be imported.
    """
    top = module.partition(".")[0]
    try:
        with importing():
            return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        if isinstance(error, ModuleNotFoundError) and error.name in (top, module):
            purpose = "this format needs it"
            raise MissingLibraryError(top, extra, purpose) from error
        problem = f"is installed but cannot be imported: {_said(error)}"
        raise UnsupportedError(top, problem, "fix its installation") from error


@contextmanager
def importing() -> Iterator[None]:
    """Keep other threads from importing meanwhile.

    Two threads that import modules which import each other end in a deadlock, of which Python frees
    itself by an error in one of them: a load that fails now and then.
    """
    lock = _IMPORTS.lock
    mine = lock.acquire(timeout=_PATIENCE_S)
    try:
        yield
    finally:
        if mine:
            lock.release()


@contextmanager
def unpickling(what: str) -> Iterator[None]:
    """Do as `loading` does for a file that imports as it is read, one thread at a time.

    Raises:
        MissingLibraryError: If a library that the file needs is not installed.
        UnsupportedError: In place of any other error.
    """
    with importing(), loading(what):
        yield


def framework_of(module: str) -> str | None:
    """Name the framework that a module belongs to, None if it is unknown."""
    return _FRAMEWORKS.get(module.partition(".")[0], (None, ()))[0]


def known_modules() -> frozenset[str]:
    """Return the top modules of the libraries that versions are loaded with."""
    return frozenset((*_FRAMEWORKS, *_EXTRAS))


def distribution_of(module: str) -> str | None:
    """Name the distribution that provides a module: the one installed, or else the usual one."""
    top = module.partition(".")[0]
    names = _FRAMEWORKS[top][1] if top in _FRAMEWORKS else _installed().get(top, ())
    return next((name for name in names if _is_installed(name)), names[0] if names else None)


@functools.cache
def _installed() -> Mapping[str, Sequence[str]]:
    """Return the distributions by the modules that they bring, Python's own left out."""
    from importlib.metadata import packages_distributions  # slow to import

    distributions = packages_distributions()
    return {top: distributions[top] for top in distributions.keys() - sys.stdlib_module_names}


def _is_installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution  # slow to import

    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn what a library raises while it writes *what* into advice.

    Raises:
        InvalidInputError: In place of the library's own error.
    """
    try:
        yield
    except Exception as error:  # libraries raise anything; the object is the cause
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StoreFullError(what, "cannot be written: no space left", "free some") from error
        problem = f"cannot be written: {_said(error)}"
        raise InvalidInputError(
            what, problem, "name another format, or save it yourself"
        ) from error


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Turn what a library raises while it loads *what* into advice.

    Raises:
        MissingLibraryError: If a library that the file needs is not installed.
        StoreError: If the disk does not give the bytes.
        UnsupportedError: In place of any other error.
    """
    try:
        yield
    except (MissingLibraryError, UnsupportedError):
        raise
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        if top in _EXTRAS:
            raise MissingLibraryError(top, _EXTRAS[top], f"{what} needs it") from error
        raise UnsupportedError(
            what, f"needs the module {error.name}", "put it where Python finds it"
        ) from error
    except Exception as error:  # the bytes are verified: what fails is the fit of versions
        if isinstance(error, OSError) and error.errno in _BROKEN:
            problem = f"cannot be read: {error.strerror}"
            raise StoreError(what, problem, "check the disk, then repeat") from error
        advice = "load it with the package versions its manifest names"
        raise UnsupportedError(what, f"cannot be loaded here: {_said(error)}", advice) from error


def _said(error: Exception) -> str:
    plain = _COLOURS.sub("", str(error))
    shown = "".join(sign if sign.isprintable() else " " for sign in plain)
    words = " ".join(shown.split())
    if len(words) > _LONGEST:
        words = f"{words[:_LONGEST].rpartition(' ')[0]} …"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
