"""GGUF files: whether all tensors that the head lists are there."""

import math
from pathlib import Path
from typing import Final

from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.sources import Reader, of_file

__all__ = ["problem_of"]

_WIDTHS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_ALIGNMENT: Final = b"general.alignment"
_MOST: Final = 1 << 20

# Numbers in a block and bytes of it by type, from ggml's table of types.
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2),
}  # fmt: skip


def problem_of(path: Path) -> str | None:
    """Return why a GGUF file cannot be whole, None if it can."""
    size_bytes = path.stat().st_size
    try:
        with of_file(path).reader() as reader:
            end = _end(reader)
    except UnreadableError as error:
        return f"is cut short or damaged: gguf: {error}"
    if end > size_bytes:
        return f"is cut short: its tensors take {end:,} bytes, it has {size_bytes:,}"
    return None


def _end(reader: Reader) -> int:
    """Return where the last tensor ends, as far as its type is known."""
    reader.read(8)
    tensors, keys = _long(reader), _long(reader)
    if max(tensors, keys) > _MOST:
        raise UnreadableError(f"announces {max(tensors, keys):,} entries")
    alignment = 32
    for _ in range(keys):
        name, kind = _text(reader), _int(reader)
        if name == _ALIGNMENT and kind == _UINT32:
            alignment = max(1, _int(reader))
        else:
            _pass(reader, kind)
    ends = [_tensor_end(reader) for _ in range(tensors)]
    start = -(-reader.pos // alignment) * alignment
    return start + max(ends) if ends else reader.pos


def _tensor_end(reader: Reader) -> int:
    _text(reader)
    dims = _int(reader)
    if dims > _MOST:
        raise UnreadableError(f"a tensor of {dims:,} axes")
    count = math.prod(_long(reader) for _ in range(dims))
    numbers, size_bytes = _BLOCKS.get(_int(reader), (1, 0))
    return _long(reader) + -(-count // numbers) * size_bytes


def _pass(reader: Reader, kind: int) -> None:
    if kind == _STRING:
        reader.skip(_long(reader))
    elif kind == _ARRAY:
        inner, count = _int(reader), _long(reader)
        if inner in _WIDTHS:
            reader.skip(count * _WIDTHS[inner])
            return
        for _ in range(count):
            _pass(reader, inner)
    else:
        reader.skip(_WIDTHS.get(kind, 0))


def _text(reader: Reader) -> bytes:
    length = _long(reader)
    if length > _MOST:
        raise UnreadableError(f"a name of {length:,} bytes")
    return reader.read(length)


def _int(reader: Reader) -> int:
    return int.from_bytes(reader.read(4), "little")


def _long(reader: Reader) -> int:
    return int.from_bytes(reader.read(8), "little")
