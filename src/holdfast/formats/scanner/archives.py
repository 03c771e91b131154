"""Zip archives, member by member, each read where it lies and judged by its content.

Readers of zip files differ in which of two contradicting records they believe. An archive in
which any two contradict each other is reported, whatever its members hold.
"""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import IO

from holdfast.formats.scanner.findings import Budget, Findings, UnreadableError
from holdfast.formats.scanner.places import leads_outside
from holdfast.formats.scanner.sources import Source, of_bytes, of_stream

BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError,
    OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What `zipfile` raises over hostile archives."""

_MEMBERS = 100_000
_READ = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # lzma may ask for gigabytes in a zip
_IN_MEMORY = 1 << 26  # bytes of an archive that lies compressed in another
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_END = b"PK\x05\x06"
_END_BYTES = 22
_ENCRYPTED = 0x1


@contextmanager
def opened(source: Source) -> Iterator[zipfile.ZipFile]:
    """Open a seekable source as a zip archive.

    Raises:
        UnreadableError: If it is none, or has more members than any model.
    """
    with source.open() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except BROKEN as error:
            raise UnreadableError(f"zip archive: {error}") from error
        with archive:
            if len(archive.filelist) > _MEMBERS:
                raise UnreadableError(f"zip archive: {len(archive.filelist):,} members")
            yield archive


def judge_frame(source: Source, archive: zipfile.ZipFile, findings: Findings) -> None:
    """Report what contradicts itself in the archive's own records."""
    infos = sorted(archive.filelist, key=lambda info: info.header_offset)
    if infos and infos[0].header_offset > 0:
        findings.doubt("zip archive: other bytes before its first member")
    if source.tail(_END_BYTES + len(archive.comment))[:4] != _END:
        findings.doubt("zip archive: other bytes after its end")
    if len({info.filename for info in infos}) < len(infos):
        findings.doubt("zip archive: a member's name twice")
    ends = [_earliest_end(info) for info in infos]
    if any(end > after.header_offset for end, after in zip(ends, infos[1:], strict=False)):
        findings.doubt("zip archive: members overlap")
    for info in infos:
        _judge_record(info, findings)


def _earliest_end(info: zipfile.ZipInfo) -> int:
    return info.header_offset + _LOCAL_HEADER.size + info.compress_size


def _judge_record(info: zipfile.ZipInfo, findings: Findings) -> None:
    if leads_outside(info.filename):
        findings.doubt(f"zip archive: a member's name leads outside: {info.filename}")
    if info.flag_bits & _ENCRYPTED:
        findings.doubt(f"{info.filename}: encrypted")
    if stat.S_ISLNK(info.external_attr >> 16):
        findings.doubt(f"{info.filename}: a symbolic link")


def readable(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members that are files and not encrypted."""
    return [
        info
        for info in archive.filelist
        if not info.filename.endswith("/") and not info.flag_bits & _ENCRYPTED
    ]


def member(
    source: Source, archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget
) -> Source:
    """Return the content of a member.

    Raises:
        UnreadableError: If the archive contradicts itself about it.
    """
    if info.compress_type == zipfile.ZIP_STORED:
        return _stored(source, info)
    if info.compress_type not in _READ:
        raise UnreadableError("compressed in a way that is not read here")

    def unpacked() -> RawIOBase:
        try:
            return _Member(archive.open(info), budget)
        except BROKEN as error:
            raise UnreadableError(f"cannot be read: {error}") from error

    return of_stream(unpacked, info.filename, info.file_size)


def _stored(source: Source, info: zipfile.ZipInfo) -> Source:
    with source.open() as stream:
        stream.seek(info.header_offset)
        raw = stream.read(_LOCAL_HEADER.size)
        if len(raw) < _LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
            raise UnreadableError("no member where the archive says")
        fields = _LOCAL_HEADER.unpack(raw)
        name = stream.read(fields[-2])
    spellings = (info.orig_filename.encode(), info.orig_filename.encode("cp437", "replace"))
    if name not in spellings:
        raise UnreadableError("two names for one member")
    start = info.header_offset + _LOCAL_HEADER.size + fields[-2] + fields[-1]
    if info.compress_size != info.file_size or start + info.file_size > (source.size or 0):
        raise UnreadableError("its length contradicts itself")
    return source.window(start, info.file_size, info.filename)


class _Member(RawIOBase):
    """A compressed member, read forward and within a budget."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except BROKEN as error:
            raise UnreadableError(f"cannot be read: {error}") from error
        self._budget.spend_inflated(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def zip_kind(archive: zipfile.ZipFile) -> str:
    """Tell which format an archive is by the names of its members; content is judged apart."""
    names = [info.filename for info in archive.filelist if not info.filename.endswith("/")]
    inner = {name.partition("/")[2] or name for name in names}
    if "schema.json" in names:
        return "skops"
    if "archive_format" in inner or "serialized_exported_program.json" in inner | set(names):
        return "torch-export"
    if "data.pkl" in inner | set(names):
        coded = "constants.pkl" in inner or any(name.startswith("code/") for name in inner)
        return "torchscript" if coded else "torch"
    if {"config.json", "metadata.json"} <= set(names) and any(n.endswith(".h5") for n in names):
        return "keras"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return "zip"


def in_memory(source: Source) -> Source:
    """Return a source that can be sought in, read into memory if it was not.

    Raises:
        UnreadableError: If it is too large for that.
    """
    if source.seekable:
        return source
    content = source.head(_IN_MEMORY + 1)
    if len(content) > _IN_MEMORY:
        raise UnreadableError("an archive within a compressed one, too large to read")
    return of_bytes(content, source.label)
