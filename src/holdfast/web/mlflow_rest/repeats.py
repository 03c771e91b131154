"""Creations whose callers hung up before they were answered: their repeats get that answer.

A client that loses its connection sends the same request again, and cannot know whether the first
one was done. What it makes would be made twice.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from holdfast.http.asgi import Gone
from holdfast.web.exchange import Answer, Request

__all__ = ["Repeats"]

_LIFE_S: Final = 600.0
_MOST: Final = 1000
_Key = tuple[str, str, str]


class Repeats:
    """What was not delivered, by who asked for it and what they said; used by one event loop."""

    def __init__(self) -> None:
        self._lost: OrderedDict[_Key, tuple[float, asyncio.Future[Answer]]] = OrderedDict()

    async def once(
        self, request: Request, body: bytes, make: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Make what is asked for, unless that is the repeat of a request that was not answered.

        Raises:
            Gone: If the caller hangs up before the answer; then it waits for their repeat.
        """
        key = request.user, request.route, hashlib.sha256(body).hexdigest()
        task = self._take(key) or asyncio.ensure_future(make())
        gone = asyncio.ensure_future(request.gone())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                self._keep(key, task)
                raise Gone
            return await task
        finally:
            gone.cancel()

    def _take(self, key: _Key) -> "asyncio.Future[Answer] | None":
        until, task = self._lost.pop(key, (0.0, None))
        if task is None or until < time.monotonic():
            return None
        failed = task.done() and (task.cancelled() or task.exception() is not None)
        return None if failed else task

    def _keep(self, key: _Key, task: "asyncio.Future[Answer]") -> None:
        task.add_done_callback(_looked_at)
        self._lost[key] = time.monotonic() + _LIFE_S, task
        if len(self._lost) > _MOST:
            self._lost.popitem(last=False)


def _looked_at(task: "asyncio.Future[Answer]") -> None:
    """Look at how a task ended, which nobody may ever ask for."""
    if not task.cancelled():
        task.exception()
