"""Finished requests in the prediction log, and feedback to them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from tests.serving.facing import rollout, routing_table, running, served, sums

from holdfast.errors import StoreError
from holdfast.predictions.filters import Filter
from holdfast.predictions.open_log import open_log, open_recorder
from holdfast.predictions.row import Prediction
from holdfast.predictions.writer import Recorder
from holdfast.serving.answering.finished import FinishedRequest
from holdfast.serving.telemetry.recording import RecordingSink, committing, keeper, row_of

ROWS = {"instances": [[1, 2]], "user": "ada"}


def test_every_answer_can_be_looked_up_by_its_id(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    recorder = open_recorder(tmp_path / "log", "here-1-abc")
    canary = rollout(weight=1.0, sticky="field:user")
    house = served(routing_table(sums(), rollout=canary, candidate=sums("1.1.0")))
    csv = {"content-type": "text/csv"}
    with running(house, sinks=[RecordingSink(recorder)]) as server:
        first = server.post("/predict", ROWS)
        forced = server.post("/predict", ROWS, x_holdfast_role="active", x_request_id="r-2")
        by_csv = server.client.post("/invocations", content=b"age,height\n1,2\n", headers=csv)
        wrong = server.post("/predict", {"instances": [["x", 2]]})
    recorder.close()
    rows = [log.get(answer.headers["x-prediction-id"]) for answer in (first, forced, by_csv, wrong)]

    assert [(row.version, row.role, row.status) for row in rows] == [
        ("1.1.0", "canary", 200),
        ("1.0.0", "active", 200),
        ("1.1.0", "canary", 200),
        ("1.1.0", "canary", 422),
    ]
    assert (rows[0].rollout, rows[0].weight, len(rows[0].key or "")) == (7, 1.0, 16)
    assert (rows[0].input, rows[0].output) == (ROWS, [3.0])
    assert (rows[1].rollout, rows[1].request_id) == (None, "r-2")
    assert rows[2].input == [["age", "height"], ["1", "2"]]
    assert (rows[3].output, rows[3].worker) == (None, "here-1-abc")
    assert "must be a number" in (rows[3].error or "")


def test_raw_tensors_are_logged_as_json(tmp_path: Path) -> None:
    import numpy as np
    import tritonclient.http as triton

    recorder = open_recorder(tmp_path / "log", "w")
    input_tensor = triton.InferInput("input", [1, 2], "FP64")
    input_tensor.set_data_from_numpy(np.array([[1.0, 2.0]]))
    with (
        running(served(routing_table(sums())), sinks=[RecordingSink(recorder)]) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        client.infer("iris", [input_tensor])
    recorder.close()
    rows = [*open_log(tmp_path / "log").scan(Filter())]

    assert [row.input for row in rows] == [{"input": [[1.0, 2.0]]}]


class Full:
    """A log whose disk is full."""

    def write(self, rows: Sequence[Prediction]) -> None:
        raise StoreError("disk", f"is full, {len(rows)} rows are lost", "free some")

    def close(self) -> None: ...


def test_in_durable_mode_an_answer_has_its_row_committed_or_does_not_go_out(
    tmp_path: Path,
) -> None:
    good, full = open_recorder(tmp_path / "log", "w"), Recorder(Full(), "w")
    with running(served(routing_table(sums())), commit=committing(good)) as server:
        answer = server.post("/predict", ROWS)
        row = open_log(tmp_path / "log").get(answer.json()["prediction_id"])
    with running(served(routing_table(sums())), commit=committing(full)) as server:
        refused = server.post("/predict", ROWS)
        page = server.get("/metrics").text
    good.close()
    full.close()

    assert row.output == [3.0]
    assert refused.status_code == 503
    assert "could not be recorded" in refused.json()["error"]
    assert 'code="503",model="iris",role="active"' in page


def test_feedback_comes_to_the_prediction_it_is_of(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    recorder = open_recorder(tmp_path / "log", "w")
    keep = keeper(log, "ada")
    house = served(routing_table(sums()))
    with running(house, commit=committing(recorder), keep=keep) as server:
        id_ = server.post("/predict", ROWS).json()["prediction_id"]

        def tell(**truth: object) -> httpx.Response:
            return server.post("/feedback", {"prediction_id": id_, "label": 3, **truth})

        answers = [tell(at="2026-11-20T10:00:00+01:00"), tell(label=4)]
        refused = [
            tell(prediction_id="x"),
            tell(prediction_id="01a214cb-12da-7990-abd9-7cbdcc57f35e"[:1] + "0" + id_[2:]),
            tell(at="2026-11-20T10:00:00"),
        ]
    recorder.close()
    labels = log.feedback.of(id_)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.status_code for answer in refused] == [422, 404, 422]
    assert [(label.label, label.by) for label in labels] == [(3, "ada"), (4, "ada")]
    assert labels[0].at_us == 1_795_165_200_000_000


def test_feedback_that_cannot_be_kept_is_told() -> None:
    class Broken:
        @property
        def feedback(self) -> "Broken":
            return self

        def add(self, labels: Sequence[object]) -> None:
            raise StoreError("disk", "is full", f"{len(labels)} labels are lost")

    from holdfast.rows.refusal import Refusal
    from holdfast.serving.telemetry.feedback_queue import Truth

    with pytest.raises(Refusal) as caught:
        asyncio.run(keeper(Broken(), "ada")([Truth("a", 1)]))  # type: ignore[arg-type]

    assert caught.value.status == 503


def test_a_request_without_a_key_has_none_in_its_row() -> None:
    finished_request = FinishedRequest(
        routing_table=routing_table(sums()),
        loaded=sums(),
        role="pinned",
        counted=False,
        failed=False,
        status=200,
        latency_us=1,
        at_us=2,
        prediction_id="p",
        request_id="r",
        given=[[1, 2]],
    )

    assert row_of(finished_request, "w").key is None
    assert row_of(finished_request, "w").input == [[1, 2]]
