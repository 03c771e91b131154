"""Protocol-buffer messages, read field by field without their schema or a library."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.formats.scanner.byte_sources import ByteReader
from holdfast.formats.scanner.findings import UnreadableError

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
"""Wire types."""

_LONGEST_VARINT = 10
_CONTINUED = 0x80


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        number: As in the schema.
        wire: Its wire type.
        value: The number itself, for a varint.
        end: Where its bytes end; the reader stands at their first.
    """

    number: int
    wire: int
    value: int
    end: int


def fields(
    reader: ByteReader, end: int, skipped: re.Pattern[bytes] | None = None
) -> Iterator[Field]:
    """Read the fields up to *end*; what a caller leaves of a field's bytes is skipped.

    Args:
        reader: Stands at the message's first byte.
        end: Where the message ends.
        skipped: Fields in a row that match this are passed over at once.

    Raises:
        UnreadableError: If it is not a message.
    """
    while reader.pos < end:
        if skipped is not None and reader.leap(skipped, end):
            continue
        field = _field(reader)
        if field.end > end:
            raise UnreadableError(f"a field at byte {reader.pos} runs past its message")
        yield field
        reader.skip(field.end - reader.pos)


def _field(reader: ByteReader) -> Field:
    key = _varint(reader)
    number, wire = key >> 3, key & 7
    if number == 0 or wire not in (VARINT, FIXED_64, BYTES, FIXED_32):
        raise UnreadableError(f"no field at byte {reader.pos}")
    value = _varint(reader) if wire in (VARINT, BYTES) else 0
    size = {VARINT: 0, FIXED_64: 8, BYTES: value, FIXED_32: 4}[wire]
    return Field(number, wire, value, reader.pos + size)


def _varint(reader: ByteReader) -> int:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = reader.read(1)[0]
        value |= (byte & ~_CONTINUED) << (7 * position)
        if byte < _CONTINUED:
            return value
    raise UnreadableError(f"no number at byte {reader.pos}")
