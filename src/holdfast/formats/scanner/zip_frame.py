"""The records of a zip archive, held against each other.

A zip file says everything twice: in a table at its end, and before each member. Readers differ in
which of the two they believe, and in where they look for the table. An archive in which any two
records contradict each other, or which has bytes that no record speaks of, is reported, whatever
its members hold.
"""

import stat
import struct
import zipfile
from typing import IO

from holdfast.formats.scanner.archives import ENCRYPTED, LOCAL_HEADER, opened
from holdfast.formats.scanner.byte_sources import ByteSource
from holdfast.formats.scanner.file_references import leads_outside
from holdfast.formats.scanner.findings import ExhaustedError, Findings, UnreadableError

_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_DESCRIBED = 0x8  # sizes and checksum follow the member instead
_TRAILERS = (12, 16, 20, 24)  # bytes they take there, with a signature or without, long or short
_LOCAL_FLAGS = 0x1 | 0x40 | 0x2000  # encrypted, in three ways
_LONG = 0xFFFFFFFF  # a size that stands in the extra field
_LONG_FIELD = 1
_FARTHEST = (1 << 16) + _END.size  # bytes from the end at which an end may start


def ends_as_zip(source: ByteSource) -> bool:
    """Tell whether readers of zip files, who begin at the end, would open *source*."""
    if not source.seekable or b"PK\x05\x06" not in source.tail(_FARTHEST):
        return False
    try:
        with opened(source) as archive:
            return bool(archive.filelist)
    except ExhaustedError:
        raise  # it does open
    except UnreadableError:
        return False


def judge_frame(source: ByteSource, archive: zipfile.ZipFile, findings: Findings) -> None:
    """Report what contradicts itself in the archive's own records."""
    infos = sorted(archive.filelist, key=lambda info: info.header_offset)
    if infos and infos[0].header_offset > 0:
        findings.doubt("zip archive: other bytes before its first member")
    if len({info.filename for info in infos}) < len(infos):
        findings.doubt("zip archive: a member's name twice")
    _judge_table(source, archive, findings)
    for info in infos:
        _judge_record(info, findings)
    with source.open() as stream:
        at = 0
        for info in infos:
            if info.header_offset < at:
                findings.doubt("zip archive: members overlap")
            elif info.header_offset > at and at:
                findings.doubt("zip archive: other bytes between its members")
            at = _judge_local(stream, info, findings)
        gap = archive.start_dir - at
        if infos and gap:
            findings.doubt("zip archive: other bytes before its table, or a table within a member")


def _judge_table(source: ByteSource, archive: zipfile.ZipFile, findings: Findings) -> None:
    """Look for the table as other readers do, who find another one in a crafted file."""
    size = source.size or 0
    end = source.tail(_END.size)
    if len(end) < _END.size or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        findings.doubt("zip archive: other bytes after its end")
        return
    _, disk, first_disk, here, count, length, start, _ = _END.unpack(end)
    stop = size - _END.size
    tail = source.tail(_END.size + _LOCATOR.size + _END_64.size)
    if tail[-_END.size - _LOCATOR.size :][:4] == b"PK\x06\x07" and len(tail) > _END_64.size:
        stop = size - len(tail)
        _, _, offset, _ = _LOCATOR.unpack(tail[_END_64.size : _END_64.size + _LOCATOR.size])
        record = _END_64.unpack(tail[: _END_64.size])
        if record[0] != b"PK\x06\x06" or offset != stop:
            findings.doubt("zip archive: two ends")
            return
        short = (here, count, length, start)
        _, _, _, _, disk, first_disk, here, count, length, start = record
        long = (here, count, length, start)
        if any(a not in (b, 0xFFFF, _LONG) for a, b in zip(short, long, strict=True)):
            findings.doubt("zip archive: two ends")
    honest = (0, 0, len(archive.filelist), len(archive.filelist), archive.start_dir, stop)
    if (disk, first_disk, here, count, start, start + length) != honest:
        findings.doubt("zip archive: its table is elsewhere than its end says")


def _judge_record(info: zipfile.ZipInfo, findings: Findings) -> None:
    if leads_outside(info.filename) or "\0" in info.orig_filename:
        findings.doubt(f"zip archive: a member's name leads outside: {info.filename}")
    if info.flag_bits & ENCRYPTED:
        findings.doubt(f"{info.filename}: encrypted")
    if stat.S_ISLNK(info.external_attr >> 16):
        findings.doubt(f"{info.filename}: a symbolic link")


def _judge_local(stream: IO[bytes], info: zipfile.ZipInfo, findings: Findings) -> int:
    """Hold the record before a member against the table's; return where the member ends."""
    stream.seek(max(0, info.header_offset))
    raw = stream.read(LOCAL_HEADER.size) if info.header_offset >= 0 else b""
    if len(raw) < LOCAL_HEADER.size or raw[:4] != b"PK\x03\x04":
        findings.doubt("zip archive: no member where its table says")
        return info.header_offset
    (_, _, flags, method, _, _, crc, packed, plain, name_length, extra_length) = (
        LOCAL_HEADER.unpack(raw)
    )
    extra = stream.read(name_length + extra_length)[name_length:]
    start = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    if _LONG in (packed, plain):
        plain, packed = _long_sizes(extra, plain, packed)
    local_fields = (flags & _LOCAL_FLAGS, method, crc, packed, plain)
    known = (info.flag_bits & _LOCAL_FLAGS, info.compress_type)
    sizes = (info.CRC, info.compress_size, info.file_size)
    allowed = {(*known, *sizes)}
    if flags & _DESCRIBED:
        allowed.add((*known, 0, 0, 0))
    if local_fields not in allowed:
        findings.doubt(f"{info.filename}: two records of one member")
    end: int = start + info.compress_size
    return end + _trailer(stream, end) if flags & _DESCRIBED else end


def _long_sizes(extra: bytes, plain: int, packed: int) -> tuple[int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        values = extra[at + 4 : at + 4 + length]
        if kind == _LONG_FIELD and len(values) >= 16:  # noqa: PLR2004 - two numbers of 8 bytes
            long_plain, long_packed = struct.unpack_from("<2Q", values)
            return (
                long_plain if plain == _LONG else plain,
                long_packed if packed == _LONG else packed,
            )
        at += 4 + length
    return plain, packed


def _trailer(stream: IO[bytes], end: int) -> int:
    """Return how many bytes of sizes and checksum follow a member, found by what comes next."""
    stream.seek(end)
    following = stream.read(max(_TRAILERS) + 4)
    for length in _TRAILERS:
        signed = following.startswith(b"PK\x07\x08") == (length in (16, 24))
        if signed and following[length : length + 2] == b"PK":
            return length
    return 0
