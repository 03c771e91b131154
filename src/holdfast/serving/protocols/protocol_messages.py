"""The messages of the Open Inference Protocol over gRPC, by their numbers.

They are made from the table below when the process starts, in a pool of their own: a model's
library may bring another description of the same messages, and the two must not meet.
"""

from functools import cache
from typing import Any, Final

from holdfast.errors import MissingLibraryError

__all__ = ["SERVICE", "Message", "message"]

SERVICE: Final = "inference.GRPCInferenceService"
"""Name of the service."""

Message = Any
"""An object of one of the classes that `message` returns."""

_PACKAGE: Final = "inference"
_MAP: Final = "map"
_PARAMETERS: Final = "map InferParameter"

# Each field is `number: (name, type)`; `many T` is a list, `map T` a dictionary from names.
_MESSAGES: Final[dict[str, dict[int, tuple[str, str]]]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {1: ("live", "bool")},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {1: ("ready", "bool")},
    "ModelReadyRequest": {1: ("name", "string"), 2: ("version", "string")},
    "ModelReadyResponse": {1: ("ready", "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {
        1: ("name", "string"),
        2: ("version", "string"),
        3: ("extensions", "many string"),
    },
    "ModelMetadataRequest": {1: ("name", "string"), 2: ("version", "string")},
    "ModelMetadataResponse.TensorMetadata": {
        1: ("name", "string"),
        2: ("datatype", "string"),
        3: ("shape", "many int64"),
    },
    "ModelMetadataResponse": {
        1: ("name", "string"),
        2: ("versions", "many string"),
        3: ("platform", "string"),
        4: ("inputs", "many ModelMetadataResponse.TensorMetadata"),
        5: ("outputs", "many ModelMetadataResponse.TensorMetadata"),
    },
    "InferParameter": {  # one of them at most
        1: ("bool_param", "bool"),
        2: ("int64_param", "int64"),
        3: ("string_param", "string"),
        4: ("double_param", "double"),
        5: ("uint64_param", "uint64"),
    },
    "InferTensorContents": {
        1: ("bool_contents", "many bool"),
        2: ("int_contents", "many int32"),
        3: ("int64_contents", "many int64"),
        4: ("uint_contents", "many uint32"),
        5: ("uint64_contents", "many uint64"),
        6: ("fp32_contents", "many float"),
        7: ("fp64_contents", "many double"),
        8: ("bytes_contents", "many bytes"),
    },
    "ModelInferRequest.InferInputTensor": {
        1: ("name", "string"),
        2: ("datatype", "string"),
        3: ("shape", "many int64"),
        4: ("parameters", _PARAMETERS),
        5: ("contents", "InferTensorContents"),
    },
    "ModelInferRequest.InferRequestedOutputTensor": {
        1: ("name", "string"),
        2: ("parameters", _PARAMETERS),
    },
    "ModelInferRequest": {
        1: ("model_name", "string"),
        2: ("model_version", "string"),
        3: ("id", "string"),
        4: ("parameters", _PARAMETERS),
        5: ("inputs", "many ModelInferRequest.InferInputTensor"),
        6: ("outputs", "many ModelInferRequest.InferRequestedOutputTensor"),
        7: ("raw_input_contents", "many bytes"),
    },
    "ModelInferResponse.InferOutputTensor": {
        1: ("name", "string"),
        2: ("datatype", "string"),
        3: ("shape", "many int64"),
        4: ("parameters", _PARAMETERS),
        5: ("contents", "InferTensorContents"),
    },
    "ModelInferResponse": {
        1: ("model_name", "string"),
        2: ("model_version", "string"),
        3: ("id", "string"),
        4: ("parameters", _PARAMETERS),
        5: ("outputs", "many ModelInferResponse.InferOutputTensor"),
        6: ("raw_output_contents", "many bytes"),
    },
}
_EXCLUSIVE: Final = {"InferParameter": "parameter_choice"}
"""Messages of which one field at most is set, and the name of that choice."""


@cache
def message(name: str) -> Any:
    """Return the class of a message of the protocol, such as `ModelInferRequest`.

    Raises:
        MissingLibraryError: If the extra `grpc` is not installed.
    """
    try:
        from google.protobuf import message_factory
    except ModuleNotFoundError as error:
        raise MissingLibraryError("protobuf", "grpc", "gRPC needs it") from error

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="holdfast/open_inference_protocol.proto", package=_PACKAGE, syntax="proto3"
    )
    made: dict[str, Any] = {}
    for name, fields in sorted(_MESSAGES.items()):  # what holds others comes before them
        outer, _, inner = name.rpartition(".")
        descriptor = (
            made[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=name)
        )
        made[name] = descriptor
        if name in _EXCLUSIVE:
            descriptor.oneof_decl.add(name=_EXCLUSIVE[name])
        for number, (field, kind) in fields.items():
            _add(descriptor, f".{_PACKAGE}.{name}", number, (field, kind))
            if name in _EXCLUSIVE:
                descriptor.field[-1].oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(descriptor: Any, path: str, number: int, declaration: tuple[str, str]) -> None:
    """Add a field to the description of a message, whose full name is *path*."""
    name, kind = declaration
    form, _, element = kind.rpartition(" ")
    field = descriptor.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if form else field.LABEL_OPTIONAL
    if form == _MAP:
        entry = descriptor.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add(entry, path, 1, ("key", "string"))
        _add(entry, path, 2, ("value", element))
        field.type, field.type_name = field.TYPE_MESSAGE, f"{path}.{entry.name}"
    elif element[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{element}"
    else:
        field.type = getattr(field, f"TYPE_{element.upper()}")
