"""Models to serve, routing tables of them, and a real server in a thread."""

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
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.formats.pair import Pair
from holdfast.rows import predictor
from holdfast.rows.loaded_version import Loaded
from holdfast.serving.answering.finished import FinishedRequest, RequestSink
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.web.application import Application, application
from holdfast.serving.web.direct import Protocol
from holdfast.serving.worker_state import WorkerState

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
        seq=17,
        version=version,
        was="1.0.0",
        plan=Plan(strategy=strategy, steps=steps),
        analysis=facts.pop("analysis", Analysis()),
        by="ada",
        started_at=AT,
        since=AT,
        step=facts.pop("step", 0),
        **facts,
    )


def routing_table(active: Loaded | None, **more: Any) -> RoutingTable:
    return RoutingTable(more.pop("model", "iris"), active=active, **more)


def served(*routing_tables: RoutingTable) -> WorkerState:
    return WorkerState(
        "here-1-abc", {routing_table.model: routing_table for routing_table in routing_tables}
    )


@dataclass
class Told:
    """A sink that keeps what it is told."""

    all: list[FinishedRequest] = field(default_factory=list)

    def finished(self, finished_request: FinishedRequest) -> None:
        self.all.append(finished_request)

    def wait(self, count: int) -> list[FinishedRequest]:
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
    served: WorkerState
    told: Told
    app: Application
    client: httpx.Client
    exit: Callable[[int, None], None]

    def stop(self) -> None:
        """Have it end in order, as a signal does."""
        self.exit(signal.SIGTERM, None)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Send JSON; `x_request_id="1"` is the header `x-request-id`."""
        header_fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json=body, headers=header_fields)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    def forget(self) -> None:
        """Forget what the sink was told, of all that was answered."""
        self.get("/livez")  # the sink is told after an answer, but before the next one
        self.told.all.clear()

    def put(self, routing_table: RoutingTable) -> None:
        self.served.routing_tables[routing_table.model] = routing_table


@contextmanager
def running(
    house: WorkerState,
    limits: ServerLimits | None = None,
    sinks: Sequence[RequestSink] = (),
    *,
    http: Any = Protocol,
    keep_alive_s: int = 5,
    **more: Any,
) -> Iterator[Server]:
    """Serve with uvicorn in a thread, on a free port of this machine.

    Args:
        http: `Protocol`, as `holdfast serve` does; `httptools` for the way of ASGI alone.
        keep_alive_s: Close a connection that is idle this long.
        more: Further arguments of the application.
    """
    sink = Told()
    app = application(house, limits, (sink, *sinks), **more)
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
            yield Server(url, port, house, sink, app, client, server.handle_exit)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def finish(awaitable: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(awaitable)
