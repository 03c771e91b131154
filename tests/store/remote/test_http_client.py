"""Requests to a server: what is repeated and what never, the way out, and what is not there."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.lying import TOKEN, Asked, LyingServer, Sent, document, lying, problem

import holdfast
from holdfast.errors import BusyError, HoldfastError, MissingLibraryError, StoreError
from holdfast.store.remote import http_client
from holdfast.store.remote.http_client import HttpClient, HttpRequest
from holdfast.store.remote.server_address import parse

READ = HttpRequest("GET", "/whoami")
WRITE = HttpRequest("POST", "/models/iris:note", body=b"{}")
AGAIN = HttpRequest("POST", "/models/iris:note", body=b"{}", repeatable=True)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingServer]:
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)
    holdfast.open(tmp_path / "store").init()
    with lying(tmp_path / "store") as served:
        yield served


def client_of(url: str, token: str | None = TOKEN, **options: Any) -> HttpClient:
    return HttpClient(parse(url, **options), lambda: token)


class Failing:
    """Fails some times, and then answers.

    Attributes:
        failure: What it fails with; None hangs up.
    """

    def __init__(self, times: int, failure: Sent | None) -> None:
        self.left = times
        self.failure = failure

    def __call__(self, _asked: Asked, _sent: Sent) -> Sent | None:
        self.left -= 1
        return self.failure if self.left >= 0 else document({"ok": True})


@pytest.mark.parametrize(
    "failure",
    [None, Sent(502), Sent(503, headers={"Retry-After": "0"}), Sent(429), Sent(504)],
    ids=["hangs up", "502", "503", "429", "504"],
)
@pytest.mark.parametrize("request_", [READ, AGAIN], ids=["read", "repeatable"])
def test_what_may_be_repeated_is(
    served: LyingServer, failure: Sent | None, request_: HttpRequest
) -> None:
    served.lie = Failing(2, failure)

    assert client_of(served.url).ask(request_).status == 200
    assert len(served.asked) == 3


@pytest.mark.parametrize("failure", [None, Sent(502), Sent(503)])
def test_a_write_that_must_not_be_repeated_is_not(
    served: LyingServer, failure: Sent | None
) -> None:
    served.lie = Failing(1, failure)
    with pytest.raises(HoldfastError):
        client_of(served.url).ask(WRITE)

    assert len(served.asked) == 1


def test_an_end_is_made_of_repeating(served: LyingServer) -> None:
    served.lie = Failing(99, Sent(503))
    with pytest.raises(BusyError, match="cannot answer now"):
        client_of(served.url).ask(READ)

    assert len(served.asked) == 4


def test_one_connection_serves_many_requests(served: LyingServer) -> None:
    client = client_of(served.url)
    for _ in range(5):
        client.ask(READ)

    assert client._pool is not None
    pool: Any = client._pool.connection_from_url(served.url)
    assert (pool.num_connections, pool.num_requests) == (1, 5)


def test_the_way_leads_through_the_proxy_of_the_environment(
    served: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = served.url.replace("://", "://user:secret@")
    monkeypatch.setenv("http_proxy", proxy)
    client = client_of("http://registry.invalid:8090", allow_http=True)

    assert client.ask(READ).status == 200
    assert served.asked[0].headers["host"] == "registry.invalid:8090"
    assert served.asked[0].headers["proxy-authorization"].startswith("Basic ")

    monkeypatch.setenv("no_proxy", "registry.invalid")
    with pytest.raises(StoreError, match="cannot be reached"):
        client_of("http://registry.invalid:8090", allow_http=True).ask(READ)


def test_a_server_of_this_machine_is_asked_directly(
    served: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert client_of(served.url).ask(READ).status == 200


def test_a_proxy_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="cannot be reached through the proxy"):
        client_of("https://registry.invalid").ask(READ)


def test_a_forked_child_has_connections_of_its_own(served: LyingServer) -> None:
    client = client_of(served.url)
    client.ask(READ)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if client._pool is None and client.ask(READ).status == 200 else 2
        finally:
            os._exit(status)

    assert os.waitpid(child, 0)[1] == 0
    assert client.ask(READ).status == 200


def test_without_urllib3_it_says_what_to_install(
    served: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'holdfast\[remote\]'"):
        client_of(served.url).ask(READ)


def test_who_has_no_token_sends_none(served: LyingServer) -> None:
    with pytest.raises(HoldfastError, match="run `holdfast login"):
        client_of(served.url, None).ask(READ)

    assert "authorization" not in served.asked[0].headers


def test_an_answer_that_drips_for_ever_is_left(
    served: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_WHOLE_S", -1.0)
    with pytest.raises(StoreError, match="answered too slowly"):
        client_of(served.url).ask(READ)


def test_a_refusal_without_end_is_left(
    served: LyingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_MOST_PROBLEM", 1 << 16)
    served.lie = lambda _asked, _sent: Sent(500, endless=b"x" * 4096)
    with pytest.raises(StoreError, match="failed to answer"):
        client_of(served.url).ask(WRITE)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (Sent(400), "invalid_input"),
        (Sent(401), "unauthenticated"),
        (problem(401, "unauthenticated", "the token has expired"), "unauthenticated"),
        (Sent(403), "forbidden"),
        (problem(403, "read_only", "the server only reads"), "read_only"),
        (Sent(404), "unsupported"),
        (problem(404, "teapot", "model iris"), "not_found"),
        (Sent(405), "unsupported"),
        (problem(409, "conflict", "moved", subject="iris", problem="moved"), "conflict"),
        (problem(412, "changed", "moved on"), "changed"),
        (Sent(418), "invalid_input"),
        (Sent(500), "store"),
        (problem(500, "damaged", "entry 3 changed"), "damaged"),
        (Sent(501), "unsupported"),
        (Sent(500, b"[1]"), "store"),
    ],
)
def test_a_refusal_is_an_error_of_ours(served: LyingServer, sent: Sent, code: str) -> None:
    served.lie = lambda _asked, _sent: sent
    with pytest.raises(HoldfastError) as refusal:
        client_of(served.url).ask(WRITE)

    assert refusal.value.code == code
