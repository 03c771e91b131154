"""Connections as callers use and misuse them: what goes straight, what by ASGI, and both."""

import gzip
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from tests.serving.facing import (
    NUMBERS,
    Does,
    Server,
    made,
    routing_table,
    running,
    served,
    sums,
    until,
)

from holdfast.serving.answering.prediction_handler import Path
from holdfast.serving.protocols.codec import DecodedRequest, EncodedBody, PredictionResult
from holdfast.serving.protocols.predict import PredictCodec
from holdfast.serving.server_limits import ServerLimits

ROWS = json.dumps({"instances": [[1, 2]]}).encode()
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def post(path: str = "/predict", body: bytes = ROWS, *lines: str) -> bytes:
    """Write a request."""
    head = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


GET = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"


class Caller:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._held = b""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self._socket.sendall(part)

    def answer(self) -> tuple[int, bytes, bytes]:
        """Read one answer: its status, head and body."""
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, rest = self._held.partition(b"\r\n\r\n")
        length_match = _LENGTH.search(head)
        length = int(length_match[1]) if length_match else 0
        while len(rest) < length:
            self._more()
            rest = self._held[len(head) + 4 :]
        self._held = rest[length:]
        return int(head.split()[1]), head, rest[:length]

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError(self._held)
        self._held += data

    def is_closed(self) -> bool:
        """Wait for the end of the connection."""
        return self._held == b"" and self._socket.recv(1) == b""

    def close(self) -> None:
        self._socket.close()


@contextmanager
def calling(server: Server) -> Iterator[Caller]:
    caller = Caller(server.port)
    try:
        yield caller
    finally:
        caller.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(served(routing_table(sums()))) as server:
        yield server


def predictions(answer: tuple[int, bytes, bytes]) -> Any:
    status, _, body = answer
    assert status == 200, body
    return json.loads(body)["predictions"]


def test_a_connection_is_used_for_many_requests_of_both_ways(server: Server) -> None:
    answers = []
    with calling(server) as caller:
        for _ in range(3):
            caller.send(post())
            answers.append(predictions(caller.answer()))
            caller.send(GET)
            assert caller.answer()[0] == 200

    assert answers == [[3.0]] * 3


@pytest.mark.parametrize(
    "ways",
    ["dd", "da", "ad", "dad", "adda", "ddddd"],
)
def test_requests_sent_at_once_are_answered_in_their_order(server: Server, ways: str) -> None:
    expected = []
    sent = []
    for at, route in enumerate(ways):
        body = json.dumps({"instances": [[at, 0]]}).encode()
        sent.append(post(body=body) if route == "d" else GET)
        expected.append([float(at)] if route == "d" else None)
    with calling(server) as caller:
        caller.send(b"".join(sent))
        answers = [caller.answer() for _ in ways]

    results = [json.loads(body).get("predictions") for _, _, body in answers]
    assert results == expected


def test_a_request_that_comes_byte_by_byte_is_answered(server: Server) -> None:
    with calling(server) as caller:
        caller.send(*(bytes([byte]) for byte in post()))
        first = caller.answer()
        caller.send(post()[:-5])
        caller.send(post()[-5:])
        second = caller.answer()

    assert predictions(first) == predictions(second) == [3.0]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("/predict", gzip.compress(ROWS, mtime=0), "Content-Encoding: gzip"), 200),
        (
            b"POST /predict HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROWS), ROWS),
            200,
        ),
        (post("/predict?a=1"), 200),
        (post("/predict", json.dumps({"instances": [[1, 2]] * 20_000}).encode()), 200),
        (post("/models/other/predict"), 404),
        (b"PUT" + post()[4:], 405),
    ],
    ids=["gzip", "chunked", "query", "large", "unknown", "put"],
)
def test_what_is_not_simple_is_answered_by_asgi(
    server: Server, request_: bytes, status: int
) -> None:
    with calling(server) as caller:
        caller.send(request_)

        assert caller.answer()[0] == status


def test_a_caller_who_asks_before_the_body_is_told_to_go_on(server: Server) -> None:
    with calling(server) as caller:
        caller.send(post("/predict", b"", "Expect: 100-continue").replace(b": 0", b": 24", 1))
        assert caller.answer()[0] == 100
        caller.send(ROWS.ljust(24))

        assert predictions(caller.answer()) == [3.0]


@pytest.mark.parametrize("line", ["Connection: close", "X-None: 1"])
def test_a_connection_is_closed_where_the_caller_wants_that(server: Server, line: str) -> None:
    with calling(server) as caller:
        caller.send(post("/predict", ROWS, line))
        _, head, _ = caller.answer()
        if "close" in line:
            assert b"connection: close" in head
            assert caller.is_closed()
        else:
            caller.send(post())
            assert predictions(caller.answer()) == [3.0]


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    with calling(server) as caller:
        caller.send(post().replace(b"HTTP/1.1", b"HTTP/1.0"))

        assert predictions(caller.answer()) == [3.0]
        assert caller.is_closed()


def test_what_is_no_http_is_refused(server: Server) -> None:
    with calling(server) as caller:
        caller.send(b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n")

        assert caller.answer()[0] == 400


def test_a_refusal_leaves_the_connection_open(server: Server) -> None:
    with calling(server) as caller:
        for body, status in ((b"{", 400), (b"{}", 422), (ROWS, 200)):
            caller.send(post(body=body))

            assert caller.answer()[0] == status


def test_a_body_that_does_not_come_is_given_up() -> None:
    with (
        running(served(routing_table(sums())), ServerLimits(timeout_s=0.1)) as server,
        calling(server) as caller,
    ):
        caller.send(post()[:-3])
        status, head, body = caller.answer()

        assert status == 408
        assert b"did not come within 0.1 s" in body
        assert b"connection: close" in head
        assert caller.is_closed()


def test_a_body_that_comes_in_time_is_not_given_up() -> None:
    with (
        running(served(routing_table(sums())), ServerLimits(timeout_s=1)) as server,
        calling(server) as caller,
    ):
        for _ in range(3):
            caller.send(post()[:-3])
            threading.Event().wait(0.4)
            caller.send(post()[-3:])

            assert predictions(caller.answer()) == [3.0]


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    house = served(routing_table(sums()))
    with running(house, keep_alive_s=1) as server, calling(server) as idle, calling(server) as busy:
        idle.send(post())
        assert predictions(idle.answer()) == [3.0]
        for request in (post(), GET, post(), GET, post()):
            busy.send(request)
            assert busy.answer()[0] == 200
            threading.Event().wait(0.4)
        assert idle.is_closed()
        assert busy.is_closed()


def test_a_request_that_began_in_time_is_awaited_on_an_idle_connection() -> None:
    with (
        running(served(routing_table(sums())), keep_alive_s=2) as server,
        calling(server) as caller,
    ):
        caller.send(post())
        caller.answer()
        threading.Event().wait(1.2)
        caller.send(post()[:30])
        threading.Event().wait(1.2)
        caller.send(post()[30:])

        assert predictions(caller.answer()) == [3.0]


def test_a_caller_who_hangs_up_harms_nobody() -> None:
    go = threading.Event()
    slow = made(Does(lambda rows: go.wait(20) and rows.sum(axis=1)), input_schema=NUMBERS)
    with running(served(routing_table(slow))) as server:
        gone, waits = Caller(server.port), Caller(server.port)
        gone.send(post())
        until(lambda: server.app.handler.in_flight == 1)
        waits.send(post())
        until(lambda: server.app.handler.in_flight == 2)
        gone.close()
        go.set()

        assert predictions(waits.answer()) == [3.0]
        assert {finished_request.status for finished_request in server.told.wait(2)} == {200}
        waits.close()


@pytest.mark.parametrize("lines", [(), ("Accept-Encoding: x", "Content-Encoding: identity")])
def test_what_nobody_waits_for_any_more_is_not_called_for(lines: tuple[str, ...]) -> None:
    go, called = threading.Event(), []

    def predict(rows: Any) -> Any:
        called.append(rows.tolist())
        go.wait(20)
        return rows.sum(axis=1)

    slow = made(Does(predict), input_schema=NUMBERS)
    with running(served(routing_table(slow))) as server:
        first, gone = Caller(server.port), Caller(server.port)
        first.send(post())
        until(lambda: len(called) == 1)
        gone.send(post("/predict", json.dumps({"instances": [[7, 7]]}).encode(), *lines))
        until(lambda: server.app.handler.in_flight == 2)
        gone.close()
        until(lambda: server.app.handler.in_flight == 1)
        go.set()

        assert predictions(first.answer()) == [3.0]
        assert [finished_request.status for finished_request in server.told.wait(2)] == [499, 200]
        assert [finished_request.failed for finished_request in server.told.all] == [False, False]
        assert 'code="499",model="iris"' in server.get("/metrics").text
        first.close()
    assert called == [[[1.0, 2.0]]]


def test_a_request_under_way_is_answered_before_the_server_ends() -> None:
    go = threading.Event()
    slow = made(Does(lambda rows: go.wait(20) and rows.sum(axis=1)), input_schema=NUMBERS)
    with running(served(routing_table(slow))) as server, calling(server) as caller:
        caller.send(post())
        until(lambda: server.app.handler.in_flight == 1)
        server.stop()
        until(lambda: _refuses(server.port))
        go.set()
        answer = caller.answer()

        assert predictions(answer) == [3.0]
        assert b"connection: close" in answer[1]
        assert caller.is_closed()


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_caller_who_does_not_read_is_not_answered_without_end(server: Server) -> None:
    many = json.dumps({"instances": [[1, 2]] * 3_000}).encode()
    count = 200
    with calling(server) as caller:
        sender = threading.Thread(target=caller.send, args=(post(body=many) * count,))
        sender.start()
        answers = [predictions(caller.answer()) for _ in range(count)]
        sender.join()

    assert answers == [[3.0] * 3_000] * count


class Breaks(PredictCodec):
    """A face with a fault where it reads, or where it writes."""

    def __init__(self, where: str) -> None:
        self._where = where

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:
        if self._where == "read":
            raise IndexError(len(body))
        return super().read(body, headers)

    def write(self, question: DecodedRequest, answer: PredictionResult) -> EncodedBody:
        if self._where == "write":
            raise IndexError(answer.prediction_id)
        return super().write(question, answer)


@pytest.mark.parametrize(
    ("where", "message"),
    [("read", b"could not be read"), ("write", b"cannot be written: IndexError")],
)
def test_a_fault_of_ours_is_answered_with_500_and_the_connection_goes_on(
    where: str, message: bytes
) -> None:
    with running(served(routing_table(sums()))) as server, calling(server) as caller:
        sound = server.app.direct[b"/predict"]
        server.app.direct[b"/predict"] = (Breaks(where), Path("iris"))
        caller.send(post())
        status, _, body = caller.answer()
        server.app.direct[b"/predict"] = sound
        caller.send(post())

        assert (status, message in body) == (500, True)
        assert predictions(caller.answer()) == [3.0]
        assert server.app.handler.in_flight == 0
