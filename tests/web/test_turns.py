"""Turns that callers wait for without a thread."""

import asyncio

import pytest

from holdfast.web.turns import Turns


async def _most_at_once(turns: Turns, keys: str) -> int:
    inside = most = 0

    async def one(key: str) -> None:
        nonlocal inside, most
        async with turns.of(key):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(one, keys))
    return most


@pytest.mark.parametrize(
    ("at_once", "keys", "most"),
    [(None, "aaa", 1), (None, "abca", 3), (2, "abcd", 2), (1, "abcd", 1)],
)
def test_callers_have_their_turn(at_once: int | None, keys: str, most: int) -> None:
    assert asyncio.run(_most_at_once(Turns(at_once), keys)) == most


def test_nothing_stays_of_keys_that_nobody_waits_for() -> None:
    turns = Turns()
    asyncio.run(_most_at_once(turns, "abcdefg"))

    assert len(turns._locks) == 0
