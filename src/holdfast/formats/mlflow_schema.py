"""A signature of MLflow's as JSON Schema: columns, tensors, optional ones, and parameters."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdfast.core import schema, strict_json
from holdfast.core.schema import Side
from holdfast.errors import InvalidInputError

__all__ = ["of_columns", "of_params"]

_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "boolean": {"type": "boolean", "dtype": "bool"},
    "integer": {"type": "integer", "dtype": "int32"},
    "long": {"type": "integer", "dtype": "int64"},
    "float": {"type": "number", "dtype": "float32"},
    "double": {"type": "number", "dtype": "float64"},
    "string": {"type": "string"},
    "binary": {"type": "string", "description": "bytes in Base64"},
    "datetime": {"type": "string", "dtype": "datetime64[ns]"},
}
_NUMBERS: Final = {"i": "integer", "u": "integer", "f": "number", "b": "boolean"}
_DEEPEST: Final = 16
_MOST_PARAMS: Final = 100

Schema = dict[str, Any]
Spec = Mapping[str, Any]


def of_columns(text: object, side: Side) -> Schema | None:
    """Return one side of a signature, as an `MLmodel` writes it; `None` if it cannot be told."""
    try:
        listed = strict_json.decode(text.encode(), list) if isinstance(text, str) else None
        described = _table(listed) if listed else None
        schema.parse(described, side)
    except (ValueError, LookupError, AttributeError, TypeError, InvalidInputError):
        return None
    return described


def of_params(text: object) -> dict[str, Schema]:
    """Return the parameters of a signature by name, none if they cannot be told."""
    try:
        listed = strict_json.decode(text.encode(), list) if isinstance(text, str) else []
        return {str(spec["name"]): _param(spec) for spec in listed[:_MOST_PARAMS]}
    except (ValueError, LookupError, AttributeError, TypeError):
        return {}


def _param(spec: Spec) -> Schema:
    """Describe one parameter: a value, a list of such, or an object; null where that is one."""
    described = _of_column({"type": spec.get("dtype"), **spec})
    kind = described.get("type")
    if spec.get("shape"):
        described = {"type": "array", "items": described}
    elif isinstance(kind, str) and kind != "object":
        described["type"] = [kind, "null"]
    return {**described, "default": spec.get("default")}


def _table(columns: Sequence[Spec]) -> Schema | None:
    names = [column.get("name") for column in columns]
    if names == [None]:
        return _of_column(columns[0])
    if not any(names):
        return _by_position(columns)
    if not all(isinstance(name, str) for name in names):
        return None
    named = [str(name) for name in names]
    properties = {name: _field(column) for name, column in zip(named, columns, strict=True)}
    required = [name for name, column in zip(named, columns, strict=True) if _is_required(column)]
    return {"type": "object", "properties": properties, "required": required, "order": named}


def _by_position(columns: Sequence[Spec]) -> Schema | None:
    """Describe columns without names, which are one array if they are of one type."""
    types = {str(column.get("type")) for column in columns}
    kind = types.pop()
    if types or kind not in _COLUMNS:
        return None
    row = {"type": "array", "items": {"type": _COLUMNS[kind]["type"]}}
    dtype = _COLUMNS[kind].get("dtype")
    known = {"dtype": dtype} if dtype else {}
    return {"type": "array", "items": row, "shape": [None, len(columns)], **known}


def _is_required(column: Spec) -> bool:
    return bool(column.get("required", True)) and not column.get("optional")


def _field(column: Spec) -> Schema:
    """Describe a named column; an optional one may be left out of a row, or be null there."""
    if column.get("type") == "tensor":
        return _tensor(column["tensor-spec"], rows=False)
    described = _of_column(column)
    kind = described.get("type")
    if kind is None or _is_required(column):
        return described
    return {**described, "type": [kind, "null"]}


def _of_column(column: Spec, depth: int = 0) -> Schema:
    kind = str(column.get("type"))
    if depth > _DEEPEST:
        return {}
    match kind:
        case "tensor":
            return _tensor(column["tensor-spec"], rows=True)
        case "array":
            return {"type": "array", "items": _of_column(column["items"], depth + 1)}
        case "map":
            return {"type": "object"}
        case "object":
            return _object(column["properties"], depth)
    return dict(_COLUMNS.get(kind, {}))


def _object(fields: Mapping[str, Spec], depth: int) -> Schema:
    properties = {name: _of_column(field, depth + 1) for name, field in fields.items()}
    required = [name for name, field in fields.items() if _is_required(field)]
    return {"type": "object", "properties": properties, "required": required}


def _tensor(spec: Spec, *, rows: bool) -> Schema:
    """Describe a tensor: of all rows, or as one of several of what each row has.

    Raises:
        ValueError: If the first axis of one of several does not count the rows.
    """
    import numpy as np

    shape = [None if length == -1 else int(length) for length in spec["shape"]]
    if not rows:
        if shape[:1] != [None]:
            raise ValueError(shape)
        shape = shape[1:]
    kind = np.dtype(spec["dtype"]).kind
    inner: Schema = {"type": _NUMBERS[kind]} if kind in _NUMBERS else {}
    for _ in shape:
        inner = {"type": "array", "items": inner}
    known: Schema = {"dtype": str(spec["dtype"])} if kind in _NUMBERS or shape else {}
    return inner | known | ({"shape": shape} if shape else {})
