"""Asking providers is bounded in time, and says which library is missing."""

import socket
import threading
from collections.abc import Iterator

import pytest

from holdfast.access import provider_http
from holdfast.errors import BusyError, MissingLibraryError


@pytest.fixture
def dripping() -> Iterator[str]:
    """Return the address of a server that sends a byte after the other for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    stop.set()
    thread.join()
    listener.close()


def test_a_server_that_drips_is_left(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_http, "LIMIT_S", 0.2)

    with pytest.raises(BusyError, match=r"took more than 0\.2 s"):
        provider_http.fetch(dripping)


def test_a_missing_library_names_the_extra() -> None:
    with pytest.raises(MissingLibraryError, match=r"holdfast\[oidc\]"), provider_http.libraries():
        raise ImportError(name="httpx2")
