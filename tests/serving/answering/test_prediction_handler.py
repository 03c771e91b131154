"""Requests for predictions, from the socket to the model's call and back, by real servers."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.serving.facing import (
    NUMBER,
    NUMBERS,
    Does,
    Server,
    Sums,
    made,
    rollout,
    routing_table,
    running,
    served,
    sums,
    until,
)

from holdfast.rows.loaded_version import Loaded
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.server_limits import ServerLimits
from holdfast.serving.telemetry.rollout_counts import RolloutCountsSink
from holdfast.serving.web.direct import Protocol

ROWS = {"instances": [[1, 2], [3, 4]]}


@pytest.fixture(scope="module", params=[Protocol, "httptools"], ids=["direct", "asgi"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(served(routing_table(sums())), http=request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def _as_at_first(server: Server) -> None:
    server.put(routing_table(sums()))
    server.forget()


def raising(error: BaseException) -> Loaded:
    def predict(_: Any) -> Any:
        raise error

    return made(Does(predict), "1.1.0", input_schema=NUMBERS)


def test_an_answer_names_the_version_and_carries_an_id(server: Server) -> None:
    answer = server.post("/predict", ROWS)
    document = answer.json()

    assert document["predictions"] == [3.0, 7.0]
    assert document["model_version"] == answer.headers["x-model-version"] == "1.0.0"
    assert document["prediction_id"] == answer.headers["x-prediction-id"]
    assert uuid.UUID(document["prediction_id"]).version == 7
    assert answer.headers["x-model-role"] == "active"
    assert answer.headers["content-type"] == "application/json"
    assert "x-holdfast-route" not in answer.headers


def test_a_request_keeps_its_id_and_its_trace(server: Server) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = server.post(
        "/models/iris/predict",
        ROWS,
        x_request_id="r-1",
        traceparent=f"00-{trace}-00f067aa0ba902b7-01",
    )
    finished_request = server.told.wait(1)[0]

    assert answer.headers["x-request-id"] == finished_request.request_id == "r-1"
    assert finished_request.trace_id == trace


def test_a_sink_is_told_all_of_a_finished_request(server: Server) -> None:
    answer = server.post("/predict", ROWS, traceparent="nonsense")
    finished_request = server.told.wait(1)[0]

    assert finished_request.routing_table is server.served.routing_tables["iris"]
    assert (finished_request.loaded.version, finished_request.role, finished_request.status) == (
        "1.0.0",
        "active",
        200,
    )
    assert (
        finished_request.failed,
        finished_request.counted,
        finished_request.error,
        finished_request.trace_id,
    ) == (False, False, None, None)
    assert finished_request.prediction_id == answer.json()["prediction_id"]
    assert finished_request.request_id == answer.headers["x-request-id"]
    assert finished_request.input == answer.request.content
    assert (finished_request.output, finished_request.score, finished_request.batch) == (
        b"[3.0,7.0]",
        3.0,
        1,
    )
    assert 0 < finished_request.latency_us < 20_000_000
    assert finished_request.model_us is not None


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[1]", 400, "not a JSON object"),
        (b"{}", 422, "'instances', 'inputs'"),
        (b'{"instances": [], "inputs": []}', 422, "needs one of"),
        (b'{"instances": 3}', 422, "neither a list of rows nor columns by name"),
        (b'{"instances": [[1, "x"]]}', 422, "height must be a number, not 'x'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    server: Server, body: bytes, status: int, message: str
) -> None:
    answer = server.client.post("/predict", content=body)

    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert answer.headers["x-request-id"]


def test_input_that_the_schema_refuses_names_the_field_and_is_no_failure(server: Server) -> None:
    answer = server.post("/predict", {"instances": [{"age": 1}]})
    finished_request = server.told.wait(1)[0]

    assert answer.status_code == 422
    assert answer.json()["field"] == "height"
    assert answer.headers["x-prediction-id"] == finished_request.prediction_id
    assert (finished_request.failed, finished_request.status, finished_request.output) == (
        False,
        422,
        None,
    )
    assert "height" in (finished_request.error or "")


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda rows: rows[:, 0] * np.nan, "not a finite number"),
        (lambda rows: rows[:1, 0], "has 1 values for 2 rows"),
        (lambda rows: [object() for _ in rows], "which JSON cannot"),
    ],
)
def test_a_model_that_fails_is_answered_with_500_and_counts_against_it(
    server: Server, predict: Any, message: str
) -> None:
    server.put(routing_table(made(Does(predict), input_schema=NUMBERS)))
    answer = server.post("/predict", ROWS)
    finished_request = server.told.wait(1)[0]

    assert answer.status_code == 500
    assert answer.json()["error"].startswith("iris@1.0.0 failed: ")
    assert message in answer.json()["error"]
    assert (finished_request.failed, finished_request.status) == (True, 500)


def test_numbers_of_numpy_within_records_are_written_as_json(server: Server) -> None:
    model = Does(lambda rows: [{"sum": row.sum(), "all": row} for row in rows])
    server.put(routing_table(made(model, input_schema=NUMBERS)))

    assert server.post("/predict", {"instances": [[1, 2]]}).json()["predictions"] == [
        {"sum": 3.0, "all": [1.0, 2.0]}
    ]


def test_a_model_whose_live_version_is_gone_has_a_description_still(server: Server) -> None:
    server.put(routing_table(None))
    page = server.get("/openapi.json").json()

    assert "/predict" in page["paths"]
    assert server.get("/v2/models/iris").status_code == 503


def test_a_canary_that_refuses_what_the_active_version_takes_has_failed(server: Server) -> None:
    strict = {**NUMBERS, "properties": {**NUMBERS["properties"], "age": {"type": "integer"}}}  # type: ignore[dict-item]
    candidate = made(Sums(), "1.1.0", input_schema=strict)
    server.put(routing_table(sums(), rollout=rollout(weight=1.0), candidate=candidate))
    only_there = server.post("/predict", {"instances": [[1.5, 2]]})
    in_both = server.post("/predict", {"instances": [["x", 2]]})
    first, second = server.told.wait(2)

    assert (only_there.status_code, in_both.status_code) == (422, 422)
    assert (first.role, first.failed, first.counted) == ("canary", True, True)
    assert second.failed is False


def test_a_canary_answers_its_share_and_gives_a_token_to_keep_to_it(server: Server) -> None:
    server.put(routing_table(sums(), rollout=rollout(weight=0.5), candidate=sums("1.1.0", 100)))
    answers = [server.post("/predict", ROWS) for _ in range(40)]
    by_version = {answer.json()["model_version"]: answer for answer in answers}
    canary = by_version["1.1.0"]
    again = [
        server.post("/predict", ROWS, x_holdfast_route=canary.headers["x-holdfast-route"])
        for _ in range(10)
    ]

    assert canary.json()["predictions"] == [103.0, 107.0]
    assert by_version["1.0.0"].json()["predictions"] == [3.0, 7.0]
    assert canary.headers["x-model-role"] == "canary"
    assert canary.headers["x-holdfast-route"] == "7:canary"
    assert {answer.json()["model_version"] for answer in again} == {"1.1.0"}


def test_a_version_is_pinned_by_header_and_by_path(server: Server) -> None:
    server.put(routing_table(sums(), kept={"0.9.0": sums("0.9.0", 5)}))
    pinned = server.post("/predict", ROWS, x_model_version="0.9.0")
    unknown = server.post("/predict", ROWS, x_model_version="3.0.0")

    assert pinned.json()["predictions"] == [8.0, 12.0]
    assert pinned.headers["x-model-role"] == "pinned"
    assert unknown.status_code == 404


def test_a_request_without_a_ready_version_is_told_when_to_come_back(server: Server) -> None:
    server.put(routing_table(None))
    answer = server.post("/predict", ROWS)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_mirrored_request_is_answered_by_the_active_version_alone(server: Server) -> None:
    shadow = rollout(weight=1.0, strategy="shadow")
    server.put(routing_table(sums(), rollout=shadow, candidate=sums("1.1.0", 100)))
    answer = server.post("/predict", ROWS, x_request_id="r-9")
    first, second = server.told.wait(2)

    assert answer.json()["predictions"] == [3.0, 7.0]
    assert (first.role, first.loaded.version, first.counted) == ("active", "1.0.0", True)
    assert (second.role, second.loaded.version) == ("shadow", "1.1.0")
    assert (second.output, second.request_id) == (b"[103.0,107.0]", "r-9")
    assert second.prediction_id != first.prediction_id
    assert second.mirrored is not None
    assert (second.mirrored.failed, second.mirrored.call_us) == (False, first.call_us)


def test_a_mirrored_request_that_fails_fails_alone(server: Server) -> None:
    shadow = rollout(weight=1.0, strategy="shadow")
    server.put(routing_table(sums(), rollout=shadow, candidate=raising(ValueError("broken"))))
    answer = server.post("/predict", ROWS)
    first, second = server.told.wait(2)

    assert answer.status_code == 200
    assert (first.failed, second.failed, second.status) == (False, True, 500)


def test_more_mirrored_requests_than_allowed_are_not_mirrored() -> None:
    go = threading.Event()
    slow = made(Does(lambda rows: go.wait(20) and rows[:, 0]), "1.1.0", input_schema=NUMBERS)
    shadow = rollout(weight=1.0, strategy="shadow")
    house = served(routing_table(sums(), rollout=shadow, candidate=slow))
    with running(house, ServerLimits(mirrored=2)) as server:
        answers = [server.post("/predict", ROWS).status_code for _ in range(5)]
        page = server.get("/metrics").text
        go.set()
        results = server.told.wait(7)

    assert answers == [200] * 5
    assert "holdfast_not_mirrored_total 3.0" in page
    assert (
        sorted(finished_request.role for finished_request in results)
        == ["active"] * 5 + ["shadow"] * 2
    )


def test_a_version_that_panics_goes_on_and_its_canary_is_counted_as_failing(
    server: Server,
) -> None:
    class PanicException(BaseException):
        pass

    panics = raising(PanicException("index out of bounds"))
    server.put(routing_table(sums(), rollout=rollout(), candidate=panics))
    answers = [server.post("/predict", ROWS, x_holdfast_role="canary") for _ in range(30)]
    other = server.post("/predict", ROWS, x_holdfast_role="active")
    results = server.told.wait(30)

    assert {answer.status_code for answer in answers} == {500}
    assert "failed: PanicException: index out of bounds" in answers[-1].json()["error"]
    assert all(finished_request.failed for finished_request in results[:30])
    assert (other.status_code, server.get("/livez").status_code) == (200, 200)


def test_shares_are_counted_where_requests_are_sent() -> None:
    go, counting = threading.Event(), RolloutCountsSink(["iris"])
    hangs = made(Does(lambda rows: go.wait(20) and rows[:, 0]), "1.1.0", input_schema=NUMBERS)
    course = rollout(weight=0.9999)
    house = served(routing_table(sums(), rollout=course, candidate=hangs))
    with running(house, sinks=[counting]) as server, ThreadPoolExecutor(3) as crew:
        answers = [crew.submit(server.post, "/predict", ROWS) for _ in range(3)]
        until(lambda: counting.news("iris").get(7) == 3)
        step_counts = counting.counts("iris", 7, "here", "").steps[0]
        go.set()
        for answer in answers:
            answer.result()

    assert step_counts.assigned.canary + step_counts.assigned.active == 3
    assert step_counts.requests.canary == 0


def test_a_request_that_takes_too_long_is_given_up_and_others_are_not_held_up() -> None:
    go = threading.Event()
    hangs = made(Does(lambda rows: go.wait(20) and rows[:, 0]), "1.1.0", input_schema=NUMBERS)
    house = served(routing_table(sums(), rollout=rollout(), candidate=hangs))
    with running(house, ServerLimits(timeout_s=0.2)) as server:
        late = server.post("/predict", ROWS, x_holdfast_role="canary")
        other = server.post("/predict", ROWS, x_holdfast_role="active")
        live = server.get("/livez")
        go.set()

    assert late.status_code == 504
    assert "no answer within 0.2 s" in late.json()["error"]
    assert server.told.all[0].failed
    assert (other.status_code, live.status_code) == (200, 200)


def test_a_full_queue_refuses_at_once() -> None:
    go, called = threading.Event(), threading.Event()

    def waits(rows: Any) -> Any:
        called.set()
        go.wait(20)
        return rows[:, 0]

    house = served(routing_table(made(Does(waits), input_schema=NUMBERS)))
    with running(house, ServerLimits(queue=1)) as server, ThreadPoolExecutor(3) as crew:
        first = crew.submit(server.post, "/predict", ROWS)
        called.wait(20)
        second = crew.submit(server.post, "/predict", ROWS)
        until(lambda: any(count for _, count in server.app.handler.waiting()))
        refused = server.post("/predict", ROWS)
        page = server.get("/metrics").text
        go.set()
        answered = [first.result(), second.result()]

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert 'holdfast_queue{model="iris",version="1.0.0"} 1.0' in page
    assert "holdfast_in_flight 2.0" in page
    assert [answer.status_code for answer in answered] == [200, 200]


def test_requests_that_come_while_the_model_is_busy_share_its_next_call() -> None:
    go, called = threading.Event(), threading.Event()
    calls: list[int] = []

    def waits(rows: Any) -> Any:
        calls.append(len(rows))
        called.set()
        go.wait(20)
        if (rows[:, 0] == 13).any():
            raise ValueError("unlucky")
        return rows.sum(axis=1)

    house = served(routing_table(made(Does(waits), input_schema=NUMBERS)))
    with running(house) as server, ThreadPoolExecutor(8) as crew:
        first = crew.submit(server.post, "/predict", ROWS)
        called.wait(20)
        rest = [
            crew.submit(server.post, "/predict", {"instances": [[value, 0]]})
            for value in (11, 12, 13, 14)
        ]
        until(lambda: sum(count for _, count in server.app.handler.waiting()) == 4)
        go.set()
        answers = [future.result() for future in rest]
        first.result()
        batches = {
            finished_request.output: finished_request.batch
            for finished_request in server.told.wait(5)
        }

    assert calls[:2] == [2, 4]
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200]
    assert [answer.json()["predictions"] for answer in answers if answer.status_code == 200] == [
        [11.0], [12.0], [14.0],
    ]  # fmt: skip
    assert batches[b"[3.0,7.0]"] == 1


def test_a_swap_between_two_requests_lets_go_of_what_no_line_up_holds(server: Server) -> None:
    answers = []
    for at in range(4):
        server.put(routing_table(sums(f"{at + 1}.0.0", at)))
        answers.append(server.post("/predict", ROWS).json())

    assert [answer["model_version"] for answer in answers] == ["1.0.0", "2.0.0", "3.0.0", "4.0.0"]
    assert [answer["predictions"][0] for answer in answers] == [3.0, 4.0, 5.0, 6.0]
    assert [loaded.version for loaded, _ in server.app.handler.waiting()] == ["4.0.0"]


def test_an_answer_waits_until_it_is_committed() -> None:
    committed: list[str] = []

    async def commit(finished_request: FinishedRequest) -> None:
        committed.append(finished_request.prediction_id)

    with running(served(routing_table(sums())), commit=commit) as server:
        answer = server.post("/predict", ROWS)

    assert committed == [answer.json()["prediction_id"]]


def test_many_callers_at_once_get_their_own_rows_back(server: Server) -> None:
    server.put(routing_table(made(Sums(), input_schema=NUMBERS, output_schema=NUMBER)))
    with ThreadPoolExecutor(12) as crew:
        sent = [crew.submit(server.post, "/predict", {"instances": [[at, 1]]}) for at in range(200)]
        predictions = [future.result().json()["predictions"] for future in sent]

    assert predictions == [[at + 1.0] for at in range(200)]
