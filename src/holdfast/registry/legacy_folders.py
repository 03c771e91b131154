"""Lists a folder of old models: files, and folders of versions, in their order."""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, Final

from holdfast import formats
from holdfast.core import strict_json
from holdfast.errors import HoldfastError, InvalidInputError

__all__ = ["candidates", "digest_of", "leads_out", "metrics_of", "modified", "read_metrics"]

_MOST_METRICS: Final = 1 << 20  # bytes; a longer file is not a table of metrics
_COUNTED: Final = re.compile(r"\d")
_DEEPEST: Final = 2  # folders in the folder of a version


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder, oldest first; files of one time in natural order of names."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
        return sorted(paths, key=lambda path: (modified(path), _natural(path.name)))
    except OSError as error:
        raise InvalidInputError(
            f"folder {str(folder)!r}",
            f"cannot be read: {error.strerror}",
            "check its path and mode",
        ) from error


def candidates(folder: Path) -> list[Path]:
    """Return what may be a model: what is in a folder, and in the folders of versions in it.

    Folders of versions whose names count, by number or date, come in that order, whenever they were
    written.
    """
    listed = _listed(folder)
    versions = [path for path in listed if _is_of_versions(path)]
    if versions and all(_COUNTED.search(path.name) for path in versions):
        versions.sort(key=lambda path: _natural(path.name))
    paths = [path for path in listed if path not in versions]
    for version in versions:
        paths += _below(version)
    return paths


def _below(folder: Path, depth: int = 0) -> list[Path]:
    """Return the files of one version, and folders that are formats of their own."""
    paths: list[Path] = []
    for path in _listed(folder):
        deeper = depth < _DEEPEST and _is_of_versions(path)
        paths += _below(path, depth + 1) if deeper else [path]
    return paths


def _is_of_versions(path: Path) -> bool:
    """Tell whether a folder holds files rather than being one model in several files."""
    if not path.is_dir() or path.is_symlink():
        return False
    try:
        return formats.package(path, "model", path.parent).format == "folder" and not any(
            path.glob("*.index.json")
        )
    except HoldfastError:  # one of its files is damaged: they are examined one by one
        return True


def leads_out(path: Path, folder: Path) -> bool:
    """Tell whether a path is a link to something outside of *folder*."""
    if not path.is_symlink():
        return False
    try:
        return not path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False  # whoever opens it reports what it is


def modified(path: Path) -> float:
    """Return when a file was changed; of a link that leads nowhere, the link itself."""
    try:
        return path.stat().st_mtime
    except OSError:
        return path.lstat().st_mtime


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Order `v10` after `v9`, and a bare `model` before `model_v2`."""
    pieces = re.findall(r"\d+|\D+", Path(name).stem)
    return [(1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the list of a folder's files and their digests."""
    named_files = formats.files(path)
    digests = []
    for _, file in named_files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    if path.is_file():
        return digests[0]
    pairs = zip(digests, (name for name, _ in named_files), strict=True)
    lines = "".join(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256(lines.encode()).hexdigest()


def metrics_of(path: Path) -> dict[str, float]:
    """Return the numbers of a small JSON object, empty if the file is not one."""
    return read_metrics(path)[0]


def read_metrics(path: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the finite numbers of a small JSON object, and the names of those that are not."""
    if path.suffix != ".json" or not path.is_file():
        return {}, ()
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_METRICS).decode("utf-8-sig")  # Windows puts a mark before it
        document: Any = json.loads(  # which reads NaN and Infinity, as Python writes them
            text, object_pairs_hook=strict_json.distinct
        )
    except (ValueError, RecursionError):
        return {}, ()
    inner = document.get("metrics", document) if isinstance(document, dict) else {}
    if not isinstance(inner, dict):
        return {}, ()
    numbers = {
        key: value
        for key, value in inner.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    finite = {key: value for key, value in numbers.items() if _is_finite(value)}
    return finite, tuple(sorted(numbers.keys() - finite.keys()))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what metrics can be
        return False
