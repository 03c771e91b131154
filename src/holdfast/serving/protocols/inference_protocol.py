"""The Open Inference Protocol, version 2, with Triton's extension for raw bytes.

With the extension a body is JSON and then the bytes of its tensors one after the other; the header
`Inference-Header-Content-Length` tells where the JSON ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core.schema import Signature
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.rows.row_layout import layout
from holdfast.serving.protocols import predict, tensors
from holdfast.serving.protocols.codec import JSON, DecodedRequest, EncodedBody, PredictionResult

__all__ = ["OUTPUT", "Infer", "described", "outputs_of"]

OUTPUT: Final = "predict"
"""Name of the output of a model whose schema names none."""

_LENGTH: Final = b"inference-header-content-length"
_MOST_DIGITS: Final = 18
_OCTETS: Final = b"application/octet-stream"
_INPUT: Final = "input"


class _Parameters(Struct):
    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False
    classification: int | None = None


class _Input(Struct):
    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class _Output(Struct):
    name: str
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class _Request(Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    outputs: list[_Output] = []


class Infer:
    """The face of `/v2/models/{model}/infer`."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> DecodedRequest:
        """Read tensors, from JSON or from the bytes after it."""
        predict.check_media(headers, _OCTETS)
        length = headers.get(_LENGTH)
        end = len(body) if length is None else _end(length, body)
        fields = predict.decode(body[:end])
        try:
            request = msgspec.convert(fields, _Request)
        except msgspec.ValidationError as error:
            raise Refusal(400, f"the body is not an inference request: {error}") from error
        inputs, at = {}, end
        for tensor in request.inputs:
            if tensor.name in inputs:
                raise Refusal(400, f"{tensor.name} names two inputs; send each once", tensor.name)
            size = tensor.parameters.binary_data_size
            inputs[tensor.name] = _tensor(tensor, body[at : at + (size or 0)])
            at += size or 0
        if at != len(body):
            raise Refusal(
                400, f"{len(body) - end} bytes follow the JSON, but its inputs take {at - end}"
            )
        if not inputs:
            raise Refusal(422, "the request has no inputs", "inputs")
        offered = fields.get("parameters")
        return DecodedRequest(inputs, fields, length is None, request, offered=offered)

    def write(self, decoded: DecodedRequest, answer: PredictionResult) -> EncodedBody:
        """Write the outputs that were asked for, each as it was asked for."""
        request: _Request = decoded.echo
        outputs_by_name = outputs_of(answer, [output.name for output in request.outputs])
        asked = request.outputs or [_Output(name) for name in outputs_by_name]
        raw: list[bytes] = []
        outputs = []
        for output in asked:
            binary = output.parameters.binary_data
            is_binary = request.parameters.binary_data_output if binary is None else binary
            outputs.append(
                _written(output.name, outputs_by_name[output.name], raw if is_binary else None)
            )
        document = {
            "model_name": answer.loaded.model,
            "model_version": answer.loaded.version,
            **({} if request.id is None else {"id": request.id}),
            "parameters": {"prediction_id": answer.prediction_id},
            "outputs": outputs,
        }
        content = predict.encode(document)
        if not raw:
            return EncodedBody(content, JSON)
        length = (b"inference-header-content-length", b"%d" % len(content))
        return EncodedBody(content + b"".join(raw), _OCTETS, (length,))


def outputs_of(answer: PredictionResult, names: Sequence[str]) -> dict[str, Any]:
    """Return the outputs of the given names, or all if there are none.

    Raises:
        Refusal: 400 if an output is not there.
    """
    outputs = answer.output if isinstance(answer.output, dict) else {OUTPUT: answer.output}
    for name in names:
        if name not in outputs:
            raise Refusal(
                400, f"there is no output {name!r}; the outputs are {', '.join(outputs)}", name
            )
    return {name: outputs[name] for name in names or outputs}


def _end(length: bytes, body: bytes) -> int:
    if not length.isdigit() or len(length) > _MOST_DIGITS or int(length) > len(body):
        raise Refusal(400, "Inference-Header-Content-Length is not a length within the body")
    return int(length)


def _tensor(tensor: _Input, raw: bytes) -> Any:
    tensors.check_shape(tensor.name, tensor.shape)
    if tensor.parameters.binary_data_size is not None:
        if tensor.parameters.binary_data_size != len(raw):
            raise Refusal(
                400, f"{tensor.name} is cut short: the body ends before its bytes do", tensor.name
            )
        return tensors.from_bytes(tensor.name, tensor.datatype, tensor.shape, raw)
    return tensors.from_json(tensor.name, tensor.datatype, tensor.shape, tensor.data)


def _written(name: str, values: Any, raw: list[bytes] | None) -> dict[str, Any]:
    datatype, array = tensors.words_of(values)
    tensor = {"name": name, "datatype": datatype, "shape": list(array.shape)}
    if raw is None:
        return tensor | {"data": tensors.to_json(array)}
    content = tensors.to_bytes(datatype, array)
    raw.append(content)
    return tensor | {"parameters": {"binary_data_size": len(content)}}


def described(loaded: Loaded) -> dict[str, Any]:
    """Return a version's metadata as the protocol has it."""
    return {
        "name": loaded.model,
        "versions": [loaded.version],
        "platform": loaded.manifest.framework or "",
        "inputs": _sides(loaded.input_schema, _INPUT),
        "outputs": _sides(loaded.output_schema, OUTPUT),
    }


def _sides(signature: Signature | None, unnamed: str) -> list[dict[str, Any]]:
    form = layout(signature)
    rows = [] if form.kind == "whole" and form.columns[0].shape else [-1]
    return [
        {
            "name": column.name or unnamed,
            "datatype": tensors.datatype_of(column),
            "shape": [-1 if size is None else size for size in column.shape or ()]
            if form.kind == "tensor"
            else rows + [-1 if size is None else size for size in column.shape or ()],
        }
        for column in form.columns
    ]
