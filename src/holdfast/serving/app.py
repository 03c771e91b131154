"""The ASGI application of a serving worker."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from holdfast.serving.finished import Sink
from holdfast.serving.limits import Limits
from holdfast.serving.served import Served

__all__ = ["Application", "application"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application:
    """Answers over HTTP for the models of *served*; one event loop, one process."""

    def __init__(self, served: Served, limits: Limits, sinks: Sequence[Sink]) -> None:
        self.served = served
        self.limits = limits
        self.sinks = tuple(sinks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raise NotImplementedError

    def close(self) -> None:
        """End the model threads once nothing is under way."""


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
