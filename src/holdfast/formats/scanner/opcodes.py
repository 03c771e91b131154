"""The arguments of pickle's instructions, read from the bytes as unpicklers read them.

`pickletools.genops` is not used to read them: it joins a global's module and name with a space,
decodes escapes that unpicklers do not, and takes a length of gigabytes into memory at its word.
Only its table of instructions is.
"""

import math
import pickletools
import struct
from collections.abc import Callable

from holdfast.formats.scanner.byte_sources import ByteReader
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.symbols import KEPT_BYTES, OPAQUE

_LONGEST_NUMBER = 64  # bytes; longer integers are data, and slow to convert
_SOME_NUMBER = math.nan  # whichever, if it is one at all


def _unsigned(size: int) -> Callable[[ByteReader], int]:
    return lambda reader: int.from_bytes(reader.read(size), "little")


def _signed(reader: ByteReader) -> int:
    return int.from_bytes(reader.read(4), "little", signed=True)


def _float8(reader: ByteReader) -> object:
    return struct.unpack(">d", reader.read(8))[0]


def _line(reader: ByteReader) -> bytes:
    # One character less, newline or not: Python's own unpickler cuts blindly at the file's end.
    return reader.line(KEPT_BYTES + 1)[:-1]


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"text that is not {encoding}") from error


def _number(reader: ByteReader) -> object:
    raw = _line(reader).strip()
    if raw in (b"00", b"01"):
        return raw == b"01"
    if len(raw) > _LONGEST_NUMBER:
        return _SOME_NUMBER
    try:
        return int(raw.removesuffix(b"L"), 0)
    except ValueError:
        return _SOME_NUMBER  # the two unpicklers differ in what they take for a number


def _index(reader: ByteReader) -> int:
    try:
        return int(_line(reader))
    except ValueError as error:
        raise UnreadableError("an index that is not a number") from error


def _float_line(reader: ByteReader) -> object:
    try:
        return float(_line(reader))
    except ValueError:
        return _SOME_NUMBER


def _quoted(reader: ByteReader) -> object:
    raw = _line(reader)
    closed = len(raw) > 1 and raw[:1] == raw[-1:]
    if raw[:1] not in (b"'", b'"') or not (closed or len(raw) == KEPT_BYTES):
        raise UnreadableError("text without quotes")
    if closed and b"\\" not in raw:
        return _text(raw[1:-1])
    return OPAQUE  # escapes: never in a name that an honest pickler wrote


def _unicode_line(reader: ByteReader) -> object:
    raw = _line(reader)
    return OPAQUE if len(raw) >= KEPT_BYTES else _decoded(raw, "raw-unicode-escape")


def _text(raw: bytes) -> object:
    # Loaders differ in how they read other letters, and no library has a name with any.
    return raw.decode("latin-1")


def _pair(reader: ByteReader) -> object:
    return _decoded(_line(reader), "utf-8"), _decoded(_line(reader), "utf-8")


def _persistent_line(reader: ByteReader) -> object:
    return _decoded(_line(reader), "latin-1")


def _counted(
    length: Callable[[ByteReader], int], decode: Callable[[bytes], object]
) -> Callable[[ByteReader], object]:
    def read(reader: ByteReader) -> object:
        count = length(reader)
        if 0 <= count <= KEPT_BYTES:
            return decode(reader.read(count))
        reader.skip(count)
        return OPAQUE

    return read


def _surrogates(raw: bytes) -> object:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise UnreadableError("text that is not utf-8") from error


def _integer(raw: bytes) -> object:
    if len(raw) > _LONGEST_NUMBER:
        return _SOME_NUMBER
    return int.from_bytes(raw, "little", signed=True)


def _opaque(_: bytes) -> object:
    return OPAQUE


_READ: dict[str, Callable[[ByteReader], object]] = {
    "uint1": _unsigned(1),
    "uint2": _unsigned(2),
    "uint4": _unsigned(4),
    "uint8": _unsigned(8),
    "int4": _signed,
    "float8": _float8,
    "floatnl": _float_line,
    "decimalnl_short": _number,
    "decimalnl_long": _number,
    "stringnl": _quoted,
    "stringnl_noescape": _persistent_line,
    "stringnl_noescape_pair": _pair,
    "unicodestringnl": _unicode_line,
    "string1": _counted(_unsigned(1), _text),
    "string4": _counted(_signed, _text),
    "bytes1": _counted(_unsigned(1), bytes),
    "bytes4": _counted(_unsigned(4), bytes),
    "bytes8": _counted(_unsigned(8), bytes),
    "bytearray8": _counted(_unsigned(8), _opaque),
    "unicodestring1": _counted(_unsigned(1), _surrogates),
    "unicodestring4": _counted(_unsigned(4), _surrogates),
    "unicodestring8": _counted(_unsigned(8), _surrogates),
    "long1": _counted(_unsigned(1), _integer),
    "long4": _counted(_signed, _integer),
}


def _reader_of(opcode: pickletools.OpcodeInfo) -> Callable[[ByteReader], object] | None:
    if opcode.name in ("GET", "PUT"):
        return _index
    return None if opcode.arg is None else _READ[opcode.arg.name]


INSTRUCTIONS: dict[bytes, tuple[str, Callable[[ByteReader], object] | None]] = {
    opcode.code.encode("latin-1"): (opcode.name, _reader_of(opcode))
    for opcode in pickletools.opcodes
}
"""Name of each instruction by its byte, and what reads its argument."""
