"""Paths, tokens, limits and administration, by real servers."""

import base64
import gzip
import hashlib
import http.client
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.serving.facing import (
    Server,
    Sums,
    finish,
    made,
    rollout,
    routing_table,
    running,
    served,
    sums,
)

from holdfast.core.fleet import LoadedVersion
from holdfast.core.rollout.analysis import Analysis, Latency
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.errors import MissingLibraryError
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.telemetry.feedback_queue import Truth
from holdfast.serving.web import documentation
from holdfast.serving.web.application import application
from holdfast.serving.worker_state import WorkerState

ROWS = {"instances": [[1, 2]]}


class Kept:
    def __init__(self) -> None:
        self.truths: list[Truth] = []

    async def keep(self, truths: Sequence[Truth]) -> None:
        self.truths += truths


KEPT = Kept()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    two = served(
        routing_table(sums()), routing_table(made(Sums(5), name="eu/churn"), model="eu/churn")
    )
    with running(two, ServerLimits(body_bytes=1000), keep=KEPT.keep) as server:
        yield server


@pytest.fixture(autouse=True)
def _as_at_first(server: Server) -> None:
    server.put(routing_table(sums()))
    server.served.held.clear()
    server.served.draining = False
    KEPT.truths.clear()


@pytest.mark.parametrize(
    "path", ["/models/iris/predict", "/models/iris/invocations", "/v1/models/iris:predict"]
)
def test_one_of_several_models_is_named_in_the_path(server: Server, path: str) -> None:
    assert server.post(path, ROWS).json()["predictions"] == [3.0]


def test_a_model_with_a_slash_in_its_name_has_its_paths(server: Server) -> None:
    predicted = server.post("/models/eu/churn/predict", ROWS)
    described = server.get("/v2/models/eu/churn")
    ready = server.get("/v2/models/eu/churn/versions/1.0.0/ready")

    assert predicted.json()["predictions"] == [8.0]
    assert described.json()["name"] == "eu/churn"
    assert ready.json() == {"name": "eu/churn", "version": "1.0.0", "ready": True}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/predict", 404, "is not a path of this server"),
        ("POST", "/models/nope/predict", 404, "these are: iris, eu/churn"),
        ("POST", "/v2/models/nope/infer", 404, "'nope' is not served here"),
        ("POST", "/v2/models/nope/versions/1.0.0/infer", 404, "'nope' is not served here"),
        ("POST", "/v1/models/nope:predict", 404, "'nope' is not served here"),
        ("GET", "/v2/models/nope", 404, "'nope' is not served here"),
        ("GET", "/v2/models/iris/versions/9.0.0", 404, "iris@9.0.0 is not in memory here"),
        ("GET", "/models/iris/predict", 405, "use POST"),
        ("DELETE", "/livez", 405, "Method Not Allowed"),
        ("POST", "/v2/repository/models/iris/load", 403, "follow the registry"),
        ("POST", "/v2/repository/models/iris/unload", 403, "follow the registry"),
    ],
)
def test_every_refusal_is_json_with_a_reason(
    server: Server, method: str, path: str, status: int, message: str
) -> None:
    answer = server.client.request(method, path)

    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_body_that_is_too_long_is_refused_declared_or_not(server: Server) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 100

    declared = server.client.post("/models/iris/predict", content=b" " * 1001)
    chunked = server.client.post("/models/iris/predict", content=parts())

    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert "longer than 1,000 bytes" in declared.json()["error"]


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with running(served(routing_table(sums())), ServerLimits(timeout_s=0.2)) as server:
        caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        caller.putrequest("POST", "/predict")
        caller.putheader("content-length", "10")
        caller.endheaders()
        answer = caller.getresponse()
        caller.close()

    assert answer.status == 408


def test_a_caller_that_hangs_up_harms_nobody(server: Server) -> None:
    caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    caller.putrequest("POST", "/models/iris/predict")
    caller.putheader("content-length", "10")
    caller.endheaders(b"[[1")
    caller.close()

    assert server.post("/models/iris/predict", ROWS).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(b'{"instances": [[1, 2]]}', mtime=0), 200),
        ("deflate", zlib.compress(b'{"instances": [[1, 2]]}'), 200),
        ("gzip", b"nonsense", 400),
        ("gzip", gzip.compress(b'{"instances": [[1, 2]]}', mtime=0)[:-9], 400),
        ("gzip", gzip.compress(b" " * 100_000, mtime=0), 413),
        ("gzip", gzip.compress(b" " * 600, mtime=0) * 2, 413),
        ("gzip", gzip.compress(b'{"instances": [[1, 2]]}', mtime=0) + b"more", 400),
        (
            "gzip",
            gzip.compress(b'{"instances": [[1, 2]]}', mtime=0) + gzip.compress(b"more", mtime=0),
            400,
        ),
        ("gzip", b"", 400),
        (
            "gzip",
            gzip.compress(b'{"instances": [[1, 2]]}', mtime=0) + gzip.compress(b"", mtime=0) * 40,
            200,
        ),
        ("deflate", zlib.compress(b'{"instances": [[1, 2]]}') + zlib.compress(b" "), 400),
        ("br", b"", 415),
    ],
)
def test_a_packed_body_is_unpacked_within_the_limit(
    server: Server, encoding: str, body: bytes, status: int
) -> None:
    headers = {"content-encoding": encoding}
    answer = server.client.post("/models/iris/predict", content=body, headers=headers)

    assert answer.status_code == status


def test_all_members_of_a_packed_body_are_read(server: Server) -> None:
    packed = gzip.compress(b'{"instances": [[1, 2], ', mtime=0) + gzip.compress(
        b"[3, 4]]}", mtime=0
    )
    headers = {"content-encoding": "gzip"}
    answer = server.client.post("/models/iris/predict", content=packed, headers=headers)

    assert answer.json()["predictions"] == [3.0, 7.0]


def test_a_body_of_so_many_members_that_reading_takes_for_ever_is_refused() -> None:
    packed = gzip.compress(b'{"instances": [[1, 2]]}', mtime=0) + gzip.compress(b"", mtime=0) * 64
    with running(served(routing_table(sums()))) as server:
        answer = server.client.post(
            "/predict", content=packed, headers={"content-encoding": "gzip"}
        )

    assert answer.status_code == 400
    assert "more than 64 gzip members" in answer.text


def test_a_token_is_asked_for_everywhere_but_for_health() -> None:
    with running(served(routing_table(sums())), ServerLimits(token="s3cret")) as server:
        without = [server.post("/predict", ROWS), server.get("/metrics"), server.get("/docs")]
        wrong = server.post("/predict", ROWS, authorization="Bearer other")
        basic = server.post("/predict", ROWS, authorization="Basic s3cret")
        right = server.post("/predict", ROWS, authorization="bearer s3cret")
        health = [server.get(path) for path in ("/livez", "/ready", "/ping", "/v2/health/ready")]

    assert {answer.status_code for answer in (*without, wrong, basic)} == {401}
    assert without[0].headers["www-authenticate"] == "Bearer"
    assert right.status_code == 200
    assert {answer.status_code for answer in health} == {200}


def test_a_server_is_ready_once_every_model_has_a_version(server: Server) -> None:
    ready = server.get("/ready")
    server.put(routing_table(None))
    nothing = server.get("/ready")
    server.served.held["iris"] = (LoadedVersion("1.0.0", "loading"),)
    loading = server.get("/ready")
    server.served.held["iris"] = (LoadedVersion("1.0.0", "failed", "its file is damaged"),)
    failed = server.get("/ready")

    live = {"iris": "1.0.0", "eu/churn": "1.0.0"}
    assert ready.json() == {"ready": True, "live": live, "sandbox": "off"}
    assert {answer.status_code for answer in (nothing, loading, failed)} == {503}
    assert nothing.json()["missing"] == {"iris": "no version is loaded"}
    assert loading.json()["missing"] == {"iris": "1.0.0 is loading"}
    assert failed.json()["missing"] == {"iris": "1.0.0 failed: its file is damaged"}
    assert server.get("/ping").status_code == server.get("/v2/health/ready").status_code == 503
    assert server.get("/livez").status_code == server.get("/v2/health/live").status_code == 200


def test_a_server_stays_ready_on_the_old_version_while_the_new_one_loads_or_fails(
    server: Server,
) -> None:
    server.served.held["iris"] = (LoadedVersion("1.1.0", "failed", "no such class"),)
    old, new = server.get("/ready"), server.get("/ready?version=1.1.0")

    assert old.status_code == 200
    assert old.json()["failed"] == {"iris@1.1.0": "no such class"}
    assert new.status_code == 503
    assert new.json()["missing"]["iris"] == "1.1.0 failed: no such class"


def test_a_server_that_stops_is_not_ready_and_goes_on_answering(server: Server) -> None:
    server.served.draining = True

    assert server.get("/ready").json()["missing"] == {"server": "is stopping"}
    assert server.post("/models/iris/predict", ROWS).status_code == 200


def test_the_models_are_listed_with_their_rollout(server: Server) -> None:
    server.put(routing_table(sums(), rollout=rollout(weight=0.25), candidate=sums("1.1.0")))
    document = server.get("/models").json()

    assert document["worker"] == "here-1-abc"
    assert document["models"][0] == {
        "name": "iris",
        "live": "1.0.0",
        "candidate": "1.1.0",
        "in_memory": ["1.0.0", "1.1.0"],
        "rollout": {
            "number": 7, "version": "1.1.0", "step": 0, "weight": 0.25, "phase": "running",
        },
    }  # fmt: skip


def test_metrics_tell_requests_calls_versions_and_rollouts(server: Server) -> None:
    server.put(routing_table(sums(), rollout=rollout(weight=1.0), candidate=sums("1.1.0")))
    server.served.held["iris"] = (
        LoadedVersion("1.2.0", "failed", "damaged"),
        LoadedVersion("1.1.0", "ready"),
    )
    server.post("/models/iris/predict", ROWS)
    server.get("/models/iris/predict")
    page = server.get("/metrics")

    assert page.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'holdfast_requests_total{code="200",model="iris",role="canary",version="1.1.0"} 1.0',
        'holdfast_requests_total{code="405",model="iris",role="",version=""}',
        'duration_seconds_bucket{le="+Inf",model="iris",role="canary",version="1.1.0"} 1.0',
        'holdfast_request_duration_seconds_count{model="iris",role="canary",version="1.1.0"} 1.0',
        'holdfast_model_predict_seconds_count{model="iris",version="1.1.0"} 1.0',
        'holdfast_rollout_requests_total{model="iris",role="canary",rollout="7",step="0"} 1.0',
        'holdfast_rollout_failures_total{model="iris",role="canary",rollout="7",step="0"} 0.0',
        'holdfast_rollout_weight{model="iris",rollout="7",version="1.1.0"} 1.0',
        'holdfast_rollout_state{model="iris",rollout="7",state="running",version="1.1.0"} 1.0',
        'holdfast_rollout_state{model="iris",rollout="7",state="paused",version="1.1.0"} 0.0',
        'holdfast_model_loaded{model="iris",version="1.1.0"} 1.0',
        'holdfast_model_loaded{model="iris",version="1.2.0"} 0.0',
        f'holdfast_live_version_info{{digest="{"1" * 64}",model="iris",version="1.0.0"}} 1.0',
    ):
        assert line in page.text


def test_metrics_tell_how_many_were_slower_than_the_baseline(server: Server) -> None:
    baseline = Baseline(2_000, ((0.5, 60_000_000), (0.99, 0)))
    exact = Analysis(latency=Latency(slack_us=0))
    course = rollout(weight=1.0, baseline=baseline, analysis=exact)
    server.put(routing_table(sums(), rollout=course, candidate=sums("1.1.0")))
    server.post("/models/iris/predict", ROWS)
    page = server.get("/metrics").text

    side = 'model="iris",quantile="{}",role="canary",rollout="7",step="0"'
    assert f"holdfast_rollout_slower_total{{{side.format('0.5')}}} 0.0" in page
    assert f"holdfast_rollout_slower_total{{{side.format('0.99')}}} 1.0" in page


def test_feedback_is_kept_one_or_many(server: Server) -> None:
    single = server.post("/feedback", {"prediction_id": "a", "label": 1})
    many = server.post(
        "/feedback", [{"prediction_id": "b", "label": "x"}, {"prediction_id": "c", "label": None}]
    )

    assert (single.json(), many.json()) == ({"kept": 1}, {"kept": 2})
    assert [truth.prediction_id for truth in KEPT.truths] == ["a", "b", "c"]


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"{}", 422), (b"3", 422)])
def test_feedback_of_another_form_is_refused(server: Server, body: bytes, status: int) -> None:
    assert server.client.post("/feedback", content=body).status_code == status


def test_a_server_without_a_log_takes_no_feedback() -> None:
    with running(served(routing_table(sums()))) as server:
        answer = server.post("/feedback", {"prediction_id": "a", "label": 1})
        alone = [server.post(path, ROWS).status_code for path in ("/predict", "/invocations")]

    assert answer.status_code == 404
    assert alone == [200, 200]


def test_the_description_holds_hot_and_other_paths(server: Server) -> None:
    page: dict[str, Any] = server.get("/openapi.json").json()
    predict = page["paths"]["/models/iris/predict"]["post"]
    rows = predict["requestBody"]["content"]["application/json"]["schema"]["properties"]

    assert {"/models/eu/churn/predict", "/v2/models/iris/infer", "/ready"} <= {*page["paths"]}
    assert "/predict" not in page["paths"]
    assert {*rows["instances"]["items"]["properties"]} == {"age", "height"}
    assert {"200", "401", "413", "422", "503", "504"} <= {*predict["responses"]}


def test_the_documentation_fetches_and_runs_nothing(server: Server) -> None:
    answer = server.get("/docs")
    page = answer.text

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert re.findall(r"<script|<link|<img|@import|https?://(?!HOST:PORT)", page) == []
    assert "/models/iris/predict" in page
    assert "&quot;instances&quot;: [{&quot;age&quot;" in page
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_what_a_schema_says_is_inert_in_the_documentation() -> None:
    hostile = "<script>alert('1')</script>"
    operation = {
        "summary": hostile,
        "parameters": [{"name": hostile, "in": "header", "description": hostile}],
        "requestBody": {"content": {hostile: {"schema": {"type": "string", "enum": [hostile]}}}},
        "responses": {"200": {"description": hostile}},
    }
    paths = {hostile: {"post": operation}}
    page = documentation.drawn({"info": {"title": "x", "version": "1"}, "paths": paths}, "/a")

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_what_mlflow_asks_for_is_there(server: Server) -> None:
    assert server.get("/health").status_code == 200
    assert server.get("/version").text


def test_a_draining_house_without_models_is_not_ready() -> None:
    house = WorkerState("w", {}, draining=True)

    assert house.missing() == {}


def test_a_socket_of_another_kind_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    finish(application(served(routing_table(sums())))({"type": "websocket"}, receive, send))

    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)

    with pytest.raises(MissingLibraryError, match=r"holdfast\[serve\]"):
        application(served(routing_table(sums())))
