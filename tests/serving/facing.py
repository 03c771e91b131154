"""Models to serve, line-ups of them, and a real server in a thread."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from holdfast.core.manifest import Manifest
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.course import Rollout
from holdfast.core.rollout.plan import Plan
from holdfast.formats.pair import Pair
from holdfast.serving.answering.finished import Finished, Sink
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup, Loaded
from holdfast.serving.rows import predictor
from holdfast.serving.served import Served
from holdfast.serving.web.app import Application, application
from holdfast.serving.web.direct import Protocol

NUMBERS = {
    "type": "object",
    "properties": {"age": {"type": "number", "minimum": 0}, "height": {"type": "number"}},
    "required": ["age", "height"],
    "order": ["age", "height"],
}
"""A table of two columns."""

NUMBER = {"type": "number"}
AT = "2026-11-20T10:00:00.000000Z"


class Sums:
    """Adds up each row, and *more*; keeps what it was called with."""

    def __init__(self, more: float = 0.0) -> None:
        self.more = more
        self.calls: list[Any] = []

    def predict(self, rows: Any) -> Any:
        self.calls.append(rows)
        return rows.sum(axis=1) + self.more


class Does:
    """Predicts by a function."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self.predict = predict


def made(model: object, version: str = "1.0.0", **facts: Any) -> Loaded:
    """Load a version of the model `iris` around an object."""
    parts = {"model": model}
    if "preprocessor" in facts:
        parts["preprocessor"] = facts.pop("preprocessor")
    facts = {"framework": "scikit-learn", **facts}
    name = facts.pop("name", "iris")
    manifest = Manifest(
        name=name,
        version=version,
        number=1,
        registered_at=AT,
        registered_by="ada",
        artifacts={},
        **facts,
    )
    return predictor.loaded(name, Pair(f"{name}@{version}", manifest, parts), version[:1] * 64)


def sums(version: str = "1.0.0", more: float = 0.0) -> Loaded:
    return made(Sums(more), version, input_schema=NUMBERS, output_schema=NUMBER)


def rollout(version: str = "1.1.0", weight: float = 0.5, **facts: Any) -> Rollout:
    strategy = facts.pop("strategy", "canary")
    steps = (weight, 1.0) if weight < 1 else (1.0,)
    return Rollout(
        number=facts.pop("number", 7),
        version=version,
        was="1.0.0",
        plan=Plan(strategy=strategy, steps=steps),
        analysis=Analysis(),
        by="ada",
        started_at=AT,
        since=AT,
        step=facts.pop("step", 0),
        **facts,
    )


def lineup(active: Loaded | None, **more: Any) -> Lineup:
    return Lineup(more.pop("model", "iris"), active=active, **more)


def served(*lineups: Lineup) -> Served:
    return Served("here-1-abc", {one.model: one for one in lineups})


@dataclass
class Told:
    """A sink that keeps what it is told."""

    all: list[Finished] = field(default_factory=list)

    def finished(self, one: Finished) -> None:
        self.all.append(one)

    def wait(self, count: int) -> list[Finished]:
        """Wait until so many requests are finished."""
        until(lambda: len(self.all) >= count)
        return self.all


def until(true: Callable[[], bool], most_s: float = 120) -> None:
    """Wait until something is true, at most for so many seconds: machines may be busy.

    It asks less and less often, and the less the longer an answer takes: what is waited for needs
    the processor itself.
    """
    end = time.monotonic() + most_s
    pause_s = 0.005
    while True:
        asked = time.monotonic()
        if true():
            return
        answered = time.monotonic()
        if answered > end:
            raise TimeoutError
        threading.Event().wait(max(pause_s, 2 * (answered - asked)))
        pause_s = min(0.1, 1.2 * pause_s)


@dataclass
class Server:
    """A server that runs."""

    url: str
    port: int
    served: Served
    told: Told
    app: Application
    client: httpx.Client
    exit: Callable[[int, None], None]

    def stop(self) -> None:
        """Have it end in order, as a signal does."""
        self.exit(signal.SIGTERM, None)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send JSON; `x_request_id="1"` is the header `x-request-id`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json=body, headers=named)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def forget(self) -> None:
        """Forget what the sink was told, of all that was answered."""
        self.get("/livez")  # the sink is told after an answer, but before the next one
        self.told.all.clear()

    def put(self, one: Lineup) -> None:
        self.served.lineups[one.model] = one


@contextmanager
def running(
    house: Served,
    limits: Limits | None = None,
    sinks: Sequence[Sink] = (),
    *,
    http: Any = Protocol,
    keep_alive_s: int = 5,
    **more: Any,
) -> Iterator[Server]:
    """Serve with uvicorn in a thread, on a free port of this machine.

    Args:
        http: `Protocol`, as `holdfast serve` does; `httptools` for the way of ASGI alone.
        keep_alive_s: How long a connection may be idle.
        more: Further arguments of the application.
    """
    told = Told()
    app = application(house, limits, (told, *sinks), **more)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=http,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=keep_alive_s,
    )
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: server.started)
        with httpx.Client(base_url=url, timeout=30) as client:
            yield Server(url, port, house, told, app, client, server.handle_exit)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def finish(awaitable: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(awaitable)
