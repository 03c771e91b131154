"""GGUF files: weights and their metadata, in which a chat template may be a program."""

from holdfast.formats.scanner.byte_sources import ByteReader, ByteSource
from holdfast.formats.scanner.findings import Budget, Findings, UnreadableError
from holdfast.formats.scanner.templates import check_template

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
_VERSIONS = (2, 3)
MOST_KEYS = 1 << 16
LONGEST_KEY = 1 << 16
_LONGEST_TEMPLATE = 1 << 20


def judge_gguf(source: ByteSource, findings: Findings) -> None:
    """Judge the metadata of a GGUF file.

    Raises:
        UnreadableError: If the header lies.
    """
    with source.reader() as reader:
        if int.from_bytes(reader.read(8)[4:], "little") not in _VERSIONS:
            raise UnreadableError("gguf: a version that is not read here")
        read_long(reader)
        count = read_long(reader)
        if count > MOST_KEYS:
            raise UnreadableError(f"gguf: announces {count:,} keys")
        templates = [_template(reader, findings) for _ in range(count)]
    for template in templates:
        try:
            check_template(template.decode())
        except (UnreadableError, ValueError) as error:
            findings.doubt(f"gguf: {error}")


def _template(reader: ByteReader, findings: Findings) -> bytes:
    """Pass over one key and its value; return the value if it is a template."""
    key = read_text(reader, LONGEST_KEY)
    kind = read_int(reader)
    if kind == STRING and b"template" in key:
        return read_text(reader, _LONGEST_TEMPLATE)
    if kind == ARRAY:
        pass_array(reader, findings.budget)
    else:
        pass_value(reader, kind)
    return b""


def pass_array(reader: ByteReader, budget: Budget) -> None:
    """Pass over an array of a key's value.

    Raises:
        UnreadableError: If it ends early, or holds what is not known.
    """
    kind = read_int(reader)
    count = read_long(reader)
    if kind in _SIZES:
        reader.skip(count * _SIZES[kind])
        return
    for _ in range(count):
        budget.spend_instruction()
        pass_value(reader, kind)


def pass_value(reader: ByteReader, kind: int) -> None:
    """Skip a value that is not an array.

    Raises:
        UnreadableError: If it ends early, or its kind is not known.
    """
    if kind == STRING:
        reader.skip(read_long(reader))
    elif kind in _SIZES:
        reader.skip(_SIZES[kind])
    else:
        raise UnreadableError(f"gguf: a value of kind {kind}")


def read_text(reader: ByteReader, longest: int) -> bytes:
    """Read a length and the text behind it."""
    length = read_long(reader)
    if length > longest:
        raise UnreadableError(f"gguf: a text of {length:,} bytes")
    return reader.read(length)


def read_long(reader: ByteReader) -> int:
    """Read a number of eight bytes."""
    return int.from_bytes(reader.read(8), "little")


def read_int(reader: ByteReader) -> int:
    """Read a number of four bytes."""
    return int.from_bytes(reader.read(4), "little")
