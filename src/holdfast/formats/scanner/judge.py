"""The judgement of one file: what it is, what loading it would name, what could not be read."""

import zipfile
from dataclasses import dataclass
from typing import Literal

from holdfast.formats.scanner import archives, contents, skops_schema, torch_streams, zip_frame
from holdfast.formats.scanner.byte_sources import ByteReader, ByteSource
from holdfast.formats.scanner.decompression import inflated
from holdfast.formats.scanner.file_references import leads_outside
from holdfast.formats.scanner.findings import (
    Budget,
    ExhaustedError,
    Findings,
    UnreadableError,
)
from holdfast.formats.scanner.gguf import judge_gguf
from holdfast.formats.scanner.kinds import (
    HEAD_BYTES,
    UNKNOWN,
    Kind,
    compression_of,
    kind_of,
)
from holdfast.formats.scanner.onnx_graph import read_graph
from holdfast.formats.scanner.pickle_vm import Dialect, Machine
from holdfast.formats.scanner.symbols import OPAQUE

Loader = Dialect | Literal["nothing"]
"""What would read the bytes if they are a pickle; `nothing` for a tensor's raw bytes."""

_NESTING = 6  # archives in archives
_STREAMS = 16  # pickles in a row that are followed
_MARKS_BY_CHANCE = ("zlib", "lzma")  # so short that other files bear them
_INSTRUCTIONS = 5  # in a row, the mark of a pickle first: no chance writes so many
_SHORTEST = 3  # of a marked pickle that other bytes follow; chance writes shorter ones

_SCHEMA = "skops schema"
_PROGRAMS = {
    "keras": "keras archive: its layers may hold code",
    "torch-export": "torch.export program: loading it evaluates expressions out of the file",
    "torchscript": "TorchScript program: can read and write files when it runs",
}


@dataclass(frozen=True, slots=True)
class Pickled:
    """Bytes read as a pickle.

    Attributes:
        sure: True if they are a whole pickle, or would act before they break; else they may as
            well be something else that happens to start like one.
        likely: True if they bear a pickle's mark and go on like one further than by chance.
        kind: `pickle`, `joblib` or `torch`.
        root: Stand-in of the pickled value.
    """

    sure: bool
    likely: bool
    kind: str
    root: object


def judge(source: ByteSource, findings: Findings, loader: Loader = "joblib", depth: int = 0) -> str:
    """Judge *source* and everything in it; return the name of its kind."""
    kind = _judge_bytes(source, findings, loader, depth)
    for reason in findings.budget.exhausted:  # whoever gave up, and whatever it was taken for
        findings.doubt(reason)
    return kind


def _judge_bytes(source: ByteSource, findings: Findings, loader: Loader, depth: int) -> str:
    if depth > _NESTING:
        findings.doubt("archives within archives, too deep to read")
        return UNKNOWN.name
    try:
        head = source.head(HEAD_BYTES)
        method = compression_of(head, source.suffix)
        if method:
            inner = inflated(source, method, findings.budget)
            if _starts(inner, method) and not _is_chance(inner, method, findings, loader):
                kind = judge(inner, findings, loader, depth + 1)
                return "joblib" if kind in ("pickle", "joblib") else method
        return _judge_head(head, source, findings, (loader, depth))
    except (UnreadableError, OSError) as error:
        findings.doubt(str(error))
        return UNKNOWN.name


def _starts(inner: ByteSource, method: str) -> bool:
    try:
        return bool(inner.head(1))
    except ExhaustedError:
        raise
    except UnreadableError:
        if method in _MARKS_BY_CHANCE:
            return False
        raise


def _is_chance(inner: ByteSource, method: str, findings: Findings, loader: Loader) -> bool:
    """Tell whether bytes only look compressed: they break off, and nothing runs before that.

    An unpickler reads no further than it has come: what precedes a break may run.
    """
    if method not in _MARKS_BY_CHANCE:
        return False
    try:
        inner.head(HEAD_BYTES)
    except ExhaustedError:
        return False
    except UnreadableError:
        pickled = read_pickle(inner, findings.separate(), loader)
        return not (pickled.sure or pickled.likely)
    return False


def pickle_in(source: ByteSource, findings: Findings) -> Pickled | None:
    """Follow *source* as joblib would: unpacked if it is compressed; None if it is not a pickle.

    Raises:
        UnreadableError: If it is compressed and broken.
    """
    method = _method(source)
    inner = unpacked(source, findings.budget)
    if method and not _starts(inner, method):
        return None
    pickled = read_pickle(inner, findings, "joblib")
    return pickled if pickled.sure or pickled.likely else None


def unpacked(source: ByteSource, budget: Budget) -> ByteSource:
    """Return what joblib reads of a file: unpacked if it is compressed."""
    method = _method(source)
    return inflated(source, method, budget) if method else source


def _method(source: ByteSource) -> str | None:
    return compression_of(source.head(HEAD_BYTES), source.suffix)


def _judge_head(
    head: bytes, source: ByteSource, findings: Findings, loader_and_depth: tuple[Loader, int]
) -> str:
    kind = kind_of(head, source)
    unsigned = kind.group in ("unknown", "text")
    noted = findings.separate()
    pickled = read_pickle(source, noted, loader_and_depth[0])
    if pickled.sure or (unsigned and loader_and_depth[0] != "nothing" and pickled.likely):
        findings.adopt(noted, "")
        findings.executes_code = True
        if unsigned:
            return pickled.kind
        findings.doubt(f"{kind.name} that runs as a pickle as well")
    if kind.group != "zip" and zip_frame.ends_as_zip(source):
        findings.doubt(f"{kind.name} that opens as a zip archive as well")
    try:
        return _judge_kind(kind, source, findings, loader_and_depth[1])
    except UnreadableError as error:
        findings.doubt(str(error))
        return kind.name


def read_pickle(source: ByteSource, noted: Findings, loader: Loader) -> Pickled:
    """Follow *source* as a pickle, whatever it is; *noted* means nothing if it is not one."""
    with source.reader() as reader:
        return _follow(reader, noted, loader)


def _follow(reader: ByteReader, noted: Findings, loader: Loader) -> Pickled:
    machine = Machine(reader, noted, "plain" if loader == "nothing" else loader)
    try:
        machine.run()
    except UnreadableError as error:
        noted.doubt(str(error))
        likely = machine.marked and machine.steps >= _INSTRUCTIONS
        kind = "joblib" if machine.arrays else "pickle"
        return Pickled(machine.calls > 0, likely, kind, OPAQUE)
    if machine.root == torch_streams.MAGIC:
        root = torch_streams.follow(reader, noted)
        return Pickled(sure=True, likely=True, kind="torch", root=root)
    alone = _is_over(reader)
    sure = machine.calls > 0 or alone
    if not alone:
        noted.doubt(f"other bytes follow the pickle, at byte {reader.pos}")
        sure |= _goes_on(reader, noted)
    kind = "joblib" if machine.arrays else "pickle"
    likely = machine.marked and machine.steps >= _SHORTEST
    return Pickled(sure, likely, kind, machine.root)


def _is_over(reader: ByteReader) -> bool:
    try:
        return reader.at_end()
    except UnreadableError:
        return False


def _goes_on(reader: ByteReader, noted: Findings) -> bool:
    """Follow the pickles behind a first one; tell whether they are surely some."""
    calls = 0
    for _ in range(_STREAMS):
        machine = Machine(reader, noted)
        try:
            machine.run()
        except UnreadableError:
            return calls + machine.calls > 0
        calls += machine.calls
        if _is_over(reader):
            break
    return True


def _judge_kind(kind: Kind, source: ByteSource, findings: Findings, depth: int) -> str:
    match kind.group:
        case "zip":
            return _judge_zip(archives.in_memory(source), findings, depth)
        case "npy":
            contents.judge_npy(source, findings)
        case "safetensors":
            contents.safetensors_header(source)
        case "gguf":
            judge_gguf(source, findings)
        case "sealed":
            findings.doubt(f"{kind.name}: may hold anything, and is not opened here")
        case "program":
            findings.doubt(f"{kind.name}: code")
        case "unknown":
            return _judge_graph(source, findings)
    return kind.name


def _judge_graph(source: ByteSource, findings: Findings) -> str:
    graph = read_graph(source, findings.budget)
    if graph is None:
        return UNKNOWN.name
    for location in graph.locations:
        if leads_outside(location):
            findings.doubt(f"onnx: keeps weights outside its folder: {location}")
    return "onnx"


def _judge_zip(source: ByteSource, findings: Findings, depth: int) -> str:
    with archives.opened(source) as archive:
        kind = archives.zip_kind(archive)
        zip_frame.judge_frame(source, archive, findings)
        if kind in _PROGRAMS:
            findings.doubt(_PROGRAMS[kind])
        kinds = set()
        for info in archives.readable(archive):
            if kind == "torchscript" and "/code/" in info.filename:
                continue  # the source of the program that is reported already
            own = findings.separate()
            kinds.add(_judge_member(source, (archive, info), own, (kind, depth)))
            findings.adopt(own, info.filename)
    hollow = kinds != {"npy"} if kind == "npz" else kind == "skops" and _SCHEMA not in kinds
    return "zip" if hollow else kind


def _judge_member(
    source: ByteSource,
    archive_entry: tuple[zipfile.ZipFile, zipfile.ZipInfo],
    findings: Findings,
    kind_and_depth: tuple[str, int],
) -> str:
    archive, info = archive_entry
    kind, depth = kind_and_depth
    try:
        member = archives.member(source, archive, info, findings.budget)
        if kind == "skops" and info.filename == "schema.json":
            schema = skops_schema.read_schema(member)
            if schema is not None:
                skops_schema.judge_schema(schema, findings)
                return _SCHEMA
    except UnreadableError as error:
        findings.doubt(str(error))
        return UNKNOWN.name
    judged = judge(member, findings, _loader_of(info.filename, kind), depth + 1)
    if kind == "skops":
        skops_schema.judge_member(info.filename, judged, findings)
    return judged


def _loader_of(name: str, kind: str) -> Loader:
    folder, _, last = name.rpartition("/")
    if not kind.startswith("torch"):
        return "joblib" if kind == "zip" else "plain"
    if last.isdecimal() and folder.rpartition("/")[2] in ("data", "constants", "tensors"):
        return "nothing"
    return "torchscript" if kind == "torchscript" else "torch"
