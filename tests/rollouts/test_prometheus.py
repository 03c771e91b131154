"""Counts from Prometheus: Debian's own server, scraping a process of ours."""

import contextlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from msgspec.structs import replace
from tests.servers.prometheus import scraping
from tests.servers.running import HOST, free_port

from holdfast.core.entry import format_time
from holdfast.core.fleet import Counts, Sides, StepCounts
from holdfast.core.rollout import aggregation
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Rollout
from holdfast.core.rollout.verdict import judge
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.rollouts.prometheus import FAILURES, REQUESTS, SLOWER, Prometheus

PATIENCE_S = 60.0
ROLLOUT = Rollout(
    number=40,
    seq=17,
    version="1.1.0",
    was="1.0.0",
    plan=Plan(steps=(0.05, 0.5, 1.0)),
    analysis=Analysis(),
    by="ada",
    started_at=format_time(datetime.now(UTC) - timedelta(minutes=1)),
    since=format_time(datetime.now(UTC)),
    step=1,
    baseline=Baseline(2_000, ((0.5, 100), (0.99, 900))),
)

EXPORTER = """
import json, sys
from prometheus_client import CollectorRegistry, Counter, start_http_server
registry, counters = CollectorRegistry(), {}
start_http_server(int(sys.argv[1]), "127.0.0.1", registry)
for line in sys.stdin:
    name, labels, count = json.loads(line)
    if name not in counters:
        counters[name] = Counter(name, "x", list(labels), registry=registry)
    counters[name].labels(**labels).inc(count)
    print(flush=True)
"""


class Exporter:
    """A worker's metrics, in a process that can end and begin again at the same address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._command = [sys.executable, "-c", EXPORTER, str(port)]
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)

    def add(self, metric: str, count: int, role: str, step: int = 0, **labels: str) -> None:
        sides = {"model": "iris", "rollout": "40", "step": str(step), "role": role}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([metric, sides | labels, count]) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def side(self, requests: int, failures: int, role: str, step: int = 0, **labels: str) -> None:
        self.add(FAILURES, failures, role, step, **labels)
        self.add(REQUESTS, requests, role, step, **labels)

    def restart(self) -> None:
        self.stop()
        self._process = self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def exporters() -> Iterator[list[Exporter]]:
    """Two workers."""
    made = [Exporter(free_port()) for _ in range(2)]
    yield made
    for exporter in made:
        exporter.stop()


@pytest.fixture
def server(exporters: list[Exporter], tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus server of Debian's that looks at both five times a second."""
    ports = [exporter.port for exporter in exporters]
    with scraping(ports, tmp_path) as url:
        yield Prometheus(url, "iris")


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def steps(source: Prometheus, rollout: Rollout = ROLLOUT) -> tuple[StepCounts, ...]:
    return tuple(step for counts in source.counts(rollout) for step in counts.steps)


def requests(source: Prometheus) -> list[Sides]:
    return [step.requests for step in steps(source)]


def test_counts_of_all_workers_are_added_up_by_step(
    server: Prometheus, exporters: list[Exporter]
) -> None:
    first_exporter, other = exporters
    for exporter in (first_exporter, other):
        exporter.side(7, 1, "canary")
        exporter.side(90, 2, "active")
    other.side(50, 0, "canary", step=1)
    other.side(51, 3, "active", step=1)
    other.side(9, 9, "active", step=1, rollout="39")
    other.side(9, 9, "canary", step=-1)
    other.side(9, 9, "canary", step=7)
    other.side(9, 9, "shadow", step=1)

    wait_for(lambda: requests(server) == [Sides(14, 180), Sides(50, 51)])

    first, second = steps(server)
    assert (first.step, first.weight, first.failures) == (0, 0.05, Sides(2, 4))
    assert (second.step, second.weight, second.failures) == (1, 0.5, Sides(0, 3))


def test_a_worker_that_began_again_loses_nothing_that_was_scraped(
    server: Prometheus, exporters: list[Exporter]
) -> None:
    exporter, _ = exporters
    exporter.side(100, 4, "canary")
    exporter.side(100, 0, "active")
    wait_for(lambda: requests(server) == [Sides(100, 100)])
    exporter.restart()
    exporter.side(30, 1, "canary")
    exporter.side(20, 0, "active")

    wait_for(lambda: requests(server) == [Sides(130, 120)])

    assert steps(server)[0].failures == Sides(5, 0)


def test_without_a_counter_of_failures_nothing_is_counted_and_the_rollout_holds(
    server: Prometheus, exporters: list[Exporter]
) -> None:
    exporters[0].side(500, 0, "active")
    exporters[0].add(REQUESTS, 500, "canary")
    exporters[0].add(FAILURES.replace("failures", "errors"), 500, "canary")
    wait_for(lambda: "no holdfast_rollout_failures_total of step 0, canary" in told(server))

    seen = aggregation.seen(ROLLOUT, server.counts(ROLLOUT), 86_000.0)
    verdict = judge(ROLLOUT.plan, ROLLOUT.analysis, seen)

    assert verdict.outcome == "hold"
    assert verdict.canary is not None
    assert verdict.canary.requests == 0


def told(source: Prometheus) -> str:
    """Return what the log says of why nothing was counted; nothing where something was."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("holdfast.rollouts.prometheus")
    log.addHandler(handler)
    counted = source.counts(ROLLOUT)
    log.removeHandler(handler)
    return "" if counted else " ".join(messages)


def test_latency_is_measured_where_every_side_exports_the_quantile(
    server: Prometheus, exporters: list[Exporter]
) -> None:
    exporter, _ = exporters
    for role in ("canary", "active"):
        exporter.add(SLOWER, 5, role, quantile="0.5")
    exporter.add(SLOWER, 1, "canary", quantile="0.99")
    for role in ("canary", "active"):
        exporter.side(10, 0, role)
    wait_for(lambda: requests(server) == [Sides(10, 10)])

    (counts,) = server.counts(ROLLOUT)

    assert counts.steps[0].slower == ((0.5, Sides(5, 5)),)
    assert counts.unmeasured == (0.99,)
    assert list(aggregation.seen(ROLLOUT, [counts], 0.0).latency) == [0.5]


def test_before_the_baseline_no_latency_is_asked_for(
    server: Prometheus, exporters: list[Exporter]
) -> None:
    for role in ("canary", "active"):
        exporters[0].side(10, 0, role)
    wait_for(lambda: requests(server) == [Sides(10, 10)])

    (counts,) = server.counts(replace(ROLLOUT, baseline=None))

    assert (counts.worker, counts.unmeasured) == ("prometheus", ())


def test_nobody_counted_is_absent(server: Prometheus) -> None:
    assert "has no holdfast_rollout_requests_total of it" in told(server)


def test_a_query_that_the_server_refuses_is_absent(server: Prometheus) -> None:
    never = replace(ROLLOUT, started_at="0001-01-01T00:00:00Z")
    strange = Prometheus(server.url, 'a"} or vector(1) or x{y="')

    assert strange.counts(ROLLOUT) == []
    assert server.counts(replace(never, number=41)) == []


@contextlib.contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sampled(value: str) -> bytes:
    series = {"metric": {"step": "0", "role": "canary"}, "values": [[1.0, value]]}
    return json.dumps({"status": "success", "data": {"result": [series]}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (502, b"<html>", "answers 502"),
        (200, b"<html>", "is not a Prometheus server"),
        (400, b'{"status": "error", "error": "bad query"}', "refuses: bad query"),
        (200, sampled("NaN"), "a counter is NaN"),
        (200, sampled("-1"), "a counter is -1"),
        (200, sampled("many"), "a counter is many"),
        (200, sampled("+Inf"), "a counter is +Inf"),
        (200, sampled("1e308"), "a counter is 1e308"),
        (200, sampled("0").replace(b'"0"', b'"Infinity"', 1), "has no holdfast"),
        (200, sampled("0").replace(b'"0"', b'"NaN"', 1), "has no holdfast"),
    ],
)
def test_an_answer_that_tells_no_counts_is_absent(status: int, body: bytes, message: str) -> None:
    with answering(status, body) as url:
        assert message in told(Prometheus(url, "iris"))


def test_whoever_answers_does_not_choose_who_is_asked_next() -> None:
    """The other would be asked in this machine's name: for a cloud's credentials, say."""
    with answering(200, sampled("7")) as other:
        for location in (other, "file:///etc/passwd", "http://169.254.169.254/latest/meta-data"):
            with answering(302, b"<html>", Location=location) as url:
                assert "answers 302" in told(Prometheus(url, "iris"))


def test_a_server_that_cannot_be_reached_is_absent() -> None:
    nobody = Prometheus(f"http://{HOST}:{free_port()}", "iris")
    hidden = Prometheus(f"https://{HOST}:{free_port()}", "iris")

    assert "does not answer" in told(nobody)
    assert "does not answer" in told(hidden)


@pytest.mark.parametrize(
    "rollout",
    [
        replace(ROLLOUT, sticky="header:X-User-Id"),
        replace(ROLLOUT, plan=Plan(strategy="shadow", steps=(1.0,))),
    ],
)
def test_what_counters_cannot_tell_is_refused(rollout: Rollout) -> None:
    with pytest.raises(
        UnsupportedError, match="Prometheus: sticky routing and shadows need keys or pairs"
    ):
        Prometheus("http://localhost:1", "iris").counts(rollout)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has no valid address"):
        Prometheus("prometheus:9090", "iris").counts(ROLLOUT)


def test_counts_say_whose_they_are(server: Prometheus, exporters: list[Exporter]) -> None:
    exporters[0].side(1, 0, "active")
    wait_for(lambda: requests(server) == [Sides(0, 1)])

    (counts,) = server.counts(ROLLOUT)

    assert isinstance(counts, Counts)
    assert (counts.model, counts.rollout) == ("iris", 40)
