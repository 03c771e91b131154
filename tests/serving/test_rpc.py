"""Calls over gRPC go the way of requests over HTTP: token, routing, limits, log, metrics."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tests.servers.running import free_port
from tests.serving.facing import NUMBERS, Does, made, rollout, routing_table, served, sums, until
from tests.serving.facing_rpc import Rpc, call, infer_request, rpc_running, tensor
from tests.serving.serving import MODEL, Serving, due, telling
from tritonclient.utils import InferenceServerException

import holdfast
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.http import addresses
from holdfast.http.access_log import AccessLog
from holdfast.http.connection_limits import ConnectionLimits
from holdfast.serving.protocols.protocol_messages import SERVICE, message
from holdfast.serving.rpc import RpcServer
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.web.application import LOGGED, application

INFER = f"/{SERVICE}/ModelInfer"
CODE = grpc.StatusCode
AUTHORIZATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"authorization": "Bearer wrong"},
    {"authorization": "sesame"},
)


@pytest.fixture(scope="module")
def server() -> Iterator[Rpc]:
    with rpc_running(served(routing_table(sums()))) as rpc:
        yield rpc


@pytest.fixture(autouse=True)
def calm(server: Rpc) -> None:
    server.put(routing_table(sums()))
    server.told.all.clear()
    server.served.draining = False


def trailing(done: Any) -> dict[str, str]:
    return dict(done.trailing_metadata())


def test_health_is_told_as_over_http(server: Rpc) -> None:
    client = triton.InferenceServerClient(server.address)
    ready = client.is_server_live(), client.is_server_ready(), client.is_model_ready("iris")
    versions = client.is_model_ready("iris", "1.0.0"), client.is_model_ready("iris", "9.0.0")
    metadata = client.get_server_metadata()
    server.put(routing_table(None))
    unready = client.is_server_live(), client.is_server_ready(), client.is_model_ready("iris")
    server.put(routing_table(sums()))
    server.served.draining = True
    draining = client.is_server_live(), client.is_server_ready(), client.is_model_ready("iris")
    client.close()

    assert ready == (True, True, True)
    assert versions == (True, False)
    assert (metadata.name, metadata.version) == ("holdfast", holdfast.__version__)
    assert unready == (True, False, False)
    assert draining == (True, False, True)


def test_a_call_is_told_with_its_ids_and_its_inputs(server: Rpc) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    answer, done = call(
        server.address, "ModelInfer", infer_request(), x_request_id="mine", traceparent=parent
    )
    (finished_request,) = server.told.wait(1)
    trailers = trailing(done)

    assert finished_request.prediction_id == answer.parameters["prediction_id"].string_param
    assert (
        finished_request.request_id,
        finished_request.trace_id,
        finished_request.status,
        finished_request.role,
    ) == ("mine", trace, 200, "active")
    assert finished_request.given["input"].tolist() == [[1.0, 2.0]]
    assert finished_request.output == b"[3.0]"
    assert trailers["x-prediction-id"] == finished_request.prediction_id
    assert (trailers["x-request-id"], trailers["x-model-version"]) == ("mine", "1.0.0")


def test_a_canary_gets_its_share_and_its_callers_keep_to_it(server: Rpc) -> None:
    number = rollout(weight=0.5, sticky="header:X-User")
    server.put(routing_table(sums(), candidate=sums("1.1.0", 100), rollout=number))
    sides: dict[str, set[tuple[str, float]]] = {}
    for _ in range(2):
        for user in map(str, range(12)):
            answer, done = call(server.address, "ModelInfer", infer_request(), x_user=user)
            version = trailing(done)["x-model-version"]
            assert answer.model_version == version
            values = np.frombuffer(answer.raw_output_contents[0]).tolist()
            sides.setdefault(user, set()).add((version, values[0]))
    forced, done = call(server.address, "ModelInfer", infer_request(), x_holdfast_role="canary")
    results = server.told.wait(25)

    assert all(len(side) == 1 for side in sides.values())
    assert set().union(*sides.values()) == {("1.0.0", 3.0), ("1.1.0", 103.0)}
    assert forced.model_version == "1.1.0"
    assert trailing(done)["x-model-role"] == "canary"
    assert [finished_request.counted for finished_request in results] == [True] * 24 + [False]
    assert len({finished_request.key for finished_request in results[:24]}) == 12


def test_a_sticky_key_may_be_a_parameter(server: Rpc) -> None:
    number = rollout(weight=0.5, sticky="field:user")
    server.put(routing_table(sums(), candidate=sums("1.1.0"), rollout=number))
    for user in "abcabc":
        request = infer_request()
        request.parameters["user"].string_param = user
        request.parameters["nothing"].Clear()
        call(server.address, "ModelInfer", request)
    results = server.told.wait(6)

    assert [finished_request.key for finished_request in results[:3]] == [
        finished_request.key for finished_request in results[3:]
    ]
    assert len({finished_request.key for finished_request in results}) == 3


class Scales:
    """Multiplies sums by a parameter, as a function that MLflow loads would."""

    call_params = MappingProxyType({"by": {"type": ["number", "null"]}})

    def predict(self, rows: Any, params: Any = None) -> Any:
        return rows.sum(axis=1) * (params or {"by": 1})["by"]


def test_a_parameter_that_the_version_knows_reaches_its_model_and_the_log(server: Rpc) -> None:
    server.put(routing_table(made(Scales(), input_schema=NUMBERS)))
    request = infer_request()
    request.parameters["by"].double_param = 2.5
    request.parameters["priority"].int64_param = 1
    answer, _ = call(server.address, "ModelInfer", request)
    (finished_request,) = server.told.wait(1)

    assert np.frombuffer(answer.raw_output_contents[0]).tolist() == [7.5]
    assert finished_request.given["params"] == {"by": 2.5}
    assert finished_request.given["inputs"]["input"].tolist() == [[1.0, 2.0]]


def test_a_caller_may_pin_a_version_where_the_server_lets_him(server: Rpc) -> None:
    server.put(routing_table(sums(), kept={"2.0.0": sums("2.0.0")}))
    request = infer_request(model_version="2.0.0")
    answer, done = call(server.address, "ModelInfer", request)
    missing, _ = call(server.address, "ModelInfer", infer_request(model_version="3.0.0"))
    with rpc_running(server.served, ServerLimits(pinning=False)) as strict:
        forbidden, _ = call(strict.address, "ModelInfer", request)

    assert (answer.model_version, trailing(done)["x-model-role"]) == ("2.0.0", "pinned")
    assert missing.code() is CODE.NOT_FOUND
    assert forbidden.code() is CODE.PERMISSION_DENIED


def test_a_token_is_asked_for_before_the_message_is_read(server: Rpc) -> None:
    over = threading.Event()
    with rpc_running(server.served, ServerLimits(token="open sesame")) as rpc:
        health = [call(rpc.address, name)[0] for name in ("ServerLive", "ServerReady")]
        refused = [
            call(rpc.address, "ModelInfer", infer_request(), **metadata)
            for metadata in AUTHORIZATIONS
        ]
        others = [call(rpc.address, name)[0] for name in ("ServerMetadata", "ModelMetadata")]
        unread, _ = call(rpc.address, "ModelInfer", b"\xff")
        answer, _ = call(
            rpc.address, "ModelInfer", infer_request(), authorization="Bearer open sesame"
        )
        with grpc.insecure_channel(rpc.address) as channel:
            silent = channel.stream_unary(INFER).future(_nothing_until(over), timeout=30)
            code = silent.exception().code()
            over.set()
        page = rpc.app.metrics.text()[0].decode()

    assert [health[0].live, health[1].ready] == [True, True]
    assert {error.code() for error, _ in refused} == {CODE.UNAUTHENTICATED}
    assert {error.code() for error in others} == {CODE.UNAUTHENTICATED}
    assert trailing(refused[0][1])["www-authenticate"] == "Bearer"
    assert unread.code() is CODE.UNAUTHENTICATED
    assert code is CODE.UNAUTHENTICATED
    assert answer.model_version == "1.0.0"
    assert 'holdfast_requests_total{code="401",model="",role="",version=""} 7.0' in page


def _nothing_until(over: threading.Event) -> Iterator[bytes]:
    """Begin a call, and send no message."""
    over.wait(60)
    yield from ()


def test_two_tokens_are_refused(server: Rpc) -> None:
    with grpc.insecure_channel(server.address) as channel:
        metadata = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary(INFER)(b"", metadata=metadata, timeout=30)

    assert failed.value.code() is CODE.INVALID_ARGUMENT
    assert "more than once" in failed.value.details()


def test_a_message_that_does_not_come_ends_its_call(server: Rpc) -> None:
    over = threading.Event()
    with (
        rpc_running(server.served, ServerLimits(timeout_s=0.2)) as rpc,
        grpc.insecure_channel(rpc.address) as channel,
    ):
        error = channel.stream_unary(INFER).future(_nothing_until(over), timeout=30).exception()
        over.set()
        empty = channel.stream_unary(INFER).future(iter(()), timeout=30).exception()

    assert error.code() is CODE.DEADLINE_EXCEEDED
    assert error.details() == "the message did not come within 0.2 s"
    assert empty.code() is CODE.INVALID_ARGUMENT
    assert "no message" in empty.details()


def test_a_message_that_is_too_long_is_refused_however_it_is_packed(server: Rpc) -> None:
    rows = np.zeros((100_000, 2))
    with rpc_running(server.served, ServerLimits(body_bytes=10_000)) as rpc:
        error, _ = call(rpc.address, "ModelInfer", infer_request(rows=rows))
        assert len(gzip.compress(infer_request(rows=rows).SerializeToString())) < 10_000
        with (
            triton.InferenceServerClient(rpc.address) as client,
            pytest.raises(InferenceServerException) as failed,
        ):
            client.infer("iris", [tensor("input", rows)], compression_algorithm="gzip")
        answer, _ = call(rpc.address, "ModelInfer", infer_request())
        results = rpc.told.wait(1)

    assert error.code() is CODE.RESOURCE_EXHAUSTED
    assert failed.value.status() == "StatusCode.UNIMPLEMENTED"
    assert answer.model_version == "1.0.0"
    assert len(results) == 1


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _asking(path: str, raw: bytes) -> bytes:
    """Write what a caller sends who never makes room for more of the answer than the first 64 kB.

    Source:
        RFC 9113 (frames: 4 is SETTINGS, 1 HEADERS, 0 DATA), RFC 7541, 6.2.2 (plain headers).
    """
    headers = {
        ":method": "POST", ":scheme": "http", ":path": path, ":authority": "here",
        "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    block = b"".join(
        b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        for name, value in headers.items()
    )
    content = b"\0" + len(raw).to_bytes(4, "big") + raw
    frames = _frame(4, 0, 0) + _frame(4, 1, 0) + _frame(1, 4, 1, block) + _frame(0, 1, 1, content)
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames


def test_an_answer_that_nobody_takes_is_given_up_with_its_connection() -> None:
    house = served(
        routing_table(made(Does(lambda rows: ["a" * 300_000] * len(rows)), input_schema=NUMBERS))
    )
    with rpc_running(house, ServerLimits(timeout_s=0.5)) as one:
        with socket.create_connection(one.address.rsplit(":", 1)) as caller:  # type: ignore[arg-type]
            caller.settimeout(60)
            caller.sendall(_asking(INFER, infer_request().SerializeToString()))
            sent = b"".join(iter(lambda: caller.recv(1 << 16), b""))
        told = one.told.wait(1)

    assert [done.status for done in told] == [200]
    assert sent.count(b"a") > 60_000
    assert len(sent) < 100_000


def test_metadata_that_are_too_long_are_refused(server: Rpc) -> None:
    door = ConnectionLimits(header_bytes=2_000)
    with rpc_running(server.served, ServerLimits(door=door)) as rpc:
        error, _ = call(rpc.address, "ModelInfer", infer_request(), x_long="a" * 10_000)
        answer, _ = call(rpc.address, "ModelInfer", infer_request())

    assert error.code() is CODE.RESOURCE_EXHAUSTED
    assert answer.model_version == "1.0.0"


def test_a_full_queue_refuses_at_once_and_a_caller_who_is_gone_is_given_up() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def predict(rows: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return rows.sum(axis=1)

    house = served(routing_table(made(Does(predict), input_schema=NUMBERS)))
    with rpc_running(house, ServerLimits(queue=1, batch=1)) as rpc, ThreadPoolExecutor(3) as crew:
        called = crew.submit(call, rpc.address, "ModelInfer", infer_request())
        begun.wait(60)
        waiting = crew.submit(
            call, rpc.address, "ModelInfer", infer_request(id="gone"), timeout_s=1.5
        )
        until(lambda: rpc.app.handler.in_flight == 2)
        full, done = call(rpc.address, "ModelInfer", infer_request())
        late, _ = waiting.result(60)
        until(lambda: rpc.app.handler.in_flight == 1)
        go_on.set()
        answer, _ = called.result(60)
        results = rpc.told.wait(3)

    assert full.code() is CODE.UNAVAILABLE
    assert "retry-after" in trailing(done)
    assert late.code() is CODE.DEADLINE_EXCEEDED
    assert answer.model_version == "1.0.0"
    assert sorted(finished_request.status for finished_request in results) == [200, 499, 503]


def test_a_version_that_fails_or_does_not_answer_is_told_by_its_code(server: Rpc) -> None:
    over = threading.Event()

    def fails(rows: Any) -> Any:  # noqa: ARG001 - it looks at no row
        raise RuntimeError("é" * 5_000)

    def hangs(rows: Any) -> Any:  # noqa: ARG001 - it looks at no row
        over.wait(60)

    server.put(routing_table(made(Does(fails), input_schema=NUMBERS)))
    failed, done = call(server.address, "ModelInfer", infer_request())
    wrong, _ = call(server.address, "ModelInfer", infer_request(rows=[[1.0]]))
    house = served(routing_table(made(Does(hangs), input_schema=NUMBERS)))
    with rpc_running(house, ServerLimits(timeout_s=0.2)) as rpc:
        late, _ = call(rpc.address, "ModelInfer", infer_request())
        over.set()
    server.put(routing_table(None))
    unready, _ = call(server.address, "ModelInfer", infer_request())

    assert failed.code() is CODE.INTERNAL
    assert failed.details().startswith("iris@1.0.0 failed: RuntimeError: é")
    assert failed.details().endswith("é…")
    assert trailing(done)["x-model-version"] == "1.0.0"
    assert wrong.code() is CODE.INVALID_ARGUMENT
    assert late.code() is CODE.DEADLINE_EXCEEDED
    assert unready.code() is CODE.UNAVAILABLE


def test_what_is_not_here_is_not_found(server: Rpc) -> None:
    model, _ = call(server.address, "ModelInfer", infer_request("rose"))
    ready, _ = call(server.address, "ModelReady", message("ModelReadyRequest")(name="rose"))
    asked = message("ModelMetadataRequest")(name="iris", version="9.0.0")
    version, _ = call(server.address, "ModelMetadata", asked)
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary(f"/{SERVICE}/Nothing")(b"", timeout=30)

    assert {model.code(), ready.code(), version.code()} == {CODE.NOT_FOUND}
    assert failed.value.code() is CODE.UNIMPLEMENTED


def test_answers_have_lines_in_the_access_log(server: Rpc, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server.app.access = AccessLog(descriptor, LOGGED)
    try:
        call(server.address, "ModelInfer", infer_request(), x_request_id="mine")
        call(server.address, "ModelInfer", infer_request("rose"))
        until(lambda: path.read_bytes().count(b"\n") == 2)
    finally:
        server.app.access.close()
        server.app.access = None
        os.close(descriptor)
    good, bad = (json.loads(line) for line in path.read_text().splitlines())

    assert (good["method"], good["path"], good["status"]) == ("GRPC", INFER, 200)
    assert (good["request_id"], good["version"], good["role"]) == ("mine", "1.0.0", "active")
    assert (bad["status"], bad["path"]) == (404, INFER)


def test_a_connection_that_is_no_grpc_is_closed(server: Rpc) -> None:
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as opened:
        opened.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        received = b""
        while part := opened.recv(4096):
            received += part

    assert b"HTTP/1.1 200" not in received


def test_more_connections_than_allowed_are_closed(server: Rpc) -> None:
    door = ConnectionLimits(connections=2)
    with rpc_running(server.served, ServerLimits(door=door)) as rpc:
        host, port = rpc.address.split(":")
        channels = [grpc.insecure_channel(rpc.address, options=[("n", at)]) for at in range(2)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(30)
        with socket.create_connection((host, int(port)), timeout=30) as third:
            ended = third.recv(1)
        for channel in channels:
            channel.close()

    assert ended == b""


def test_an_ipv6_address_is_listened_on(server: Rpc) -> None:
    app = application(server.served)
    with addresses.taken("::1", 0) as bound_socket:
        port = bound_socket.getsockname()[1]
        rpc = RpcServer(app, bound_socket)
        server.run(rpc.start())
        answer, _ = call(f"[::1]:{port}", "ServerLive")
        server.run(rpc.stop(0))

    assert answer.live


def test_an_address_that_was_not_taken_for_it_is_refused(server: Rpc) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bound_socket = socket.socket()
        bound_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        class Lent(socket.socket):
            def getsockname(self) -> Any:
                return other.getsockname()

        with bound_socket, Lent() as lent:
            rpc = RpcServer(server.app, lent)
            with pytest.raises(InvalidInputError, match="cannot be listened on by gRPC"):
                server.run(rpc.start())
            server.run(rpc.stop(0))


@pytest.mark.parametrize("library", ["grpc", "google.protobuf"])
def test_a_library_that_is_missing_is_named(
    server: Rpc, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message.cache_clear()
    monkeypatch.setitem(sys.modules, library, None)
    with (
        addresses.taken("127.0.0.1", 0) as bound_socket,
        pytest.raises(MissingLibraryError, match="grpc"),
    ):
        server.run(RpcServer(server.app, bound_socket).start())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rpc")
    registry = holdfast.open(folder / "store", by="ana")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    return folder / "store"


def test_workers_answer_at_one_address_under_restraint_and_keep_what_they_answered(
    store: Path, tmp_path: Path
) -> None:
    port = free_port()
    options = ["--grpc-port", str(port), "--workers", "2", "--sandbox", "auto"]
    ids = set()
    with Serving(store, tmp_path, *options) as server:
        address = f"127.0.0.1:{port}"
        for _ in range(40):  # each has a connection of its own, so both workers get some
            answer, _ = call(address, "ModelInfer", infer_request(MODEL, rows=[[0.0]]))
            assert not isinstance(answer, grpc.RpcError), answer
            values = np.frombuffer(answer.raw_output_contents[0]).tolist()
            assert values == [due(answer.model_version)]
            ids.add(answer.parameters["prediction_id"].string_param)
        until(lambda: len(server.workers()) == 2)
        taken = subprocess.run(
            [
                sys.executable, "-m", "holdfast", "serve", MODEL, "--store", str(store),
                "--port", "0", "--grpc-port", str(port), "--log", "none",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )  # fmt: skip
        log_text = server.log
        server.process.send_signal(signal.SIGTERM)
        ended = server.process.wait(120)
    done = subprocess.run(
        [
            sys.executable, "-m", "holdfast", "predictions", "export", "--log",
            str(tmp_path / "predictions"), "--format", "csv",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip

    assert f"and grpc://127.0.0.1:{port}" in log_text
    assert taken.returncode == 2
    assert "cannot be listened on" in taken.stderr
    assert ended == 0
    assert all(prediction_id in done.stdout for prediction_id in ids), done.stderr
    assert len(ids) == 40


def test_another_machine_needs_a_token_for_grpc_as_well(store: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "holdfast", "serve", MODEL, "--store", str(store),
            "--host", "0.0.0.0", "--port", "0", "--grpc-port", "0",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip

    assert done.returncode != 0
    assert "other machines could call it without a token" in done.stderr
