"""Inference over gRPC, by Triton's own client with its default arguments and by plain messages."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tests.serving.facing import NUMBERS, Does, finish, made, routing_table, served, sums
from tests.serving.facing_rpc import Rpc, call, infer_request, rpc_running, tensor
from tests.serving.protocols.test_inference_protocol import echo, mixed
from tritonclient.utils import InferenceServerException

from holdfast.serving.protocols.protocol_messages import message

ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
DTYPES = ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"]
CONTENTS = {
    "BOOL": ("bool_contents", [True, False]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-5, 6]),
    "INT32": ("int_contents", [-5, 6]),
    "INT64": ("int64_contents", [2**53 + 1, -1]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 6]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "FP32": ("fp32_contents", [0.5, -1.5]),
    "FP64": ("fp64_contents", [0.1, -1.5]),
    "BYTES": ("bytes_contents", ["é".encode(), b""]),
}
NUMPY = {
    "BOOL": "|b1", "INT8": "|i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "|u1",
    "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP32": "<f4", "FP64": "<f8", "BYTES": "O",
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Rpc]:
    with rpc_running(served(routing_table(sums()))) as rpc:
        yield rpc


@pytest.fixture
def client(server: Rpc) -> Iterator[triton.InferenceServerClient]:
    server.put(routing_table(sums(), kept={"2.0.0": mixed()}))
    with triton.InferenceServerClient(server.address) as client:
        yield client


def typed(field: str, values: Any, datatype: str, shape: list[int] | None = None) -> Any:
    request = message("ModelInferRequest")(model_name="iris")
    input_tensor = request.inputs.add(name="input", datatype=datatype, shape=shape or [len(values)])
    getattr(input_tensor.contents, field).extend(values)
    return request


def test_a_client_with_default_arguments_gets_its_answer_in_raw_bytes(
    client: triton.InferenceServerClient,
) -> None:
    result = client.infer("iris", [tensor("input", ROWS)], request_id="q-1")
    response = result.get_response()

    assert result.as_numpy("predict").tolist() == [3.0, 7.0]
    assert (response.model_name, response.model_version, response.id) == ("iris", "1.0.0", "q-1")
    assert response.parameters["prediction_id"].string_param
    assert len(response.raw_output_contents) == 1


def test_the_asynchronous_client_gets_it_too(server: Rpc) -> None:
    server.put(routing_table(sums()))

    async def infer() -> Any:
        async with triton_aio.InferenceServerClient(server.address) as client:
            assert await client.is_server_ready()
            return (await client.infer("iris", [tensor("input", ROWS)])).as_numpy("predict")

    assert finish(infer()).tolist() == [3.0, 7.0]


def test_a_version_answers_columns_by_name_with_texts_and_shapes(
    client: triton.InferenceServerClient,
) -> None:
    columns = [
        tensor("age", np.array([10, 20])),
        tensor("city", np.array(["Ulm", "Bâle"], dtype=object)),
    ]
    result = client.infer("iris", columns, model_version="2.0.0")

    assert [label.decode() for label in result.as_numpy("label")] == ["Ulm", "Bâle"]
    assert result.as_numpy("chances").tolist() == [[0.1, -0.1], [0.2, -0.2]]


def test_the_outputs_that_are_asked_for_are_given_and_no_others(
    client: triton.InferenceServerClient,
) -> None:
    columns = [tensor("age", np.array([10])), tensor("city", np.array(["Ulm"], dtype=object))]
    asked = [triton.InferRequestedOutput("chances")]
    result = client.infer("iris", columns, "2.0.0", outputs=asked)
    with pytest.raises(InferenceServerException, match="no output 'nope'") as failed:
        client.infer("iris", columns, "2.0.0", outputs=[triton.InferRequestedOutput("nope")])

    assert result.as_numpy("label") is None
    assert result.as_numpy("chances").shape == (1, 2)
    assert failed.value.status() == "StatusCode.INVALID_ARGUMENT"


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_bytes_come_back_as_they_went(
    client: triton.InferenceServerClient, server: Rpc, dtype: str
) -> None:
    values = np.array([[1, 0], [1, 1]]).astype(dtype)
    server.put(routing_table(echo([None, 2], values.dtype.name)))
    result = client.infer("iris", [tensor("input", values)])

    assert result.as_numpy("predict").dtype == values.dtype
    assert result.as_numpy("predict").tolist() == values.tolist()


@pytest.mark.parametrize("datatype", CONTENTS)
def test_contents_of_a_type_are_answered_by_contents_of_it(server: Rpc, datatype: str) -> None:
    field, values = CONTENTS[datatype]
    model = made(Does(lambda rows: rows))
    if datatype != "BYTES":
        model = echo([None], np.dtype(NUMPY[datatype]).name)
    server.put(routing_table(model))
    answer, _ = call(server.address, "ModelInfer", typed(field, values, datatype))

    assert not isinstance(answer, grpc.RpcError), answer
    assert answer.outputs[0].datatype == datatype
    assert list(getattr(answer.outputs[0].contents, field)) == values
    assert not answer.raw_output_contents


def test_outputs_that_have_no_contents_go_as_raw_bytes(server: Rpc) -> None:
    model = Does(lambda rows: rows.sum(axis=1).astype("<f2"))
    server.put(routing_table(made(model, input_schema=NUMBERS)))
    answer, _ = call(server.address, "ModelInfer", typed("fp64_contents", [1, 2], "FP64", [1, 2]))

    assert answer.outputs[0].datatype == "FP16"
    assert np.frombuffer(answer.raw_output_contents[0], "<f2").tolist() == [3.0]
    assert not answer.outputs[0].HasField("contents")


def wrong(change: Any) -> Any:
    request = infer_request()
    change(request)
    return request


@pytest.mark.parametrize(
    ("request_", "message_"),
    [
        (b"\xff\xff", "is not a ModelInferRequest message"),
        (wrong(lambda one: one.raw_input_contents.append(b"")), "has 2 tensors, inputs has 1"),
        (
            wrong(lambda one: one.inputs[0].contents.fp64_contents.append(1.0)),
            "both in raw_input_contents and in its contents",
        ),
        (
            wrong(lambda one: one.inputs[0].shape.append(-1)),
            r"has a shape \[1, 2, -1\], which cannot be read",
        ),
        (wrong(lambda one: one.inputs[0].shape.append(2**40)), r"FP64 of the shape"),
        (wrong(lambda one: one.inputs.pop()), "raw_input_contents has 1 tensors, inputs has 0"),
        (message("ModelInferRequest")(model_name="iris"), "the request has no inputs"),
        (
            typed("fp32_contents", [1, 2], "FP64"),
            "must have FP64 in fp64_contents, not in fp32_con",
        ),
        (
            typed("fp32_contents", [1, 2], "FP16"),
            "has no contents for FP16; send raw_input_contents",
        ),
        (
            typed("fp32_contents", [1, 2], "BF16"),
            "has no contents for BF16; send raw_input_contents",
        ),
        (typed("fp32_contents", [1, 2], "FP8"), "'FP8' is not a datatype"),
        (typed("int_contents", [300], "INT8"), "cannot be read as INT8"),
        (typed("fp64_contents", [1.0], "FP64", [2]), "cannot be read as FP64"),
        (typed("bytes_contents", [b"\xff"], "BYTES"), "does not hold texts"),
    ],
)
def test_what_is_not_sound_is_an_invalid_argument(
    server: Rpc, request_: Any, message_: str
) -> None:
    server.put(routing_table(sums()))
    error, _ = call(server.address, "ModelInfer", request_)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(message_, error.details())


def test_one_input_sent_twice_is_refused(server: Rpc) -> None:
    request = infer_request()
    request.inputs.append(request.inputs[0])
    request.raw_input_contents.append(request.raw_input_contents[0])
    error, _ = call(server.address, "ModelInfer", request)

    assert error.details() == "input names two inputs; send each once"


def test_metadata_tell_names_types_and_shapes(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("iris", "2.0.0")
    inputs = [
        (tensor_metadata.name, tensor_metadata.datatype, list(tensor_metadata.shape))
        for tensor_metadata in metadata.inputs
    ]
    outputs = [
        (tensor_metadata.name, tensor_metadata.datatype, list(tensor_metadata.shape))
        for tensor_metadata in metadata.outputs
    ]

    assert (metadata.name, list(metadata.versions)) == ("iris", ["2.0.0"])
    assert inputs == [("age", "INT64", [-1]), ("city", "BYTES", [-1])]
    assert outputs == [("label", "BYTES", [-1]), ("chances", "FP64", [-1, 2])]
