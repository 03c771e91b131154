"""The Open Inference Protocol, by Triton's own clients with their default arguments."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tests.serving.facing import NUMBERS, Does, Server, made, routing_table, running, served, sums
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from holdfast.rows.loaded_version import Loaded

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
MIXED = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["age", "city"],
}
RECORD = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "chances": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    },
    "required": ["label", "chances"],
}


def mixed() -> Loaded:
    def predict(frame: Any) -> Any:
        ages = frame["age"].to_numpy()
        return {"label": frame["city"].to_numpy(), "chances": np.stack([ages, -ages], axis=1) / 100}

    return made(Does(predict), "2.0.0", input_schema=MIXED, output_schema=RECORD)


def echo(shape: list[int | None], dtype: str) -> Loaded:
    kind = {"f": "number", "b": "boolean", "O": "string"}.get(np.dtype(dtype).kind, "integer")
    words = {"type": "array", "items": {"type": kind}, "shape": shape, "dtype": dtype}
    return made(Does(lambda rows: rows), input_schema=words, output_schema=words)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(served(routing_table(sums()))) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    server.put(routing_table(sums(), kept={"2.0.0": mixed()}))
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def tensor(name: str, values: Any) -> triton.InferInput:
    made_ = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    made_.set_data_from_numpy(values)
    return made_


def test_a_client_with_default_arguments_gets_its_answer_in_raw_bytes(
    client: triton.InferenceServerClient,
) -> None:
    result = client.infer("iris", [tensor("input", ROWS)], request_id="q-1")
    response = result.get_response()

    assert result.as_numpy("predict").tolist() == [3.0, 7.0]
    assert (response["model_name"], response["model_version"], response["id"]) == (
        "iris",
        "1.0.0",
        "q-1",
    )
    assert response["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert response["parameters"]["prediction_id"]


def test_the_asynchronous_client_gets_it_too(server: Server) -> None:
    async def infer() -> Any:
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            assert await client.is_server_ready()
            return await client.infer("iris", [tensor("input", ROWS)])

    assert asyncio.run(infer()).as_numpy("predict").tolist() == [3.0, 7.0]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tensors_go_as_json_or_raw_bytes_either_way(
    client: triton.InferenceServerClient, *, binary_in: bool, binary_out: bool
) -> None:
    input_tensor = triton.InferInput("input", [2, 2], "FP64")
    input_tensor.set_data_from_numpy(ROWS, binary_data=binary_in)
    asked = triton.InferRequestedOutput("predict", binary_data=binary_out)
    result = client.infer("iris", [input_tensor], outputs=[asked])

    assert result.as_numpy("predict").tolist() == [3.0, 7.0]
    assert ("data" in result.get_response()["outputs"][0]) is not binary_out


def test_an_input_that_is_named_twice_is_refused(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="input names two inputs"):
        client.infer("iris", [tensor("input", ROWS), tensor("input", ROWS + 1)])


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_a_packed_request_is_unpacked(client: triton.InferenceServerClient, packed: str) -> None:
    result = client.infer("iris", [tensor("input", ROWS)], request_compression_algorithm=packed)

    assert result.as_numpy("predict").tolist() == [3.0, 7.0]


@pytest.mark.parametrize(
    "dtype",
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split(),
)
def test_every_datatype_goes_through_a_model_and_back(
    server: Server, client: triton.InferenceServerClient, dtype: str
) -> None:
    server.put(routing_table(echo([None, 2], dtype)))
    values = np.array([[0, 1], [1, 1]]).astype(dtype)
    result = client.infer("iris", [tensor("input", values)])

    assert result.as_numpy("predict").dtype == dtype
    assert result.as_numpy("predict").tolist() == values.tolist()


def test_texts_go_through_a_model_and_back(
    server: Server, client: triton.InferenceServerClient
) -> None:
    server.put(routing_table(echo([None], "object")))
    result = client.infer("iris", [tensor("input", np.array(["a", "Grüezi"], dtype=object))])

    assert [text.decode() for text in result.as_numpy("predict")] == ["a", "Grüezi"]


def test_columns_are_tensors_by_name_and_so_are_the_fields_of_a_record(
    client: triton.InferenceServerClient,
) -> None:
    ages = tensor("age", np.array([[10], [20]]))
    cities = tensor("city", np.array([["Bern"], ["Oslo"]], dtype=object))
    result = client.infer("iris", [ages, cities], model_version="2.0.0")

    assert result.as_numpy("label").tolist() == [b"Bern", b"Oslo"]
    assert result.as_numpy("chances").tolist() == [[0.1, -0.1], [0.2, -0.2]]
    assert result.get_response()["model_version"] == "2.0.0"


def test_metadata_describes_what_a_request_needs(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("iris", "2.0.0")

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "2.0.0")
    assert not client.is_model_ready("iris", "9.0.0")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert metadata["inputs"] == [
        {"name": "age", "datatype": "INT64", "shape": [-1]},
        {"name": "city", "datatype": "BYTES", "shape": [-1]},
    ]
    assert metadata["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "chances", "datatype": "FP64", "shape": [-1, 2]},
    ]
    assert client.get_model_config("iris")["name"] == "iris"
    assert client.get_model_repository_index() == [
        {"name": "iris", "version": "2.0.0", "state": "READY"},
        {"name": "iris", "version": "1.0.0", "state": "READY"},
    ]


def test_metadata_of_a_tensor_has_its_shape(server: Server) -> None:
    server.put(routing_table(echo([None, 2], "float32")))
    metadata = server.get("/v2/models/iris").json()

    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 2]}]
    assert metadata["outputs"] == [{"name": "predict", "datatype": "FP32", "shape": [-1, 2]}]


def test_errors_reach_the_client_in_words(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="2 columns"):
        client.infer("iris", [tensor("input", np.zeros((1, 3)))])
    with pytest.raises(InferenceServerException, match="no output 'other'"):
        client.infer(
            "iris", [tensor("input", ROWS)], outputs=[triton.InferRequestedOutput("other")]
        )
    with pytest.raises(InferenceServerException, match="not in memory"):
        client.infer("iris", [tensor("input", ROWS)], model_version="9.0.0")
    with pytest.raises(InferenceServerException, match="follow the registry"):
        client.load_model("iris")
    with pytest.raises(InferenceServerException, match="follow the registry"):
        client.unload_model("iris")


@pytest.mark.parametrize(
    ("body", "length", "message"),
    [
        ({"inputs": "x"}, None, "not an inference request"),
        ({}, None, "not an inference request"),
        ({"inputs": []}, None, "no inputs"),
        ({"inputs": [{"name": "a", "shape": [-1], "datatype": "FP64"}]}, None, "cannot be read"),
        ({"inputs": [{"name": "a", "shape": [1], "datatype": "FP64"}]}, None, "a holds values"),
        (
            {
                "inputs": [
                    {
                        "name": "a", "shape": [1], "datatype": "FP64",
                        "parameters": {"binary_data_size": 8},
                    }
                ]
            },
            None,
            "the body ends before",
        ),
        ({"inputs": []}, "99", "not a length within the body"),
        ({"inputs": []}, "x", "not a length within the body"),
        ({"inputs": [], "a": ""}, "14", "not JSON"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused(
    server: Server, body: Any, length: str | None, message: str
) -> None:
    server.put(routing_table(sums()))
    headers = {} if length is None else {"inference_header_content_length": length}
    answer = server.post("/v2/models/iris/infer", body, **headers)

    assert answer.status_code in (400, 422)
    assert message in answer.json()["error"]


def test_bytes_that_no_input_takes_are_refused(server: Server) -> None:
    content = b'{"inputs":[]}12345678'
    headers = {"inference-header-content-length": "13"}
    answer = server.client.post("/v2/models/iris/infer", content=content, headers=headers)

    assert answer.status_code == 400
    assert "8 bytes follow the JSON" in answer.json()["error"]


def test_the_log_gets_the_rows_of_raw_bytes(
    server: Server, client: triton.InferenceServerClient
) -> None:
    server.forget()
    client.infer("iris", [tensor("input", ROWS)])
    finished_request = server.told.wait(1)[0]

    assert finished_request.input is None
    assert finished_request.given["input"].tolist() == ROWS.tolist()
    assert NUMBERS["order"] == ["age", "height"]
