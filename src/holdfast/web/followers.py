"""Events as they happen: one follower for each model that anybody watches, fanned out to all."""

import asyncio
import contextlib
import functools
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from holdfast.core.events import Past
from holdfast.errors import BusyError, HoldfastError
from holdfast.http.problems import Problem
from holdfast.registry import Registry
from holdfast.web.below import head_of, session_of
from holdfast.web.exchange import Stream
from holdfast.web.work import Work

__all__ = ["Followers", "stream"]

MOST_WATCHERS: Final = 500
MOST_OF_ONE: Final = 100
"""Of these, how many one user of a team may have."""

_NEAR_S: Final = 0.25
_FAR_S: Final = 2.0
_CHECK_S: Final = 1.0
_PING_S: Final = 15.0
_KEPT: Final = 256
_RETRY: Final = b"retry: 2000\n\n"


class _Follower:
    """Reads on in one model's journal, for all who watch it."""

    def __init__(self, registry: Registry, model: str, work: Work) -> None:
        self.seq = 0
        self.watchers = 0
        self.recent: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self.task: asyncio.Task[None] | None = None
        self._registry = registry
        self._model = model
        self._work = work
        self._news = asyncio.Event()

    async def begin(self) -> None:
        """Look where the journal ends."""
        lines = await self._work.do(functools.partial(self._lines, 0, 1))
        self.seq = lines[-1].seq if lines else 0

    async def run(self) -> None:
        """Read on until nobody watches any more."""
        pause_s = _NEAR_S if self._registry.is_local else _FAR_S
        while True:
            await asyncio.sleep(pause_s)
            with contextlib.suppress(HoldfastError):  # damaged or away: who reads it is told
                lines = await self._work.do(functools.partial(self._lines, self.seq, None))
                self.recent.extend((line.seq, written(line)) for line in lines)
                if lines:
                    self.seq = lines[-1].seq
                    self.wake()

    def wake(self) -> None:
        """Have every watcher look."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, most_s: float) -> None:
        """Wait until there is something to look at, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._news.wait()

    async def behind(self, seq: int) -> list[tuple[int, bytes]]:
        """Return what happened behind an entry."""
        if self.recent and self.recent[0][0] <= seq + 1:
            return [event for event in self.recent if event[0] > seq]
        lines = await self._work.do(functools.partial(self._lines, seq, None))
        return [(line.seq, written(line)) for line in lines]

    def _lines(self, after: int, last: int | None) -> list[Past]:
        newest = head_of(session_of(self._registry), self._model).seq
        count = newest - after if last is None else min(last, newest)
        return self._registry.history(self._model, last=count) if count > 0 else []


def written(line: Past) -> bytes:
    """Write one event; JSON has no line breaks of its own."""
    content = msgspec.json.encode(line)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (line.seq, line.op.encode(), content)


class Followers:
    """The followers of a server."""

    def __init__(self, registry: Registry, work: Work) -> None:
        self.watchers = 0
        self.is_closed = False
        self._of: Counter[str] = Counter()
        self._registry = registry
        self._work = work
        self._by_model: dict[str, _Follower] = {}

    async def join(self, model: str, user: str) -> _Follower:
        """Return the follower of a model, begun if nobody watches it yet.

        Args:
            model: Which.
            user: Who watches, so that nobody takes the places of all; empty if there is one alone.

        Raises:
            BusyError: If too many watch already, or this user does so too often.
        """
        if self.watchers >= MOST_WATCHERS:
            raise BusyError("the server", f"has {MOST_WATCHERS} watchers", "ask again later")
        if user and self._of[user] >= MOST_OF_ONE:
            problem = f"has {MOST_OF_ONE} watchers of yours"
            raise BusyError("the server", problem, "end one before you begin another")
        self.watchers += 1
        self._of[user] += 1
        follower = self._by_model.get(model)
        if follower is None:
            follower = self._by_model[model] = _Follower(self._registry, model, self._work)
        follower.watchers += 1
        if follower.task is None:
            follower.task = asyncio.create_task(follower.run())
            try:
                await follower.begin()
            except BaseException:
                self.leave(model, follower, user)
                raise
        return follower

    def leave(self, model: str, follower: _Follower, user: str) -> None:
        """Stop following a model that nobody watches any more."""
        self.watchers -= 1
        self._of[user] -= 1
        if not self._of[user]:
            del self._of[user]
        follower.watchers -= 1
        if follower.watchers == 0 and self._by_model.get(model) is follower:
            del self._by_model[model]
            if follower.task is not None:
                follower.task.cancel()

    def close(self) -> None:
        """Let every watcher go."""
        self.is_closed = True
        for follower in self._by_model.values():
            follower.wake()


async def stream(
    followers: Followers,
    work: Work,
    watched: tuple[str, str],
    after: int | None,
    allowed: Callable[[], object],
) -> Stream:
    """Return the answer that tells what happens to a model, until it may not be told any more.

    Args:
        followers: Of the server.
        work: Where *allowed* is asked.
        watched: Which model, and who watches it; empty on a server for one user.
        after: The last entry that the caller knows; None to begin now.
        allowed: Raises once whoever asks may not watch any more: a token was revoked.
    """
    follower = await followers.join(*watched)
    pieces = _told(followers, work, follower, after, allowed)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    release = functools.partial(followers.leave, watched[0], follower, watched[1])
    return Stream(pieces, media="text/event-stream", headers=headers, release=release)


async def _told(
    followers: Followers,
    work: Work,
    follower: _Follower,
    after: int | None,
    allowed: Callable[[], object],
) -> AsyncGenerator[bytes]:
    clock = asyncio.get_running_loop().time
    seq = follower.seq if after is None else after
    yield _RETRY
    checked = pinged = clock()
    while not followers.is_closed:
        if follower.seq > seq:
            for number, event in await follower.behind(seq):
                yield event
                seq = number
        yield b""
        await follower.wait(_CHECK_S)
        if clock() - checked >= _CHECK_S / 2:
            if not await _may_watch(followers, work, allowed):
                return
            checked = clock()
        if clock() - pinged >= _PING_S:
            yield b": still here\n\n"
            pinged = clock()


async def _may_watch(followers: Followers, work: Work, allowed: Callable[[], object]) -> bool:
    """Tell whether to go on; where the server stops, nobody's rights are looked up any more."""
    if followers.is_closed:
        return False
    try:
        await work.do(allowed)
    except (Problem, HoldfastError):
        return False
    return True
