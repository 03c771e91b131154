"""Health: whether a file is all of what it is taken for, looked at before it is let in.

Nothing is loaded. Who may run code is the scan's business: a file may be trusted and still be half
a file. `stand_ins` knows what is put in place of a model, `boosters`, `shards`, `gguf` and
`estimators` look at one kind each.
"""

import re
from pathlib import Path

from holdfast.errors import InvalidInputError
from holdfast.formats import trees
from holdfast.formats.health import boosters, estimators, gguf_tensors, placeholders, shards
from holdfast.formats.scanner import doubts_of, is_cut_onnx, kind_of

__all__ = ["check", "check_extension", "check_object", "problem_of"]

_PICKLED = frozenset(("joblib", "pickle"))
_BROKEN = re.compile(
    r"ends early|File is not a zip file|safetensors header: |gguf: |stream broken|npy header"
)
_WHOLE = frozenset(("onnx", "text", "json", "script"))
_WHAT_NEXT = "write or fetch it again"

# What an extension promises, as the scan calls it. An older or rarer use of it stands there too.
_PROMISES = {
    ".cbm": {"catboost"},
    ".gguf": {"gguf"},
    ".h5": {"hdf5"},
    ".hdf5": {"hdf5"},
    ".joblib": {"joblib", "pickle"},
    ".keras": {"keras", "hdf5"},
    ".npy": {"npy"},
    ".npz": {"npz"},
    ".onnx": {"onnx"},
    ".pickle": {"joblib", "pickle", "torch"},
    ".pkl": {"joblib", "pickle", "torch"},
    ".pt": {"joblib", "pickle", "torch", "torch-export", "torchscript"},
    ".pt2": {"torch-export"},
    ".pth": {"joblib", "pickle", "torch", "torchscript"},
    ".safetensors": {"safetensors"},
    ".skops": {"skops"},
    ".ubj": {"xgboost-ubj"},
}


def check(path: Path, format_name: str) -> None:
    """Check that a file or folder is whole.

    Args:
        path: Readable, not empty.
        format_name: What it is taken for.

    Raises:
        InvalidInputError: If it is cut short, incomplete, or stands in for what was not fetched.
    """
    problem = problem_of(path, format_name)
    if problem:
        raise InvalidInputError(f"{str(path)!r}", problem, _WHAT_NEXT)


def problem_of(path: Path, format_name: str) -> str | None:
    """Return what is wrong with a file or folder, None if nothing is seen to be."""
    if path.is_dir():
        return _in_folder(path)
    return _in_file(path) or shards.lone_problem(path) or _of_format(path, format_name)


def check_extension(path: Path) -> None:
    """Check that a file holds what its extension promises, where that is known.

    Raises:
        InvalidInputError: If it holds something else.
    """
    promised = _PROMISES.get(path.suffix.lower())
    kind = kind_of(path) if promised and path.is_file() else ""
    if promised and path.is_file() and kind not in promised:
        description = "of an unknown kind" if kind == "unknown" else f"{kind}"
        problem = f"does not contain what {path.suffix} promises: its content is {description}"
        advice = "fetch it again, or name its format (`--format model=file` keeps it as it is)"
        raise InvalidInputError(f"{str(path)!r}", problem, advice)


def check_object(model: object) -> None:
    """Check that an object in memory is fitted, and not a class.

    Raises:
        InvalidInputError: If it is not.
    """
    estimators.check_object(model)


def check_pickled(path: Path, format_name: str) -> None:
    """Check that a pickle holds a fitted object and not a class.

    Raises:
        InvalidInputError: If it does not.
    """
    if format_name in _PICKLED and path.is_file():
        estimators.check_file(path)


def _in_folder(folder: Path) -> str | None:
    listed = trees.files(folder)
    for name, path in listed:
        problem = _in_file(path)
        if problem:
            return f"holds {name}, which {problem}"
    return shards.problem_of(dict(listed))


def _in_file(path: Path) -> str | None:
    problem = placeholders.problem_of(path)
    if problem:
        return problem
    broken = next((doubt for doubt in doubts_of(path) if _BROKEN.search(doubt)), None)
    if broken:
        return f"is cut short or damaged: {broken}"
    kind = kind_of(path)
    if kind not in _WHOLE and is_cut_onnx(path):
        return "is cut short: an ONNX model that ends within a field"
    if kind == "gguf":
        return gguf_tensors.problem_of(path)
    return boosters.catboost_problem(path) if kind == "catboost" else None


def _of_format(path: Path, format_name: str) -> str | None:
    match format_name:
        case "lightgbm":
            return boosters.lightgbm_problem(path)
        case "xgboost":
            return boosters.xgboost_problem(path)
    return None
