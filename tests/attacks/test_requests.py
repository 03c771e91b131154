"""Requests that ask a server for more than it should give, or to be read in two ways."""

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.rows import Rows
from tests.serving.facing import Server, rollout, routing_table, running, served, sums

from holdfast.predictions.feedback import FolderFeedback
from holdfast.predictions.log_folder import FolderLog
from holdfast.predictions.private_files import make_folder, opened_for_writing
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.telemetry.feedback_queue import MOST, Truth

ROWS = b'{"instances": [[1, 2]]}'
TWINS = b'{"instances": [[1, 2]], "instances": [[3, 4]]}'
INFER = "/v2/models/iris/infer"


@pytest.fixture
def received_truths() -> list[Truth]:
    return []


@pytest.fixture
def server(received_truths: list[Truth]) -> Iterator[Server]:
    async def keep(truths: Sequence[Truth]) -> None:
        received_truths.extend(truths)

    rolled = routing_table(sums(), candidate=sums("1.1.0", 100.0), rollout=rollout(weight=0.0))
    limits = ServerLimits(body_bytes=1 << 20, pinning=False)
    with running(served(rolled), limits, keep=keep) as running_server:
        yield running_server


def status(server: Server, path: str, body: bytes, media: str = "application/json") -> int:
    headers = {"content-type": media}
    return server.client.post(path, content=body, headers=headers).status_code


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/iris:predict"])
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "text/html"])
def test_types_that_a_page_may_send_anywhere_are_refused(
    server: Server, path: str, media: str
) -> None:
    assert status(server, path, ROWS, media) == 415
    assert status(server, INFER, b"{}", media) == 415
    assert status(server, "/feedback", b"[]", media) == 415


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/models/iris/predict"])
def test_a_key_that_stands_twice_is_refused_on_every_path(server: Server, path: str) -> None:
    assert status(server, path, TWINS) == 400
    assert status(server, INFER, b'{"inputs": [], "inputs": []}') == 400
    twins = b'{"prediction_id": "a", "label": 1, "label": 2}'
    assert status(server, "/feedback", twins) == 400


def test_feedback_has_the_limits_of_any_body(server: Server, received_truths: list[Truth]) -> None:
    body = b'{"prediction_id": "a", "label": 1}'
    many = b"[" + b",".join([body] * (MOST + 1)) + b"]"

    assert status(server, "/feedback", b'"' + b"a" * (1 << 20) + b'"') == 413
    assert status(server, "/feedback", many) == 413
    assert status(server, "/feedback", b"[" * 200_000) == 400
    assert status(server, "/feedback", b'{"label":' * 50_000) == 400
    assert status(server, "/feedback", b'{"prediction_id": "a", "label": ' + b"[" * 9999) == 400
    assert received_truths == []
    assert status(server, "/feedback", body) == 200


@pytest.mark.parametrize(
    "shape",
    [[0, 2**62], [2**62, 0], [1] * 2000, [0] * 33, [2**31, 2**31], [2**63 - 1], [-1], [0, -1]],
)
@pytest.mark.parametrize("form", ["json", "raw"])
def test_shapes_that_no_array_has_are_the_callers_fault(
    server: Server, shape: list[int], form: str
) -> None:
    tensor: dict[str, Any] = {"name": "x", "shape": shape, "datatype": "FP64"}
    more: dict[str, Any] = (
        {"data": []} if form == "json" else {"parameters": {"binary_data_size": 0}}
    )
    answer = server.post(INFER, {"inputs": [tensor | more]})

    assert answer.status_code == 400
    assert answer.json()["field"] == "x"


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 18, "1" + "0" * 19, "-1", "²", ""])
def test_a_length_that_is_none_is_the_callers_fault(server: Server, length: str) -> None:
    headers = {
        b"content-type": b"application/json",
        b"inference-header-content-length": length.encode(),
    }
    answer = server.client.post(INFER, content=b"{}", headers=headers)

    assert answer.status_code == 400
    assert "is not a length within the body" in answer.json()["error"]


LONG = "n" * 300_000
REPEATED: dict[str, tuple[str, Any]] = {
    "an input": (INFER, {"inputs": [{"name": LONG, "shape": [1], "datatype": "FP64"}]}),
    "a type": (INFER, {"inputs": [{"name": "x", "shape": [0], "datatype": LONG, "data": []}]}),
    "a column": ("/predict", {"instances": [{LONG: 1}]}),
    "a column of a table": (
        "/invocations", {"dataframe_split": {"columns": [LONG, LONG], "data": [[1, 2]]}}
    ),
    "an id": ("/feedback", {"prediction_id": LONG, "label": 1, LONG: 2}),
    "a key": ("/predict", {LONG: 1}),
}  # fmt: skip


@pytest.mark.parametrize(("path", "document"), REPEATED.values(), ids=REPEATED)
def test_no_answer_repeats_names_of_any_length(server: Server, path: str, document: Any) -> None:
    answer = server.post(path, document)

    assert answer.status_code in (400, 422)
    assert len(answer.content) < 6000


@pytest.mark.parametrize("name", ["content-encoding", "content-type"])
def test_no_answer_repeats_headers_of_any_length(server: Server, name: str) -> None:
    headers = {"content-type": "application/json", name: "n" * 60_000}
    answer = server.client.post("/predict", content=ROWS, headers=headers)

    assert answer.status_code == 415
    assert len(answer.content) < 6000


@pytest.mark.parametrize("sent", [b"n" * 50_000, b"a b", b"\xc2\x9b2J", b"n" * 129])
@pytest.mark.parametrize("body", [ROWS, b"{"], ids=["answered", "refused"])
def test_no_answer_repeats_an_id_of_any_length_or_signs(
    server: Server, sent: bytes, body: bytes
) -> None:
    headers = {b"content-type": b"application/json", b"x-request-id": sent}
    answer = server.client.post("/predict", content=body, headers=headers)

    assert answer.headers["x-request-id"].encode("latin-1") != sent
    assert 0 < len(answer.headers["x-request-id"]) <= 64


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-model-version", "1.1.0"),
        ("x-holdfast-role", "canary"),
        ("x-holdfast-role", "active"),
    ],
)
def test_a_server_without_pinning_lets_no_header_choose(
    server: Server, header: str, value: str
) -> None:
    answer = server.client.post("/predict", content=ROWS, headers={header: value})

    assert answer.status_code == 403


def test_a_route_that_is_made_up_chooses_nothing_without_pinning() -> None:
    rolled = routing_table(sums(), candidate=sums("1.1.0", 100.0), rollout=rollout(weight=1e-12))
    with running(served(rolled), ServerLimits(pinning=False)) as server:
        answer = server.client.post(
            "/predict", content=ROWS, headers={"x-holdfast-route": "7:canary"}
        )

    assert answer.headers["x-model-version"] == "1.0.0"


@pytest.mark.parametrize("path", ["/livez", "/ready", "/ping", "/health", "/v2/health/ready"])
@pytest.mark.parametrize("end", ["", "/"])
def test_health_is_told_to_whoever_asks_for_the_head_alone(
    server: Server, path: str, end: str
) -> None:
    answer = server.client.head(path + end)

    assert (answer.status_code, answer.content) == (200, b"")
    assert status(server, "/predict" + end, ROWS) == 200


def test_a_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "a" / "log"
    log = FolderLog(root)
    log.write([Rows()()])
    assert isinstance(log.feedback, FolderFeedback)
    paths_by_suffix = {path.suffix: path for path in root.rglob("*") if path.is_file()}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths_by_suffix.values()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.iterdir(), root.parent)}
    log.close()

    assert set(paths_by_suffix) == {".sqlite", ".sqlite-wal", ".sqlite-shm"}
    assert modes == {0o600}
    assert folders == {0o700}


def test_what_is_exported_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "out")
    with opened_for_writing(tmp_path / "out" / "rows.csv") as file:
        file.write(b"a")

    assert stat.S_IMODE((tmp_path / "out" / "rows.csv").stat().st_mode) == 0o600
