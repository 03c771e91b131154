"""GGUF files: whether all tensors that the head lists are there."""

import math
from pathlib import Path
from typing import Final

from holdfast.formats.scanner.byte_sources import ByteReader, of_file
from holdfast.formats.scanner.findings import Budget, UnreadableError
from holdfast.formats.scanner.gguf import (
    ARRAY,
    LONGEST_KEY,
    MOST_KEYS,
    pass_array,
    pass_value,
    read_int,
    read_long,
    read_text,
)

__all__ = ["problem_of"]

_UINT32: Final = 4
_ALIGNMENT: Final = b"general.alignment"
_MOST_TENSORS: Final = 1 << 20
_MOST_AXES: Final = 8

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
            end = _end(reader, Budget.of_size(size_bytes))
    except UnreadableError as error:
        return f"is cut short or damaged: gguf: {error}"
    if end > size_bytes:
        return f"is cut short: its tensors take {end:,} bytes, it has {size_bytes:,}"
    return None


def _end(reader: ByteReader, budget: Budget) -> int:
    """Return where the last tensor ends, as far as its type is known."""
    reader.read(8)
    tensors, keys = read_long(reader), read_long(reader)
    if tensors > _MOST_TENSORS or keys > MOST_KEYS:
        raise UnreadableError(f"announces {tensors:,} tensors and {keys:,} keys")
    alignment = 32
    for _ in range(keys):
        name, kind = read_text(reader, LONGEST_KEY), read_int(reader)
        if name == _ALIGNMENT and kind == _UINT32:
            alignment = max(1, read_int(reader))
        elif kind == ARRAY:
            pass_array(reader, budget)
        else:
            pass_value(reader, kind)
    ends = [_tensor_end(reader) for _ in range(tensors)]
    start = -(-reader.pos // alignment) * alignment
    return start + max(ends) if ends else reader.pos


def _tensor_end(reader: ByteReader) -> int:
    read_text(reader, LONGEST_KEY)
    axes = read_int(reader)
    if axes > _MOST_AXES:
        raise UnreadableError(f"a tensor of {axes:,} axes")
    count = math.prod(read_long(reader) for _ in range(axes))
    numbers, size_bytes = _BLOCKS.get(read_int(reader), (1, 0))
    return read_long(reader) + -(-count // numbers) * size_bytes
