"""The ASGI application of a serving worker: which path is answered by what."""

from collections.abc import Sequence

from holdfast.serving.face import Face
from holdfast.serving.finished import Sink
from holdfast.serving.hot import Gone, Hot, Path, Receive, Scope, Send, send_refusal
from holdfast.serving.limits import Limits
from holdfast.serving.refusal import Refusal
from holdfast.serving.served import Served
from holdfast.serving.wire import Predict

__all__ = ["Application", "application"]


class Application:
    """Answers over HTTP for the models of *served*; one event loop, one process.

    Attributes:
        hot: What answers requests for predictions.
    """

    def __init__(self, served: Served, limits: Limits, sinks: Sequence[Sink]) -> None:
        self.served = served
        self.limits = limits
        self.hot = Hot(served, limits, sinks)
        self._routes = _fixed(tuple(served.lineups))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        route = self._routes.get(scope["path"])
        if route is None:
            return
        headers = dict(scope["headers"])
        try:
            await self.hot.answer(route[0], route[1], scope, receive, send)
        except Refusal as refusal:
            await send_refusal(send, refusal, headers)
        except Gone:
            return

    def close(self) -> None:
        """End the model threads once nothing is under way."""
        self.hot.close()


def _fixed(models: tuple[str, ...]) -> dict[str, tuple[Face, Path]]:
    found: dict[str, tuple[Face, Path]] = {}
    predict = Predict()
    for model in models:
        found[f"/models/{model}/predict"] = (predict, Path(model))
    if len(models) == 1:
        found["/predict"] = (predict, Path(models[0]))
    return found


def application(
    served: Served, limits: Limits | None = None, sinks: Sequence[Sink] = ()
) -> Application:
    """Make the application.

    Args:
        served: Whose line-ups answer; what replaces them is seen by the next request.
        limits: The defaults if not given.
        sinks: Told of every finished request, in this order.
    """
    return Application(served, limits or Limits(), sinks)
