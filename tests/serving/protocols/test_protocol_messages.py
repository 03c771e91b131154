"""The protocol's messages, beside those of Triton's client."""

from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from holdfast.serving.protocols import protocol_messages

NAMES = sorted(protocol_messages._MESSAGES)


def fields(descriptor: Any) -> list[tuple[Any, ...]]:
    return [
        (
            field.name,
            field.number,
            field.type,
            field.is_repeated,
            field.message_type.full_name if field.message_type else None,
            bool(field.message_type and field.message_type.GetOptions().map_entry),
            field.containing_oneof.name if field.containing_oneof else None,
        )
        for field in descriptor.fields
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_message_has_the_fields_that_triton_knows(name: str) -> None:
    theirs = service_pb2.DESCRIPTOR.pool.FindMessageTypeByName(f"inference.{name}")

    assert fields(protocol_messages.message(name).DESCRIPTOR) == fields(theirs)


def test_what_one_side_writes_the_other_reads() -> None:
    ours = protocol_messages.message("ModelInferRequest")(model_name="iris", id="q")
    ours.parameters["user"].string_param = "ada"
    ours.inputs.add(name="x", datatype="INT8", shape=[2]).contents.int_contents.extend([1, -2])
    theirs = service_pb2.ModelInferRequest.FromString(ours.SerializeToString())

    assert (theirs.model_name, theirs.id) == ("iris", "q")
    assert theirs.parameters["user"].string_param == "ada"
    assert list(theirs.inputs[0].contents.int_contents) == [1, -2]
    assert theirs.SerializeToString() == ours.SerializeToString()
