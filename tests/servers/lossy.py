"""A proxy that loses answers by a plan, and keeps a log of what passed."""

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.servers.running import HOST, serving

Fault = Callable[["Relay"], None]


@dataclass
class Lossy:
    """A running proxy.

    Attributes:
        address: Where it listens, with the path of the server's own address.
        log: Method and path, with its query, of each request that came, in order.
    """

    address: str
    log: list[tuple[str, str]] = field(default_factory=list)
    _plan: list[tuple[str, str, Fault]] = field(default_factory=list)

    def next(self, method: str, part: str, *faults: Fault) -> None:
        """Give the next requests of a method, with *part* in their path, one fault each."""
        self._plan += [(method, part, fault) for fault in faults]

    def fault_for(self, method: str, path: str) -> Fault:
        """Take the first fault planned for such a request; without one it is relayed."""
        self.log.append((method, path))
        for index, (planned, part, fault) in enumerate(self._plan):
            if planned == method and part in unquote(path):
                del self._plan[index]
                return fault
        return honestly

    @property
    def left(self) -> int:
        """How many planned faults have not happened."""
        return len(self._plan)


class Relay(BaseHTTPRequestHandler):
    """One connection of a client; faults act through `forward`, `answer`, `reset`, `stall`."""

    protocol_version = "HTTP/1.1"
    # A body that follows its head in a packet of its own waits 40 ms for the head's receipt.
    wbufsize = -1
    disable_nagle_algorithm = True
    upstream: str
    lossy: Lossy
    lock: threading.Lock

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Let the server do it, and return what it says."""
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(self.body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer."""
        self.send_response_only(status)
        relayed_headers = [
            (name, value) for name, value in headers if name.lower() not in _OF_ONE_HOP
        ]
        sized = any(name.lower() == "content-length" for name, _value in relayed_headers)
        if not sized and status not in (204, 304):
            relayed_headers.append(("Content-Length", str(len(body))))
        for name, value in relayed_headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Break the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def stall(self) -> None:
        """Say nothing until the client goes away."""
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def _relay(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.lock:
            fault = self.lossy.fault_for(self.command, self.path)
        with contextlib.suppress(ConnectionError):
            fault(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _relay  # noqa: N815 - the library's names

    def log_message(self, *_words: Any) -> None:
        """Keep quiet."""


_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding"}


def honestly(relay: Relay) -> None:
    """Relay the request and the answer."""
    relay.answer(*relay.forward())


def without_condition(relay: Relay) -> None:
    """Pass a request on as a proxy does that strips headers it does not know."""
    for name in ("If-None-Match", "if-none-match"):
        del relay.headers[name]
    honestly(relay)


def fails_after(relay: Relay) -> None:
    """Do it, and say that it failed."""
    relay.forward()
    relay.answer(503, [], b"")


def resets_after(relay: Relay) -> None:
    """Do it, and break the connection."""
    relay.forward()
    relay.reset()


def stalls_after(relay: Relay) -> None:
    """Do it, and say nothing until the client gives up."""
    relay.forward()
    relay.stall()


def fails_before(relay: Relay) -> None:
    """Do nothing, and say that it failed."""
    relay.answer(503, [], b"")


def resets_before(relay: Relay) -> None:
    """Do nothing, and break the connection."""
    relay.reset()


def conflicts_before(relay: Relay) -> None:
    """Do nothing, and say that others are writing the same object."""
    relay.answer(409, [], b"<Error><Code>ConditionalRequestConflict</Code></Error>")


FAULTS: tuple[Fault, ...] = (
    fails_after,
    resets_after,
    stalls_after,
    fails_before,
    resets_before,
    conflicts_before,
)


@contextlib.contextmanager
def lossy(address: str) -> Iterator[Lossy]:
    """Run a proxy in front of a server for as long as the block lasts."""
    parts = urlsplit(address)
    plan = Lossy("")
    relay = type(
        "Relayed", (Relay,), {"upstream": parts.netloc, "lossy": plan, "lock": threading.Lock()}
    )
    with serving(relay) as port:
        plan.address = f"http://{HOST}:{port}{parts.path}"
        yield plan
