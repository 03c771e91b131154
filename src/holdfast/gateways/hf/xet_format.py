"""The bytes of the Xet transport: chunks in xorbs, and shards that say how files are made of them.

Source:
    The public specification of Xet, and the Internet-Draft draft-denis-xet.
"""

import struct
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, Final

from msgspec import Struct

from holdfast.errors import InvalidInputError, MissingLibraryError

__all__ = ["Chunk", "Term", "XetFile", "chunks_of", "files_of_shard", "unpacked"]

_HEADER: Final = 8
_SHARD_HEADER: Final = 48
_RECORD: Final = 48
_FOOTER: Final = b"XETBLOB"
_RAW, _LZ4, _GROUPED = range(3)
_MOST_RAW: Final = 1 << 20
"""Longest chunk; clients make them of up to 128 KiB."""
_MOST_CHUNKS: Final = 1 << 14
_HAS_CHECKS: Final = 1 << 31
_HAS_SHA256: Final = 1 << 30
_LAST: Final = b"\xff" * 32
_MOST_FILES: Final = 20_000
_MOST_TERMS: Final = 200_000
_MOST_USES: Final = 1 << 22
"""Chunks that all terms of a shard name: of usual length, 256 GiB."""
_SEND: Final = "send it again"
_FEWER: Final = "send fewer files at a time"


class Chunk(Struct, frozen=True):
    """Where a chunk lies in its xorb, and how it is packed."""

    offset: int
    packed_bytes: int
    raw_bytes: int
    codec: int


class Term(Struct, frozen=True):
    """A part of a file: chunks *first* to *end*, that one left out, of a xorb."""

    xorb: str
    size_bytes: int
    first: int
    end: int


class XetFile(Struct, frozen=True):
    """How a file is made, and the SHA-256 that the client computed."""

    terms: tuple[Term, ...]
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return sum(term.size_bytes for term in self.terms)


def chunks_of(file: BufferedReader) -> list[Chunk]:
    """Read where the chunks of a xorb are.

    Raises:
        InvalidInputError: If it is not a xorb.
    """
    file.seek(0, 2)
    length, offset = file.tell(), 0
    chunks = []
    while offset < length:
        file.seek(offset)
        header = file.read(_HEADER)
        if header.startswith(_FOOTER):
            break
        if len(header) < _HEADER or header[0] != 0:
            raise InvalidInputError("the xorb", "has a chunk without a header", _SEND)
        packed, codec, raw = header[1:4], header[4], header[5:8]
        chunk = Chunk(
            offset + _HEADER, int.from_bytes(packed, "little"), int.from_bytes(raw, "little"), codec
        )
        offset = chunk.offset + chunk.packed_bytes
        if offset > length or not 0 < chunk.raw_bytes <= _MOST_RAW or codec > _GROUPED:
            raise InvalidInputError("the xorb", "has a chunk that cannot be", _SEND)
        chunks.append(chunk)
        if len(chunks) > _MOST_CHUNKS:
            raise InvalidInputError("the xorb", f"has more than {_MOST_CHUNKS:,} chunks", _SEND)
    return chunks


def unpacked(chunk: Chunk, packed: bytes) -> bytes:
    """Return the bytes of a chunk.

    Raises:
        InvalidInputError: If they are not packed as it says.
        MissingLibraryError: If they are packed and the library that unpacks them is not installed.
    """
    data = packed
    if chunk.codec != _RAW:
        data = _lz4(packed, chunk.raw_bytes)
    if len(data) != chunk.raw_bytes:
        raise InvalidInputError("a chunk", "has another length than it says", _SEND)
    return _ungrouped(data) if chunk.codec == _GROUPED else data


def _lz4(packed: bytes, raw_bytes: int) -> bytes:
    try:
        import lz4.frame
    except ModuleNotFoundError as error:
        raise MissingLibraryError("lz4", "web", "the Xet transport needs it") from error
    reader: Any = lz4.frame.LZ4FrameDecompressor()
    try:
        return bytes(reader.decompress(packed, max_length=raw_bytes + 1))
    except (RuntimeError, EOFError) as error:
        raise InvalidInputError("a chunk", "is not packed as it says", _SEND) from error


def _ungrouped(data: bytes) -> bytes:
    """Put bytes back that were ordered by their place in each four."""
    whole = bytearray(len(data))
    start = 0
    for place in range(4):
        count = len(range(place, len(data), 4))
        whole[place::4] = data[start : start + count]
        start += count
    return bytes(whole)


def files_of_shard(file: BufferedReader) -> Iterator[XetFile]:
    """Go through the files that a shard describes.

    Raises:
        InvalidInputError: If it is not a shard, or a file in it lacks its SHA-256.
    """
    if len(file.read(_SHARD_HEADER)) < _SHARD_HEADER:
        raise InvalidInputError("the shard", "is too short", _SEND)
    left, uses = _MOST_TERMS, _MOST_USES
    for _ in range(_MOST_FILES):
        header = _record(file)
        if header[:32] == _LAST:
            return
        flags, count = struct.unpack_from("<II", header, 32)
        left -= count
        if left < 0:
            raise InvalidInputError("the shard", f"has more than {_MOST_TERMS:,} terms", _FEWER)
        terms = tuple(_term(_record(file)) for _ in range(count))
        uses -= sum(term.end - term.first for term in terms)
        if uses < 0:
            raise InvalidInputError("the shard", f"names more than {_MOST_USES:,} chunks", _FEWER)
        for _ in range(count if flags & _HAS_CHECKS else 0):
            _record(file)
        if not flags & _HAS_SHA256:
            raise InvalidInputError("the shard", "has a file without its SHA-256", _SEND)
        yield XetFile(terms, _text(_record(file)[:32]))
    raise InvalidInputError("the shard", f"has more than {_MOST_FILES:,} files", _FEWER)


def _record(file: BufferedReader) -> bytes:
    record = file.read(_RECORD)
    if len(record) < _RECORD:
        raise InvalidInputError("the shard", "ends too early", _SEND)
    return record


def _term(record: bytes) -> Term:
    size, first, end = struct.unpack_from("<III", record, 36)
    if first >= end:
        raise InvalidInputError("the shard", "has a term without chunks", _SEND)
    return Term(_text(record[:32]), size, first, end)


def _text(digest: bytes) -> str:
    """Write a digest as Xet does: four numbers, each from its low byte."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))
