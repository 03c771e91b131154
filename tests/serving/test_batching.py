"""The way to one version: joined calls, its thread, and the event loop."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from tests.serving.facing import NUMBERS, Does, made, until

from holdfast.serving.batching import Answered, Lane, ModelFailed
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Loaded


class Notes:
    """Answers with its rows; notes how many came in each call, and on which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bool]] = []

    def predict(self, rows: Any) -> Any:
        here = threading.current_thread() is threading.main_thread()
        self.calls.append((len(rows), here))
        return [str(row) for row in np.asarray(rows).tolist()]


def lane(model: object, limits: Limits | None = None, **facts: Any) -> Lane:
    return Lane(made(model, **facts), limits or Limits())


def threads_of(loaded: Loaded) -> list[threading.Thread]:
    name = f"{loaded.model}@{loaded.version}"
    return [one for one in threading.enumerate() if one.name == name]


async def sent(one: Lane, *requests: Any) -> list[Answered]:
    return await asyncio.gather(*(one.submit(one.check(rows)) for rows in requests))


def test_requests_of_one_kind_are_joined_and_others_called_apart() -> None:
    notes = Notes()
    one = lane(notes)
    found = asyncio.run(sent(one, [[1, 2]], [[1]], [[3, 4]], [{"a": 7}], ["text"], [{"a": 2}]))
    one.close()

    assert [count for count, _ in notes.calls] == [2, 1, 2, 1]
    assert [answer.batch for answer in found] == [2, 1, 2, 2, 1, 2]
    assert len({str(answer.output) for answer in found}) == 6


def test_a_call_has_so_many_rows_at_most_and_a_larger_request_goes_alone() -> None:
    notes = Notes()
    one = lane(notes, Limits(batch=3), input_schema=NUMBERS)
    asyncio.run(sent(one, [[1, 1]] * 2, [[1, 1]] * 2, [[1, 1]] * 9, [[1, 1]], [[1, 1]]))
    one.close()

    assert [count for count, _ in notes.calls] == [2, 2, 9, 2]


def test_requests_of_a_model_that_sees_rows_together_are_not_joined() -> None:
    notes = Notes()
    one = lane(notes, framework=None)
    asyncio.run(sent(one, [[1, 2]], [[3, 4]]))
    one.close()

    assert [count for count, _ in notes.calls] == [1, 1]


def test_a_request_that_was_given_up_is_not_called_for() -> None:
    notes = Notes()
    one = lane(notes)

    async def give_up() -> Answered:
        one.submit([[1, 2]]).cancel()
        return await one.submit([[3, 4]])

    found = asyncio.run(give_up())
    one.close()

    assert found.batch == 1
    assert len(notes.calls) == 1


def test_requests_are_answered_on_the_loop_once_their_version_is_known_to_be_quick() -> None:
    notes = Notes()
    one = lane(notes, Limits(inline_us=10_000_000))

    async def after(count: int) -> None:
        for _ in range(count):
            await one.submit([[1, 2]])

    async def ask() -> None:
        await after(30)
        await sent(one, [[1, 2]], [[3, 4]])
        one.aside = True
        await after(1)

    asyncio.run(ask())
    one.close()

    assert [here for _, here in notes.calls] == [False] * 20 + [True] * 11 + [False]


def test_requests_that_wait_take_turns_with_the_loop() -> None:
    one = lane(Notes(), Limits(inline_us=10_000_000))

    async def ask() -> list[Answered]:
        for _ in range(20):
            await one.submit([[1, 2]])
        return await sent(one, [[1]], [[1, 2]], [[1, 2, 3]])

    found = asyncio.run(ask())
    one.close()

    assert [answer.batch for answer in found] == [1, 1, 1]


def test_a_model_that_leaves_the_program_leaves_nothing() -> None:
    def leave(_: Any) -> Any:
        raise SystemExit(3)

    one = lane(Does(leave))

    async def ask() -> None:
        for _ in range(2):
            with pytest.raises(ModelFailed, match="SystemExit: 3"):
                await one.submit([[1, 2]])

    asyncio.run(ask())
    one.close()
    until(lambda: threads_of(one.loaded) == [])

    assert one.waiting == 0


def test_closing_ends_the_thread_after_what_waits() -> None:
    go = threading.Event()
    one = lane(Does(lambda rows: go.wait(20) and rows))

    async def close_while_busy() -> Answered:
        future = one.submit([[1, 2]])
        await asyncio.sleep(0)
        one.close()
        go.set()
        return await future

    found = asyncio.run(close_while_busy())

    assert found.output.tolist() == [[1, 2]]
    until(lambda: threads_of(one.loaded) == [])
    assert one.waiting == 0


def test_a_loop_that_is_gone_is_not_told() -> None:
    go, called = threading.Event(), threading.Event()

    def waits(rows: Any) -> Any:
        called.set()
        go.wait(20)
        return rows

    one = lane(Does(waits), version="7.7.7")

    async def leave() -> None:
        one.submit([[1, 2]])
        await asyncio.to_thread(called.wait, 20)

    asyncio.run(leave())
    go.set()

    until(lambda: threads_of(one.loaded) == [])
    assert called.is_set()
