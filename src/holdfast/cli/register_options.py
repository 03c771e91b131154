"""The options of `register` as the facts they stand for."""

from pathlib import Path
from typing import Any, Final, cast

from holdfast.cli import row_files
from holdfast.cli.context import json_file, numbers, pairs, typed
from holdfast.errors import InvalidInputError
from holdfast.formats.example import Table
from holdfast.registry.facts import Facts

_TEXTS: Final = (
    *("description", "author", "framework", "algorithm", "code", "entry", "base", "reference"),
)


def facts_from(options: dict[str, Any]) -> Facts:
    """Turn options into facts; options not given are left out, to be filled in later."""
    facts: dict[str, Any] = {
        name: options[name] for name in (*_TEXTS, "trust", "reason", "idempotency_key")
    }
    facts["metrics"] = _object("--metrics", options["metrics"]) | numbers(
        "--metric", options["metric"]
    )
    facts["hyperparameters"] = typed(pairs("--param", options["param"])) or None
    facts["training_data"] = typed(pairs("--training-data", options["training_data"]))
    facts["lineage"] = _lineage(typed(pairs("--lineage", options["lineage"])))
    facts["data"] = pairs("--data", options["data"]) or None
    facts["patch"] = options["keep_patch"] or None
    facts["metadata"] = typed(pairs("--metadata", options["metadata"]))
    facts["limitations"] = tuple(options["limitation"])
    facts["scanners"] = tuple(options["scanner"])
    facts["artifacts"] = {
        role: Path(path) for role, path in pairs("--artifact", options["artifact"]).items()
    }
    if options["postprocessor"] is not None:
        facts["postprocessor"] = Path(options["postprocessor"])
    facts["losses"] = {
        name: Path(path) for name, path in pairs("--losses", options["losses"]).items()
    }
    facts["evaluation_set"] = options["evaluation_set"]
    facts["formats"] = pairs("--format", options["form"])
    facts["environment"] = _environment(pairs("--environment", options["environment"]))
    facts["input_example"] = _rows(options["input_example"])
    stated_facts = {name: value for name, value in facts.items() if value is not None}
    for side in ("input_schema", "output_schema"):
        if options[side] is not None:  # `null` says that there is none
            stated_facts[side] = json_file(f"--{side.replace('_', '-')}", options[side])
    return cast("Facts", stated_facts)


def _object(option: str, path: str | None) -> dict[str, Any]:
    document = json_file(option, path)
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{option} {path!r}", "is not a JSON object", 'write {"roc_auc": 0.99}'
        )
    return document


def _environment(versions: dict[str, str]) -> dict[str, Any] | None:
    packages = {name: version for name, version in versions.items() if name != "python"}
    return {"python": versions.get("python"), "packages": packages} if versions else None


def _lineage(fields: dict[str, Any]) -> dict[str, Any]:
    """Keep these values as text: a run id or data window of digits is not a number."""
    parents = fields.get("parents")
    lineage = {
        name: value if isinstance(value, bool | list) or name == "seed" else str(value)
        for name, value in fields.items()
    }
    if isinstance(parents, str):
        lineage["parents"] = [parents]
    return lineage


def _rows(path: str | None) -> Any:
    """Read an example: JSON as it stands, a file with a header as columns in its order."""
    if path is None:
        return None
    if not path.endswith((".csv", ".parquet")):
        return json_file("--input-example", path)
    document = row_files.document("--input-example", path)
    if "texts" not in document:
        return document["values"]
    header, *lines = document["texts"] or [[]]
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            problem = f"has {len(line)} cells in row {number}, but {len(header)} in its header"
            raise InvalidInputError(f"--input-example {path!r}", problem, "fix that row")
    if len(set(header)) < len(header):
        problem = "has two columns of the same name"
        raise InvalidInputError(f"--input-example {path!r}", problem, "rename one of them")
    columns = {name: [_cell(line[column]) for line in lines] for column, name in enumerate(header)}
    return Table(columns, ordered=True)


def _cell(text: str) -> Any:
    return None if text == "" else typed({"": text})[""]
