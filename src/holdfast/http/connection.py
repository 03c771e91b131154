"""One connection of a server, with its limits; what gets past it is a request of sound form.

uvicorn's parser refuses most of what two readers could take for different requests; the rest is
refused here. After a request that ends the connection nothing more is read from it, so that no
byte behind it is ever taken for a request.
"""

import asyncio
from collections.abc import Mapping, Sized
from typing import Any, Final, Protocol

import httptools
import msgspec
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from holdfast.http.connection_limits import BodyLimit, ConnectionLimits

__all__ = ["Connection", "Guarded"]

_BETWEEN, _HEAD, _BODY = range(3)
_NOTABLE: Final = frozenset(
    (b"transfer-encoding", b"origin", b"sec-fetch-site", b"upgrade", b"content-encoding", b"expect")
)
_SINGLE: Final = frozenset(
    (b"host", b"origin", b"authorization", b"content-type", b"content-encoding")
)
_READ_ON_BELOW: Final = 8
_FOREIGN: Final = (b"cross-site", b"same-site")


class Guarded(Protocol):
    """An application whose connections are limited.

    Attributes:
        connection: The limits.
    """

    connection: ConnectionLimits

    def turned_away(self, status: int) -> None:
        """Count a request that was refused before the application saw it."""
        ...


class _Deaf(Exception):  # noqa: N818 - ends the parser's work, no fault
    """Nothing more of this connection is read."""


class _Flow(FlowControl):
    """Reads on only while few requests wait for earlier answers, whoever asks for it."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if len(self._waiting) < _READ_ON_BELOW:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """A connection; made by uvicorn, whose application is `Guarded`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._guarded: Guarded = self.config.app  # type: ignore[assignment]
        self._limits = self._guarded.connection
        self._stage = _BETWEEN
        self._chunk_bytes = 0
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_limit = BodyLimit(self._limits.body_bytes)
        self._came_bytes = 0
        self._silent_bytes = 0
        self._owed_bytes = 0
        self._deaf = False
        self._known_hosts: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._heard_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, unless there are too many connections."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        if len(self.connections) > self._limits.connections:
            self._turn_away(503, "too many connections are open; ask again later")
            return
        self._heard_s = self.loop.time()
        pause_s = min(self.timeout_keep_alive, self._limits.header_s)
        self._watch = self.loop.call_later(pause_s, self._end_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._deaf = True
        for timer in (self._timer, self._stall, self._watch):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
        if self._deaf:
            return
        self._heard_s = self.loop.time()
        self._chunk_bytes = len(data)
        self._silent_bytes += len(data)
        if self._owed_bytes:
            self._take_owed(data)
        else:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._take_owed(data[upgrade.args[0] :])
            except httptools.HttpParserError:
                if not self._deaf:
                    self._turn_away(400, "the request is not HTTP/1.1")
        if self._stage and not self._deaf:
            self._bound()

    def _bound(self) -> None:
        """Limit a request that is not whole yet."""
        if self._stage == _HEAD:
            self._head_bytes += self._chunk_bytes
            if self._head_bytes > self._limits.header_bytes:
                self._turn_away(431, self._head_too_long())
                return
        elif self._silent_bytes > self._limits.header_bytes + self._chunk_bytes:
            self._turn_away(431, self._head_too_long())
            return
        if self._timer is None:
            pause_s = self._limits.header_s if self._stage == _HEAD else self._limits.body_s
            self._timer = self.loop.call_later(pause_s, self._expire)

    def _head_too_long(self) -> str:
        return f"head or trailer of the request is longer than {self._limits.header_bytes:,} bytes"

    def _expire(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # by the server itself
            self._timer = self.loop.call_later(self._limits.header_s, self._expire)
        elif self._stage == _HEAD:
            self._turn_away(408, f"the head did not come within {self._limits.header_s:g} s")
        elif self._comes_on():
            self._timer = self.loop.call_later(self._limits.body_s, self._expire)
        else:
            self._turn_away(408, f"the body did not come within {self._limits.body_s:g} s")

    def _comes_on(self) -> bool:
        """Tell whether enough of a long body came since this was asked last."""
        least = self._body_limit.least_bytes
        came = self._body_bytes - self._came_bytes
        self._came_bytes = self._body_bytes
        return 0 < least <= came

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        """Begin to read a request; its scope is made where it is needed."""
        if self._deaf:
            raise _Deaf
        self._stage = _HEAD
        self._head_bytes = -self._chunk_bytes  # what came before it is not of its head
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are thrown away, for they would pass for headers."""
        if self._stage == _HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Refuse a head that is not sound, or have its request begun."""
        self._body_bytes = self._silent_bytes = self._came_bytes = 0
        if self._limits.body_limit is not None:
            own = self._limits.body_limit(self.url)
            self._body_limit = own or BodyLimit(self._limits.body_bytes)
        self._calm()
        headers = dict(self.headers)
        plain = _NOTABLE.isdisjoint(headers)
        problem = self._problem(headers, plain)
        if problem is not None:
            self._turn_away(*problem)
            raise _Deaf
        if len(self.pipeline) >= self._limits.pipelined:
            self.cycle.keep_alive = False
            self._deaf = True
            raise _Deaf
        self._stage = _BODY
        self.take(headers, plain)
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def _problem(self, headers: Mapping[bytes, bytes], plain: bool) -> tuple[int, str] | None:  # noqa: FBT001
        """Return status and message of what must not go on; *plain* if no header is notable."""
        if self._chunk_bytes + max(self._head_bytes, 0) > self._limits.header_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._limits.header_bytes:
                return 431, self._head_too_long()
        version = self.parser.get_http_version()
        host = headers.get(b"host")
        if version not in ("1.1", "1.0"):
            return 505, f"HTTP/{version} is not supported; use HTTP/1.1"
        if host is None and version == "1.1":
            return 400, "a request needs one Host header"
        if len(headers) != len(self.headers):
            names = [name for name, _ in self.headers]
            for name in _SINGLE:
                if names.count(name) > 1:
                    return 400, f"header {name.decode()} is sent more than once"
        if int(headers.get(b"content-length", b"0")) > self._body_limit.size_bytes:
            return 413, self._body_too_long()
        hosts = self._limits.hosts
        if hosts is not None and host is not None and host not in self._known_hosts:
            if not hosts.admits(host.decode("latin-1")):
                shown = repr(host.decode("latin-1"))
                return 421, f"host {shown} is not served here; start with --host-name to allow it"
            self._known_hosts = {host}
        return None if plain else self._notable_problem(headers, version)

    def _notable_problem(
        self, headers: Mapping[bytes, bytes], version: str
    ) -> tuple[int, str] | None:
        coding = headers.get(b"transfer-encoding")
        if coding is not None:
            if version != "1.1" or coding.lower() != b"chunked":
                return 501, "transfer-encoding must be chunked, in HTTP/1.1"
            if self.parser.should_upgrade():
                return 400, "a request to upgrade the protocol must have a content-length"
        hosts = self._limits.hosts
        if hosts is None:
            return None
        origin = headers.get(b"origin")
        host = headers.get(b"host", b"").decode("latin-1")
        if origin is not None:
            origin_text = origin.decode("latin-1")
            if not hosts.admits_origin(origin_text, host):
                return 403, f"origin {origin_text!r} is not allowed; --host-name allows it"
        elif headers.get(b"sec-fetch-site") in _FOREIGN and not self._follows_link(headers):
            return 403, "pages of other sites are not allowed here"
        return None

    def _follows_link(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a page of another site leads a browser here, where that is allowed."""
        hosts = self._limits.hosts
        if hosts is None or not hosts.links or self.parser.get_method() not in (b"GET", b"HEAD"):
            return False
        return headers.get(b"sec-fetch-mode") == b"navigate"

    def take(self, headers: Mapping[bytes, bytes], plain: bool) -> None:  # noqa: ARG002, FBT001
        """Begin a request whose head is sound, by ASGI.

        Args:
            headers: The last of each name.
            plain: Whether none of them changes how the request is read.
        """
        read = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue, self.headers = read
        self.scope["headers"] = self.headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._silent_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes > self._body_limit.size_bytes:
            self._turn_away(413, self._body_too_long())
            raise _Deaf
        cycle: Any = self.cycle
        if not cycle.body and not cycle.response_complete:
            cycle.body = body  # as it came; a long one is taken before more is read
            if len(body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()
        else:
            super().on_body(body)

    def _body_too_long(self) -> str:
        return f"the body is longer than {self._body_limit.size_bytes:,} bytes; send less at a time"

    def on_message_complete(self) -> None:
        """Have a request answered that is whole now."""
        if self.parser.should_upgrade():
            length = dict(self.headers).get(b"content-length", b"0")
            self._owed_bytes = int(length)
            if self._owed_bytes:  # the parser takes the body for the other protocol's
                return
        self._whole()

    def _take_owed(self, data: bytes) -> None:
        """Read the body of a request that asked for a protocol that is not spoken here."""
        part = data[: self._owed_bytes]
        if not part:
            return
        self._owed_bytes -= len(part)
        try:
            self.on_body(part)
        except _Deaf:
            return
        if not self._owed_bytes:
            self._whole()

    def _whole(self) -> None:
        self._stage = _BETWEEN
        self._calm()
        if not self.cycle.keep_alive:
            self._deaf = True
        self.complete()

    def complete(self) -> None:
        """Answer a request that is whole, by ASGI."""
        super().on_message_complete()

    def _turn_away(self, status: int, message: str) -> None:
        """Refuse what is being read, after the answers to what was read before; then close."""
        self._deaf = True
        self._calm()
        self._guarded.turned_away(status)
        cycle: Any = self.cycle
        owes = cycle is not None and not cycle.response_complete
        if owes and not cycle.more_body:  # the refused one is another, and comes after it
            cycle.keep_alive = False
            return
        answered = self._stage == _BODY and not owes  # before its body was whole
        if answered or (owes and (self.pipeline or getattr(cycle, "response_started", False))):
            self.close()
            return
        if owes:
            cycle.response_complete = True
            cycle.message_event.set()
        self.answer_and_close(status, message)

    def answer_and_close(self, status: int, message: str) -> None:
        """Write a refusal past any application, and end the connection."""
        if self.transport.is_closing():
            return
        media, content = self.refusal(status, message)
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"content-type: %s\r\nconnection: close\r\n" % media)
        parts.append(b"content-length: %d\r\n\r\n" % len(content))
        self.transport.write(b"".join(parts) + content)
        self.close()

    def refusal(self, status: int, message: str) -> tuple[bytes, bytes]:  # noqa: ARG002
        """Write a refusal in the form that the server answers in: content type and content."""
        return b"application/json", msgspec.json.encode({"error": message})

    def close(self) -> None:
        """End the connection, at once where the caller does not read what is left for it."""
        self._deaf = True
        self.transport.close()
        self._linger()

    def _linger(self) -> None:
        if self._stall is None and self.transport.get_write_buffer_size():
            self._stall = self.loop.call_later(self._limits.header_s, self.transport.abort)

    def pause_writing(self) -> None:
        """Limit how long a caller may leave its answer unread."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self._limits.body_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the caller read."""
        super().resume_writing()
        if self._stall is not None and not self.transport.is_closing():
            self._stall.cancel()
            self._stall = None

    def on_response_complete(self) -> None:
        """Go on to the next request that waits, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._deaf = True
            self._linger()
            return
        self._heard_s = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def _end_if_idle(self) -> None:
        """Close what is idle; one timer looks after many requests, for to set each takes longer."""
        self._watch = None
        if self.transport.is_closing():
            return
        left_s = self._heard_s + self.timeout_keep_alive - self.loop.time()
        cycle: Any = self.cycle  # none before the first request
        busy = self._stage or (cycle is not None and not cycle.response_complete)
        first = cycle is None and not self._stage
        if not first and (left_s > 0 or busy):
            pause_s = left_s if left_s > 0 else self.timeout_keep_alive
            self._watch = self.loop.call_later(pause_s, self._end_if_idle)
        else:
            self.close()
