"""A team's server, put together, run by uvicorn until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.errors import HoldfastError, MissingLibraryError
from holdfast.gateways.mlflow import rest_paths
from holdfast.http.access_log import AccessLog
from holdfast.http.problems import MEDIA, problem
from holdfast.web import api, providers, sign_in, site
from holdfast.web.desk import Desk
from holdfast.web.guard import Guard
from holdfast.web.warm_up import load_the_rest, warm_up
from holdfast.web.web_application import LOGGED, WebApplication
from holdfast.web.web_settings import WebSettings

if TYPE_CHECKING:
    import uvicorn

__all__ = ["application", "made", "run"]

_GRACE_S: Final = 1
_UPKEEP_S: Final = 5.0
_log = logging.getLogger(__name__)
_KEEP_ALIVE_S: Final = 30
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
_TURN_S: Final = 0.0005
"""How long a thread that computes keeps one waiting that has an answer to write."""
_CODES: Final = {
    400: "malformed", 403: "csrf", 408: "timeout", 413: "too_large", 421: "wrong_host",
    431: "too_large", 501: "unsupported", 503: "busy", 505: "unsupported",
}  # fmt: skip


def application(settings: WebSettings, guard: Guard) -> WebApplication:
    """Make the application for a registry."""
    desk = Desk(settings, settings.open_registry(), guard)
    pages = sign_in.PAGES | providers.PAGES | site.FILES
    return WebApplication(desk, api.routes(), pages, site.page)


def run(app: WebApplication, bound: socket.socket) -> None:
    """Serve until the process is told to stop; then end within a second.

    Args:
        app: What answers.
        bound: Listens at the address that was taken.
    """
    with contextlib.ExitStack() as stack:
        if app.desk.settings.access_log:
            app.access = AccessLog(sys.stdout.fileno(), LOGGED)
            stack.callback(app.access.close)
        stack.callback(app.desk.close)
        server: Any = made(app)
        sys.setswitchinterval(_TURN_S)
        server.run(sockets=[bound])


def made(app: WebApplication) -> "uvicorn.Server":
    """Return uvicorn's server of an application; `run` runs it."""
    kind = _connection()
    import uvicorn

    class WebServer(uvicorn.Server):
        """Tells watchers that it stops, and lets its caller end in order."""

        loop: asyncio.AbstractEventLoop | None = None
        tasks: tuple[asyncio.Task[None], ...] = ()

        async def startup(self, sockets: Any = None) -> None:
            self.loop = asyncio.get_running_loop()
            await super().startup(sockets)
            self.tasks = tuple(map(asyncio.create_task, (_upkeep(app), _prepare(app))))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for task in self.tasks:
                task.cancel()
            await super().shutdown(sockets)

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield  # whoever runs it there stops it otherwise
                return
            before = {number: signal.signal(number, self.handle_exit) for number in _STOPPING}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: Any) -> None:
            app.desk.stopping.set()
            if self.loop is not None:
                self.loop.call_soon_threadsafe(app.desk.followers.close)
            super().handle_exit(sig, frame)

    return WebServer(_config(app, kind))


async def _prepare(app: WebApplication) -> None:
    """Do what the first visitors would wait for; who asks at once is answered beside it."""
    await app.desk.work.do(load_the_rest)
    await warm_up(app.desk)


async def _upkeep(app: WebApplication) -> None:
    """Write what waits and remove what is over, now and then."""
    while True:
        await asyncio.sleep(_UPKEEP_S)
        try:
            await app.desk.work.do(app.desk.upkeep)
        except HoldfastError as error:
            _log.warning("refusals cannot be written yet: %s", error)


def _config(app: WebApplication, kind: type[Any]) -> "uvicorn.Config":
    import uvicorn

    settings = app.desk.settings
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    certificate, key = settings.tls or (None, None)
    return uvicorn.Config(
        app,
        http=kind,
        log_config=None,
        access_log=False,
        ws="none",
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies) or "",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def _connection() -> type[Any]:
    try:
        from holdfast.http.connection import Connection
    except ModuleNotFoundError as error:
        raise MissingLibraryError(str(error.name), "web", "the server needs it") from error

    class WebConnection(Connection):
        """Refuses in the form of the API."""

        def refusal(self, status: int, message: str) -> tuple[bytes, bytes]:
            code = _CODES.get(status, "refused")
            if rest_paths.claims(bytes(self.url or b"").partition(b"?")[0]):
                told = {"error_code": "INVALID_PARAMETER_VALUE", "message": message}
                return b"application/json", msgspec.json.encode(told)
            document = problem(status, code, message) | {"request_id": os.urandom(8).hex()}
            return MEDIA.encode(), msgspec.json.encode(document)

    return WebConnection
