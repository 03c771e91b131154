"""GGUF files: weights and their metadata, in which a chat template may be a program."""

from holdfast.formats.scanner.findings import Findings, UnreadableError
from holdfast.formats.scanner.sources import Reader, Source
from holdfast.formats.scanner.templates import check_template

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_MOST_KEYS = 1 << 16
_LONGEST_KEY = 1 << 16
_LONGEST_TEMPLATE = 1 << 20


def judge_gguf(source: Source, findings: Findings) -> None:
    """Judge the metadata of a GGUF file.

    Raises:
        UnreadableError: If the header lies.
    """
    with source.reader() as reader:
        if int.from_bytes(reader.read(8)[4:], "little") not in _VERSIONS:
            raise UnreadableError("gguf: a version that is not read here")
        _long(reader)
        count = _long(reader)
        if count > _MOST_KEYS:
            raise UnreadableError(f"gguf: announces {count:,} keys")
        templates = [_template(reader, findings) for _ in range(count)]
    for template in templates:
        try:
            check_template(template.decode())
        except (UnreadableError, ValueError) as error:
            findings.doubt(f"gguf: {error}")


def _template(reader: Reader, findings: Findings) -> bytes:
    """Pass over one key and its value; return the value if it is a template."""
    key = _text(reader, _LONGEST_KEY)
    kind = int.from_bytes(reader.read(4), "little")
    if kind == _STRING and b"template" in key:
        return _text(reader, _LONGEST_TEMPLATE)
    if kind == _ARRAY:
        _pass_array(reader, findings)
    else:
        _pass(reader, kind)
    return b""


def _pass_array(reader: Reader, findings: Findings) -> None:
    kind = int.from_bytes(reader.read(4), "little")
    count = _long(reader)
    if kind in _SIZES:
        reader.skip(count * _SIZES[kind])
        return
    for _ in range(count):
        findings.budget.spend_instruction()
        _pass(reader, kind)


def _pass(reader: Reader, kind: int) -> None:
    if kind == _STRING:
        reader.skip(_long(reader))
    elif kind in _SIZES:
        reader.skip(_SIZES[kind])
    else:
        raise UnreadableError(f"gguf: a value of kind {kind}")


def _text(reader: Reader, longest: int) -> bytes:
    length = _long(reader)
    if length > longest:
        raise UnreadableError(f"gguf: a text of {length:,} bytes")
    return reader.read(length)


def _long(reader: Reader) -> int:
    return int.from_bytes(reader.read(8), "little")
