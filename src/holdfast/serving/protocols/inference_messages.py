"""The Open Inference Protocol's request for inference over gRPC, read and written.

Values come and go as fields of their type or as raw bytes, as over HTTP; the answer is of the form
that the request had.
"""

from collections.abc import Mapping
from typing import Any, Final

from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols import inference_protocol, tensors
from holdfast.serving.protocols.codec import DecodedRequest, EncodedBody, PredictionResult
from holdfast.serving.protocols.protocol_messages import Message, message

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
        raise Refusal(400, f"the request is not a {name} message: {error}") from error


class InferMessage:
    """The face of one `ModelInferRequest`.

    Args:
        request: The message, as it was read.
    """

    def __init__(self, request: Message) -> None:
        self._request = request

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:  # noqa: ARG002
        """Read the tensors; the bytes of the message were read before."""
        request = self._request
        raw = request.raw_input_contents
        if raw and len(raw) != len(request.inputs):
            problem = f"raw_input_contents has {len(raw)} tensors, inputs has {len(request.inputs)}"
            raise Refusal(400, problem, "raw_input_contents")
        inputs: dict[str, Any] = {}
        for at, tensor in enumerate(request.inputs):
            if tensor.name in inputs:
                raise Refusal(400, f"{tensor.name} names two inputs; send each once", tensor.name)
            inputs[tensor.name] = _tensor(tensor, raw[at] if raw else None)
        if not inputs:
            raise Refusal(422, "the request has no inputs", "inputs")
        fields = {"id": request.id, "parameters": _parameters(request.parameters)}
        return DecodedRequest(inputs, fields, is_json=False, offered=fields["parameters"])

    def write(self, decoded: DecodedRequest, answer: PredictionResult) -> EncodedBody:  # noqa: ARG002
        """Write the outputs that were asked for."""
        request = self._request
        outputs = inference_protocol.outputs_of(answer, [tensor.name for tensor in request.outputs])
        arrays = {name: tensors.words_of(values) for name, values in outputs.items()}
        made = message("ModelInferResponse")(
            model_name=answer.loaded.model, model_version=answer.loaded.version, id=request.id
        )
        made.parameters["prediction_id"].string_param = answer.prediction_id
        is_raw = bool(request.raw_input_contents)
        is_raw |= any(datatype not in _CONTENTS for datatype, _ in arrays.values())
        for name, (datatype, array) in arrays.items():
            tensor = made.outputs.add(name=name, datatype=datatype, shape=array.shape)
            if is_raw:
                made.raw_output_contents.append(tensors.to_bytes(datatype, array))
            else:
                getattr(tensor.contents, _CONTENTS[datatype]).extend(_values(datatype, array))
        return EncodedBody(made.SerializeToString(), _MEDIA)


def described(loaded: Loaded) -> Message:
    """Return a version's metadata as a message."""
    return message("ModelMetadataResponse")(**inference_protocol.described(loaded))


def _tensor(tensor: Message, raw: bytes | None) -> Any:
    shape = [*tensor.shape]
    tensors.check_shape(tensor.name, shape)
    fields = [field.name for field, _ in tensor.contents.ListFields()]
    if raw is not None:
        if fields:
            problem = (
                "has its values both in raw_input_contents and in its contents; send them once"
            )
            raise Refusal(400, f"{tensor.name} {problem}", tensor.name)
        return tensors.from_bytes(tensor.name, tensor.datatype, shape, raw)
    expected = _CONTENTS.get(tensor.datatype)
    if tensor.datatype in ("FP16", "BF16"):
        problem = f"has no contents for {tensor.datatype}; send raw_input_contents"
        raise Refusal(400, f"{tensor.name} {problem}", tensor.name)
    if expected is not None and fields and fields != [expected]:
        problem = f"must have {tensor.datatype} in {expected}, not in {' and '.join(fields)}"
        raise Refusal(400, f"{tensor.name} {problem}", tensor.name)
    values = [*getattr(tensor.contents, expected)] if expected else []
    if tensor.datatype == "BYTES":
        values = _texts(tensor.name, values)
    return tensors.from_json(tensor.name, tensor.datatype, shape, values)


def _texts(name: str, values: list[bytes]) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise Refusal(400, f"{name} does not hold texts: {error}", name) from error


def _values(datatype: str, array: Any) -> list[Any]:
    values = tensors.to_json(array)
    return [text.encode() for text in values] if datatype == "BYTES" else values


def _parameters(parameters: Mapping[str, Message]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is not None:
            values[name] = getattr(parameter, choice)
    return values
