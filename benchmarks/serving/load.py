"""One server under load: started, asked by wrk, its processor time read, ended."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.contenders import Contender

_TICKS = os.sysconf("SC_CLK_TCK")
_START_S = 120
_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = %s
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read
  io.write(string.format("FOUND %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed + summary.errors.connect))
end
"""


@dataclass(frozen=True)
class Round:
    """What one spell of load found.

    Attributes:
        rate: Requests answered in a second.
        p50_us: Median latency in microseconds.
        p99_us: 99 % are answered within this.
        cpu_us: Processor time of the server's processes for each request.
        failed: Requests that failed.
    """

    rate: float
    p50_us: int
    p99_us: int
    cpu_us: float
    failed: int


@dataclass
class Server:
    """A contender that runs."""

    contender: Contender
    port: int
    process: subprocess.Popen[bytes]

    def round(self, connections: int, seconds: int, script: Path) -> Round:
        """Ask for some seconds."""
        url = f"http://127.0.0.1:{self.port}{self.contender.path}"
        script.write_text(_SCRIPT % json.dumps(self.contender.body.decode()))
        before = self.cpu_s()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        spent = self.cpu_s() - before
        match = re.search(r"FOUND (\d+) (\d+) (\d+) (\d+) (\d+)", told)
        assert match, told
        count, duration_us, p50, p99, failed = map(int, match.groups())
        return Round(count / duration_us * 1e6, p50, p99, spent / max(count, 1) * 1e6, failed)

    def cpu_s(self) -> float:
        """Return the processor time of the process and all below it."""
        return sum(_cpu_s(process) for process in _below(self.process.pid))


def _below(root: int) -> Iterator[int]:
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(stat.rpartition(")")[2].split()[1])
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        waiting += [child for child, parent in parents.items() if parent == process]


def _cpu_s(process: int) -> float:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def running(contender: Contender, log: Path) -> Iterator[Server]:
    """Start a contender, wait until it answers, end it with all it started."""
    ports = _free_ports(3)
    named = {"port": str(ports[0]), "port1": str(ports[1]), "port2": str(ports[2])}
    command = [_filled(word, named) for word in contender.command]
    extra = {name: _filled(value, named) for name, value in contender.environment.items()}
    with log.open("wb") as told:
        process = subprocess.Popen(
            command,
            env={**os.environ, **extra},
            cwd=contender.folder,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        _wait(contender, ports[0], process, log)
        if contender.after:
            contender.after(ports[0])
        yield Server(contender, ports[0], process)
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)


def _filled(word: str, named: dict[str, str]) -> str:
    for name, value in named.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _wait(contender: Contender, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    path, data = (contender.ready, None) if contender.ready else (contender.path, contender.body)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"}
    )
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{contender.name} ended:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answered:
                if answered.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{contender.name} did not answer:\n{log.read_text()[-2000:]}")
