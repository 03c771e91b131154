"""Measure what the sandbox costs: time to ready, latency and throughput, with it against without.

`python -m benchmarks.sandbox_cost` prints a table for docs/guides/sandbox.md. Pairs are
interleaved, each with and without at once or in turn, and ratios are medians over pairs with their
quartiles, so that what else the machine does hits both of them.
"""

import argparse
import http.client
import itertools
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

import holdfast

_MODES = ("off", "auto")
_COLUMNS = 25
_LARGE_ROWS = 1_000_000
_CONNECTIONS = 4
_BODY = json.dumps({"instances": [[0.0] * _COLUMNS]})
_START_S = 300


def main() -> int:
    """Measure, and print what is to stand in the guide."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=9, help="pairs of starts for each model")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of rounds of load")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = stored(folder / "store")
        lines = [
            told(f"time to ready, {model} ({size / 1e6:.2g} MB)", pairs, "s")
            for model, size in sizes.items()
            for pairs in [starts(folder, model, given.starts)]
        ]
        rates, p99 = loads(folder, "small", given.rounds, given.seconds)
    lines += [told("requests a second", rates, ""), told("p99", p99, "ms")]
    command = " ".join(["python -m benchmarks.sandbox_cost", *sys.argv[1:]])
    place = f"{os.cpu_count()} processors, Linux {platform.release().partition('-')[0]}"
    print(f"Measured by `{command}` on {place}, load {os.getloadavg()[0]:.1f}:\n")
    print("| | without | with | with / without (quartiles) |\n|---|---|---|---|")
    print("\n".join(lines))
    return 0


def stored(store: Path) -> dict[str, int]:
    """Register a small model and one of 200 MB, and return their sizes."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, _COLUMNS))
    registry = holdfast.open(store, by="bench")
    scaler = StandardScaler().fit(rows)
    small = LogisticRegression().fit(scaler.transform(rows), rows[:, 0] > 0)
    many = random.normal(size=(_LARGE_ROWS, _COLUMNS))
    large = KNeighborsRegressor(1, algorithm="brute").fit(many, many[:, 0])
    example = rows[:1].tolist()
    registry.register("small", small, scaler, input_example=example)
    registry.register("large", large, input_example=example)
    sizes = {}
    for model in ("small", "large"):
        registry.promote(f"{model}@latest")
        artifacts = registry.manifest(f"{model}@latest").artifacts.values()
        sizes[model] = sum(one.size_bytes for one in artifacts)
    return sizes


@dataclass
class Server:
    """A server, and when it was begun."""

    port: int
    process: subprocess.Popen[bytes]
    begun_s: float

    def ready_s(self) -> float:
        """Wait until it is ready, and return how long it took since it was begun."""
        while time.perf_counter() - self.begun_s < _START_S:
            if self.process.poll() is not None:
                raise RuntimeError(f"a server ended with {self.process.returncode}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    return time.perf_counter() - self.begun_s
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError("a server did not get ready")


@contextmanager
def running(folder: Path, model: str, mode: str) -> Iterator[Server]:
    """Begin a server, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "holdfast", "serve", model, "--store", str(folder / "store")]
    command += ["--port", str(port), "--log", "none", "--sandbox", mode]
    begun_s = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield Server(port, process, begun_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def starts(folder: Path, model: str, count: int) -> list[tuple[float, float]]:
    """Start it without and with the sandbox, in turn; the first pair warms the disk's cache."""
    pairs = []
    for turn in range(count + 1):
        took = {}
        for mode in _MODES if turn % 2 else reversed(_MODES):
            with running(folder, model, mode) as server:
                took[mode] = server.ready_s()
        pairs.append((took["off"], took["auto"]))
    return pairs[1:]


def loads(
    folder: Path, model: str, rounds: int, seconds: float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Ask both servers in turn, while both are up; returns rates, and p99 in ms, by pairs."""
    rates, latencies = [], []
    with ExitStack() as stack:
        servers = {mode: stack.enter_context(running(folder, model, mode)) for mode in _MODES}
        for server in servers.values():
            server.ready_s()
            ask(server.port, 1.0)
        for turn in range(rounds):
            found = {}
            for mode in _MODES if turn % 2 else reversed(_MODES):
                found[mode] = ask(servers[mode].port, seconds)
            both = [sorted(found[mode]) for mode in _MODES]
            rates.append((len(both[0]) / seconds, len(both[1]) / seconds))
            latencies.append((_p99_ms(both[0]), _p99_ms(both[1])))
    return rates, latencies


def ask(port: int, seconds: float) -> list[float]:
    """Ask on some connections for some seconds, and return how long each answer took."""
    found: list[list[float]] = [[] for _ in range(_CONNECTIONS)]
    end_s = time.perf_counter() + seconds

    def call(times: list[float]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while (begun_s := time.perf_counter()) < end_s:
            connection.request("POST", "/predict", _BODY, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}")
            times.append(time.perf_counter() - begun_s)
        connection.close()

    threads = [threading.Thread(target=call, args=(times,)) for times in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(itertools.chain.from_iterable(found))


def _p99_ms(times: Sequence[float]) -> float:
    return times[min(len(times) - 1, len(times) * 99 // 100)] * 1000


def told(name: str, pairs: Sequence[tuple[float, float]], unit: str) -> str:
    """Write a row of the table."""
    without, with_it = (statistics.median(one) for one in zip(*pairs, strict=True))
    ratios = [after / before for before, after in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    shown = f"{unit and ' '}{unit}"
    return (
        f"| {name} | {without:.3g}{shown} | {with_it:.3g}{shown} "
        f"| {middle:.2f} ({low:.2f}–{high:.2f}) |"
    )


if __name__ == "__main__":
    sys.exit(main())
