"""Requests for predictions straight from uvicorn's parser, their answers straight to the socket.

An ASGI server makes a task, a scope and several messages of each request, which takes longer than
all that is done with a small one here. So a request that came whole, for a path that predicts, is
answered without them; whatever else comes on the same connection goes the way of ASGI.
"""

import asyncio
from functools import partial
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from holdfast.serving.faces.bodies import Headers, Pairs, described, late, refused
from holdfast.serving.faces.face import Body
from holdfast.serving.web.app import Application, Route

__all__ = ["Protocol"]

_MOST_BYTES: Final = 1 << 16
_CLOSE: Final = (b"connection", b"close")
_ASIDE: Final = frozenset((b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"))
_ENDED: Final = asyncio.Event()  # nobody waits for anything of an exchange


class _Exchange:
    """A request and its answer; stands where uvicorn has a cycle of ASGI's messages."""

    __slots__ = (
        "body", "disconnected", "headers", "keep_alive", "message_event", "more_body",
        "response_complete", "route", "timer",
    )  # fmt: skip

    def __init__(self, route: Route, headers: Headers, keep_alive: bool) -> None:  # noqa: FBT001
        self.route = route
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.message_event = _ENDED
        self.timer: asyncio.TimerHandle | None = None


class Protocol(HttpToolsProtocol):
    """One connection; made by uvicorn, whose application is an `Application`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._application: Application = self.config.app  # type: ignore[assignment]
        self._most_bytes = min(_MOST_BYTES, self._application.limits.body_bytes)
        self._heard_s = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Read on; a body that does not come is given up after the time that an answer may take."""
        self._heard_s = self.loop.time()
        super().data_received(data)
        one: Any = self.cycle
        if type(one) is _Exchange and one.more_body and one.timer is None:
            pause_s = self._application.limits.timeout_s
            one.timer = self.loop.call_later(pause_s, self._give_up, one)

    def on_message_begin(self) -> None:
        """Begin to read a request; its scope is made where it is needed."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        route = self._application.direct.get(self.url)
        headers = None if route is None else self._taken()
        if route is None or headers is None:
            read = self.url, self.expect_100_continue, self.headers
            super().on_message_begin()
            self.url, self.expect_100_continue, self.headers = read
            self.scope["headers"] = self.headers
            super().on_headers_complete()
        else:
            keep_alive = self.parser.should_keep_alive()
            self.cycle = _Exchange(route, headers, keep_alive)  # type: ignore[assignment]

    def _taken(self) -> Headers | None:
        """Return the headers of a request that may go straight; None for the way of ASGI."""
        before: Any = self.cycle
        waits = before is not None and not before.response_complete
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        straight = (
            not waits
            and not self.flow.write_paused
            and length.isdigit()
            and int(length) <= self._most_bytes
            and _ASIDE.isdisjoint(headers)
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self._application.limits.admits(headers)
        )
        return headers if straight else None

    def on_message_complete(self) -> None:
        """Have a request answered that is whole now."""
        one: Any = self.cycle
        if type(one) is not _Exchange:
            super().on_message_complete()
        elif not one.response_complete:
            one.more_body = False
            if one.timer is not None:
                one.timer.cancel()
            reply = partial(self._reply, one)
            self._application.ask(one.route, one.headers, one.body, reply)

    def _give_up(self, one: _Exchange) -> None:
        refusal = late(self._application.limits)
        self._reply(one, refusal.status, refused(refusal), [_CLOSE])

    def _reply(self, one: _Exchange, status: int, body: Body, headers: Pairs) -> None:
        if one.response_complete:
            return
        one.response_complete = True
        if one.disconnected or self.transport.is_closing():
            return
        described(headers, body)
        closes = not one.keep_alive
        if closes:
            headers.append(_CLOSE)
        parts = [STATUS_LINE[status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", body.content)
        self.transport.write(b"".join(parts))
        if closes or _CLOSE in headers:
            self.transport.close()
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
        else:
            self._rest()

    def _rest(self) -> None:
        """Wait for the next request, for as long as a connection may be idle.

        One timer looks after many requests: to set and cancel one for each takes longer.
        """
        self.server_state.total_requests += 1
        self._heard_s = self.loop.time()
        if self._watch is None:
            self._watch = self.loop.call_later(self.timeout_keep_alive, self._end_if_idle)

    def _end_if_idle(self) -> None:
        left_s = self._heard_s + self.timeout_keep_alive - self.loop.time()
        busy = not self.cycle.response_complete or self.timeout_keep_alive_task is not None
        self._watch = None
        if self.transport.is_closing():
            return
        if left_s > 0 or busy:
            pause_s = left_s if left_s > 0 else self.timeout_keep_alive
            self._watch = self.loop.call_later(pause_s, self._end_if_idle)
        else:
            self.transport.close()
