"""Folders that MLflow wrote: what their `MLmodel` says, read as data and never believed as code."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.errors import InvalidInputError
from holdfast.formats import mlflow_schema
from holdfast.formats.scanner import mlmodel

__all__ = ["MlflowFolder", "can_be_loaded", "is_one", "read"]

_FRAMEWORKS: Final = {"sklearn": "scikit-learn", "pytorch": "torch", "keras": "keras"}
_PIN: Final = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])?==([A-Za-z0-9][A-Za-z0-9.!+_-]*)"
)
_MOST_BYTES: Final = 1 << 18
_MOST_PINS: Final = 500


@dataclass(frozen=True, slots=True)
class MlflowFolder:
    """What an `MLmodel` says of its folder.

    Attributes:
        flavors: Names of the ways to load it, sorted.
        framework: As Holdfast calls it, `None` if only a function is known.
        about: Where it comes from, texts and lists alone.
        packages: Versions that `requirements.txt` pins, by distribution.
    """

    flavors: tuple[str, ...]
    run_id: str | None
    model_id: str | None
    framework: str | None
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None
    about: dict[str, Any]
    python: str | None
    packages: dict[str, str]


def is_one(folder: Path) -> bool:
    """Tell whether MLflow wrote a folder."""
    return os.path.isfile(folder / mlmodel.MLMODEL)  # False, too, where it may not be looked at


def read(folder: Path) -> MlflowFolder:
    """Read a folder's `MLmodel`; what is odd in it counts as left out.

    Raises:
        InvalidInputError: If it is not YAML, or too long to be an `MLmodel`.
        MissingLibraryError: If PyYAML is not installed.
    """
    document = mlmodel.read(folder)
    flavors = tuple(sorted(map(str, mlmodel.mapping(document.get("flavors")))))
    signature = mlmodel.mapping(document.get("signature"))
    framework = next((name for name in flavors if name != "python_function"), None)
    return MlflowFolder(
        flavors=flavors,
        run_id=_text(document, "run_id"),
        model_id=_text(document, "model_id"),
        framework=None if framework is None else _FRAMEWORKS.get(framework, framework),
        input_schema=mlflow_schema.of_columns(signature.get("inputs"), "input_schema"),
        output_schema=mlflow_schema.of_columns(signature.get("outputs"), "output_schema"),
        about=_about(document, flavors, mlflow_schema.of_params(signature.get("params"))),
        python=_text(mlmodel.function(document), "python_version"),
        packages=_pins(folder / "requirements.txt"),
    )


def can_be_loaded(folder: Path, trust: str | None) -> bool:
    """Tell whether a folder may be loaded by MLflow: its loader is understood, or trusted."""
    try:
        document = mlmodel.read(folder)
        mlmodel.require_inside(folder, document)
    except InvalidInputError:
        return False
    return bool(mlmodel.function(document)) and bool(trust or not mlmodel.doubts(folder, document))


def _about(
    document: Mapping[str, Any], flavors: Sequence[str], params: Mapping[str, Any]
) -> dict[str, Any]:
    words = ("artifact_path", "mlflow_version", "model_id", "model_uuid", "utc_time_created")
    texts = {word: _text(document, word) for word in words}
    known = {word: text for word, text in texts.items() if text}
    defaults = {name: schema["default"] for name, schema in params.items()}
    return {"flavors": list(flavors)} | known | ({"params": defaults} if defaults else {})


def _text(document: Mapping[str, Any], word: str) -> str | None:
    value = document.get(word)
    return value if isinstance(value, str) and value else None


def _pins(path: Path) -> dict[str, str]:
    """Return what a file of requirements pins; it is a claim, and only ever compared."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    plain = (line.partition("#")[0].partition(";")[0].strip() for line in lines)
    pins = filter(None, map(_PIN.fullmatch, plain))
    return {pin[1]: pin[2] for pin, _ in zip(pins, range(_MOST_PINS), strict=False)}
