"""ONNX models: data, as long as the weights they keep in other files stay in their folder."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from holdfast.formats.scanner import protobuf
from holdfast.formats.scanner.byte_sources import ByteReader, ByteSource
from holdfast.formats.scanner.findings import Budget, UnreadableError
from holdfast.formats.scanner.protobuf import Field, fields

# Numbers in onnx.proto. Fields of a ModelProto with their wire types, and which it must have.
_MODEL = {
    1: protobuf.VARINT, 2: protobuf.BYTES, 3: protobuf.BYTES, 4: protobuf.BYTES,
    5: protobuf.VARINT, 6: protobuf.BYTES, 7: protobuf.BYTES, 8: protobuf.BYTES,
    14: protobuf.BYTES, 20: protobuf.BYTES, 25: protobuf.BYTES, 26: protobuf.BYTES,
}  # fmt: skip
_IR_VERSION, _GRAPH = 1, 7
_LATEST = 64  # version of the form; 13 is the newest
_ENDLESS = 1 << 62

# Messages on the way from a model to its tensors: field number to the message it holds.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\x00-\xff]{4})+")
_DEPTH = 64  # graphs in attributes in nodes in graphs ...
_LONGEST = 4096  # bytes of a location


@dataclass(slots=True)
class Graph:
    """What a model's file says of itself.

    Attributes:
        locations: Files it keeps tensors in, as written.
    """

    locations: set[str] = field(default_factory=set)


def read_graph(source: ByteSource, budget: Budget) -> Graph | None:
    """Return what *source* says as an ONNX model, or None if it is not one.

    Raises:
        UnreadableError: If it starts as a model and turns out broken or too deep.
    """
    if source.size is None:
        return None
    with source.reader() as reader:
        try:
            seen = {entry.number for entry in _model_fields(reader, source.size)}
        except UnreadableError:
            return None
    if not {_IR_VERSION, _GRAPH} <= seen:
        return None
    graph = Graph()
    with source.reader() as reader:
        _collect(reader, source.size, ("model", 0), graph, budget)
    return graph


def is_cut(source: ByteSource) -> bool:
    """Tell whether a file begins as an ONNX model, reaches its graph, and ends within a field.

    A model begins with the version of its form, a small number; bytes of another kind seldom do,
    and seldom go on as a model's fields.
    """
    with source.reader() as reader:
        return _ends_within(reader, source.size or 0)


def _ends_within(reader: ByteReader, size: int) -> bool:
    numbers: list[int] = []
    with suppress(UnreadableError):  # not of a model, or the end within a field's key or length
        for entry in _model_fields(reader, _ENDLESS):
            numbers.append(entry.number)
            if numbers[0] != _IR_VERSION or (len(numbers) == 1 and entry.value > _LATEST):
                return False
            if entry.end >= size:
                return entry.end > size and _GRAPH in numbers
    return reader.at_end() and _GRAPH in numbers


def _model_fields(reader: ByteReader, end: int) -> Iterator[Field]:
    for entry in fields(reader, end):
        if _MODEL.get(entry.number) != entry.wire:
            raise UnreadableError("not a field of a model")
        yield entry


def _collect(
    reader: ByteReader, end: int, message_and_depth: tuple[str, int], graph: Graph, budget: Budget
) -> None:
    message, depth = message_and_depth
    if depth > _DEPTH:
        raise UnreadableError("onnx: graphs within graphs, too deep")
    entry: dict[int, bytes] = {}
    for part in fields(reader, end, _NUMBERS if message == "attribute" else None):
        budget.spend_instruction()
        inner = _INSIDE[message].get(part.number) if part.wire == protobuf.BYTES else None
        if inner:
            _collect(reader, part.end, (inner, depth + 1), graph, budget)
        elif message == "entry" and part.wire == protobuf.BYTES:
            entry[part.number] = reader.read(min(part.value, _LONGEST))
    if entry.get(1) == b"location":
        graph.locations.add(entry.get(2, b"").decode("utf-8", "backslashreplace"))
