"""The scan: what loading a file would run, read from its bytes without loading it.

`judge` tells a file's kind by its content and follows it; `machine` is the pickle machine;
`rules` and `allowlist` say what a pickle may do; the other modules read one kind each.
"""

import os
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError
from holdfast.formats import trees
from holdfast.formats.scanner import archives
from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.byte_sources import ByteSource, of_bytes, of_file
from holdfast.formats.scanner.findings import Budget, Findings, UnreadableError
from holdfast.formats.scanner.judge import judge, pickle_in, unpacked
from holdfast.formats.scanner.onnx_graph import is_cut, read_graph
from holdfast.formats.scanner.skops_schema import read_schema
from holdfast.formats.scanner.symbols import Made

SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
"""The file that makes a folder a TensorFlow SavedModel."""

_GRAPH = "TensorFlow graph: can read and write files when it runs"


def scan(path: Path, allowed: Collection[str] = ()) -> Scan:
    """Judge a file, or every file in a folder, by content and without loading anything.

    Args:
        path: The file or folder.
        allowed: Further constructors: `module.Name`, or `package.*` for all of a package's.

    Returns:
        The scan; `unknown` is empty only if everything was read and every name is on the list.

    Raises:
        InvalidInputError: If one of *allowed* is not such a pattern.
        StoreError: If the disk does not give the bytes.
    """
    allow_list = AllowList(allowed)
    if not path.is_dir():
        findings = Findings(allow_list, Budget.of_size(_size_of(path)))
        kind = _judge_file(path, findings)
    else:
        files = list(_files(path))
        findings = Findings(allow_list, Budget.of_size(sum(map(_size_of, files))))
        kind = _judge_folder(path, files, findings)
    return Scan(kind, findings.executes_code, findings.names, findings.doubts)


def kind_of(path: Path) -> str:
    """Name what a file holds, by content: `pickle`, `joblib`, `onnx`, `text`, `unknown`, ..."""
    return _scanned(path).kind


def globals_of(path: Path) -> tuple[str, ...]:
    """Name the constructors and functions that loading a file would call."""
    return _scanned(path).globals


def doubts_of(path: Path) -> tuple[str, ...]:
    """Return what a file's scan found that is not on the list or could not be read."""
    return _scanned(path).unknown


def _scanned(path: Path) -> Scan:
    about = path.stat()
    return _scanned_as_it_was(path, about.st_ino, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4)  # several formats ask about one file in a row
def _scanned_as_it_was(path: Path, *_: int) -> Scan:
    return scan(path)


def root_of(path: Path) -> Made | None:
    """Return the stand-in of the object that a pickle or joblib file holds, if it is readable."""
    root = root_value_of(path)
    return root if isinstance(root, Made) else None


def root_value_of(path: Path) -> object:
    """Return what stands for the value that a pickle or joblib file holds, None if unreadable."""
    findings = Findings(AllowList(), Budget.of_size(_size_of(path)))
    try:
        pickled = pickle_in(of_file(path), findings)
    except (UnreadableError, OSError):
        return None
    return pickled.root if pickled else None


def unpacked_pickle(path: Path) -> ByteSource:
    """Return the bytes of a pickle or joblib file, unpacked within the budget of a scan."""
    return unpacked(of_file(path), Budget.of_size(_size_of(path)))


def onnx_locations(path: Path) -> set[str]:
    """Name the files beside an ONNX file in which it keeps weights."""
    graph = read_graph(of_file(path), Budget.of_size(_size_of(path)))
    return graph.locations if graph else set()


def is_cut_onnx(path: Path) -> bool:
    """Tell whether a file is the beginning of an ONNX model."""
    return is_cut(of_file(path))


def is_onnx(content: bytes) -> bool:
    """Tell whether bytes in memory are an ONNX model."""
    return read_graph(of_bytes(content, ""), Budget.of_size(len(content))) is not None


def skops_root(path: Path) -> tuple[str, str] | None:
    """Return module and name of the class that a skops file holds, None if it cannot be read."""
    source, budget = of_file(path), Budget.of_size(_size_of(path))
    try:
        with archives.opened(source) as archive:
            info = archive.getinfo("schema.json")
            schema = read_schema(archives.member(source, archive, info, budget))
    except (UnreadableError, OSError, KeyError):
        return None
    match schema:
        case {"__module__": str() as module, "__class__": str() as name}:
            return module, name
    return None


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from [path for _, path in trees.files(folder)]
    except (
        InvalidInputError
    ):  # anything that is not a file, or leads elsewhere, is a finding of its own
        yield from _entries(folder)


def _entries(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())
        yield from (Path(parent, name) for name in sorted(names))


def _judge_folder(folder: Path, files: list[Path], findings: Findings) -> str:
    for path in files:
        file_findings = findings.separate()
        _judge_file(path, file_findings)
        findings.adopt(file_findings, path.relative_to(folder).as_posix())
    saved_model = any((folder / name).is_file() for name in SAVED_MODEL)
    return "tensorflow-savedmodel" if saved_model else "folder"


def _judge_file(path: Path, findings: Findings) -> str:
    if path.name in SAVED_MODEL:
        findings.doubt(_GRAPH)
    if not path.is_file():
        findings.doubt("not a regular file, so not read")
        return "unknown"
    return judge(of_file(path), findings)
