"""The Open Inference Protocol, version 2, with Triton's extension for raw bytes.

With the extension a body is JSON and then the bytes of its tensors one after the other; the header
`Inference-Header-Content-Length` tells where the JSON ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from holdfast.core.schema import Signature
from holdfast.serving.faces import tensors, wire
from holdfast.serving.faces.face import JSON, Answer, Body, Question
from holdfast.serving.lineup import Loaded
from holdfast.serving.refusal import Refusal
from holdfast.serving.rows.layout import layout

__all__ = ["OUTPUT", "Infer", "described", "outputs_of"]

OUTPUT: Final = "predict"
"""Name of the output of a model whose schema names none."""

_LENGTH: Final = b"inference-header-content-length"
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

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Question:
        """Read tensors, from JSON or from the bytes after it."""
        wire.check_media(headers, _OCTETS)
        length = headers.get(_LENGTH)
        end = len(body) if length is None else _end(length, body)
        fields = wire.decode(body[:end])
        try:
            request = msgspec.convert(fields, _Request)
        except msgspec.ValidationError as error:
            raise Refusal(400, f"not a request for inference: {error}") from error
        given, at = {}, end
        for one in request.inputs:
            if one.name in given:
                raise Refusal(400, f"{one.name}: names two inputs; send each once", one.name)
            size = one.parameters.binary_data_size
            given[one.name] = _tensor(one, body[at : at + (size or 0)])
            at += size or 0
        if at != len(body):
            raise Refusal(
                400, f"{len(body) - end} bytes follow the JSON, its inputs take {at - end}"
            )
        if not given:
            raise Refusal(422, "the request has no inputs", "inputs")
        return Question(given, fields, length is None, request)

    def write(self, question: Question, answer: Answer) -> Body:
        """Write the outputs that were asked for, each as it was asked for."""
        request: _Request = question.echo
        found = outputs_of(answer, [one.name for one in request.outputs])
        asked = request.outputs or [_Output(name) for name in found]
        raw: list[bytes] = []
        outputs = []
        for one in asked:
            binary = one.parameters.binary_data
            wanted = request.parameters.binary_data_output if binary is None else binary
            outputs.append(_written(one.name, found[one.name], raw if wanted else None))
        told = {
            "model_name": answer.loaded.model,
            "model_version": answer.loaded.version,
            **({} if request.id is None else {"id": request.id}),
            "parameters": {"prediction_id": answer.prediction_id},
            "outputs": outputs,
        }
        content = wire.encode(told)
        if not raw:
            return Body(content, JSON)
        length = (b"inference-header-content-length", b"%d" % len(content))
        return Body(content + b"".join(raw), _OCTETS, (length,))


def outputs_of(answer: Answer, names: Sequence[str]) -> dict[str, Any]:
    """Return the outputs of the given names, or all if there are none.

    Raises:
        Refusal: 400 if an output is not there.
    """
    found = answer.output if isinstance(answer.output, dict) else {OUTPUT: answer.output}
    for name in names:
        if name not in found:
            raise Refusal(400, f"no output {name!r}; there are {', '.join(found)}", name)
    return {name: found[name] for name in names or found}


def _end(length: bytes, body: bytes) -> int:
    if not length.isdigit() or int(length) > len(body):
        raise Refusal(400, "Inference-Header-Content-Length is no length within the body")
    return int(length)


def _tensor(one: _Input, raw: bytes) -> Any:
    tensors.check_shape(one.name, one.shape)
    if one.parameters.binary_data_size is not None:
        if one.parameters.binary_data_size != len(raw):
            raise Refusal(400, f"{one.name}: the body ends before its bytes do", one.name)
        return tensors.from_bytes(one.name, one.datatype, one.shape, raw)
    return tensors.from_json(one.name, one.datatype, one.shape, one.data)


def _written(name: str, values: Any, raw: list[bytes] | None) -> dict[str, Any]:
    datatype, array = tensors.words_of(values)
    told = {"name": name, "datatype": datatype, "shape": list(array.shape)}
    if raw is None:
        return told | {"data": tensors.to_json(array)}
    content = tensors.to_bytes(datatype, array)
    raw.append(content)
    return told | {"parameters": {"binary_data_size": len(content)}}


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
