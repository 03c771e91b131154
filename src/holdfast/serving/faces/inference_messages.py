"""The Open Inference Protocol's request for inference over gRPC, read and written.

Values come and go as fields of their type or as raw bytes, as over HTTP; the answer is of the form
that the request had.
"""

from collections.abc import Mapping
from typing import Any, Final

from holdfast.serving.faces import inference_protocol, tensors
from holdfast.serving.faces.face import Answer, Body, Question
from holdfast.serving.faces.protocol_messages import Message, message
from holdfast.serving.lineup import Loaded
from holdfast.serving.refusal import Refusal

__all__ = ["InferMessage", "described", "parse"]

_MEDIA: Final = b"application/grpc"
_CONTENTS: Final = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where values of a datatype stand; of those that are missing here, only as raw bytes."""


def parse(name: str, raw: bytes) -> Message:
    """Read a message.

    Raises:
        Refusal: 400 if the bytes are not such a message.
    """
    from google.protobuf.message import DecodeError

    try:
        return message(name).FromString(raw)
    except DecodeError as error:
        raise Refusal(400, f"the request is not a message {name}: {error}") from error


class InferMessage:
    """The face of one `ModelInferRequest`.

    Args:
        request: The message, as it was read.
    """

    def __init__(self, request: Message) -> None:
        self._request = request

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Question:  # noqa: ARG002
        """Read the tensors; the bytes of the message were read before."""
        request = self._request
        raw = request.raw_input_contents
        if raw and len(raw) != len(request.inputs):
            told = f"raw_input_contents has {len(raw)} tensors, inputs has {len(request.inputs)}"
            raise Refusal(400, told, "raw_input_contents")
        given: dict[str, Any] = {}
        for at, one in enumerate(request.inputs):
            if one.name in given:
                raise Refusal(400, f"{one.name}: names two inputs; send each once", one.name)
            given[one.name] = _tensor(one, raw[at] if raw else None)
        if not given:
            raise Refusal(422, "the request has no inputs", "inputs")
        fields = {"id": request.id, "parameters": _parameters(request.parameters)}
        return Question(given, fields, is_json=False)

    def write(self, question: Question, answer: Answer) -> Body:  # noqa: ARG002
        """Write the outputs that were asked for."""
        request = self._request
        outputs = inference_protocol.outputs_of(answer, [one.name for one in request.outputs])
        found = {name: tensors.words_of(values) for name, values in outputs.items()}
        made = message("ModelInferResponse")(
            model_name=answer.loaded.model, model_version=answer.loaded.version, id=request.id
        )
        made.parameters["prediction_id"].string_param = answer.prediction_id
        is_raw = bool(request.raw_input_contents)
        is_raw |= any(datatype not in _CONTENTS for datatype, _ in found.values())
        for name, (datatype, array) in found.items():
            one = made.outputs.add(name=name, datatype=datatype, shape=array.shape)
            if is_raw:
                made.raw_output_contents.append(tensors.to_bytes(datatype, array))
            else:
                getattr(one.contents, _CONTENTS[datatype]).extend(_values(datatype, array))
        return Body(made.SerializeToString(), _MEDIA)


def described(loaded: Loaded) -> Message:
    """Return a version's metadata as a message."""
    return message("ModelMetadataResponse")(**inference_protocol.described(loaded))


def _tensor(one: Message, raw: bytes | None) -> Any:
    shape = [*one.shape]
    tensors.check_shape(one.name, shape)
    fields = [field.name for field, _ in one.contents.ListFields()]
    if raw is not None:
        if fields:
            told = "its values stand in raw_input_contents and in its contents; send them once"
            raise Refusal(400, f"{one.name}: {told}", one.name)
        return tensors.from_bytes(one.name, one.datatype, shape, raw)
    expected = _CONTENTS.get(one.datatype)
    if one.datatype in ("FP16", "BF16"):
        told = f"{one.datatype} has no contents; send raw_input_contents"
        raise Refusal(400, f"{one.name}: {told}", one.name)
    if expected is not None and fields and fields != [expected]:
        told = f"{one.datatype} stands in {expected}, not in {' and '.join(fields)}"
        raise Refusal(400, f"{one.name}: {told}", one.name)
    values = [*getattr(one.contents, expected)] if expected else []
    if one.datatype == "BYTES":
        values = _texts(one.name, values)
    return tensors.from_json(one.name, one.datatype, shape, values)


def _texts(name: str, values: list[bytes]) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise Refusal(400, f"{name}: holds no texts: {error}", name) from error


def _values(datatype: str, array: Any) -> list[Any]:
    values = tensors.to_json(array)
    return [text.encode() for text in values] if datatype == "BYTES" else values


def _parameters(parameters: Mapping[str, Message]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, parameter in parameters.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is not None:
            found[name] = getattr(parameter, choice)
    return found
