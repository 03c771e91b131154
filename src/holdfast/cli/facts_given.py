"""The options of `register` as the facts they stand for."""

from pathlib import Path
from typing import Any

from holdfast.cli.context import json_file, numbers, pairs, typed
from holdfast.errors import InvalidInputError
from holdfast.registry.facts import Facts


def facts_from(options: dict[str, Any]) -> Facts:
    """Turn options into facts; what was not said is left out, so that it is found out."""
    facts: dict[str, Any] = {
        name: options[name]
        for name in ("description", "author", "framework", "algorithm", "trust", "reason", "key")
    }
    facts["metrics"] = _object("--metrics", options["metrics"]) | numbers(
        "--metric", options["metric"]
    )
    facts["hyperparameters"] = typed(pairs("--param", options["param"])) or None
    facts["training_data"] = typed(pairs("--training-data", options["training_data"]))
    facts["lineage"] = _lineage(typed(pairs("--lineage", options["lineage"])))
    facts["metadata"] = typed(pairs("--metadata", options["metadata"]))
    facts["limitations"] = tuple(options["limitation"])
    facts["artifacts"] = {
        role: Path(path) for role, path in pairs("--artifact", options["artifact"]).items()
    }
    facts["formats"] = pairs("--format", options["form"])
    facts["input_schema"] = json_file("--input-schema", options["input_schema"]) or None
    facts["output_schema"] = json_file("--output-schema", options["output_schema"]) or None
    facts["input_example"] = _rows(options["input_example"])
    said: Facts = {name: value for name, value in facts.items() if value is not None}  # type: ignore[assignment]
    return said


def _object(option: str, path: str | None) -> dict[str, Any]:
    document = json_file(option, path)
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{option} {path!r}", "is no JSON object", 'write {"roc_auc": 0.99}'
        )
    return document


def _lineage(given: dict[str, Any]) -> dict[str, Any]:
    """Keep words as words: a run id or window of digits is no number."""
    parents = given.get("parents")
    lineage = {
        name: value if isinstance(value, bool | list) else str(value)
        for name, value in given.items()
    }
    if isinstance(parents, str):
        lineage["parents"] = [parents]
    return lineage


def _rows(path: str | None) -> Any:
    if path is None:
        return None
    if not path.endswith(".csv"):
        return json_file("--input-example", path)
    import csv

    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            return [typed(row) for row in csv.DictReader(file)]
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise InvalidInputError(f"--input-example {path!r}", problem, "check its path") from error
