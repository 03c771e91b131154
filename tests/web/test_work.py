"""Work that blocks: on so many threads, for so many who wait."""

import asyncio
import threading

import pytest

from holdfast.errors import BusyError
from holdfast.web.work import Work


def test_what_a_task_returns_or_raises_comes_back() -> None:
    work = Work(1)

    async def ask() -> int:
        with pytest.raises(KeyError):
            await work.do(lambda: {"here": 1}["missing"])
        with pytest.raises(RuntimeError, match="ended like an iteration"):
            await work.do(lambda: next(iter(())))
        return await work.do(lambda: 7)

    assert asyncio.run(ask()) == 7
    work.close()


def test_only_so_many_wait() -> None:
    work, go_on = Work(1, most_waiting=1), threading.Event()

    async def ask() -> None:
        waiting = [asyncio.ensure_future(work.do(go_on.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        assert work.count == 2
        with pytest.raises(BusyError, match="too many requests"):
            await work.do(lambda: None)
        go_on.set()
        await asyncio.gather(*waiting)
        assert work.count == 0

    asyncio.run(ask())
    work.close()
