"""Files with a header that says what follows: safetensors and npy. Headers may lie."""

import ast
import json
import math
from collections.abc import Iterable

from holdfast.core import strict_json
from holdfast.formats.scanner.array_sizes import count_of, layout_of_header
from holdfast.formats.scanner.byte_sources import ByteReader, ByteSource
from holdfast.formats.scanner.findings import Findings, UnreadableError
from holdfast.formats.scanner.pickle_vm import Machine

_LONGEST_SAFETENSORS = 1 << 25
_LONGEST_NPY = 1 << 16
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
    "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def safetensors_header(source: ByteSource) -> dict[str, dict[str, object]]:
    """Return the header of a safetensors file, checked against the file's length.

    Raises:
        UnreadableError: If it lies.
    """
    with source.reader() as reader:
        length = int.from_bytes(reader.read(8), "little")
        if length > min(_LONGEST_SAFETENSORS, (source.size or 0) - 8):
            raise UnreadableError(f"safetensors header: announces {length:,} bytes")
        raw = reader.read(length)
    try:
        header = json.loads(raw, object_pairs_hook=strict_json.distinct)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"safetensors header: no JSON, {error}") from error
    if not isinstance(header, dict) or not all(isinstance(item, dict) for item in header.values()):
        raise UnreadableError("safetensors header: no table of tensors")
    _check_spans(header, (source.size or 0) - 8 - length)
    return header


def _check_spans(header: dict[str, dict[str, object]], size: int) -> None:
    spans = sorted(_span(name, item) for name, item in header.items() if name != "__metadata__")
    at = 0
    for start, end in spans:
        if start != at:
            raise UnreadableError(f"safetensors header: tensors overlap or leave a gap at {at:,}")
        at = end
    if at != size:
        raise UnreadableError(f"safetensors header: names {at:,} bytes of {size:,}")


def _span(name: str, item: dict[str, object]) -> tuple[int, int]:
    match item:
        case {"dtype": str() as dtype, "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            if _bits(dtype, shape) == 8 * (end - start):
                return start, end
    raise UnreadableError(f"safetensors header: {name[:80]!r} contradicts itself")


def _bits(dtype: str, shape: Iterable[object]) -> int:
    lengths = [length if isinstance(length, int) and length >= 0 else -1 for length in shape]
    return -1 if -1 in lengths else math.prod(lengths) * _BITS.get(dtype, -1)


def judge_npy(source: ByteSource, findings: Findings) -> None:
    """Judge an npy file: numbers are data, an array of objects is a pickle.

    Raises:
        UnreadableError: If the header lies or the pickle is broken.
    """
    with source.reader() as reader:
        descr, shape = _npy_header(reader)
        layout, count = layout_of_header(descr), count_of(shape)
        if layout.has_object:
            findings.executes_code = True
            Machine(reader, findings).run()
        else:
            reader.skip(layout.size_bytes * count)
        if not reader.at_end():
            raise UnreadableError(f"npy: more follows the array, at byte {reader.pos}")


def _npy_header(reader: ByteReader) -> tuple[object, object]:
    major = reader.read(8)[6]
    length = int.from_bytes(reader.read(2 if major == 1 else 4), "little")
    if length > _LONGEST_NPY:
        raise UnreadableError(f"npy header: announces {length:,} bytes")
    try:
        header = ast.literal_eval(reader.read(length).decode("utf-8" if major > 2 else "latin-1"))  # noqa: PLR2004 - npy 3.0
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise UnreadableError("npy header: no dictionary") from error
    match header:
        case {"descr": descr, "fortran_order": bool(), "shape": tuple() as shape}:
            return descr, shape
    raise UnreadableError("npy header: not the keys of an array")
