"""Tensors of the Open Inference Protocol, as JSON and as Triton's raw bytes."""

import math
import struct
from typing import Any, Final

import msgspec

from holdfast.core.schema import Column, dtypes
from holdfast.rows import moments
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols import predict

__all__ = [
    "check_shape",
    "datatype_of",
    "from_bytes",
    "from_json",
    "to_bytes",
    "to_json",
    "words_of",
]

_NUMPY: Final = {
    "BOOL": "|b1", "INT8": "|i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "|u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_DATATYPES: Final = {name: datatype for datatype, name in _NUMPY.items()}
_BY_NAME: Final = {
    "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_BY_TYPE: Final = {"boolean": "BOOL", "integer": "INT64", "number": "FP64"}
_LENGTH: Final = struct.Struct("<I")
_HALF_BYTES: Final = 2
_MOST_AXES: Final = 32
_MOST_VALUES: Final = 1 << 48


def check_shape(name: str, shape: list[int]) -> None:
    """Refuse a shape that no array can have.

    Raises:
        Refusal: 400 if a size is negative, or there are too many axes or values.
    """
    sizes = [max(size, 1) for size in shape]
    if min(shape, default=0) < 0 or len(sizes) > _MOST_AXES or math.prod(sizes) > _MOST_VALUES:
        shape_text = f"of {len(sizes)} axes" if len(sizes) > _MOST_AXES else str(shape)
        raise _refused(name, f"has a shape {shape_text}, which cannot be read")


def from_json(name: str, datatype: str, shape: list[int], data: Any) -> Any:
    """Read a tensor whose values stand in the request, nested or flat, in row-major order.

    Raises:
        Refusal: 400 if the values are of another type or number than it says.
    """
    import numpy as np

    try:
        flat = np.array(data, dtype=object).reshape(-1)
        if not _admitted(datatype).issuperset(map(type, flat.tolist())):
            raise _refused(name, f"holds values that are not {datatype}")
        if datatype == "BYTES":
            return flat.reshape(shape)
        dtype = _NUMPY.get(datatype, "<f4")
        with np.errstate(over="raise"):
            return np.array(flat.tolist(), dtype=dtype).reshape(shape)
    except (ValueError, OverflowError, FloatingPointError) as error:
        raise _refused(name, f"cannot be read as {datatype} of the shape {shape}") from error


def _admitted(datatype: str) -> set[type]:
    if datatype in ("BOOL", "BYTES"):
        return {bool} if datatype == "BOOL" else {str}
    if datatype not in _NUMPY and datatype != "BF16":
        raise Refusal(
            400, f"{datatype!r} is not a datatype; use {', '.join(_NUMPY)}, BF16 or BYTES"
        )
    return {int} if "INT" in datatype else {int, float}


def from_bytes(name: str, datatype: str, shape: list[int], raw: bytes) -> Any:
    """Read a tensor from raw bytes: little-endian; each text after its length, 4 bytes.

    Raises:
        Refusal: 400 if the bytes are not as many as it says, or not text.
    """
    import numpy as np

    _admitted(datatype)
    if datatype == "BYTES":
        texts = np.empty(math.prod(shape), dtype=object)
        strings = _texts(name, raw)
        if len(strings) != len(texts):
            raise _refused(
                name, f"holds {len(strings)} texts, but its shape {shape} needs {len(texts)}"
            )
        texts[:] = strings
        return texts.reshape(shape)
    size = math.prod(shape) * (_HALF_BYTES if datatype == "BF16" else int(_NUMPY[datatype][2:]))
    if len(raw) != size:
        raise _refused(
            name, f"holds {len(raw)} bytes, but {datatype} of the shape {shape} needs {size}"
        )
    if datatype == "BF16":  # the upper half of a 32-bit float
        halves = np.frombuffer(raw, dtype="<u2").astype("<u4")
        return (halves << 16).view("<f4").reshape(shape)
    return np.frombuffer(raw, dtype=_NUMPY[datatype]).reshape(shape)


def _texts(name: str, raw: bytes) -> list[str]:
    texts, at = [], 0
    try:
        while at < len(raw):
            start = at + _LENGTH.size
            at = start + _LENGTH.unpack_from(raw, at)[0]
            if at > len(raw):
                raise _refused(name, "ends within a text")
            texts.append(raw[start:at].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise _refused(name, f"does not hold texts: {error}") from error
    return texts


def _refused(name: str, problem: str) -> Refusal:
    return Refusal(400, f"{name} {problem}", name)


def words_of(values: Any) -> tuple[str, Any]:
    """Return the datatype and an array for an output; what is not a number goes as text.

    An output that no tensor holds, such as rows of unequal length, goes as one JSON text for each.
    """
    import numpy as np

    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(len(values), dtype=object)
        array[:] = values
    datatype = _DATATYPES.get(array.dtype.newbyteorder("<").str)
    if datatype is not None:
        return datatype, array
    texts = np.empty(array.size, dtype=object)
    flat = array.reshape(-1)
    texts[:] = [_text(value) for value in (flat if moments.is_of_moments(flat) else flat.tolist())]
    return "BYTES", texts.reshape(array.shape)


def _text(value: Any) -> str:
    """Write a value as the text that it is in JSON, where it is one, else as JSON."""
    if isinstance(value, str):
        return value
    written = predict.encode(value)
    return msgspec.json.decode(written, type=str) if written[:1] == b'"' else written.decode()


def to_json(array: Any) -> list[Any]:
    """Write an output's values, flat."""
    values: list[Any] = array.reshape(-1).tolist()
    return values


def to_bytes(datatype: str, array: Any) -> bytes:
    """Write an output's values as raw bytes."""
    if datatype != "BYTES":
        raw: bytes = array.astype(_NUMPY[datatype], copy=False).tobytes()
        return raw
    texts = [text.encode() for text in array.reshape(-1).tolist()]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def datatype_of(column: Column) -> str:
    """Return the datatype of a column; texts, and whatever is not a number, are BYTES."""
    type_name = _BY_NAME.get(dtypes.canonical(column.dtype)) if column.dtype else None
    return type_name or _BY_TYPE.get(column.type, "BYTES")
