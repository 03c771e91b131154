"""Connections that hold on, flood, or send what two readers take for different requests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

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
from tests.serving.web.test_direct import GET, ROWS, Caller, post, predictions

from holdfast.http.connection_limits import ConnectionLimits, connections_allowed
from holdfast.http.hosts import HostRules
from holdfast.serving.server_limits import ServerLimits

resource = pytest.importorskip("resource", reason="Windows limits no process's files")
SMUGGLED = post("/predict", ROWS)
HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\n"


@contextmanager
def calling(server: Server) -> Iterator[Caller]:
    with closing(Caller(server.port)) as caller:
        yield caller


@contextmanager
def strict(**limits: float) -> Iterator[Server]:
    """Serve with short limits of the connection."""
    door = ConnectionLimits(**limits)  # type: ignore[arg-type]
    with running(
        served(routing_table(sums())), ServerLimits(door=door, timeout_s=0.3)
    ) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    hosts = HostRules(frozenset({"models.example"}))
    with running(
        served(routing_table(sums())), ServerLimits(door=ConnectionLimits(hosts=hosts))
    ) as running_server:
        yield running_server


def asked(host: bytes = b"localhost", *lines: bytes) -> bytes:
    """Write a request for a prediction."""
    head = [b"POST /predict HTTP/1.1", b"Host: " + host, b"Content-Length: %d" % len(ROWS), *lines]
    return b"\r\n".join([*head, b"", b""]) + ROWS


@pytest.mark.parametrize(
    "parts",
    [
        [b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n"],
        [b"X-Long: ", *[b"a" * 1000] * 200],
        [b"X-%d: %s\r\n" % (at, b"a" * 500) for at in range(300)],
        [b"a" * 200_000],
        [b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ", *[b"a" * 1000] * 300],
        [b"Transfer-Encoding: chunked\r\n\r\n1;", *[b"a" * 1000] * 300],
    ],
    ids=["value", "pieces", "many", "name", "trailer", "chunk extension"],
)
def test_a_head_or_trailer_beyond_its_limit_is_refused(server: Server, parts: list[bytes]) -> None:
    with calling(server) as caller:
        caller.send(HEAD.replace(b"here", b"localhost"))
        sender = threading.Thread(target=send_on, args=(caller, parts))
        sender.start()
        status = caller.answer()[0]
        sender.join()

    assert status == 431
    assert server.get("/livez").status_code == 200


def send_on(caller: Caller, parts: list[bytes]) -> None:
    """Send, though the server may have hung up."""
    try:
        caller.send(*parts)
    except OSError:
        return


def test_a_url_beyond_the_limit_is_refused(server: Server) -> None:
    with calling(server) as caller:
        caller.send(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert caller.answer()[0] == 431


@pytest.mark.parametrize("sent", [b"G", HEAD, HEAD + b"X: ", HEAD + b"Content-Length: 5\r\n\r\n["])
def test_a_request_that_is_never_whole_is_given_up(sent: bytes) -> None:
    with strict(header_s=0.3) as server, calling(server) as caller:
        caller.send(sent)

        assert caller.answer()[0] == 408
        assert caller.is_closed()


def test_a_byte_now_and_then_buys_no_time() -> None:
    with strict(header_s=0.3) as server, calling(server) as caller:
        caller.send(HEAD + b"X: ")
        over = threading.Event()
        drip = threading.Thread(target=dripping, args=(caller, over))
        drip.start()
        status = caller.answer()[0]
        over.set()
        drip.join()

    assert status == 408


def dripping(caller: Caller, over: threading.Event) -> None:
    while not over.wait(0.05):
        send_on(caller, [b"a"])


@pytest.mark.parametrize("path", [b"/livez", b"/nowhere", b"/feedback", b"/v2/models/iris/infer"])
def test_a_body_that_never_ends_is_given_up_on_every_path(path: bytes) -> None:
    with strict() as server, calling(server) as caller:
        caller.send(b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n" % path)
        caller.answer()

        assert caller.is_closed()


def test_a_connection_that_never_asks_is_closed() -> None:
    with strict(header_s=0.2) as server, calling(server) as caller:
        assert caller.is_closed()


def test_connections_beyond_the_cap_are_refused_and_those_within_go_on() -> None:
    with strict(connections=2, header_s=20) as server:
        with calling(server) as first, calling(server) as second:
            for caller in (first, second):
                caller.send(post())
                assert predictions(caller.answer()) == [3.0]
            with calling(server) as third:
                assert third.answer()[0] == 503
                assert third.is_closed()
            first.send(post())
            assert predictions(first.answer()) == [3.0]
        until(lambda: answers(server))


def answers(server: Server) -> bool:
    with calling(server) as caller:
        try:
            caller.send(GET)
            return caller.answer()[0] == 200
        except (OSError, EOFError):
            return False


def test_a_caller_who_never_reads_is_cut_off() -> None:
    wide = made(Does(lambda rows: rows[:, :1].repeat(200_000, axis=1)))
    many = b'{"instances":[' + b",".join([b"[1,2]"] * 30) + b"]}"
    with (
        running(served(routing_table(wide)), ServerLimits(timeout_s=0.5)) as server,
        closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as caller,
    ):
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.sendall(post(body=many))
        until(lambda: is_cut(caller))


def is_cut(caller: socket.socket) -> bool:
    try:
        return caller.send(b"x") == 0
    except OSError:
        return True


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        b"Content-Length: 3\r\nContent-Length: 3\r\n",
        b"Content-Length: 3\r\nContent-Length: 30\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: 3, 3\r\n",
        b"Content-Length : 3\r\n",
        b"X: a\r\n b\r\nContent-Length: 3\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"X: a\nContent-Length: 3\r\n",
        b"X: a\rContent-Length: 3\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
        b"Host: localhost\r\nContent-Length: 3\r\n",
    ],
)
def test_what_two_readers_could_take_for_different_requests_is_refused(
    server: Server, head: bytes
) -> None:
    server.forget()
    with calling(server) as caller:
        caller.send(HEAD.replace(b"here", b"localhost") + head + b"\r\n0\r\n\r\n" + SMUGGLED)

        assert caller.answer()[0] in (400, 501)
        assert caller.is_closed()
    server.get("/livez")
    assert server.told.all == []


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"1.2"])
def test_another_version_of_http_is_refused(server: Server, version: bytes) -> None:
    with calling(server) as caller:
        caller.send(b"GET /livez HTTP/%b\r\nHost: localhost\r\n\r\n" % version)

        assert caller.answer()[0] in (400, 505)
        assert caller.is_closed()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"x"])
@pytest.mark.parametrize("connection", [b"upgrade", b"Upgrade, HTTP2-Settings", b"close, UPGRADE"])
@pytest.mark.parametrize("pieces", ["together", "apart"])
def test_who_asks_for_another_protocol_is_answered_once_and_nothing_behind_it_is_read(
    server: Server, protocol: bytes, connection: bytes, pieces: str
) -> None:
    server.forget()
    request = asked(b"localhost", b"Connection: " + connection, b"Upgrade: " + protocol)
    with calling(server) as caller:
        if pieces == "together":
            caller.send(request + SMUGGLED)
        else:
            caller.send(request[: -len(ROWS)], ROWS[:4], ROWS[4:], SMUGGLED)
        answer = caller.answer()

        assert predictions(answer) == [3.0]
        assert b"connection: close" in answer[1]
        assert ended(caller)
    server.get("/livez")
    assert len(server.told.all) == 1


def ended(caller: Caller) -> bool:
    """Wait for the end, which bytes left unread may turn into a reset."""
    try:
        return caller.is_closed()
    except ConnectionResetError:
        return True


def test_nothing_behind_a_last_request_is_read(server: Server) -> None:
    server.forget()
    with calling(server) as caller:
        caller.send(asked(b"localhost", b"Connection: close") + SMUGGLED * 3)

        assert predictions(caller.answer()) == [3.0]
        assert ended(caller)
    server.get("/livez")
    assert len(server.told.all) == 1


def test_what_is_no_request_is_refused_after_the_answer_that_is_due() -> None:
    go = threading.Event()
    slow = made(Does(lambda rows: go.wait(20) and rows.sum(axis=1)), input_schema=NUMBERS)
    with running(served(routing_table(slow))) as server, calling(server) as caller:
        caller.send(post(), b"no request\r\n\r\n")
        until(lambda: server.app.handler.in_flight == 1)
        go.set()

        assert predictions(caller.answer()) == [3.0]
        assert ended(caller)


def test_trailers_are_no_headers(server: Server) -> None:
    with calling(server) as caller:
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Model-Version: 9\r\n\r\n"
        caller.send(HEAD.replace(b"here", b"localhost") + chunked % (len(ROWS), ROWS))

        assert predictions(caller.answer()) == [3.0]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"localhost", 200),
        (b"LocalHost:8080", 200),
        (b"127.0.0.1:1", 200),
        (b"[::1]:8080", 200),
        (b"a.localhost", 200),
        (b"models.example.", 200),
        (b"Models.Example:443", 200),
        (b"evil.example", 421),
        (b"127.0.0.1.evil.example", 421),
        (b"localhost.evil.example", 421),
        (b"localhost@evil.example", 421),
        (b"[::1].evil.example", 421),
        (b"localhost:80x", 421),
        (b"", 421),
    ],
)
def test_only_names_that_are_known_are_answered(server: Server, host: bytes, status: int) -> None:
    for request in (asked(host), GET.replace(b"here", host)):
        with calling(server) as caller:
            caller.send(request)

            assert caller.answer()[0] == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Origin: http://localhost", 200),
        (b"Origin: https://models.example", 200),
        (b"Sec-Fetch-Site: same-origin", 200),
        (b"Origin: http://evil.example", 403),
        (b"Origin: null", 403),
        (b"Origin: http://localhost:9", 403),
        (b"Origin: file://localhost", 403),
        (b"Origin: http://localhost.evil.example", 403),
        (b"Sec-Fetch-Site: cross-site", 403),
    ],
)
def test_pages_of_other_origins_may_not_ask(server: Server, line: bytes, status: int) -> None:
    with calling(server) as caller:
        caller.send(asked(b"localhost", line))

        assert caller.answer()[0] == status


def test_a_request_without_a_host_is_refused(server: Server) -> None:
    with calling(server) as caller:
        caller.send(b"GET /livez HTTP/1.1\r\n\r\n")

        assert caller.answer()[0] == 400


def test_a_cap_leaves_descriptors_for_the_store() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert 1 <= connections_allowed() <= max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 128)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= soft


def test_refusals_of_a_connection_are_counted(server: Server) -> None:
    with calling(server) as caller:
        caller.send(b"GET /livez HTTP/1.1\r\n\r\n")
        caller.answer()

    page = server.get("/metrics").text
    assert 'holdfast_requests_total{code="400",model="",role="",version=""}' in page
