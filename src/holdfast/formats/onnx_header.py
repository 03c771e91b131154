"""What an ONNX file says of itself, read without onnx: producer, operator sets, signature."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.formats.scanner.byte_sources import ByteReader, ByteSource, of_bytes, of_file
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.protobuf import BYTES, VARINT, Field, fields

_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
    14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
_LONGEST = 1024  # bytes of a name
_ML_DOMAIN = "ai.onnx.ml"
_MODELS = ("Classifier", "Regressor")


@dataclass(slots=True)
class Header:
    """A model's own words.

    Attributes:
        facts: Producer, operator sets, inputs and outputs, as plain JSON.
        algorithm: The operator that is the model, such as `TreeEnsembleClassifier`.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    algorithm: str | None = None


def read_header(source: Path | bytes | None) -> Header:
    """Read what is readable; a broken file gives what stands before the break."""
    header = Header()
    if source is None:
        return header
    content: ByteSource = of_file(source) if isinstance(source, Path) else of_bytes(source, "")
    with content.reader() as reader:
        try:
            _read_model(reader, content.size or 0, header)
        except UnreadableError:
            return header
    return header


def _read_model(reader: ByteReader, end: int, header: Header) -> None:
    producer = ["", ""]
    for part in fields(reader, end):
        match part:
            case Field(number=2 | 3, wire=2):  # producer_name, producer_version
                producer[part.number - 2] = _text(reader, part)
                header.facts["producer"] = " ".join(filter(None, producer))
            case Field(number=8, wire=2):  # opset_import
                domain, version = _operator_set(reader, part.end)
                header.facts.setdefault("opset", {})[domain or "ai.onnx"] = version
            case Field(number=7, wire=2):  # graph
                _read_graph(reader, part.end, header)


def _operator_set(reader: ByteReader, end: int) -> tuple[str, int]:
    domain, version = "", 0
    for part in fields(reader, end):
        if part.number == 1 and part.wire == BYTES:
            domain = _text(reader, part)
        elif part.number == 2 and part.wire == VARINT:  # noqa: PLR2004 - as in onnx.proto
            version = part.value
    return domain, version


def _read_graph(reader: ByteReader, end: int, header: Header) -> None:
    weights, inputs, outputs = set(), [], []
    for part in fields(reader, end):
        match part:
            case Field(number=1, wire=2):  # node
                header.algorithm = header.algorithm or _model_operator(reader, part.end)
            case Field(number=5, wire=2):  # initializer, listed among the inputs by old producers
                weights.add(_named(reader, part.end, 8))
            case Field(number=11, wire=2):
                inputs.append(_value_info(reader, part.end))
            case Field(number=12, wire=2):
                outputs.append(_value_info(reader, part.end))
    header.facts["inputs"] = [value for value in inputs if value["name"] not in weights]
    header.facts["outputs"] = outputs


def _model_operator(reader: ByteReader, end: int) -> str | None:
    operator, domain = "", ""
    for part in fields(reader, end):
        if part.number == 4 and part.wire == BYTES:  # noqa: PLR2004 - op_type
            operator = _text(reader, part)
        elif part.number == 7 and part.wire == BYTES:  # noqa: PLR2004 - domain
            domain = _text(reader, part)
    return operator if domain == _ML_DOMAIN and operator.endswith(_MODELS) else None


def _named(reader: ByteReader, end: int, number: int) -> str:
    name = ""
    for part in fields(reader, end):
        if part.number == number and part.wire == BYTES:
            name = _text(reader, part)
    return name


def _value_info(reader: ByteReader, end: int) -> dict[str, Any]:
    value: dict[str, Any] = {"name": "", "dtype": None, "shape": None}
    for part in fields(reader, end):
        if part.number == 1 and part.wire == BYTES:
            value["name"] = _text(reader, part)
        elif part.number == 2 and part.wire == BYTES:  # noqa: PLR2004 - type
            for _ in _inner(reader, part.end, 1):  # tensor_type; maps and sequences stay unnamed
                value |= _tensor_type(reader, _.end)
    return value


def _tensor_type(reader: ByteReader, end: int) -> dict[str, Any]:
    tensor_type: dict[str, Any] = {}
    for part in fields(reader, end):
        if part.number == 1 and part.wire == VARINT:
            tensor_type["dtype"] = _TYPES.get(part.value)
        elif part.number == 2 and part.wire == BYTES:  # noqa: PLR2004 - shape
            tensor_type["shape"] = [
                _dimension(reader, dim.end) for dim in _inner(reader, part.end, 1)
            ]
    return tensor_type


def _dimension(reader: ByteReader, end: int) -> int | None:
    sizes = [part.value for part in fields(reader, end) if part.number == part.wire + 1 == 1]
    return sizes[0] if sizes and sizes[0] > 0 else None


def _inner(reader: ByteReader, end: int, number: int) -> Iterator[Field]:
    for part in fields(reader, end):
        if part.number == number and part.wire == BYTES:
            yield part


def _text(reader: ByteReader, part: Field) -> str:
    return reader.read(min(part.value, _LONGEST)).decode("utf-8", "replace")
