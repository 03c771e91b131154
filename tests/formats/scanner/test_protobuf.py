import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.formats.scanner.byte_sources import of_bytes, of_stream
from holdfast.formats.scanner.findings import Budget, UnreadableError
from holdfast.formats.scanner.onnx_graph import read_graph
from holdfast.formats.scanner.protobuf import BYTES, FIXED_32, FIXED_64, VARINT, Field, fields


def _fields(content: bytes, skipped: re.Pattern[bytes] | None = None) -> list[Field]:
    return list(fields(of_bytes(content, "").reader(), len(content), skipped))


def test_every_wire_type_is_read() -> None:
    content = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x03abc" + b"\x25" + bytes(4)

    assert [(part.number, part.wire, part.value) for part in _fields(content)] == [
        (1, VARINT, 150), (2, FIXED_64, 0), (3, BYTES, 3), (4, FIXED_32, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [b"\x00", b"\x0b", b"\x0f", b"\x1a\x05ab", b"\x08", b"\x08" + b"\xff" * 11, b"\x11\x00"],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        _fields(content)


def test_runs_of_numbers_are_passed_over_at_once() -> None:
    numbers = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])+")
    content = b"\x40\x96\x01" * 5000 + b"\x08\x07"

    values = [part.value for part in _fields(content, numbers)]

    assert values[-1] == 7
    assert len(values) < 5  # what the edge of a buffer cuts in two is read as a field


def test_a_stream_of_unknown_length_is_no_model() -> None:
    source = of_stream(lambda: io.BytesIO(b"\x08\x08"), "model")  # type: ignore[arg-type, return-value]

    assert read_graph(source, Budget.of_size(2)) is None


def test_graphs_within_graphs_without_end_are_given_up() -> None:
    content = b"\x12\x01g"
    for number in (0x32, 0x2A, 0x0A) * 40:  # an attribute's graph, a node's attribute, a node
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        content = bytes([number]) + length + content
    size = len(content)
    model = b"\x08\x08\x3a" + bytes([size & 127 | 128, size >> 7]) + content

    with pytest.raises(UnreadableError, match="graphs within graphs, too deep"):
        read_graph(of_bytes(model, ""), Budget.of_size(len(model)))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parsed_fields = _fields(content)
    except UnreadableError:
        return
    assert sum(1 for part in parsed_fields) <= len(content)
