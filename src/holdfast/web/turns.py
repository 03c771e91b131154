"""Turns: what is long is done by one caller at a time, and whoever waits holds no thread."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary

__all__ = ["Turns"]


class Turns:
    """One caller at a time for each key, and so many for all keys together.

    A lock of threads would do it too, but the threads of a server are few: callers of one long file
    who wait in them would keep everybody else waiting. Used by one event loop.

    Args:
        at_once: How many may have their turn at a time, of whatever key; `None` for any number.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._all = None if at_once is None else asyncio.Semaphore(at_once)

    @contextlib.asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for one's turn."""
        lock = self._locks.setdefault(key, asyncio.Lock())  # kept only while somebody holds it
        async with lock:
            if self._all is None:
                yield
                return
            async with self._all:
                yield
