"""A serving worker, put together: what follows, counts, reports, drives, logs around the app."""

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import MissingLibraryError
from holdfast.http import addresses
from holdfast.http.access_log import AccessLog
from holdfast.http.connection_limits import connections_allowed
from holdfast.predictions import Log, Recorder, open_recorder
from holdfast.predictions.open_log import open_in_time
from holdfast.sandbox import Nursery, Trials, chosen, on_worker
from holdfast.serving import workers
from holdfast.serving.answering.batching import MOST_STUCK
from holdfast.serving.answering.finished import RequestSink
from holdfast.serving.deployment.watcher import Watcher
from holdfast.serving.recycling import RecyclingSink
from holdfast.serving.rollout_controller import RolloutController
from holdfast.serving.routing_table import RoutingTable
from holdfast.serving.rpc import RpcServer
from holdfast.serving.settings import Addresses, ServerSettings
from holdfast.serving.telemetry import recording
from holdfast.serving.telemetry.failure_log import Failures
from holdfast.serving.telemetry.multiprocess_metrics import MultiprocessMetrics
from holdfast.serving.telemetry.reporting import Reporter
from holdfast.serving.telemetry.rollout_counts import RolloutCountsSink
from holdfast.serving.telemetry.tracing import TracingSink
from holdfast.serving.vitals import Vitals
from holdfast.serving.web.application import LOGGED, Application, application
from holdfast.serving.worker_state import WorkerState
from holdfast.serving.workers import WorkerSlot

if TYPE_CHECKING:
    import uvicorn

__all__ = ["run"]

_log = logging.getLogger(__name__)

_GRACE_S: Final = 2
_HANDOVER_S: Final = 3
_PATIENCE_S: Final = 60.0
_BACKLOG: Final = 2048
_TURN_S: Final = 0.0005
_COLLECTIONS: Final = (50_000, 20, 50)
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


def run(setting: ServerSettings, taken: Addresses, slot: WorkerSlot) -> None:
    """Serve until the process is told to stop; then answer what was accepted, and end.

    Args:
        setting: How.
        taken: The addresses it answers at.
        slot: Which of the workers this is. The first one drives rollouts; where others answer
            meanwhile, it listens only once it has its versions.
    """
    worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    served = WorkerState(
        worker, {model: RoutingTable(model) for model in dict.fromkeys(setting.models)}
    )
    counting = RolloutCountsSink(served.routing_tables)
    vitals = Vitals(slot.vitals)
    workers.tell_where_it_hangs()
    with contextlib.ExitStack() as stack:
        trials = _restrained(setting, served, slot, stack)
        recycling = RecyclingSink(setting.max_requests, setting.max_memory_bytes)
        failures = stack.enter_context(contextlib.closing(Failures()))
        app = _app(setting, served, [counting, recycling, failures], stack)
        app.handler.vitals = vitals
        for call in workers.lost_in(slot.folder, slot.index):
            counting.lost(call, time.time_ns() // 1000)
            app.metrics.lost(call)
        wake = threading.Event()
        following = Watcher(setting.open_registry, served, wake.set, trials, slot.aside)
        following.loading = vitals.loading
        reporting = Reporter(setting.open_registry, served, counting, following.seq, wake)
        app.metrics.crew = MultiprocessMetrics(slot.folder, worker, app.metrics.own)
        parts: list[Any] = [app.metrics.crew, reporting, following]  # a version may end this one
        if setting.drives and slot.index == 0:
            parts.append(RolloutController(setting.open_registry, served))
        for part in parts:
            part.start()
            stack.callback(part.stop)
        workers.end_with_supervisor()
        if slot.has_others:
            following.settled.wait(_PATIENCE_S)
        listening = stack.enter_context(addresses.joined(taken.http))
        addresses.listen(listening, _BACKLOG)
        _settle()
        if setting.limits.inline_us:
            app.handler.watchdog.begin()
            stack.callback(app.handler.watchdog.stop)
        rpc = None if taken.grpc is None else RpcServer(app, taken.grpc)
        server: Any = _server(app, vitals, setting, recycling, rpc)
        server.listening = [listening]
        server.run(sockets=[listening])


def _app(
    setting: ServerSettings,
    served: WorkerState,
    sinks: list[RequestSink],
    stack: contextlib.ExitStack,
) -> Application:
    recorder = keep = commit = None
    if setting.log is not None:
        recorder, log = _log_of(setting, setting.log, served.worker, stack)
        served.unkept = lambda: recorder.lost if recorder.problem is not None else None
        keep = recording.keeper(log, served.worker)
        if setting.durable:
            commit = recording.committing(recorder)
        else:
            sinks.append(recording.RecordingSink(recorder))
    tracing = TracingSink.begun(served.worker) if setting.traces else None
    if tracing is not None:
        sinks.append(tracing)
        stack.callback(tracing.close)
    door = replace(setting.limits.door, connections=connections_allowed())
    app = application(served, replace(setting.limits, door=door), sinks, keep, commit)
    app.metrics.recorder = recorder
    app.tracing = tracing
    if setting.access_log:
        app.access = AccessLog(sys.stdout.fileno(), LOGGED)
        stack.callback(app.access.close)
    if setting.prefix:
        app.answer_below(setting.prefix)
    return app


def _restrained(
    setting: ServerSettings, served: WorkerState, slot: WorkerSlot, stack: contextlib.ExitStack
) -> Trials | None:
    """Give up what serving needs no more, once the process that tries versions out is begun."""
    restraint = chosen(setting.sandbox)
    if restraint is None:
        served.restraint = "off" if setting.sandbox == "off" else "none: this system has none"
        return None
    trials = setting.trials or stack.enter_context(Nursery(restraint))
    writable = [*setting.writable, Path("/dev/shm")]  # noqa: S108 - semaphores
    if setting.log is not None and "://" not in setting.log:
        with contextlib.suppress(OSError):  # the log tells, and `/ready`
            Path(setting.log).mkdir(parents=True, exist_ok=True)
        writable.append(Path(setting.log))
    writable.append(slot.folder)  # temporary files go where the supervisor takes them away
    tempfile.tempdir = tempfile.mkdtemp(dir=slot.folder)
    os.putenv("TMPDIR", tempfile.tempdir)
    on_worker(restraint, writable)
    served.restraint = str(restraint)
    return trials


def _settle() -> None:
    """Let the thread that answers wait less: for the others' turns, and for what never is garbage.

    Threads that log, load and report run beside it; by default each may keep it waiting for 5 ms.
    """
    sys.setswitchinterval(_TURN_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)


def _log_of(
    setting: ServerSettings, location: str, worker: str, stack: contextlib.ExitStack
) -> tuple[Recorder, Log]:
    recorder = open_recorder(
        location, worker, setting.keeping, sync="full" if setting.durable else "normal"
    )
    stack.callback(recorder.close)
    return recorder, stack.enter_context(contextlib.closing(open_in_time(location)))


async def _hand_over(server: Any, rpc: RpcServer | None, *, leaves: bool) -> None:
    """Take no new connections: the successor does; those that are open get their answers."""
    if not leaves:
        return
    listening, server.listening = server.listening, ()
    await _answer_waiting(server, listening)
    for listener in server.servers:
        listener.close()
    if rpc is not None:
        rpc.leave(_HANDOVER_S)


def _waiting(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that wait at a socket: closing it would reset them."""
    listening.settimeout(0)
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:  # none is left
            return
        yield accepted


async def _answer_waiting(server: "uvicorn.Server", listening: Iterable[socket.socket]) -> None:
    """Answer the connections that wait at sockets which are about to be closed."""

    def made() -> Any:
        kind: Any = server.config.http_protocol_class
        return kind(server.config, server.server_state, server.lifespan.state)

    for listener in listening:
        for waiting in _waiting(listener):
            with contextlib.suppress(OSError):  # whoever waited is gone
                await asyncio.get_running_loop().connect_accepted_socket(made, waiting)


@contextlib.contextmanager
def _stopping(handle: Callable[[int, Any], None]) -> Iterator[None]:
    """Have signals that stop this process handled so."""
    before = {signal_number: signal.signal(signal_number, handle) for signal_number in _STOPPING}
    try:
        yield
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)


async def _begin(rpc: RpcServer | None) -> None:
    if rpc is not None:
        await rpc.start()


async def _end(rpc: RpcServer | None) -> None:
    if rpc is not None:
        await rpc.stop(_GRACE_S)


def _show(app: Application, vitals: Vitals, recycling: RecyclingSink) -> None:
    """Show that the loop turns, and ask for a successor when it is time."""
    vitals.beat()
    if vitals.leaves:
        return
    is_stuck = app.handler.stuck >= MOST_STUCK
    why = f"{MOST_STUCK} calls of one version do not end" if is_stuck else recycling.due()
    if why is not None:
        _log.info("this worker is to be replaced: %s", why)
        vitals.leave()


def _protocol() -> type[Any]:
    try:
        from holdfast.serving.web.direct import Protocol
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "serve", "serving needs it") from error
    return Protocol


def _server(
    app: Application,
    vitals: Vitals,
    setting: ServerSettings,
    recycling: RecyclingSink,
    rpc: RpcServer | None,
) -> "uvicorn.Server":
    protocol = _protocol()
    import uvicorn

    class Server(uvicorn.Server):
        """Stops when it is told to, once it has drained, and lets its caller end in order."""

        leaves_s: float | None = None

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            with _stopping(self.handle_exit):
                yield

        def handle_exit(self, sig: int, frame: Any) -> None:
            hurries = app.served.draining and sig == signal.SIGINT  # Ctrl-C twice
            app.served.draining = True
            app.leaves = vitals.leaves
            drain_s = max(setting.drain_s, _HANDOVER_S if app.leaves else 0)
            if hurries or not drain_s:
                super().handle_exit(sig, frame)
            elif self.leaves_s is None:
                self.leaves_s = time.monotonic() + drain_s

        async def startup(self, sockets: Any = None) -> None:
            await _begin(rpc)
            await super().startup(sockets)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await asyncio.gather(super().shutdown(sockets), _end(rpc))

        async def on_tick(self, counter: int) -> bool:
            _show(app, vitals, recycling)
            await _hand_over(self, rpc, leaves=app.leaves)
            if self.leaves_s is not None and time.monotonic() >= self.leaves_s:
                self.should_exit = True
            return await super().on_tick(counter)

    return Server(_config(app, setting, protocol))


def _config(app: Application, setting: ServerSettings, protocol: type[Any]) -> "uvicorn.Config":
    import uvicorn

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,
        http=protocol,
        log_config=None,
        access_log=False,
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=setting.keep_alive_s,
        timeout_graceful_shutdown=_GRACE_S,
    )
