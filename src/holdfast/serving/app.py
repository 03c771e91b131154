"""The ASGI application of a serving worker: which path is answered by what."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.serving import feedback, paths
from holdfast.serving.admin import admin, unknown
from holdfast.serving.bodies import Gone, Headers, Receive, Scope, Send, send_refusal
from holdfast.serving.finished import Sink
from holdfast.serving.hot import Hot
from holdfast.serving.limits import Limits
from holdfast.serving.metrics import Metrics
from holdfast.serving.refusal import Refusal
from holdfast.serving.served import Served

__all__ = ["Application", "application"]


class Application:
    """Answers over HTTP for the models of *served*; one event loop, one process.

    Attributes:
        served: Whose line-ups answer.
        hot: What answers requests for predictions.
        metrics: What `/metrics` tells.
    """

    def __init__(
        self,
        served: Served,
        limits: Limits,
        sinks: Sequence[Sink],
        keep: feedback.Keep | None,
    ) -> None:
        self.served = served
        self.metrics = Metrics(served)
        self.hot = Hot(served, limits, (*sinks, self.metrics))
        self._limits = limits
        self._paths = paths.fixed(tuple(served.lineups))
        self._admin = admin(served, self._scrape, keep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        route = self._paths.get(scope["path"]) or paths.named(scope["path"])
        headers = dict(scope["headers"])
        try:
            self._admit(scope["path"], headers)
            if route is None:
                await self._admin(scope, receive, send)
                return
            self._check(route[1].model, scope)
            await self.hot.answer(*route, headers, receive, send)
        except Refusal as refusal:
            self.metrics.refused(self._model(scope["path"]), refusal.status)
            request_id = headers.get(b"x-request-id") or self.hot.new_id().encode()
            await send_refusal(send, refusal, request_id)
        except Gone:
            return

    def _admit(self, path: str, headers: Headers) -> None:
        if path in paths.OPEN or self._limits.admits(headers):
            return
        raise Refusal(
            401,
            "this server asks for a token; send `Authorization: Bearer …`",
            headers={b"www-authenticate": b"Bearer"},
        )

    def _check(self, model: str, scope: Scope) -> None:
        if model not in self.served.lineups:
            raise unknown(self.served, model)
        if scope["method"] != "POST":
            told = f"{scope['method']} {scope['path']}: POST it"
            raise Refusal(405, told, headers={b"allow": b"POST"})

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
        self.hot.close()

    def _model(self, path: str) -> str:
        route = self._paths.get(path)
        return route[1].model if route else ""

    def _scrape(self) -> tuple[bytes, str]:
        metrics, hot = self.metrics, self.hot
        metrics.in_flight, metrics.not_mirrored = hot.in_flight, hot.not_mirrored
        metrics.waiting = {(one.model, one.version): count for one, count in hot.waiting()}
        return metrics.text()


async def _kind(receive: Receive) -> str:
    message: Mapping[str, Any] = await receive()
    kind: str = message["type"]
    return kind


def application(
    served: Served,
    limits: Limits | None = None,
    sinks: Sequence[Sink] = (),
    keep: feedback.Keep | None = None,
) -> Application:
    """Make the application.

    Args:
        served: Whose line-ups answer; what replaces them is seen by the next request.
        limits: The defaults if not given.
        sinks: Told of every finished request, in this order.
        keep: Where feedback goes; None if this server keeps none.

    Raises:
        MissingLibraryError: If the extra `serve` is not installed.
    """
    return Application(served, limits or Limits(), sinks, keep)
