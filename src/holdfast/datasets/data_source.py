"""Where data is: a file, a folder, a pattern, or a bucket; found, hashed and described."""

import glob
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from holdfast import formats
from holdfast.core.manifest import File
from holdfast.datasets import data_digests, row_reading
from holdfast.datasets.data_records import DataDescription, DataKind
from holdfast.datasets.row_digest import RowDigest
from holdfast.errors import (
    HoldfastError,
    InvalidInputError,
    MissingLibraryError,
    UnsupportedError,
)
from holdfast.store import AbsentError

__all__ = ["FoundData", "described", "find", "rows_of", "with_rows"]

_BUCKET: Final = re.compile(r"(?:s3|gs|az)://")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class FoundData:
    """Files of this machine that are the data.

    Attributes:
        source: Where they are, or were fetched from.
        files: Path within the data, and the file, sorted.
        root: The file, or the folder that holds them all.
    """

    kind: DataKind
    source: str
    files: tuple[tuple[str, Path], ...]
    root: Path


def find(source: str, scratch: Path) -> FoundData:
    """Find the files of a path, a pattern or a bucket; what is in a bucket is fetched.

    Args:
        source: As a person writes it.
        scratch: An empty folder for what is fetched.

    Raises:
        InvalidInputError: If nothing is there, or it leads out of its own folder.
    """
    if _BUCKET.match(source):
        return _fetched(source, scratch)
    subject = f"data {source!r}"
    if "\0" in source or not source:
        raise InvalidInputError(subject, "is not a path", "name a file, a folder or a pattern")
    if _SCHEME.match(source):
        advice = "download it, or name s3://, gs:// or az://"
        problem = "is neither a path nor in a bucket"
        raise InvalidInputError(f"data {source.partition(':')[0]}://…", problem, advice)
    path = Path(os.path.abspath(source))
    if path.is_dir():
        files = tuple(sorted(formats.files(path)))
        if not files:
            raise InvalidInputError(subject, "has no files", "name a folder that has some")
        return FoundData("folder", str(path), files, path)
    if os.path.lexists(path):
        return FoundData("file", str(path), ((path.name, path),), path)
    if glob.has_magic(source):
        return _matched(source, path)
    raise InvalidInputError(subject, "does not exist", "check the path")


def _matched(source: str, path: Path) -> FoundData:
    """Find what fits a pattern, below the last folder that it names plainly."""
    plain = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    root = Path(*plain)
    matches = sorted(glob.glob(str(path), recursive=True, include_hidden=True))
    files = [Path(one) for one in matches if not os.path.isdir(one)]
    if not files:
        raise InvalidInputError(f"data {source!r}", "has no file that fits", "check the pattern")
    real = root.resolve()
    for file in files:
        if not file.resolve().is_relative_to(real):
            problem = (
                f"leads out of the folder: {os.readlink(file)}"
                if file.is_symlink()
                else ("leads out of the folder")
            )
            raise InvalidInputError(f"link {str(file)!r}", problem, "put the file there instead")
    files_by_path = tuple((file.relative_to(root).as_posix(), file) for file in files)
    return FoundData("pattern", str(path), files_by_path, root)


def _fetched(source: str, scratch: Path) -> FoundData:
    """Bring an object, or all below a prefix that ends with a slash, to this machine."""
    from holdfast.store.objects.locating import locate

    address, question, options = source.partition("?")
    folder, _, name = address.rpartition("/")
    if _BUCKET.fullmatch(f"{folder}/"):
        folder, name = address, ""
    store = locate(folder + question + options)
    if not name:
        keys = sorted(str(one["path"]) for one in store.wire.below(""))
        files = tuple((key, _brought(store, key, scratch)) for key in keys if key[-1] != "/")
        if not files:
            raise InvalidInputError(f"data {store.url!r}", "has no objects", "check the prefix")
        return FoundData("folder", source, files, scratch)
    try:
        path = _brought(store, name, scratch)
    except AbsentError:
        advice = "check the key; a prefix ends with /"
        raise InvalidInputError(f"data {address!r}", "does not exist", advice) from None
    return FoundData("file", source, ((name, path),), path)


def _brought(store: Any, key: str, scratch: Path) -> Path:
    target = scratch.joinpath(*key.split("/"))
    if any(part in ("", ".", "..") for part in key.split("/")) or os.path.isabs(key):
        raise InvalidInputError(f"object {key!r}", "has no usable name", "rename it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with store.open(key) as file, target.open("xb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)
    return target


def described(data: FoundData) -> DataDescription:
    """Hash the files, then read their rows, and hold the files against what they were.

    Raises:
        InvalidInputError: If one cannot be read, or is written meanwhile.
    """
    before = [_state(path) for _, path in data.files]
    files = tuple(
        File(name, _digest(path), before[index][0]) for index, (name, path) in enumerate(data.files)
    )
    pairs = [(file.path, file.sha256) for file in files]
    digest = f"sha256:{files[0].sha256}" if data.kind == "file" else data_digests.of_lines(pairs)
    description = DataDescription(
        kind=data.kind,
        source=data.source,
        digest=digest,
        size_bytes=sum(file.size_bytes for file in files),
        files=files,
    )
    description = _with_rows_of(description, data.files)
    for (_, path), state in zip(data.files, before, strict=True):
        if _state(path) != state:
            problem, advice = "changed while it was read", "repeat when nobody writes to it"
            raise InvalidInputError(f"data {str(path)!r}", problem, advice)
    return description


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return status.st_size, status.st_mtime_ns


def _digest(path: Path) -> str:
    try:
        return data_digests.of_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInputError:
    problem = f"cannot be read: {error.strerror}"
    return InvalidInputError(f"data {str(path)!r}", problem, "check it")


def _with_rows_of(
    description: DataDescription, files: Sequence[tuple[str, Path]]
) -> DataDescription:
    """Read the rows if all files are of one kind that has some; else say why not."""
    paths = [path for name, path in files if not _is_mark(name)] or [path for _, path in files]
    readers = {row_reading.reader_of(path) for path in paths}
    if len(readers) > 1 or not all(readers):
        remark = (
            "rows are read of .parquet, .csv and .jsonl files, of one kind at a time; "
            "text may be packed as .csv.gz or .csv.zst"
        )
        return replace(description, remark=remark)
    try:
        batches = (batch for path in paths for batch in row_reading.batches(path))
        return with_rows(replace(description, reader=readers.pop()), batches)
    except (MissingLibraryError, UnsupportedError, InvalidInputError, ValueError) as error:
        text = str(error) if isinstance(error, HoldfastError) else f"they cannot be read: {error}"
        return replace(description, remark=f"rows were not read: {text}", reader="")
    except OSError as error:
        raise _unreadable(paths[0], error) from error


def _is_mark(name: str) -> bool:
    """Tell what Spark and others put beside rows and that has none: `_SUCCESS`, `.part-0.crc`."""
    *folders, last = name.split("/")
    return last.startswith(("_", ".")) and not any(one.startswith(("_", ".")) for one in folders)


def rows_of(path: Path) -> str | None:
    """Return the digest of the rows of a file or folder, `None` if they cannot be read."""
    files = sorted(formats.files(path)) if path.is_dir() else [(path.name, path)]
    kind: DataKind = "folder" if path.is_dir() else "file"
    return _with_rows_of(DataDescription(kind=kind, source=str(path)), files).rows


def with_rows(description: DataDescription, batches: Iterator[Any]) -> DataDescription:
    """Return a description with the digest, the number and the columns of its rows."""
    digest = RowDigest()
    for batch in batches:
        digest.add(batch)
    rows = digest.digest()
    return replace(description, rows=rows, row_count=digest.rows, columns=digest.columns)
