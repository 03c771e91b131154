"""Zip archives, member by member, each read where it lies and judged by its content."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import IO

from holdfast.formats.scanner.byte_sources import ByteSource, of_bytes, of_stream
from holdfast.formats.scanner.findings import Budget, ExhaustedError, UnreadableError

BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError,
    OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What `zipfile` raises over hostile archives."""

_MEMBERS = 100_000
_READ = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # lzma may ask for gigabytes in a zip
_IN_MEMORY = 1 << 26  # bytes of an archive that lies compressed in another
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""What stands before each member."""

ENCRYPTED = 0x1
"""The flag of a member that needs a password."""


@contextmanager
def opened(source: ByteSource) -> Iterator[zipfile.ZipFile]:
    """Open a seekable source as a zip archive.

    Raises:
        UnreadableError: If it is not one.
        ExhaustedError: If it has more members than any model.
    """
    with source.open() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except BROKEN as error:
            raise UnreadableError(f"zip archive: {error}") from error
        with archive:
            if len(archive.filelist) > _MEMBERS:
                raise ExhaustedError(f"zip archive: {len(archive.filelist):,} members")
            yield archive


def readable(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members that are files and not encrypted."""
    return [
        info
        for info in archive.filelist
        if not info.filename.endswith("/") and not info.flag_bits & ENCRYPTED
    ]


def member(
    source: ByteSource, archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget
) -> ByteSource:
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


def _stored(source: ByteSource, info: zipfile.ZipInfo) -> ByteSource:
    if info.header_offset < 0:
        raise UnreadableError("no member where the archive says")
    with source.open() as stream:
        stream.seek(info.header_offset)
        raw = stream.read(LOCAL_HEADER.size)
        if len(raw) < LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
            raise UnreadableError("no member where the archive says")
        fields = LOCAL_HEADER.unpack(raw)
        name = stream.read(fields[-2])
    spellings = (info.orig_filename.encode(), info.orig_filename.encode("cp437", "replace"))
    if name not in spellings:
        raise UnreadableError("two names for one member")
    start = info.header_offset + LOCAL_HEADER.size + fields[-2] + fields[-1]
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


def in_memory(source: ByteSource) -> ByteSource:
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
