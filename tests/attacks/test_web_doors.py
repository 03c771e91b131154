"""What strangers send to a team's server: hosts, origins, paths, bodies without end or haste."""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.facing import until
from tests.web.facing import TOKEN, Served, process, register, running

import holdfast
from holdfast.http.connection_limits import ConnectionLimits


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("doors")
    registry = holdfast.open(folder / "store")
    register(registry, folder)
    register(registry, folder, "risk/iris", "nested")
    limits = ConnectionLimits(header_s=0.5, body_s=0.5)
    with running(folder / "store", host_names=("models.example",), limits=limits) as served:
        yield served


def said(served: Served, *lines: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    """Send a request byte by byte as it is; return the status and the problem."""
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
        line.sendall(head + body)
        raw = b""
        with contextlib.suppress(ConnectionResetError):  # it may end with a body half read
            while piece := line.recv(65536):
                raw += piece
    start, _, content = raw.partition(b"\r\n\r\n")
    document = json.loads(content) if content.startswith(b"{") else {}
    return int(start.split()[1]), document


def asked(served: Served, path: str, *lines: str, host: str = "localhost") -> int:
    head = (f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {TOKEN}")
    return said(served, *head, *lines)[0]


@pytest.mark.parametrize("sent", ["n" * 50_000, "n" * 129, "a b", "\x9b2J"])
def test_no_answer_repeats_an_id_of_any_length_or_signs(served: Served, sent: str) -> None:
    status, document = said(
        served, "GET /api/v1/nowhere HTTP/1.1", "Host: localhost", f"X-Request-Id: {sent}"
    )

    assert status == 401
    assert 0 < len(str(document["request_id"])) <= 64


HOSTS = (
    "evil.example", "127.0.0.1.evil.example", "", "a/b?c", "models.example.evil", "[::1",
    "models.example:x", "localhost#@evil.example", "localhost, evil.example", "127.0.0.1@evil",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_not_ours_is_refused_before_anything_is_looked_at(
    served: Served, host: str
) -> None:
    head = (f"Host: {host}", f"Authorization: Bearer {TOKEN}")
    status, document = said(served, "GET /api/v1/whoami HTTP/1.1", *head)

    assert status in (400, 421)
    assert document["status"] == status
    assert asked(served, "/api/v1/whoami", "X-Forwarded-Host: localhost", host=host) != 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:8090", "models.example:443", "1.2.3.4"],
)
def test_a_host_of_ours_is_answered_whatever_its_port(served: Served, host: str) -> None:
    assert asked(served, "/api/v1/whoami", host=host) == 200


def test_a_forwarded_host_makes_no_host_ours(served: Served) -> None:
    forwarded = ("X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")

    assert asked(served, "/api/v1/whoami", *forwarded) == 200
    assert asked(served, "/api/v1/whoami", *forwarded, host="evil.example") == 421


@pytest.mark.parametrize(
    "line",
    [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://localhost.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_a_page_of_another_site_is_refused_token_or_not(served: Served, line: str) -> None:
    body = b'{"version": "1.0.0"}'
    head = (
        "POST /api/v1/models/iris:promote HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )

    assert said(served, *head, line, body=body)[0] == 403
    assert served.registry.resolve("iris@latest").status == "registered"


PATHS = (
    "/api/v1/models/iris:journal", "/api/v1/models/iris%3Ajournal", "/api/v1/models/%69ris:journal",
    "/api/v1/models/risk/iris:journal", "/api/v1/models/risk%2Firis:journal",
    "http://localhost/api/v1/models/iris:journal",
)  # fmt: skip
ODD = (
    "/api/v1/models//iris:journal", "/api/v1/models/./iris:journal",
    "/api/v1/models/x/../iris:journal", "/api/v1/models/x/%2e%2e/iris:journal",
    "/api/v1/models/%252e%252e/iris:journal", "/api/v1/models/iris/:journal",
    "/api/v1/models/iris:journal/", "/api/v1/models/iris::journal", "/api/v1/models/iris:Journal",
    "/api/v1/models/iris:journal%00", "/api/v1/models/iris%00:journal", "//api/v1/whoami",
    "/api/v1/../v1/whoami", "/api//v1/whoami", "/API/v1/whoami", "/api/v1/whoami/",
    "/api/v1/models/iris:blobs/../../holdfast.json", "/api/v1/models/iris\\x:journal",
    "/api/v1/models/access/journal/0000000001.json", "/api/v1/models/@access:journal",
    "/api/v1/models/%40access:journal", "*", "/api/v1/models/iris;x=1:journal",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_one_name_has_its_spellings(served: Served, path: str) -> None:
    assert asked(served, path) == 200


@pytest.mark.parametrize("path", ODD)
def test_no_spelling_reaches_anything_else(served: Served, path: str) -> None:
    assert asked(served, path) in (400, 404, 405, 422)


@pytest.mark.parametrize("path", [*PATHS, *ODD, "/", "/login/x", "/metrics/../api/v1/whoami"])
def test_no_spelling_of_a_path_needs_no_token(served: Served, path: str) -> None:
    status, _ = said(served, f"GET {path} HTTP/1.1", "Host: localhost")

    assert status in (400, 401, 404, 405) or path in ("/", "/login/x")


@pytest.mark.parametrize(
    "path", ["/api/v1/models/iris:promote", "/api/v1/%62lobs/x", "/api/v1/uploads", "/logout"]
)
def test_a_body_without_end_is_cut_at_its_limit(served: Served, path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    )
    piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"

    assert said(served, *head, body=piece * 3)[0] in (404, 405, 411, 413, 415)
    with pytest.raises(OSError, match=r"."):  # whoever goes on all the same is cut off
        cut_off(served, "\r\n".join([*head, "", ""]).encode() + piece * 3000)


def test_a_head_without_end_is_cut(served: Served) -> None:
    assert asked(served, "/api/v1/whoami", f"X-Long: {'x' * 70_000}") == 431


def cut_off(served: Served, sent: bytes) -> bytes:
    """Send something, and nothing more; return what comes until the line is cut."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
        line.sendall(sent)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_a_head_that_never_ends_is_given_up(served: Served) -> None:
    assert cut_off(served, b"GET /api/v1/whoami HTTP/1.1\r\nHost: localh").startswith(
        b"HTTP/1.1 408"
    )


@pytest.mark.parametrize("path", ["/api/v1/models/iris:promote", f"/api/v1/blobs/{'a' * 64}"])
def test_a_body_that_never_comes_is_given_up(served: Served, path: str) -> None:
    method = "PUT" if "blobs" in path else "POST"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    )
    short = head.replace("1000000", "1000") if method == "POST" else head
    answer = cut_off(served, short.encode() + b"{")

    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
    blobs = Path(str(served.registry.location)) / "blobs" / "sha256"
    until(lambda: not [path for path in blobs.iterdir() if path.name.startswith(".tmp-")])


def test_a_file_that_keeps_coming_is_waited_for(served: Served) -> None:
    import hashlib
    import time

    data = os.urandom(400_000)
    sha256 = hashlib.sha256(data).hexdigest()
    head = (
        f"PUT /api/v1/blobs/{sha256} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(data)}\r\n"
        "Connection: close\r\n\r\n"
    )
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as line:
        line.sendall(head.encode())
        for start in range(0, len(data), 100_000):
            while time.monotonic() - began < start / 100_000 * 0.3:
                time.sleep(0.01)  # the pace of the sender is what is tried
            line.sendall(data[start : start + 100_000])
        answer = b"".join(iter(lambda: line.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 201")


def test_bytes_behind_a_request_are_no_second_one(served: Served) -> None:
    smuggled = b"POST /api/v1/models/iris:promote HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = ("GET /api/v1/whoami HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}")
    status, _ = said(served, *head, "Content-Length: 5", "Transfer-Encoding: chunked")

    assert status in (400, 501)
    assert said(served, *head, body=smuggled)[0] == 200


def test_a_server_killed_while_it_promotes_leaves_a_whole_store(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store")
    for number in range(3):
        register(registry, tmp_path, text=str(number))
    with process(tmp_path / "store") as server:
        request = (
            "POST /api/v1/models/iris:promote HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: one\r\nContent-Length: 20\r\n\r\n" + '{"version": "1.0.0"}'
        ).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(request)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(60)
    assert registry.verify().whole

    with process(tmp_path / "store") as server:  # who had no answer asks again
        answer = server.post("/models/iris:promote", {"version": "1.0.0"}, idempotency_key="one")
        assert answer.status == 200
    moves = [line for line in registry.history("iris") if line.op == "promoted"]
    assert len(moves) == 1
