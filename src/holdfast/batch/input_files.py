"""The files of a batch's input: which they are, in which order, and their digest."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.formats import packed_text
from holdfast.store.objects import bucket_files
from holdfast.store.objects.bucket_files import BucketFile

__all__ = ["InputFiles", "digest_of", "listed"]

_ENDINGS: Final = (".parquet", ".pq")
_WILD: Final = frozenset("*?[")
_SLASHES: Final = 2  # of an address that is a bucket alone


@dataclass(frozen=True, slots=True)
class InputFiles:
    """What is scored.

    Attributes:
        shown: What was asked for; absolute.
        paths: The files, in the order in which their rows are numbered.
        names: Of each, below the folder; of a lone file, nothing.
    """

    shown: str
    paths: tuple[Path | BucketFile, ...]
    names: tuple[str, ...]

    def sizes(self) -> Iterator[tuple[Path | BucketFile, int, int]]:
        """Give each file with its size, and that of those before it."""
        before = 0
        for path in self.paths:
            size_bytes = _size_of(path)
            yield path, size_bytes, before
            before += size_bytes

    def has(self, output: str) -> bool:
        """Tell whether a file that exists is one of them."""
        if bucket_files.is_address(output):
            return output in [str(path) for path in self.paths]
        return os.path.exists(output) and any(
            isinstance(path, Path) and path.exists() and path.samefile(output)
            for path in self.paths
        )


def _size_of(path: Path | BucketFile) -> int:
    """Return a file's length; what cannot be looked at counts nothing."""
    if isinstance(path, BucketFile):
        return path.size_bytes or 0
    return path.stat().st_size if path.exists() else 0


def listed(text: str) -> InputFiles:
    """List the files of a path, a folder of Parquet files or a pattern of files, sorted by name.

    Each may be in a bucket, where a prefix is what a folder is.

    Raises:
        InvalidInputError: If there are none, or it is another address.
    """
    if bucket_files.is_address(text):
        return _in_bucket(text)
    if "://" in text:
        problem = "is an address, and only files are read"
        advice = "copy it here, or name s3://, gs:// or az://"
        raise InvalidInputError(f"--input {text!r}", problem, advice)
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


def _in_bucket(address: str) -> InputFiles:
    files = bucket_files.matching(address)
    if files is not None:
        return _several(address, address, files, None)
    plain = address.partition("?")[0]
    if not plain.endswith("/") and plain.count("/") > _SLASHES:
        file = bucket_files.at(address)
        if file.size_bytes is not None:
            return InputFiles(address, (file,), ("",))
    found = [file for file in bucket_files.below(address) if _is_plain(file.path)]
    files = [file for file in found if file.path.suffix.lower() in _ENDINGS]
    if not files:
        problem = "does not exist, and no Parquet file is below it"
        raise InvalidInputError(f"--input {plain!r}", problem, "check its key")
    return InputFiles(address, tuple(files), tuple(file.key for file in files))


def _is_plain(name: PurePath) -> bool:
    """Leave out what Spark and others put beside data: `_SUCCESS`, `_temporary/`, `.crc`."""
    return not any(part.startswith(("_", ".")) for part in name.parts)


def _several(
    text: str, shown: str, paths: Sequence[Path | BucketFile], folder: Path | None
) -> InputFiles:
    if not paths:
        problem = "has no Parquet files" if folder else "names no file"
        advice = "give others by a pattern, such as 'june/*.csv'" if folder else "check its path"
        raise InvalidInputError(f"--input {text!r}", problem, advice)
    named = [path.path if isinstance(path, BucketFile) else path for path in paths]
    if len({packed_text.inner_name(path)[0].suffix.lower() for path in named}) > 1:
        problem = "has files of several kinds"
        raise InvalidInputError(f"--input {text!r}", problem, "give those of one kind")
    names = [
        str(path.relative_to(folder)) if folder and isinstance(path, Path) else str(path)
        for path in paths
    ]
    return InputFiles(shown, tuple(paths), tuple(names))


def digest_of(files: InputFiles, digests: Sequence[str]) -> str:
    """Return a lone file's digest; of several, that of lines with each one's digest and name."""
    if files.names == ("",):
        return digests[0]
    pairs = zip(digests, files.names, strict=True)
    lines = "".join(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
