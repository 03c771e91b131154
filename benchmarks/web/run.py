"""Measure `holdfast web` beside MLflow's server, and write docs/benchmarks-web.md.

`python -m benchmarks.web.run --mlflow BIN` with the `mlflow` of an environment that has it. Both
servers run at once, one worker each, over stores with 1,000 models, and are asked in turn by one
client over one kept connection, so that what else the machine does hits both.
"""

import argparse
import hashlib
import http.client
import json
import os
import platform
import secrets
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import holdfast

HOME = Path(__file__).parent.parent.parent
PAGE = HOME / "docs" / "benchmarks-web.md"
MODELS = int(os.environ.get("MODELS", "1000"))
UPLOAD_BYTES = 200 << 20
WATCHERS = 500
TOKEN = secrets.token_urlsafe(32)
START_S = 300


@dataclass
class Server:
    """A server that runs, and how it is asked."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    headers: dict[str, str]

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is kept."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120, blocksize=1 << 20)

    def ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object = None
    ) -> bytes:
        """Ask once, and return the answer's content."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = dict(self.headers)
        if body is not None and not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        connection.request(method, path, raw, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name} {method} {path}: {answer.status} {content[:300]!r}")
        return content

    def memory_bytes(self) -> int:
        """Return the proportional memory of the process and all below it."""
        return sum(_memory_bytes(pid) for pid in _below(self.process.pid))


def _below(root: int) -> Iterator[int]:
    yield root
    with suppress(OSError):
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _below(int(child))


def _memory_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def started(
    name: str, command: Callable[[int], list[str]], ready: str, headers: dict[str, str]
) -> Iterator[tuple[Server, float]]:
    """Start a server; yield it and the seconds until it answered *ready*."""
    port = _free_port()
    environment = {**os.environ, "HOLDFAST_TOKEN": TOKEN}
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(port), stdout=log, stderr=log, env=environment, start_new_session=True
        )
        server = Server(name, process, port, headers)
        try:
            while True:
                with suppress(OSError, RuntimeError):
                    server.ask(server.connect(), "GET", ready)
                    break
                if process.poll() is not None or time.perf_counter() - begun > START_S:
                    log.seek(0)
                    raise RuntimeError(log.read().decode(errors="replace")[-2000:])
                time.sleep(0.01)
            yield server, time.perf_counter() - begun
        finally:
            with suppress(OSError):
                os.killpg(process.pid, 15)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(OSError):
                os.killpg(process.pid, 9)


def ours(store: Path) -> Callable[[int], list[str]]:
    return lambda port: [
        sys.executable, "-m", "holdfast", "web", "--store", str(store), "--port", str(port),
    ]  # fmt: skip


def mlflows(program: str, folder: Path) -> Callable[[int], list[str]]:
    return lambda port: [
        program, "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1",
    ]  # fmt: skip


def fill(store: Path) -> None:
    """Make 1,000 models of two versions, the first of them live."""
    registry = holdfast.open(store, by="bench")
    file = store.parent / "model.json"
    for number in range(MODELS):
        for version in (1, 2):
            file.write_text(json.dumps({"weights": [number, version]}))
            registry.register(f"model{number}", file, version=f"{version}.0.0")
        registry.promote(f"model{number}@1.0.0")


def fill_mlflow(server: Server) -> None:
    """Make as many there, with an alias for the live one."""
    connection = server.connect()
    api = "/api/2.0/mlflow"
    for number in range(MODELS):
        name = f"model{number}"
        server.ask(connection, "POST", f"{api}/registered-models/create", {"name": name})
        for _ in range(2):
            body = {"name": name, "source": "s3://nowhere/model"}
            server.ask(connection, "POST", f"{api}/model-versions/create", body)
        _alias(server, connection, name, 1)


def _alias(server: Server, connection: http.client.HTTPConnection, name: str, version: int) -> None:
    body = {"name": name, "alias": "production", "version": str(version)}
    server.ask(connection, "POST", "/api/2.0/mlflow/registered-models/alias", body)


def timed(deed: Callable[[int], object], count: int) -> float:
    """Return the median seconds of a deed done so often."""
    spent = []
    for number in range(count):
        begun = time.perf_counter()
        deed(number)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def starts(
    commands: dict[str, tuple[Callable[[int], list[str]], str, dict[str, str]]], rounds: int
) -> dict[str, tuple[float, float]]:
    """Return the median seconds to start and bytes of idle memory of each server."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    memory: dict[str, list[int]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, ready, headers) in commands.items():
            with started(name, command, ready, headers) as (server, took_s):
                time.sleep(2)
                seconds[name].append(took_s)
                memory[name].append(server.memory_bytes())
    return {
        name: (statistics.median(seconds[name]), statistics.median(memory[name]))
        for name in commands
    }


def moved(holdfast_server: Server, peer: Server, count: int) -> dict[str, tuple[float, float]]:
    """Time promotions, look-ups and lists on both, in turn."""
    here, there = holdfast_server.connect(), peer.connect()

    def promote(number: int) -> None:
        body = {"version": f"{2 - number % 2}.0.0", "reason": "measured", "force": True}
        holdfast_server.ask(here, "POST", f"/api/v1/models/model{number // 2}:promote", body)

    def alias(number: int) -> None:
        _alias(peer, there, f"model{number // 2}", 2 - number % 2)

    def resolve(number: int) -> None:
        holdfast_server.ask(here, "GET", f"/api/v1/models/model{number}@production")

    def resolve_alias(number: int) -> None:
        path = f"/api/2.0/mlflow/registered-models/alias?name=model{number}&alias=production"
        peer.ask(there, "GET", path)

    def listed(_: int) -> None:
        cursor = ""
        while True:
            raw = holdfast_server.ask(here, "GET", f"/api/v1/models?limit=200{cursor}")
            following = json.loads(raw)["next"]
            if following is None:
                return
            cursor = f"&cursor={following}"

    def searched(_: int) -> None:
        path = f"/api/2.0/mlflow/registered-models/search?max_results={MODELS}"
        assert len(json.loads(peer.ask(there, "GET", path))["registered_models"]) == MODELS

    pairs = {
        "promote": (promote, alias, count),
        "resolve": (resolve, resolve_alias, count),
        "list of 1,000 models": (listed, searched, 7),
    }
    return {name: _in_turn(a, b, often) for name, (a, b, often) in pairs.items()}


def _in_turn(
    a: Callable[[int], object], b: Callable[[int], object], count: int
) -> tuple[float, float]:
    first: list[float] = []
    second: list[float] = []
    for number in range(count):
        for deed, spent in ((a, first), (b, second)):
            begun = time.perf_counter()
            deed(number)
            spent.append(time.perf_counter() - begun)
    return statistics.median(first), statistics.median(second)


def uploaded(server: Server, folder: Path, rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of an upload, of its one-pass limit and of hashing alone.

    The limit reads the same file once, hashes what it reads and writes it to a file beside the
    store that is then made durable: what a server that takes the bytes in has to do at least.
    """
    sent, limit, hashed = [], [], []
    source = folder / "source"
    for _ in range(rounds):
        with source.open("wb") as file:
            file.write(secrets.token_bytes(1 << 20) * (UPLOAD_BYTES >> 20))
            file.flush()
            os.fsync(file.fileno())
        begun = time.perf_counter()
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        hashed.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        _copy_hashed(source, folder / "copy")
        limit.append(time.perf_counter() - begun)
        (folder / "copy").unlink()
        begun = time.perf_counter()
        _put(server, sha256, source)
        sent.append(time.perf_counter() - begun)
    return statistics.median(sent), statistics.median(limit), statistics.median(hashed)


def _copy_hashed(source: Path, target: Path) -> None:
    hasher = hashlib.sha256()
    with source.open("rb") as file, target.open("wb", buffering=0) as copy:
        while piece := file.read(1 << 20):
            hasher.update(piece)
            copy.write(piece)
        os.fsync(copy.fileno())


def _put(server: Server, sha256: str, source: Path) -> None:
    connection = server.connect()
    headers = {**server.headers, "Content-Length": str(UPLOAD_BYTES)}
    with source.open("rb") as file:
        connection.request("PUT", f"/api/v1/blobs/{sha256}", file, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"upload: {answer.status} {content[:300]!r}")


def watched(server: Server) -> tuple[float, int]:
    """Return the seconds until all watchers saw a promotion, and the memory that they cost."""
    before = server.memory_bytes()
    connections = []
    request = (
        f"GET /api/v1/models/model0:events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()
    for _ in range(WATCHERS):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=120)
        connection.sendall(request)
        connections.append(connection)
    for connection in connections:
        connection.recv(65536)  # the head
    memory = server.memory_bytes() - before
    seen = threading.Semaphore(0)

    def see() -> None:
        waiting = dict.fromkeys(connections, b"")
        import select

        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], 120)
            for connection in ready:
                waiting[connection] += connection.recv(65536)
                if b"measured once" in waiting[connection] or b"promoted" in waiting[connection]:
                    del waiting[connection]
                    seen.release()

    thread = threading.Thread(target=see)
    thread.start()
    begun = time.perf_counter()
    body = {"version": "2.0.0", "reason": "measured once", "force": True}
    server.ask(server.connect(), "POST", "/api/v1/models/model0:promote", body)
    for _ in range(WATCHERS):
        assert seen.acquire(timeout=120)
    took_s = time.perf_counter() - begun
    thread.join()
    for connection in connections:
        connection.close()
    return took_s, memory


def main() -> int:
    """Run all, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", default=shutil.which("mlflow"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200)
    asked = parser.parse_args()
    if asked.mlflow is None:
        sys.stderr.write("mlflow is not installed: give --mlflow the program of another place\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(page(Path(name), asked.mlflow, asked.rounds, asked.count))
    sys.stdout.write(PAGE.read_text())
    return 0


def page(folder: Path, mlflow: str, rounds: int, count: int) -> str:
    """Measure everything and say it."""
    store = folder / "store"
    store.mkdir()
    os.environ["HOME"] = str(folder)  # with caches of its own, not those of all this machine did
    fill(store)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    commands = {
        "holdfast web": (ours(store), "/ready", bearer),
        "mlflow server": (mlflows(mlflow, folder), "/health", {}),
    }
    with (
        started("mlflow server", *commands["mlflow server"]) as (peer, _),
        started("holdfast web", *commands["holdfast web"]) as (server, _),
    ):
        fill_mlflow(peer)
        times = moved(server, peer, count)
        sent_s, limit_s, hashed_s = uploaded(server, folder, 5)
        seen_s, watchers_bytes = watched(server)
    idle = starts(commands, rounds)
    (our_s, our_bytes), (their_s, their_bytes) = idle["holdfast web"], idle["mlflow server"]
    rows = [
        ("start until it answers", f"{our_s:.2f} s", f"{their_s:.2f} s", their_s / our_s, "≥ 20"),
        (
            "idle memory (Pss)", f"{our_bytes / 1e6:.0f} MB", f"{their_bytes / 1e6:.0f} MB",
            their_bytes / our_bytes, "≥ 15",
        ),
    ]  # fmt: skip
    wanted = {"promote": "≥ 5", "resolve": "≥ 5"}
    for name, (our, their) in times.items():
        shown = f"{our * 1e3:.2f} ms", f"{their * 1e3:.2f} ms"
        rows.append((name, *shown, their / our, wanted.get(name, "")))
    lines = [
        "# Benchmarks of the team's server",
        "",
        "Measured by `python -m benchmarks.web.run`, which writes this page: both servers up at",
        f"once, one worker each, over {MODELS:,} models; medians of {count} requests in turn,",
        f"{rounds} starts.",
        "",
        (
            f"Python {platform.python_version()}, {os.cpu_count()} processors, SQLite "
            f"{sqlite3.sqlite_version}."
        ),
        "",
        "| | `holdfast web` | `mlflow server` | times better | goal |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {a} | {b} | {c} | {d:.1f} | {e} |" for a, b, c, d, e in rows),
        "",
        f"An upload of 200 MiB took {sent_s:.2f} s. Reading, hashing, writing and syncing the same",
        f"file in one pass here takes {limit_s:.2f} s, {limit_s / sent_s:.2f} of that (goal 0.7),",
        f"hashing alone {hashed_s:.2f} s.",
        "",
        (
            f"A promotion was seen by {WATCHERS} watchers within {seen_s * 1e3:.0f} ms; they cost "
            f"{watchers_bytes / 1e6:.1f} MB."
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
