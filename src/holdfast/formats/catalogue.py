"""Every format there is, and the choice among them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import health, trees
from holdfast.formats.catboost import CatBoost
from holdfast.formats.code import Code, EntryPointFile
from holdfast.formats.contract import Description, Faced, Format, Judging, Packaged
from holdfast.formats.describing import packages
from holdfast.formats.joblib import Joblib
from holdfast.formats.keras import Keras
from holdfast.formats.lightgbm import LightGBM
from holdfast.formats.onnx import Onnx
from holdfast.formats.opaque import KeptFile, KeptFolder
from holdfast.formats.plain_pickle import Pickle
from holdfast.formats.pyfunc import Mlflow
from holdfast.formats.safetensors import Safetensors
from holdfast.formats.scanner import globals_of, onnx_locations
from holdfast.formats.skops import Skops
from holdfast.formats.tensorflow import TensorFlow
from holdfast.formats.torch import TorchExport, TorchScript, TorchState, is_network
from holdfast.formats.xgboost import Xgboost

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "holdfast.formats"
"""Entry-point group under which other distributions add formats."""

_OWN: Sequence[Format] = (
    Onnx(), Safetensors(), Xgboost(), LightGBM(), CatBoost(), Keras(), TorchExport(),
    TorchScript(), TorchState(), TensorFlow(), Skops(), Pickle(),
)  # fmt: skip
_KEPT: Sequence[Format] = (KeptFile(), KeptFolder())
# Those that would take anything come after everybody else's.
_LAST: Sequence[Format] = (Joblib(), *_KEPT)
# Only where they are named: a folder of Python files, a file that names a class, a folder that
# MLflow wrote, which without MLflow is a folder.
_NAMED: Sequence[Format] = (Code(), EntryPointFile(), Mlflow())
_PREDICTING = ("model", "preprocessor", "postprocessor")
"""Roles whose objects are to be fitted, and no classes."""


def names() -> tuple[str, ...]:
    """Return the name of every format, installed ones of others included."""
    own = [item.name for item in (*_OWN, *_NAMED, *_LAST)]
    return (*own, *sorted({point.name for point in _entry_points()} - set(own)))


def package(source: object, stem: str, folder: Path, format_name: str | None = None) -> Packaged:
    """Make a source ready to be stored.

    Args:
        source: The path of a file or folder, or any object.
        stem: Name without extension of the file that an object is written to.
        folder: Where it is written to.
        format_name: The format wanted; by default the natural one.

    Returns:
        Path, format and description; a path that came in is left as it is.

    Raises:
        InvalidInputError: If the path is missing, empty or unreadable, or does not suit the
            format, or the object cannot be written.
        MissingLibraryError: If the format's library is not installed.
    """
    predicts = stem in _PREDICTING
    if isinstance(source, Path):
        _check_path(source)
        file_format = _format_of(source, format_name)
        if predicts:
            health.check_pickled(source, file_format.name)
        return Packaged(source, file_format.name, file_format.describe(source))
    if predicts:
        health.check_object(source)
    file_format = named(format_name) if format_name else _home_of(source)
    path = file_format.dump(source, folder, stem)
    return Packaged(path, file_format.name, _whole(file_format.describe(source), path))


def _whole(description: Description, path: Path) -> Description:
    """Add the distributions of what an object holds, such as the steps of a pipeline."""
    inner_packages = packages(*globals_of(path)) if path.is_file() else ()
    used = tuple(sorted({*description.packages, *inner_packages}))
    return replace(description, packages=used)


def is_sound(path: Path) -> bool:
    """Tell whether a file that can be read is what its name promises, and whole."""
    if not path.is_file():
        return True
    try:
        _format_of(path, None)
    except InvalidInputError:
        return False
    return True


def load(format_name: str, path: Path) -> object:
    """Read an object back whose bytes are verified already.

    Raises:
        InvalidInputError: If there is no such format.
        MissingLibraryError: If the format's library is not installed.
        UnsupportedError: If it cannot be loaded here.
    """
    return named(format_name).load(path)


def judged(format_name: str, path: Path, scan: Scan) -> Scan:
    """Add what a format's loader runs to what the scan found in the files.

    Raises:
        InvalidInputError: If there is no such format, or *path* must not be loaded by it.
        MissingLibraryError: If the format needs a library to tell.
    """
    file_format = named(format_name)
    return file_format.judged(path, scan) if isinstance(file_format, Judging) else scan


def require(format_name: str, path: Path) -> None:
    """Check that a format recognises the bytes that a manifest says are of it.

    A manifest is written by whoever registers: a loader may run what the scan, which goes by the
    bytes alone, took for something that loads nothing.

    Raises:
        InvalidInputError: If there is no such format, or the bytes are of another.
    """
    if not named(format_name).recognises(path):
        problem = f"does not contain {format_name}, although its manifest says so"
        raise InvalidInputError(f"{path.name!r}", problem, "register it again as what it is")


def named(name: str) -> Format:
    """Return a format by name.

    Raises:
        InvalidInputError: If there is none of that name.
    """
    for item in (*_OWN, *_NAMED, *_LAST):
        if item.name == name:
            return item
    for point in _entry_points():
        if point.name == name:
            return _loaded(point)
    raise InvalidInputError(f"format {name!r}", "is unknown", f"use one of {', '.join(names())}")


def _all() -> Iterator[Format]:
    yield from _OWN
    for point in _entry_points():
        yield _loaded(point)
    yield from _LAST


def face(format_name: str, model: object) -> object:
    """Return an object in memory as it will be once it is loaded, for those that change.

    Raises:
        MissingLibraryError: If the format's library is not installed.
    """
    file_format = named(format_name)
    return file_format.face(model) if isinstance(file_format, Faced) else model


def check_home(model: object) -> None:
    """Check that there is a format for an object in memory, as far as its class tells.

    Raises:
        InvalidInputError: If it can be kept only as what the caller names.
    """
    if is_network(model):
        raise InvalidInputError(
            f"{type(model).__name__} object",
            "is a PyTorch module, of which a file keeps the weights but not the network",
            "export it (`torch.export.export`), or keep the weights alone: "
            "formats={'model': 'torch-state'}",
        )


def _home_of(model: object) -> Format:
    check_home(model)
    return next(item for item in _all() if item.takes(model))


def _format_of(path: Path, format_name: str | None) -> Format:
    if format_name is not None:
        file_format = named(format_name)
        if not file_format.recognises(path):
            advice = "leave the format out, or name the right one"
            raise InvalidInputError(f"{str(path)!r}", f"does not contain {format_name}", advice)
        if file_format in _KEPT:
            return file_format
        health.check(path, file_format.name)
    else:
        fitting = [item for item in _all() if item.recognises(path)]
        same = (item for item in fitting if item.name == path.suffix[1:].lower())
        file_format = next(same, fitting[0])
        health.check(path, file_format.name)
        health.check_extension(path)
    if file_format.name == "onnx" and path.is_file() and (locations := onnx_locations(path)):
        problem = f"keeps its weights in {', '.join(sorted(locations)[:3])} beside it"
        raise InvalidInputError(f"{str(path)!r}", problem, "register the folder with both")
    return file_format


def _check_path(path: Path) -> None:
    subject = f"{str(path)!r}"
    try:
        exists, is_folder = path.exists() or path.is_symlink(), path.is_dir()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(subject, problem, "check its mode") from error
    if not exists:
        raise InvalidInputError(subject, "does not exist", "check the path")
    if path.is_symlink() and not path.exists():
        raise InvalidInputError(
            subject, f"is a link that leads nowhere: {path.readlink()}", "fix the link"
        )
    if is_folder:
        if not trees.files(path):
            raise InvalidInputError(subject, "is an empty folder", "put the model's files into it")
        return
    trees.require_readable(path)
    if path.stat().st_size == 0:
        raise InvalidInputError(subject, "is an empty file", "write the model again")


@cache
def _entry_points() -> "tuple[EntryPoint, ...]":
    from importlib.metadata import entry_points  # slow to import

    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))


@cache
def _loaded(point: "EntryPoint") -> Format:
    try:
        made = point.load()
    except Exception as error:
        raise UnsupportedError(
            f"format {point.name!r}",
            f"has a plug-in that cannot be imported: {error}",
            "fix or remove it",
        ) from error
    file_format: Format = made() if isinstance(made, type) else made
    return file_format
