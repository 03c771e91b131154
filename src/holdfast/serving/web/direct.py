"""Requests for predictions straight from uvicorn's parser, their answers straight to the socket.

An ASGI server makes a task, a scope and several messages of each request, which takes longer than
all that is done with a small one here. So a request that came whole, for a path that predicts, is
answered without them; whatever else comes on the same connection goes the way of ASGI.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from holdfast.http.asgi import Headers, Pairs
from holdfast.http.connection import Connection
from holdfast.serving.answering.prediction_handler import GONE, Cancel
from holdfast.serving.protocols.bodies import described
from holdfast.serving.protocols.codec import EncodedBody
from holdfast.serving.web.application import Application, Route

__all__ = ["Protocol"]

_MOST_BYTES: Final = 1 << 16
_CLOSE: Final = (b"connection", b"close")
_ENDED: Final = asyncio.Event()  # nobody waits for anything of an exchange


class _Exchange:
    """A request and its answer; stands where uvicorn has a cycle of ASGI's messages."""

    __slots__ = (
        "body", "cancel", "disconnected", "headers", "keep_alive", "message_event", "more_body",
        "response_complete", "route", "started_ns", "url",
    )  # fmt: skip

    def __init__(self, route: Route, url: bytes, headers: Headers, keep_alive: bool) -> None:  # noqa: FBT001
        self.route = route
        self.url = url
        self.started_ns = time.perf_counter_ns()
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""
        self.cancel: Cancel | None = None
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = _ENDED


class Protocol(Connection):
    """One connection; made by uvicorn, whose application is an `Application`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._application: Application = self.config.app  # type: ignore[assignment]
        self._most_bytes = min(_MOST_BYTES, self._application.limits.body_bytes)

    def take(self, headers: Headers, plain: bool) -> None:  # noqa: FBT001
        """Choose the way of a request."""
        route = self._application.direct.get(self.url) if plain else None
        if route is None or not self._goes_straight(headers):
            super().take(headers, plain)
            if self._application.leaves:
                self.cycle.keep_alive = False
        else:
            keep_alive = self.parser.should_keep_alive() and not self._application.leaves
            self.cycle = _Exchange(route, self.url, headers, keep_alive)  # type: ignore[assignment]

    def _goes_straight(self, headers: Headers) -> bool:
        before: Any = self.cycle
        length = headers.get(b"content-length", b"")
        return (
            (before is None or before.response_complete)
            and not self.flow.write_paused
            and length.isdigit()
            and int(length) <= self._most_bytes
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self._application.limits.admits(headers)
        )

    def complete(self) -> None:
        """Have a request answered that is whole now."""
        exchange: Any = self.cycle
        if type(exchange) is not _Exchange:
            super().complete()
        elif not exchange.response_complete:
            exchange.more_body = False
            reply = partial(self._reply, exchange)
            exchange.cancel = self._application.ask(
                exchange.route, exchange.headers, exchange.body, reply
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and give up what nobody waits for any more."""
        exchange: Any = self.cycle
        super().connection_lost(exc)
        is_open = type(exchange) is _Exchange and not exchange.response_complete
        if is_open and exchange.cancel is not None:
            exchange.cancel()

    def _reply(self, exchange: _Exchange, status: int, body: EncodedBody, headers: Pairs) -> None:
        if exchange.response_complete:
            return
        exchange.response_complete = True
        if exchange.disconnected or self.transport.is_closing():
            self._note(exchange, GONE, headers, 0)
            return
        described(headers, body)
        closes = not exchange.keep_alive
        if closes:
            headers.append(_CLOSE)
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", body.content)
        self.transport.write(b"".join(parts))
        self._note(exchange, status, headers, len(body.content))
        if closes or _CLOSE in headers:
            self.close()
        self.on_response_complete()

    def _note(self, exchange: _Exchange, status: int, headers: Pairs, size: int) -> None:
        access = self._application.access
        if access is not None:
            asked = "POST", exchange.url.decode("latin-1")
            access.note(asked, status, headers, size, exchange.started_ns)
