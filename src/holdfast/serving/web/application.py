"""The ASGI application of a serving worker: which path is answered by what."""

import asyncio
import logging
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

from holdfast.http import request_ids
from holdfast.http.access_log import AccessLog
from holdfast.http.asgi import Gone, Headers, Pairs, Receive, Scope, Send
from holdfast.rows.refusal import Refusal
from holdfast.serving.answering.finished import RequestSink
from holdfast.serving.answering.prediction_handler import Cancel, Commit, Path, PredictionHandler
from holdfast.serving.protocols.bodies import Reply, read_body, refused, send_body
from holdfast.serving.protocols.codec import Codec, EncodedBody
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.telemetry import feedback_queue
from holdfast.serving.telemetry.exposition import Metrics
from holdfast.serving.telemetry.metric_totals import MetricTotals
from holdfast.serving.telemetry.tracing import TracingSink
from holdfast.serving.web import paths, readiness
from holdfast.serving.web.admin import admin
from holdfast.serving.worker_state import WorkerState

__all__ = ["LOGGED", "Application", "Route", "application"]

_log = logging.getLogger(__name__)

Route = tuple[Codec, Path]
LOGGED: Final = {
    b"x-request-id": "request_id",
    b"x-prediction-id": "prediction_id",
    b"x-model-version": "version",
    b"x-model-role": "role",
}
"""Headers of an answer that the access log keeps."""
Told = tuple[int, EncodedBody, Pairs]


class Application:
    """Answers over HTTP for the models of *served*; one event loop, one process.

    Attributes:
        served: Whose routing tables answer.
        limits: What it takes.
        connection: What each of its connections may do.
        handler: What answers requests for predictions.
        direct: The paths, as they come, whose POST requests `ask` may be given.
        metrics: What `/metrics` tells.
        access: Where each answer is noted; None if nowhere.
        tracing: What makes spans of requests; None if nothing.
        leaves: Whether each connection is closed after its next answer, for another worker has
            taken this one's place.
    """

    def __init__(
        self,
        served: WorkerState,
        limits: ServerLimits,
        sinks: Sequence[RequestSink],
        keep: feedback_queue.Keep | None,
        commit: Commit | None,
    ) -> None:
        self.served = served
        self.limits = limits
        self.connection = limits.connection()
        self.metrics = Metrics(served)
        self.handler = PredictionHandler(served, limits, (*sinks, self.metrics), commit)
        self.metrics.follow(self._refresh)
        self._paths = paths.fixed(tuple(served.routing_tables))
        self.direct = {path.encode(): route for path, route in self._paths.items()}
        self._admin = admin(served, self.metrics.text, keep, limits)
        self._prefix = ""
        self.access: AccessLog | None = None
        self.tracing: TracingSink | None = None
        self.leaves = False

    def answer_below(self, prefix: str) -> None:
        """Answer the same paths below *prefix* too: a proxy passes it on, or takes it away."""
        self._prefix = prefix
        below = {prefix.encode() + path: route for path, route in self.direct.items()}
        self.direct = below | self.direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        if self.access is not None:
            send = _noted(self.access, scope, send)
        if self._prefix:
            path = scope["path"]
            inner = path.removeprefix(self._prefix) if path.startswith(f"{self._prefix}/") else path
            scope = {**scope, "path": inner}
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        route = self._paths.get(scope["path"]) or paths.named(scope["path"])
        headers = dict(scope["headers"])
        try:
            if scope["path"] not in paths.OPEN:
                self.admit(headers)
            if route is None:
                is_head = scope["method"] == "HEAD"  # answered as GET; the server drops the body
                asked = {**scope, "method": "GET"} if is_head else scope
                if self._prefix:  # the router takes the prefix away, once and whatever follows it
                    path = self._prefix + scope["path"]
                    asked = {**asked, "path": path, "root_path": self._prefix}
                await self._admin(asked, receive, send)
                return
            self._check(route[1].model, scope)
            body = await read_body(receive, headers, self.limits)
            await send_body(send, *await self._answer(route, headers, body, receive))
        except Refusal as refusal:
            await send_body(send, *self.refused(route, headers, refusal))
        except Gone:
            return

    def turned_away(self, status: int) -> None:
        """Count a request that was refused before a model was chosen."""
        self.metrics.refused("", status)
        if self.access is not None:
            self.access.note(("", ""), status, [], 0, time.perf_counter_ns())

    def ask(self, route: Route, headers: Headers, body: bytes, reply: Reply) -> Cancel | None:
        """Have a request for predictions answered, whatever comes; *reply* is called once.

        Returns:
            What is to be called if the caller is gone before; None once it was answered.
        """
        try:
            return self.handler.ask(*route, headers, body, reply)
        except Refusal as refusal:
            reply(*self.refused(route, headers, refusal))
        except Exception:  # noqa: BLE001 - the connection is to go on
            _log.exception("a request for %s could not be read", route[1].model)
            failure = Refusal(500, "the request could not be read; see the server's log")
            reply(*self.refused(route, headers, failure))
        return None

    async def _answer(self, route: Route, headers: Headers, body: bytes, receive: Receive) -> Told:
        waited: asyncio.Future[Told] = asyncio.get_running_loop().create_future()

        def reply(*told: Any) -> None:
            if not waited.done():
                waited.set_result(told)

        cancel = self.ask(route, headers, body, reply)
        gone = asyncio.ensure_future(receive())  # the body was read: what comes is its end
        try:
            await asyncio.wait((waited, gone), return_when=asyncio.FIRST_COMPLETED)
            if cancel is not None and not waited.done():
                cancel()
            return await waited
        finally:
            gone.cancel()

    def refused(self, route: Route | None, headers: Headers, refusal: Refusal) -> Told:
        """Count and write the refusal of a request that no version was chosen for."""
        model = route[1].model if route and route[1].model in self.served.routing_tables else ""
        self.metrics.refused(model, refusal.status)
        if self.tracing is not None:
            self.tracing.refused(model, refusal.status, headers)
        request_id = request_ids.given(headers.get(b"x-request-id")) or self.handler.new_id()
        return refusal.status, refused(refusal), [(b"x-request-id", request_id.encode())]

    def admit(self, headers: Headers) -> None:
        """Ask for the token, where this server has one.

        Raises:
            Refusal: 401 if it does not come with the request.
        """
        if self.limits.admits(headers):
            return
        raise Refusal(
            401,
            "this server demands a token; send `Authorization: Bearer …`",
            headers={b"www-authenticate": b"Bearer"},
        )

    def _check(self, model: str, scope: Scope) -> None:
        if model not in self.served.routing_tables:
            raise readiness.unknown(self.served, model)
        if scope["method"] != "POST":
            message = f"{scope['method']} {scope['path']} is not supported; use POST"
            raise Refusal(405, message, headers={b"allow": b"POST"})

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the server's own events; there are no sockets here but those of HTTP."""
        if scope["type"] != "lifespan":
            await send({"type": "websocket.close", "code": 1000})
            return
        while (await _kind(receive)) == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def close(self) -> None:
        """End the model threads, each once nothing waits for it."""
        self.handler.close()

    def _refresh(self, tally: MetricTotals) -> None:
        hot = self.handler
        tally.in_flight, tally.not_mirrored = hot.in_flight, hot.not_mirrored
        tally.waiting = {(loaded.model, loaded.version): count for loaded, count in hot.waiting()}


def _noted(access: AccessLog, scope: Scope, send: Send) -> Send:
    """Note an answer once it was sent."""
    started_ns = time.perf_counter_ns()
    asked = scope["method"], scope["path"]
    start: MutableMapping[str, Any] = {}
    size = 0

    async def noted(message: MutableMapping[str, Any]) -> None:
        nonlocal size
        await send(message)
        if message["type"] == "http.response.start":
            start.update(message)
            return
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            access.note(asked, start["status"], start.get("headers", []), size, started_ns)

    return noted


async def _kind(receive: Receive) -> str:
    message: Mapping[str, Any] = await receive()
    kind: str = message["type"]
    return kind


def application(
    served: WorkerState,
    limits: ServerLimits | None = None,
    sinks: Sequence[RequestSink] = (),
    keep: feedback_queue.Keep | None = None,
    commit: Commit | None = None,
) -> Application:
    """Make the application.

    Args:
        served: Whose routing tables answer; what replaces them is seen by the next request.
        limits: The defaults if not given.
        sinks: Told of every finished request, in this order, once its answer went out.
        keep: Where feedback goes; None if this server keeps none.
        commit: What answers wait for; None if for nothing.

    Raises:
        MissingLibraryError: If the extra `serve` is not installed.
    """
    return Application(served, limits or ServerLimits(), sinks, keep, commit)
