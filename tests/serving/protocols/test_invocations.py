"""The shapes that MLflow, SageMaker and Vertex send."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from tests.serving.facing import NUMBERS, Server, Sums, made, routing_table, running, served, sums


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(served(routing_table(sums()))) as server:
        yield server


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [[1, 2], [3, 4]]},
        {"inputs": {"age": [1, 3], "height": [2, 4]}},
        {"instances": [[1, 2], [3, 4]], "params": {}},
        {"instances": [{"age": 1, "height": 2}, {"age": 3, "height": 4}]},
        {"dataframe_split": {"columns": ["height", "age"], "data": [[2, 1], [4, 3]]}},
        {"dataframe_split": {"index": [0, 1], "data": [[1, 2], [3, 4]]}},
        {"dataframe_records": [{"age": 1, "height": 2}, {"age": 3, "height": 4}]},
    ],
)
def test_every_json_shape_is_answered_with_predictions(server: Server, body: Any) -> None:
    answer = server.post("/invocations", body)

    assert answer.json()["predictions"] == [3.0, 7.0]
    assert answer.json()["model_version"] == "1.0.0"


@pytest.mark.parametrize(
    "body",
    ["age,height\n1,2\n3,4\n", "height,age\r\n2,1\r\n4,3\r\n", "1,2\n\n3,4", "\ufeff1,2\n3,4"],
)
def test_csv_is_read_with_and_without_its_names(server: Server, body: str) -> None:
    headers = {"content-type": "text/csv; charset=utf-8"}
    answer = server.client.post("/invocations", content=body.encode(), headers=headers)

    assert answer.json()["predictions"] == [3.0, 7.0]


@pytest.mark.parametrize(
    ("media", "body", "status", "message"),
    [
        ("application/xml", "<a/>", 415, "application/xml' cannot be read"),
        ("text/csv", '"', 400, "not a CSV file"),
        ("text/csv", "", 422, "no rows"),
        ("text/csv", "1,tall", 422, "must be a number, not 'tall'"),
        ("application/json", '{"columns": []}', 422, "dataframe_split"),
        ("application/json", '{"dataframe_split": {"columns": []}}', 422, '"data"'),
        ("application/json", '{"dataframe_split": [1]}', 422, '"data"'),
        ("application/json", '{"dataframe_split": {"columns": 1, "data": []}}', 422, "columns"),
        (
            "application/json",
            '{"inputs": [[1, 2]], "params": {"n": 1}}',
            422,
            "params are not taken: iris@1.0.0 declares none",
        ),
    ],
)
def test_another_shape_is_refused(
    server: Server, media: str, body: str, status: int, message: str
) -> None:
    headers = {"content-type": media}
    answer = server.client.post("/invocations", content=body, headers=headers)

    assert answer.status_code == status
    assert message in answer.json()["error"]


class Scales:
    """Multiplies the first column by a parameter, as a function that MLflow loads would."""

    call_params = MappingProxyType({"by": {"type": ["number", "null"], "default": 1}})

    def predict(self, rows: Any, params: Any = None) -> Any:
        return rows[:, 0] * (params or {"by": 1})["by"]


@pytest.fixture(scope="module")
def scaling() -> Iterator[Server]:
    with running(served(routing_table(made(Scales(), input_schema=NUMBERS)))) as server:
        yield server


INFER = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [2, 0]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invocations", {"inputs": [[2, 0]], "params": {"by": 3}}),
        ("/predict", {"instances": [[2, 0]], "params": {"by": 3}}),
        ("/predict", {"instances": [[2, 0]], "parameters": {"by": 3, "other": 1}}),
        ("/v1/models/iris:predict", {"instances": [[2, 0]], "params": {"by": 3}}),
        ("/v2/models/iris/infer", {"inputs": [INFER], "parameters": {"by": 3, "priority": 1}}),
    ],
)
def test_parameters_of_a_call_reach_the_model(scaling: Server, path: str, body: Any) -> None:
    answer = scaling.post(path, body).json()

    outputs = answer.get("outputs", [{}])[0]
    assert answer.get("predictions", outputs.get("data")) == [6.0]


def test_without_parameters_the_defaults_hold(scaling: Server) -> None:
    for body in ({"inputs": [[2, 0]]}, {"inputs": [[2, 0]], "params": {}}):
        assert scaling.post("/invocations", body).json()["predictions"] == [2.0]


@pytest.mark.parametrize("path", ["/invocations", "/predict"])
def test_unknown_and_mistyped_parameters_are_refused(scaling: Server, path: str) -> None:
    unknown = scaling.post(path, {"inputs": [[2, 0]], "params": {"bye": 3}})
    mistyped = scaling.post(path, {"inputs": [[2, 0]], "params": {"by": "3"}})

    assert unknown.status_code == mistyped.status_code == 422
    assert unknown.json() == {
        "error": "params.bye is unknown; iris@1.0.0 takes by",
        "field": "params.bye",
    }
    assert mistyped.json()["error"] == "params.by must be a number, not '3'"


def test_a_body_without_a_content_type_is_json(server: Server) -> None:
    answer = server.client.post("/invocations", content=b'{"inputs": [[1, 2]]}')

    assert answer.json()["predictions"] == [3.0]


def test_a_frame_without_names_sends_the_numbers_of_its_columns() -> None:
    properties = {name: {"type": "number"} for name in ("2", "0")}
    words = {"type": "object", "properties": properties, "required": ["2", "0"]}
    numbered = routing_table(made(Sums(), input_schema={**words, "order": ["2", "0"]}))

    with running(served(numbered)) as server:
        frame = {"columns": [0, 2], "data": [[10, 1], [20, 2]]}
        answer = server.post("/invocations", {"dataframe_split": frame})
        mixed = server.post("/invocations", {"dataframe_split": {**frame, "columns": [0, True]}})

    assert answer.json()["predictions"] == [11.0, 22.0]
    assert mixed.json()["error"] == "columns must be a list of names"
