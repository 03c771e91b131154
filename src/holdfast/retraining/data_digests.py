"""Digests of the data of a run, taken before it and again after it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from holdfast import formats, named_files
from holdfast.errors import InvalidInputError

__all__ = ["of_data", "of_files"]


def of_files(data: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Hash every file of the data: SHA-256 by path, by name; a lone file's path is empty.

    Raises:
        InvalidInputError: If one is missing or cannot be read.
    """
    return {name: _of_source(name, source) for name, source in sorted(data.items())}


def _of_source(name: str, source: Path) -> dict[str, str]:
    try:
        if source.is_dir():
            return {path: _digest(file) for path, file in sorted(formats.files(source))}
        return {"": _digest(source)}
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"data {name} {str(source)!r}", problem, "check it") from error


def _digest(path: Path) -> str:
    with named_files.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_data(files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return one digest a name: a file's own, or a folder's, over its sorted lines."""
    digests = {}
    for name, paths in files.items():
        lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(paths.items()))
        is_file = list(paths) == [""]
        digest = paths[""] if is_file else hashlib.sha256(lines.encode()).hexdigest()
        digests[name] = f"sha256:{digest}"
    return digests
