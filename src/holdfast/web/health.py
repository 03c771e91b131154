"""Whether the server lives and is ready, and its figures: for whoever runs it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.web.below import session_of
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.figures import MEDIA

__all__ = ["PAGES"]

_UNREADY: Final = 503


async def livez(_desk: Desk, _request: Request) -> Answer:
    """Answer: the event loop turns."""
    return answered({"alive": True})


async def ready(desk: Desk, _request: Request) -> Answer:
    """Tell whether requests can be answered: the store is there, and the server does not stop."""
    if desk.stopping.is_set():
        return answered({"ready": False, "missing": "the server is stopping"}, _UNREADY)
    try:
        await desk.work.do(lambda: session_of(desk.registry).require_same())
    except HoldfastError as error:
        return answered({"ready": False, "missing": f"the store: {error.code}"}, _UNREADY)
    return answered({"ready": True, "read_only": desk.settings.read_only})


async def metrics(desk: Desk, _request: Request) -> Answer:
    """Write the figures for Prometheus."""
    desk.figures.waiting = desk.work.count
    desk.figures.watchers = desk.followers.watchers
    return Answer(200, desk.figures.text(), MEDIA)


PAGES: Final[Mapping[tuple[str, str], Callable[[Desk, Request], Awaitable[Answer]]]] = {
    ("GET", "/livez"): livez,
    ("GET", "/ready"): ready,
    ("GET", "/metrics"): metrics,
}
