"""Xorbs and shards as a client of Xet makes them, honest or not."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

RAW, LZ4, GROUPED = range(3)
XORB = "ab" * 32


def digest_bytes(text: str) -> bytes:
    """Write a digest's text as its bytes are ordered in a shard."""
    return struct.pack("<4Q", *(int(text[at : at + 16], 16) for at in range(0, 64, 16)))


def chunk(data: bytes, codec: int = RAW, raw_bytes: int | None = None) -> bytes:
    packed = data
    if codec != RAW:
        import lz4.frame

        grouped = b"".join(data[place::4] for place in range(4)) if codec == GROUPED else data
        packed = lz4.frame.compress(grouped)
    size = len(data) if raw_bytes is None else raw_bytes
    head = b"\0" + len(packed).to_bytes(3, "little") + bytes([codec]) + size.to_bytes(3, "little")
    return head + packed


@dataclass
class Part:
    """A term of a file."""

    size: int
    first: int = 0
    end: int = 1
    xorb: str = XORB


@dataclass
class Made:
    """A file of a shard."""

    sha256: str
    terms: Sequence[Part] = field(default_factory=list)
    flags: int = (1 << 31) | (1 << 30)


def of(data: bytes, *terms: Part) -> Made:
    return Made(hashlib.sha256(data).hexdigest(), terms or [Part(len(data))])


def shard(*files: Made) -> bytes:
    pieces = [b"HFRepoMetaData".ljust(32, b"\0") + struct.pack("<QQ", 2, 0)]
    for file in files:
        pieces.append(b"\1" * 32 + struct.pack("<IIQ", file.flags, len(file.terms), 0))
        for term in file.terms:
            numbers = struct.pack("<IIII", 0, term.size, term.first, term.end)
            pieces.append(digest_bytes(term.xorb) + numbers)
        if file.flags & (1 << 31):
            pieces += [b"\2" * 48 for _ in file.terms]
        if file.flags & (1 << 30):
            pieces.append(digest_bytes(file.sha256) + b"\0" * 16)
    return b"".join(pieces) + b"\xff" * 32 + b"\0" * 16
