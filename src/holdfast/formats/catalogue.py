"""Every format there is, and the choice among them."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.contract import Format, Packaged
from holdfast.formats.joblib import Joblib
from holdfast.formats.kept import KeptFile, KeptFolder
from holdfast.formats.lightgbm import LightGBM
from holdfast.formats.onnx import Onnx
from holdfast.formats.plain_pickle import Pickle
from holdfast.formats.safetensors import Safetensors
from holdfast.formats.scanner import onnx_locations
from holdfast.formats.skops import Skops
from holdfast.formats.tensorflow import TensorFlow
from holdfast.formats.torch import TorchExport, TorchScript, TorchState
from holdfast.formats.xgboost import Xgboost

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "holdfast.formats"
"""Entry-point group under which other distributions add formats."""

_OWN: Sequence[Format] = (
    Onnx(), Safetensors(), Xgboost(), LightGBM(), TorchExport(), TorchScript(), TorchState(),
    TensorFlow(), Skops(), Pickle(),
)  # fmt: skip
# Those that would take anything come after everybody else's.
_LAST: Sequence[Format] = (Joblib(), KeptFile(), KeptFolder())


def names() -> tuple[str, ...]:
    """Return the name of every format, installed ones of others included."""
    own = [item.name for item in (*_OWN, *_LAST)]
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
    if isinstance(source, Path):
        _check_path(source)
        found = _format_of(source, format_name)
        return Packaged(source, found.name, found.describe(source))
    found = named(format_name) if format_name else _home_of(source)
    path = found.dump(source, folder, stem)
    return Packaged(path, found.name, found.describe(source))


def load(format_name: str, path: Path) -> object:
    """Read an object back whose bytes are verified already.

    Raises:
        InvalidInputError: If there is no such format.
        MissingLibraryError: If the format's library is not installed.
        UnsupportedError: If it cannot be loaded here.
    """
    return named(format_name).load(path)


def require(format_name: str, path: Path) -> None:
    """Check that a format recognises the bytes that a manifest says are of it.

    A manifest is written by whoever registers: a loader may run what the scan, which goes by the
    bytes alone, took for something that loads nothing.

    Raises:
        InvalidInputError: If there is no such format, or the bytes are of another.
    """
    if not named(format_name).recognises(path):
        problem = f"is not {format_name} by its content, though its manifest says so"
        raise InvalidInputError(f"{path.name!r}", problem, "register it again as what it is")


def named(name: str) -> Format:
    """Return a format by name.

    Raises:
        InvalidInputError: If there is none of that name.
    """
    for item in (*_OWN, *_LAST):
        if item.name == name:
            return item
    for point in _entry_points():
        if point.name == name:
            return _loaded(point)
    raise InvalidInputError(f"format {name!r}", "is not known", f"one of {', '.join(names())}")


def _all() -> Iterator[Format]:
    yield from _OWN
    for point in _entry_points():
        yield _loaded(point)
    yield from _LAST


def _home_of(model: object) -> Format:
    return next(item for item in _all() if item.takes(model))


def _format_of(path: Path, wanted: str | None) -> Format:
    if wanted is None:
        fitting = [item for item in _all() if item.recognises(path)]
        same = (item for item in fitting if item.name == path.suffix[1:].lower())
        found = next(same, fitting[0])
    else:
        found = named(wanted)
        if not found.recognises(path):
            advice = "leave the format out, or name the one it is of"
            raise InvalidInputError(f"{str(path)!r}", f"is no {wanted} by its content", advice)
    if found.name == "onnx" and path.is_file() and (kept := onnx_locations(path)):
        problem = f"keeps its weights in {', '.join(sorted(kept)[:3])} beside it"
        raise InvalidInputError(f"{str(path)!r}", problem, "register the folder with both")
    return found


def _check_path(path: Path) -> None:
    subject = f"{str(path)!r}"
    try:
        if not path.exists():
            raise InvalidInputError(subject, "does not exist", "check the path")
        if path.is_dir():
            _check_folder(path)
        elif not path.is_file():
            raise InvalidInputError(subject, "is no regular file", "give a file or a folder")
        elif path.stat().st_size == 0:
            raise InvalidInputError(subject, "is an empty file", "write the model again")
        else:
            path.open("rb").close()
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"{error.filename!r}", problem, "check its mode") from error


def _check_folder(folder: Path) -> None:
    files = [Path(place, name) for place, _, names in _walk(folder) for name in names]
    if not files:
        raise InvalidInputError(
            f"{str(folder)!r}", "is an empty folder", "put the model's files into it"
        )
    for file in files:
        if file.is_file():  # the scan reports what is none
            file.open("rb").close()


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    def fail(error: OSError) -> None:
        raise error

    return os.walk(folder, onerror=fail)


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
            f"its plug-in cannot be imported: {error}",
            "mend or remove it",
        ) from error
    found: Format = made() if isinstance(made, type) else made
    return found
