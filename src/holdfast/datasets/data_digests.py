"""Digests of the bytes of data: of every file, and one of all."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from holdfast import named_files
from holdfast.errors import InvalidInputError

__all__ = ["of_data", "of_file", "of_files", "of_lines"]


def of_files(data: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Hash every file of the data: SHA-256 by path, by name; a lone file's path is empty.

    Raises:
        InvalidInputError: If one is missing or cannot be read.
    """
    return {name: _of_source(name, source) for name, source in sorted(data.items())}


def _of_source(name: str, source: Path) -> dict[str, str]:
    try:
        if source.is_dir():
            from holdfast import formats

            return {path: of_file(file) for path, file in sorted(formats.files(source))}
        return {"": of_file(source)}
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"data {name} {str(source)!r}", problem, "check it") from error


def of_file(path: Path) -> str:
    """Hash a file: 64 hex digits.

    Raises:
        OSError: If it cannot be read, or is not a regular file.
    """
    with named_files.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_data(files: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return one digest a name: a file's own, or a folder's, over its sorted lines."""
    digests = {}
    for name, paths in files.items():
        is_file = list(paths) == [""]
        digests[name] = f"sha256:{paths['']}" if is_file else of_lines(paths.items())
    return digests


def of_lines(files: Iterable[tuple[str, str]]) -> str:
    r"""Return the digest of many files, over sorted lines of `sha256  path`.

    A path that has a line break or a backslash is written with `\n` and `\\`, and its line begins
    with a backslash, as `sha256sum` has it: no name can pass for two lines.
    """
    lines = "".join(_line(path, digest) for path, digest in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _line(path: str, digest: str) -> str:
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == path else "\\"
    return f"{mark}{digest}  {escaped}\n"
