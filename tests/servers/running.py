"""Servers as processes of this machine: started on a free port, waited for, ended by their id."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from holdfast.store.objects.cache import LIMIT_BYTES, Cache
from holdfast.store.objects.locating import locate
from holdfast.store.objects.object_store import ObjectStore

PATIENCE_S = 60.0
_LOG = "log.txt"
HOST = "127.0.0.1"
_NUMBERS = count(1)
_FIRST_PORT, _PORTS_COUNT = 10_000, 22_000
_PORTS = (_FIRST_PORT + (os.getpid() * 7919 + number) % _PORTS_COUNT for number in count())
"""One after another, from far apart in processes whose ids are neighbours."""


class NoServerError(Exception):
    """The server cannot be had here; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks one of the protocols.

    Attributes:
        address: `http://127.0.0.1:port`.
        options: What `locate` needs to reach it.
    """

    name: str
    scheme: str
    address: str
    options: Mapping[str, str] = field(default_factory=dict)

    def make_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        raise NotImplementedError

    def store(
        self, bucket: str, folder: Path, cached_bytes: int = LIMIT_BYTES, **options: str
    ) -> ObjectStore:
        """Open a prefix of a bucket, with a cache in *folder*."""
        return locate(
            f"{self.scheme}://{bucket}/team/models",
            {**self.options, **options},
            cache=Cache(folder / "cache", cached_bytes),
        )


def new_name() -> str:
    """Return a name for a bucket that was not given before."""
    return f"holdfast-{next(_NUMBERS)}"


def free_port() -> int:
    """Return a port that nobody listens on, and that is given to nobody else.

    It lies below those that systems hand out to whoever asks for any one: such a port can become
    another server's, or a connection's, before the server that it is for has begun.
    """
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a folder, made for it, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOG).open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a web server for as long as the block lasts, which begins when its port answers.

    Raises:
        NoServerError: If it ends, or does not answer in time.
    """
    with started(command, folder, environment) as process:
        _wait_for(process, port, folder / _LOG)
        yield


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not _answers(port):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
        if process.returncode is not None or time.monotonic() > end:
            log_tail = log.read_text(errors="replace")[-500:]
            raise NoServerError(f"{process.args!r} does not answer: {log_tail}")


def _answers(port: int) -> bool:
    """Tell whether a web server gives any answer at all."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class WebServer(ThreadingHTTPServer):
    """A server in this process that makes no fuss about clients that go away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless a client broke the connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Answer requests on a free port, which is yielded, for as long as the block lasts."""
    server = WebServer((HOST, 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
