"""Spans, as a receiver of OTLP over HTTP gets them."""

import http.client
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from tests.serving.facing import (
    NUMBERS,
    Does,
    made,
    rollout,
    routing_table,
    running,
    served,
    sums,
    until,
)
from tests.serving.facing_rpc import call, infer_request, rpc_running
from tests.serving.serving import BODY, MODEL, Serving, telling

import holdfast
from holdfast.errors import MissingLibraryError
from holdfast.serving.telemetry.tracing import TracingSink

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
ROWS = {"instances": [[41.5, 2]]}
SERVER, INTERNAL = 2, 1
ERROR = 2


class Collector:
    """A receiver of spans."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                request = trace_service_pb2.ExportTraceServiceRequest.FromString(
                    self.rfile.read(length)
                )
                for resource in request.resource_spans:
                    collector.resources.append(plain(resource.resource.attributes))
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wait(self, count: int) -> list[Any]:
        """Wait until so many spans came."""
        until(lambda: len(self.spans) >= count)
        return sorted(self.spans, key=lambda span: span.start_time_unix_nano)


def plain(attributes: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
        for attribute in attributes
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join(30)
    collector.server.server_close()


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@contextmanager
def tracing(monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[TracingSink]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    sink = TracingSink.begun("here-1-abc")
    yield sink
    sink.close()


def test_a_request_is_a_span_and_its_models_call_one_below_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_ns = time.time_ns()
    with tracing(monkeypatch, collector.url) as spans:
        with running(served(routing_table(sums())), sinks=[spans]) as server:
            document = server.post(
                "/predict", ROWS, traceparent=TRACEPARENT, tracestate="a=1", x_request_id="mine"
            ).json()
        received_spans = collector.wait(2)
    (whole,) = (span for span in received_spans if span.kind == SERVER)
    (below,) = (span for span in received_spans if span.kind == INTERNAL)

    assert whole.name == "predict iris"
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, PARENT)
    assert whole.trace_state == "a=1"
    assert plain(whole.attributes) == {
        "holdfast.model": "iris",
        "holdfast.version": "1.0.0",
        "holdfast.role": "active",
        "holdfast.prediction_id": document["prediction_id"],
        "holdfast.request_id": "mine",
        "http.response.status_code": 200,
    }
    assert (below.name, below.parent_span_id) == ("call iris@1.0.0", whole.span_id)
    assert (below.trace_id, plain(below.attributes)) == (whole.trace_id, {"holdfast.batch": 1})
    assert before_ns // 10**6 * 10**6 <= whole.start_time_unix_nano + 10**6
    assert whole.start_time_unix_nano <= below.start_time_unix_nano
    assert below.end_time_unix_nano <= whole.end_time_unix_nano + 1_000
    assert collector.resources[0]["service.name"] == "holdfast"
    assert collector.resources[0]["service.instance.id"] == "here-1-abc"


def test_a_trace_that_is_not_sampled_sends_nothing_and_one_without_a_parent_is_new(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracing(monkeypatch, collector.url) as spans:
        with running(served(routing_table(sums())), sinks=[spans]) as server:
            server.post("/predict", ROWS, traceparent=TRACEPARENT[:-1] + "0")
            server.post("/predict", ROWS, traceparent="0" * 55)
            server.post("/predict", ROWS, traceparent="nonsense")
            server.post("/predict", ROWS)
        received_spans = collector.wait(6)
    whole = [span for span in received_spans if span.kind == SERVER]

    assert len(whole) == 3
    assert not any(span.parent_span_id for span in whole)
    assert len({span.trace_id for span in whole}) == 3


def test_failures_refusals_and_shadows_are_told_without_a_word_of_the_request(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(rows: Any) -> Any:
        raise RuntimeError(f"secret {rows}")

    number = rollout(strategy="shadow", weight=1.0)
    candidate = made(Does(fails), "1.1.0", input_schema=NUMBERS)
    house = served(routing_table(sums(), candidate=candidate, rollout=number))
    with tracing(monkeypatch, collector.url) as spans:
        with running(house, sinks=[spans]) as server:
            server.app.tracing = spans
            server.post("/predict", {"instances": [["secret", 2]]})
            server.post("/predict", ROWS)
            server.post("/models/rose/predict", ROWS, traceparent=TRACEPARENT)
            server.forget()
        received_spans = collector.wait(5)
    by_status = {
        (plain(span.attributes).get("http.response.status_code"), span.kind): span
        for span in received_spans
    }
    failed = by_status[500, INTERNAL]
    missing = by_status[404, SERVER]

    assert plain(by_status[422, SERVER].attributes)["holdfast.version"] == "1.0.0"
    assert failed.status.code == ERROR
    assert plain(failed.attributes)["holdfast.role"] == "shadow"
    assert plain(failed.attributes)["error.type"] == "RuntimeError"
    assert plain(failed.attributes)["holdfast.rollout"] == 7
    assert missing.trace_id.hex() == TRACE
    assert not any(b"secret" in span.SerializeToString() for span in received_spans)


def test_a_call_over_grpc_is_a_span_too(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracing(monkeypatch, collector.url) as spans:
        with rpc_running(served(routing_table(sums())), sinks=[spans]) as server:
            call(server.address, "ModelInfer", infer_request(), traceparent=TRACEPARENT)
        received_spans = collector.wait(2)

    assert {span.trace_id.hex() for span in received_spans} == {TRACE}
    assert [span.kind for span in received_spans].count(SERVER) == 1


def test_the_standard_variables_name_the_service(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "scoring")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with tracing(monkeypatch, collector.url) as spans:
        with running(served(routing_table(sums())), sinks=[spans]) as server:
            server.post("/predict", ROWS)
        collector.wait(2)

    assert collector.resources[0]["service.name"] == "scoring"
    assert collector.resources[0]["deployment.environment"] == "test"


def test_a_collector_that_is_away_or_never_answers_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        for url in ("http://127.0.0.1:9", f"http://127.0.0.1:{silent.getsockname()[1]}"):
            with (
                tracing(monkeypatch, url) as spans,
                running(served(routing_table(sums())), sinks=[spans]) as server,
            ):
                statuses = {server.post("/predict", ROWS).status_code for _ in range(50)}

            assert statuses == {200}
            assert not spans._thread.is_alive()


def test_what_nobody_takes_in_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.serving.telemetry.tracing._MOST_WAITING", 0)
    with tracing(monkeypatch, "http://127.0.0.1:9") as spans:
        with running(served(routing_table(sums())), sinks=[spans]) as server:
            server.app.tracing = spans
            statuses = [
                server.post(path, ROWS).status_code for path in ("/predict", "/models/x/predict")
            ]
        waiting = spans._waiting.qsize()

    assert statuses == [200, 404]
    assert waiting == 0


def test_a_span_that_cannot_be_made_is_no_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with tracing(monkeypatch, collector.url) as spans:
        spans.refused("iris", 400, {b"traceparent": b"\xff"})
        spans._waiting.put(object())  # type: ignore[arg-type]
        spans.refused("iris", 503, {})
        received_spans = collector.wait(2)

    assert [plain(span.attributes)["http.response.status_code"] for span in received_spans] == [
        400,
        503,
    ]
    assert "a span could not be made" in caplog.text


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingLibraryError, match="otel"):
        TracingSink.begun("here")


def test_a_server_that_exports_nothing_imports_nothing_of_it() -> None:
    program = "import sys, holdfast.serving.server; print('opentelemetry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )

    assert done.stdout == "False\n"


def test_a_restrained_server_exports(collector: Collector, tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
    options = ["--otel", "--sandbox", "auto"]
    with Serving(tmp_path / "store", tmp_path, *options, environment=environment) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"content-type": "application/json", "traceparent": TRACEPARENT}
        connection.request("POST", "/predict", BODY, headers)
        document = json.loads(connection.getresponse().read())
        connection.close()
        received_spans = collector.wait(2)
    (whole,) = (span for span in received_spans if span.kind == SERVER)

    assert plain(whole.attributes)["holdfast.prediction_id"] == document["prediction_id"]
    assert whole.trace_id.hex() == TRACE
