"""Folders that MLflow wrote: what their `MLmodel` says, read as data and never believed as code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from holdfast.core import schema, strict_json
from holdfast.core.schema import Side
from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.registry.facts import Facts

MLMODEL: Final = "MLmodel"
_MOST_BYTES: Final = 1 << 20
_FRAMEWORKS: Final = {"sklearn": "scikit-learn", "pytorch": "torch", "keras": "keras"}
_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "boolean": {"type": "boolean", "dtype": "bool"},
    "integer": {"type": "integer", "dtype": "int32"},
    "long": {"type": "integer", "dtype": "int64"},
    "float": {"type": "number", "dtype": "float32"},
    "double": {"type": "number", "dtype": "float64"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "dtype": "datetime64[ns]"},
}
_NUMBERS: Final = {"i": "integer", "u": "integer", "f": "number", "b": "boolean"}


class ModelFolder(Struct, frozen=True):
    """What an `MLmodel` says of its folder.

    Attributes:
        flavors: Names of the ways to load it.
        facts: For the registration: schemas, framework, lineage and where it comes from.
    """

    flavors: tuple[str, ...]
    run_id: str | None
    model_id: str | None
    facts: Facts


def is_one(folder: Path) -> bool:
    """Tell whether MLflow wrote a folder."""
    return folder.is_dir() and (folder / MLMODEL).is_file()


def read(folder: Path) -> ModelFolder:
    """Read a folder's `MLmodel`; what is odd in it counts as left out.

    Raises:
        InvalidInputError: If it is not YAML, or too long to be an `MLmodel`.
    """
    document = _document(folder / MLMODEL)
    flavors = tuple(sorted(map(str, _mapping(document.get("flavors")))))
    run_id, model_id = _text(document, "run_id"), _text(document, "model_id")
    signature = _mapping(document.get("signature"))
    facts: Facts = {
        "formats": {"model": "folder"},
        "input_schema": _schema(signature.get("inputs"), "input_schema"),
        "output_schema": _schema(signature.get("outputs"), "output_schema"),
        "metadata": {"mlflow": _about(document, flavors)},
    }
    if run_id is not None:
        facts["lineage"] = {"run_id": run_id}
    framework = next((name for name in flavors if name != "python_function"), None)
    if framework is not None:
        facts["framework"] = _FRAMEWORKS.get(framework, framework)
    return ModelFolder(flavors, run_id, model_id, facts)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingLibraryError("yaml", "mlflow", "an MLmodel is read with it") from error

    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise InvalidInputError(f"file {str(path)!r}", "is too long to be an MLmodel")
    try:
        document = yaml.safe_load(raw)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInputError(
            f"file {str(path)!r}", f"is not YAML: {first}", "log the model again"
        ) from error
    return _mapping(document)


def _about(document: Mapping[str, Any], flavors: Sequence[str]) -> dict[str, Any]:
    words = ("artifact_path", "mlflow_version", "model_id", "model_uuid", "utc_time_created")
    texts = {word: _text(document, word) for word in words}
    return {"flavors": list(flavors)} | {word: text for word, text in texts.items() if text}


def _text(document: Mapping[str, Any], word: str) -> str | None:
    value = document.get(word)
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _schema(columns: object, side: Side) -> dict[str, Any] | None:
    """Return one side of a signature as JSON Schema, `None` if it cannot be told."""
    try:
        listed = strict_json.decode(columns.encode(), list) if isinstance(columns, str) else None
        told = _table(listed) if listed else None
        schema.parse(told, side)
    except (ValueError, LookupError, AttributeError, TypeError, InvalidInputError):
        return None
    return told


def _table(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    names = [column.get("name") for column in columns]
    if names == [None]:
        return _column(columns[0])
    if not all(isinstance(name, str) for name in names):
        return None
    named = [str(name) for name in names]
    return {
        "type": "object",
        "properties": dict(zip(named, map(_column, columns), strict=True)),
        "required": [
            name
            for name, column in zip(named, columns, strict=True)
            if column.get("required", True) and not column.get("optional")
        ],
        "order": named,
    }


def _column(column: Mapping[str, Any]) -> dict[str, Any]:
    if column.get("type") == "tensor":
        return _tensor(column["tensor-spec"])
    return dict(_COLUMNS.get(str(column.get("type")), {}))


def _tensor(spec: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    shape = [None if length == -1 else int(length) for length in spec["shape"]]
    kind = np.dtype(spec["dtype"]).kind
    inner: dict[str, Any] = {"type": _NUMBERS[kind]} if kind in _NUMBERS else {}
    for _ in shape:
        inner = {"type": "array", "items": inner}
    return inner | {"dtype": str(spec["dtype"]), "shape": shape} if shape else inner
