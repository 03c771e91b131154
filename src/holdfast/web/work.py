"""Work that blocks: done on a bounded number of threads, for a bounded number of waiting."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from holdfast.errors import BusyError

__all__ = ["Work"]

_THREADS: Final = 16
_MOST_WAITING: Final = 1024
_Result = TypeVar("_Result")


class Work:
    """Threads that read and write the registry for an event loop."""

    def __init__(self, threads: int = _THREADS, most_waiting: int = _MOST_WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="web")
        self._most = threads + most_waiting
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def count(self) -> int:
        """How much is being done or waits."""
        return self._count

    async def do(self, task: Callable[[], _Result]) -> _Result:
        """Do something on a thread.

        Raises:
            BusyError: If too much waits already.
        """
        if self._count >= self._most:
            raise BusyError("the server", "has too many requests at once")
        self._count += 1
        self._idle.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _ended, task)
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing is being done and nothing waits."""
        await self._idle.wait()

    def close(self) -> None:
        """Let what is being done end, and begin nothing that waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _ended(task: Callable[[], _Result]) -> _Result:
    """Do it; what would end an iteration, and so leave whoever waits waiting, is a failure."""
    try:
        return task()
    except StopIteration as error:
        raise RuntimeError("a task ended like an iteration") from error
