"""Bodies and frames made to exhaust a server, at every door of a real process."""

import gzip
import http.client
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.servers.running import free_port
from tests.serving.serving import BODY, MODEL, PATIENCE_S, Serving, telling

import holdfast

JSON = {"content-type": "application/json"}
DOORS = (
    "/predict", "/invocations", f"/v1/models/{MODEL}:predict", f"/v2/models/{MODEL}/infer",
    "/feedback",
)  # fmt: skip
MOST_GROWTH = 1 << 30
"""Bytes of memory that a body of the limit's length may take for a moment."""


class Target(Serving):
    """A server with a second door."""

    rpc_port: int

    @property
    def peak_bytes(self) -> int:
        """The most memory that the processes of the server ever had."""
        of_group = [self.process.pid, *self.workers()]
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in of_group]
        peaks = [re.search(r"VmHWM:\s+(\d+)", status) for status in statuses]
        return 1024 * max(int(peak[1]) for peak in peaks if peak)

    def ask(
        self, path: str, body: bytes | None, *, method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, JSON | names)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        return self.process.poll() is None and self.ask("/predict", BODY.encode())[0] == 200


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("doors")
    registry = holdfast.open(folder / "store", by="ana")
    registry.promote(telling(registry, 1))
    port = free_port()
    with Target(folder / "store", folder, "--grpc-port", str(port)) as server:
        assert isinstance(server, Target)
        server.rpc_port = port
        yield server


def _listed(items: Iterator[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


TENSOR = b'{"name":"x%d","shape":[0],"datatype":"FP64","data":[]}'
BODIES: dict[str, bytes] = {
    "deep": b'{"instances":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
    "deep objects": b'{"a":' * 300_000 + b"1" + b"}" * 300_000,
    "one row of a million values": b'{"instances":[' + _listed(b"1" for _ in range(10**6)) + b"]}",
    "a million empty rows": b'{"instances":' + _listed(b"[]" for _ in range(10**6)) + b"}",
    "keys without end": b'{"instances":[{%s}]}'
    % b",".join(b'"k%d":1' % number for number in range(300_000)),
    "a number of a million digits": b'{"instances":[[%s]]}' % (b"9" * 10**6),
    "an exponent": b'{"instances":[[1e999999999]]}',
    "escapes": b'{"instances":[["%s"]]}' % (rb"\u0041" * 500_000),
    "tensors without end": b'{"inputs":%s}' % _listed(TENSOR % number for number in range(50_000)),
    "a shape of many axes": b'{"inputs":[{"name":"x","shape":%s,"datatype":"FP64","data":[]}]}'
    % _listed(b"1" for _ in range(500_000)),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_is_too_much_is_refused_and_the_server_goes_on(
    target: Target, door: str, name: str
) -> None:
    before = target.peak_bytes
    status, answer = target.ask(door, BODIES[name])

    assert status in (400, 413, 422)
    assert len(answer) < 2000
    assert target.peak_bytes - before < MOST_GROWTH
    assert target.answers()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("packing", ["gzip", "deflate", "gzip, gzip", "br", "identity, gzip"])
def test_a_bomb_is_refused_at_every_door(target: Target, door: str, packing: str) -> None:
    before = target.peak_bytes
    status, _ = target.ask(door, BOMB, content_encoding=packing)

    assert status in (400, 413, 415)
    assert target.peak_bytes - before < MOST_GROWTH
    assert target.answers()


BOMB = gzip.compress(b" " * (1 << 27), 1)
TABLES: dict[str, bytes] = {
    "a million columns": b",".join(b"c%d" % number for number in range(10**6))
    + b"\n"
    + b",".join(b"1" for _ in range(10**6)),
    "a field without end": b'a\n"' + b'""' * 10**6,
    "one value of a million digits": b"a\n" + b"1" * 10**6,
    "nothing but ends of lines": b"\n" * 10**6,
    "nothing but zeros": bytes(10**6),
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_a_table_that_is_too_much_is_refused(target: Target, table: bytes) -> None:
    status, answer = target.ask("/invocations", table, content_type="text/csv")

    assert status in (400, 413, 422)
    assert len(answer) < 2000
    assert target.answers()


@pytest.mark.parametrize("path", ["/docs", "/metrics", "/livez", "/nothing", "/openapi.json"])
def test_a_body_where_none_belongs_harms_nothing(target: Target, path: str) -> None:
    with suppress(OSError):  # it may be cut off while it is sent
        target.ask(path, BODIES["deep"], method="GET", content_encoding="gzip")

    assert target.answers()


def test_names_that_callers_make_up_are_no_labels(target: Target) -> None:
    """Each label's value is a series that is kept as long as the server runs."""
    for number in range(50):
        target.ask(f"/models/made-up-{number}/predict", BODY.encode())
        target.ask(f"/made-up-{number}", None)
        target.ask("/predict", BODY.encode(), method=f"MADEUP{number}")
        target.ask("/predict", BODY.encode(), x_model_version=f"9.{number}.0-made-up")
        target.ask("/predict", BODY.encode(), x_holdfast_role=f"made-up-{number}")
        target.ask("/predict", BODY.encode(), x_request_id=f"made-up-{number}")
        target.ask(f"/v2/models/{MODEL}/versions/9.{number}.0-made-up/infer", b"{}")
        target.ask("/feedback", json.dumps({"prediction_id": f"made-up-{number}"}).encode())
    status, answer = target.ask("/metrics", None, method="GET")

    assert status == 200
    assert b"holdfast_requests_total" in answer
    assert not re.search(rb"(?i)made-?up", answer)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = b"\x83\x86\x44\x01/\x41\x01a"  # POST http / a
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    length = struct.pack(">I", len(content))[1:]
    return length + bytes((kind, flags)) + struct.pack(">I", stream) + content


def _resets() -> Iterator[bytes]:
    for stream in range(1, 20_000, 2):
        yield frame(1, END_HEADERS, stream, REQUEST) + frame(3, 0, stream, struct.pack(">I", 8))


def _repeated(content: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    def frames() -> Iterator[bytes]:
        yield first
        for _ in range(300):
            yield content

    return frames


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "pings": _repeated(frame(6, 0, 0, b"12345678") * 500),
    "settings": _repeated(frame(4, 0, 0, struct.pack(">HI", 3, 100)) * 500),
    "windows": _repeated(frame(8, 0, 0, struct.pack(">I", 1)) * 500),
    "calls that are reset": _resets,
    "empty continuations": _repeated(frame(9, 0, 1) * 500, frame(1, 0, 1, REQUEST)),
    "headers without end": _repeated(
        frame(9, 0, 1, b"\x40\x01x\x01y" * 2000), frame(1, 0, 1, REQUEST)
    ),
    "the same header again and again": _repeated(
        frame(9, 0, 1, b"\xbe" * 16_000),
        frame(1, 0, 1, REQUEST + b"\x40\x01x\x7f\x81\x1e" + b"y" * 4000),
    ),
    "empty data": _repeated(frame(0, 0, 1) * 500, frame(1, END_HEADERS, 1, REQUEST)),
    "priorities": _repeated(frame(2, 0, 1, struct.pack(">IB", 1, 1)) * 500),
    "frames of no known kind": _repeated(frame(99, 0, 0, bytes(16_000))),
    "a frame that says 16 MiB": _repeated(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(16_000)),
}


def _pour(port: int, frames: Iterator[bytes]) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as flood:
        flood.settimeout(5)  # who is not read any more gives up
        flood.sendall(PREFACE + frame(4, 0, 0))
        for content in frames:
            flood.sendall(content)


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_frames_leaves_the_server_answering(
    target: Target, flood: Callable[[], Iterator[bytes]]
) -> None:
    before = target.peak_bytes
    threads = [threading.Thread(target=_pour, args=(target.rpc_port, flood())) for _ in range(4)]
    for thread in threads:
        thread.start()
    meanwhile = target.answers()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert meanwhile
    assert target.answers()
    assert target.peak_bytes - before < MOST_GROWTH >> 2
