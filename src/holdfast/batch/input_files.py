"""The files of a batch's input: which they are, in which order, and their digest."""

import glob
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError

__all__ = ["InputFiles", "digest_of", "listed"]

_ENDINGS: Final = (".parquet", ".pq")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class InputFiles:
    """What is scored.

    Attributes:
        shown: What was asked for, absolute.
        paths: The files, in the order in which their rows are numbered.
        names: Of each, below the folder; of a lone file, nothing.
    """

    shown: str
    paths: tuple[Path, ...]
    names: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """All of them; what cannot be looked at counts nothing."""
        return sum(path.stat().st_size for path in self.paths if path.exists())


def listed(text: str) -> InputFiles:
    """List the files of a path, a folder of Parquet files or a pattern of files, sorted by name.

    Raises:
        InvalidInputError: If there are none, or it is an address.
    """
    if "://" in text:
        problem = "is an address, and only files are read"
        raise InvalidInputError(f"--input {text!r}", problem, "copy it here, or mount the bucket")
    path = Path(text)
    shown = os.path.abspath(text)
    if path.is_dir():
        paths = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in _ENDINGS and _is_plain(file.relative_to(path))
        )
        return _several(text, shown, paths, path)
    if not path.exists() and _WILD & {*text}:
        paths = sorted(Path(name) for name in glob.glob(text, recursive=True))
        return _several(text, shown, [file for file in paths if not file.is_dir()], None)
    return InputFiles(shown, (path,), ("",))


def _is_plain(name: Path) -> bool:
    """Leave out what Spark and others put beside data: `_SUCCESS`, `_temporary/`, `.crc`."""
    return not any(part.startswith(("_", ".")) for part in name.parts)


def _several(text: str, shown: str, paths: Sequence[Path], folder: Path | None) -> InputFiles:
    if not paths:
        problem = "has no Parquet files" if folder else "names no file"
        raise InvalidInputError(f"--input {text!r}", problem, "check its path")
    if len({path.suffix.lower() for path in paths}) > 1:
        problem = "has files of several kinds"
        raise InvalidInputError(f"--input {text!r}", problem, "give those of one kind")
    names = [str(path.relative_to(folder)) if folder else str(path) for path in paths]
    return InputFiles(shown, tuple(paths), tuple(names))


def digest_of(files: InputFiles, digests: Sequence[str]) -> str:
    """Return a lone file's digest; of several, that of lines with each one's digest and name."""
    if files.names == ("",):
        return digests[0]
    pairs = zip(digests, files.names, strict=True)
    lines = "".join(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
