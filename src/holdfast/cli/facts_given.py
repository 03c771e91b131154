"""The options of `register` as the facts they stand for."""

from pathlib import Path
from typing import Any, Final, cast

from holdfast.cli import rows
from holdfast.cli.context import json_file, numbers, pairs, typed
from holdfast.errors import InvalidInputError
from holdfast.formats.example import Table
from holdfast.registry.facts import Facts

_TEXTS: Final = ("description", "author", "framework", "algorithm", "code", "entry", "base")


def facts_from(options: dict[str, Any]) -> Facts:
    """Turn options into facts; what was not said is left out, so that it is found out."""
    facts: dict[str, Any] = {name: options[name] for name in (*_TEXTS, "trust", "reason", "key")}
    facts["metrics"] = _object("--metrics", options["metrics"]) | numbers(
        "--metric", options["metric"]
    )
    facts["hyperparameters"] = typed(pairs("--param", options["param"])) or None
    facts["training_data"] = typed(pairs("--training-data", options["training_data"]))
    facts["lineage"] = _lineage(typed(pairs("--lineage", options["lineage"])))
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
    said = {name: value for name, value in facts.items() if value is not None}
    for side in ("input_schema", "output_schema"):
        if options[side] is not None:  # `null` says that there is none
            said[side] = json_file(f"--{side.replace('_', '-')}", options[side])
    return cast("Facts", said)


def _object(option: str, path: str | None) -> dict[str, Any]:
    document = json_file(option, path)
    if not isinstance(document, dict):
        raise InvalidInputError(
            f"{option} {path!r}", "is no JSON object", 'write {"roc_auc": 0.99}'
        )
    return document


def _environment(given: dict[str, str]) -> dict[str, Any] | None:
    packages = {name: version for name, version in given.items() if name != "python"}
    return {"python": given.get("python"), "packages": packages} if given else None


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
    """Read an example: JSON as it stands, a file with a header as columns in its order."""
    if path is None:
        return None
    if not path.endswith((".csv", ".parquet")):
        return json_file("--input-example", path)
    found = rows.document("--input-example", path)
    if "texts" not in found:
        return found["values"]
    header, *lines = found["texts"] or [[]]
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            problem = f"row {number} has {len(line)} cells, the header {len(header)}"
            raise InvalidInputError(f"--input-example {path!r}", problem, "fix that row")
    if len(set(header)) < len(header):
        problem = "two columns have one name"
        raise InvalidInputError(f"--input-example {path!r}", problem, "rename one of them")
    columns = {name: [_cell(line[place]) for line in lines] for place, name in enumerate(header)}
    return Table(columns, ordered=True)


def _cell(text: str) -> Any:
    return None if text == "" else typed({"": text})[""]
