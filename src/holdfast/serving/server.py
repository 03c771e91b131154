"""A serving worker, put together: what follows, counts, reports, drives, logs around the app."""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import MissingLibraryError
from holdfast.http import addresses
from holdfast.http.limits import connections_allowed
from holdfast.predictions import Log, Recorder, open_log, open_recorder
from holdfast.predictions import Recording as Keeping
from holdfast.registry import Registry
from holdfast.sandbox import Mode, Nursery, Trials, chosen, on_worker
from holdfast.serving import workers
from holdfast.serving.answering.finished import Sink
from holdfast.serving.driving import Driving
from holdfast.serving.limits import Limits
from holdfast.serving.lineup import Lineup
from holdfast.serving.served import Served
from holdfast.serving.swapping.aside import Aside
from holdfast.serving.swapping.following import Following
from holdfast.serving.telling import recording
from holdfast.serving.telling.counting import Counting
from holdfast.serving.telling.crew import Crew
from holdfast.serving.telling.reporting import Reporting
from holdfast.serving.web.app import Application, application

if TYPE_CHECKING:
    import uvicorn

__all__ = ["Place", "Setting", "run"]

_GRACE_S: Final = 2
_PATIENCE_S: Final = 60.0
_BACKLOG: Final = 2048
_TURN_S: Final = 0.0005
_COLLECTIONS: Final = (50_000, 20, 50)
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a server runs.

    Attributes:
        models: What it serves; it must be registered.
        open_registry: Opens the store; its author signs the moves of rollouts that it drives.
        limits: What it takes.
        log: Where predictions are kept, a folder or `postgresql://…`; `None` keeps none.
        keeping: What is kept of them.
        durable: Answer only once the row is committed.
        drives: Whether it drives the rollouts of its models.
        drain_s: How long it still answers, but is not ready, once it is told to stop.
        keep_alive_s: How long a connection may be idle.
        prefix: Of the paths that a proxy shows to callers, such as `/models`; empty for none.
        sandbox: Whether it is restrained, and versions are tried out apart.
        writable: Where it writes beside the log and the folder for temporary files.
        trials: Where versions are tried out, if the sandbox is on and that is begun already.
    """

    models: tuple[str, ...]
    open_registry: Callable[[], Registry]
    limits: Limits = field(default_factory=Limits)
    log: str | None = "predictions"
    keeping: Keeping = field(default_factory=Keeping)
    durable: bool = False
    drives: bool = True
    drain_s: int = 0
    keep_alive_s: int = 5
    prefix: str = ""
    sandbox: Mode = "auto"
    writable: tuple[Path, ...] = ()
    trials: Trials | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Which of several workers a process is.

    Attributes:
        index: From 0. The first one drives rollouts, and each listens only once it has its
            versions: the others answer meanwhile.
        crew: A folder that all of them share, and nobody else.
    """

    index: int
    crew: Path


def run(setting: Setting, taken: socket.socket, place: Place | None = None) -> None:
    """Serve until the process is told to stop; then answer what was accepted, and end.

    Args:
        setting: How.
        taken: The address it answers at.
        place: Which of several workers this is; None if it is alone.
    """
    worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    served = Served(worker, {model: Lineup(model) for model in dict.fromkeys(setting.models)})
    counting = Counting(served.lineups)
    with contextlib.ExitStack() as stack:
        trials = _restrained(setting, served, place, stack)
        sinks: list[Sink] = [counting]
        recorder = keep = commit = None
        if setting.log is not None:
            recorder, log = _log_of(setting, setting.log, worker, stack)
            keep = recording.keeper(log.feedback, worker)
            if setting.durable:
                commit = recording.committing(recorder)
            else:
                sinks.append(recording.Recording(recorder))
        door = replace(setting.limits.door, connections=connections_allowed())
        app = application(served, replace(setting.limits, door=door), sinks, keep, commit)
        app.metrics.recorder = recorder
        if setting.prefix:
            app.answer_below(setting.prefix)
        wake = threading.Event()
        aside = Aside(place.crew if place else None, worker)
        following = Following(setting.open_registry, served, wake.set, trials, aside)
        reporting = Reporting(setting.open_registry, served, counting, following.seq, wake)
        parts: list[Any] = [following, reporting]
        if setting.drives and (place is None or place.index == 0):
            parts.append(Driving(setting.open_registry, served))
        if place is not None:
            app.metrics.crew = Crew(place.crew, worker, app.metrics.own)
            parts.append(app.metrics.crew)
        for part in parts:
            part.start()
            stack.callback(part.stop)
        listening = taken
        if place is not None:
            workers.end_with_supervisor()
            following.settled.wait(_PATIENCE_S)
            listening = stack.enter_context(addresses.joined(taken))
        addresses.listen(listening, _BACKLOG)
        _settle()
        _server(app, served, setting).run(sockets=[listening])


def _restrained(
    setting: Setting, served: Served, place: Place | None, stack: contextlib.ExitStack
) -> Trials | None:
    """Give up what serving needs no more, once the process that tries versions out is begun."""
    restraint = chosen(setting.sandbox)
    if restraint is None:
        served.restraint = "off" if setting.sandbox == "off" else "none: this system has none"
        return None
    trials = setting.trials or stack.enter_context(Nursery(restraint))
    writable = [*setting.writable, Path("/dev/shm")]  # noqa: S108 - semaphores
    if setting.log is not None and "://" not in setting.log:
        Path(setting.log).mkdir(parents=True, exist_ok=True)
        writable.append(Path(setting.log))
    if place is not None:  # temporary files go where the supervisor takes them away
        writable.append(place.crew)
        tempfile.tempdir = tempfile.mkdtemp(dir=place.crew)
        os.putenv("TMPDIR", tempfile.tempdir)
    else:
        writable.append(Path(tempfile.gettempdir()))
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
    setting: Setting, location: str, worker: str, stack: contextlib.ExitStack
) -> tuple[Recorder, Log]:
    recorder = open_recorder(
        location, worker, setting.keeping, sync="full" if setting.durable else "normal"
    )
    stack.callback(recorder.close)
    return recorder, stack.enter_context(contextlib.closing(open_log(location)))


def _server(app: Application, served: Served, setting: Setting) -> "uvicorn.Server":
    try:
        import uvicorn

        from holdfast.serving.web.direct import Protocol
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "serve", "serving listens with it") from error

    class Server(uvicorn.Server):
        """Stops when it is told to, once it has drained, and lets its caller end in order."""

        leaves_s: float | None = None

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            before = {one: signal.signal(one, self.handle_exit) for one in _STOPPING}
            try:
                yield
            finally:
                for one, handler in before.items():
                    signal.signal(one, handler)

        def handle_exit(self, sig: int, frame: Any) -> None:
            hurries = served.draining and sig == signal.SIGINT  # Ctrl-C twice
            served.draining = True
            if hurries or not setting.drain_s:
                super().handle_exit(sig, frame)
            elif self.leaves_s is None:
                self.leaves_s = time.monotonic() + setting.drain_s

        async def on_tick(self, counter: int) -> bool:
            if self.leaves_s is not None and time.monotonic() >= self.leaves_s:
                self.should_exit = True
            return await super().on_tick(counter)

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return Server(_config(app, setting, Protocol))


def _config(app: Application, setting: Setting, protocol: type[Any]) -> "uvicorn.Config":
    import uvicorn

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
