"""The card as a CycloneDX 1.6 ML-BOM, for people who keep an inventory of what they run.

The model is the subject of the document; its files, its preprocessor and the packages it was
registered with are components. Each bom-ref begins with its kind, so that none can meet another.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from holdfast.core.cards import Today
from holdfast.core.cards.fields import labels, listed, task, words
from holdfast.core.manifest import Artifact, File, Manifest

Json: TypeAlias = dict[str, Any]

_MODEL: Final = "model"
_BESIDE: Final = ("preprocessor", "postprocessor")
"""Roles of what was fitted to data as the model was."""
_MAX_VERSION: Final = 1024
"""Longest version the schema allows, in characters."""
_PROJECT_NAME: Final = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)


def render(manifest: Manifest, today: Today, tool_version: str) -> Json:
    """Return the document as plain JSON.

    Args:
        manifest: The version.
        today: What is known about it beyond its manifest.
        tool_version: Version of the Holdfast that writes the document.

    Returns:
        A document whose serial number depends on the manifest's digest alone, its time being that
        of the version's last entry.
    """
    model = _model(manifest, today)
    components = {part["bom-ref"]: part for part in _components(manifest)}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'urn:holdfast:sha256:{today.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": today.updated_at,
            "tools": {"components": [_tool(tool_version)]},
            "component": model,
        },
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": _dependencies(manifest, model["bom-ref"], set(components)),
    }


def _tool(version: str) -> Json:
    return {"type": "application", "name": "holdfast", "version": version}


def _filled(entries: Mapping[str, Any]) -> Json:
    return {key: value for key, value in entries.items() if value}


def _model(manifest: Manifest, today: Today) -> Json:
    authors = [{"name": manifest.author}] if manifest.author else []
    licenses = listed(manifest.metadata.get("license"))
    return {
        "type": "machine-learning-model",
        "bom-ref": _ref(_MODEL, manifest),
        "name": manifest.name,
        "version": manifest.version[:_MAX_VERSION],
        **_filled(
            {
                "description": manifest.description,
                "authors": authors,
                "hashes": _hashes(manifest.artifacts.get(_MODEL)),
                "licenses": [{"license": {"name": name}} for name in licenses],
                "tags": labels(manifest, today),
            }
        ),
        "modelCard": _model_card(manifest, today),
        "properties": _properties(_model_properties(manifest, today)),
    }


def _ref(kind: str, manifest: Manifest) -> str:
    return f"{kind}:{manifest.name}@{manifest.version}"


def _model_card(manifest: Manifest, today: Today) -> Json:
    parameters = {
        "task": task(manifest),
        "modelArchitecture": manifest.algorithm,
        "datasets": _datasets(manifest),
        "inputs": _formats(manifest.input_schema),
        "outputs": _formats(manifest.output_schema),
    }
    metrics = [
        {"type": name, "value": words(today.metrics[name])} for name in sorted(today.metrics)
    ]
    considerations = {
        "useCases": list(listed(manifest.metadata.get("intended_use"))),
        "technicalLimitations": list(manifest.limitations),
    }
    return _filled(
        {
            "modelParameters": _filled(parameters),
            "quantitativeAnalysis": _filled({"performanceMetrics": metrics}),
            "considerations": _filled(considerations),
        }
    )


def _datasets(manifest: Manifest) -> list[Json]:
    facts = manifest.training_data
    contents = {
        "properties": [{"name": name, "value": words(facts[name])} for name in sorted(facts)]
    }
    trained_on = {"name": ", ".join(listed(facts.get("source"))), "contents": contents}
    datasets = [{"name": name} for name in listed(manifest.metadata.get("datasets"))]
    entries = [_filled(trained_on), *datasets] if facts else datasets
    return [{"type": "dataset", **entry} for entry in entries]


def _formats(schema: Mapping[str, Any] | None) -> list[Json]:
    """Say what goes in or comes out: each column of a table, or the whole value."""
    if not schema:
        return []
    rows = schema.get("items")
    columns = (rows if isinstance(rows, Mapping) else schema).get("properties")
    if isinstance(columns, Mapping) and columns:
        return [{"format": f"{name}: {_kind(columns[name])}"} for name in sorted(columns)]
    return [{"format": _kind(schema)}]


def _kind(schema: object) -> str:
    if not isinstance(schema, Mapping):
        return "any"
    dtype, kind = (" or ".join(listed(schema.get(key))) for key in ("dtype", "type"))
    shape = f" {words(schema['shape'])}" if listed(schema.get("shape")) else ""
    if kind == "array":
        return f"array of {dtype or _kind(schema.get('items'))}{shape}"
    return f"{dtype or kind or 'any'}{shape}"


def _model_properties(manifest: Manifest, today: Today) -> Iterable[tuple[str, object]]:
    lineage = manifest.lineage
    yield from (
        ("digest", today.digest),
        ("status", today.status),
        ("number", manifest.number),
        ("registered_at", manifest.registered_at),
        ("registered_by", manifest.registered_by),
        ("framework", manifest.framework),
        ("git_commit", lineage.git_commit),
        ("git_dirty", lineage.git_dirty),
        ("code_version", lineage.code_version),
        ("data_window", lineage.data_window),
        ("run_id", lineage.run_id),
        ("base", lineage.base or None),
        ("python", manifest.environment.python),
        ("size_bytes", manifest.size_bytes),
        ("executes_code", manifest.executes_code if manifest.scan else None),
    )
    yield from (("alias", alias) for alias in today.aliases)
    yield from (("approved_by", name) for name in today.approved_by)
    yield from (("signed_by", name) for name in today.signed_by)
    yield from (("parent", parent) for parent in lineage.parents)
    for name, value in manifest.hyperparameters.items():
        yield f"hyperparameter:{name}", words(value)


def _properties(facts: Iterable[tuple[str, object]]) -> list[Json]:
    pairs = sorted((f"holdfast:{name}", words(value)) for name, value in facts if value is not None)
    return [{"name": name, "value": value} for name, value in pairs]


def _components(manifest: Manifest) -> Iterable[Json]:
    for role, artifact in manifest.artifacts.items():
        yield from (_file(role, file) for file in artifact.files)
    for role in _BESIDE:
        if beside := manifest.artifacts.get(role):
            yield _beside(manifest, role, beside)
    for name, version in sorted(manifest.environment.packages.items()):
        yield _library(name, version[:_MAX_VERSION])


def _file(role: str, file: File) -> Json:
    return {
        "type": "file",
        "bom-ref": _file_ref(role, file),
        "name": file.path,
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
        "properties": _properties((("role", role), ("size_bytes", file.size_bytes))),
    }


def _file_ref(role: str, file: File) -> str:
    return f"file:{quote(role, safe='')}/{file.path}"


def _beside(manifest: Manifest, role: str, artifact: Artifact) -> Json:
    # It was fitted to data like the model, so it is also a model, not a library or a file.
    return {
        "type": "machine-learning-model",
        "bom-ref": _ref(role, manifest),
        "name": f"{manifest.name} {role}",
        "version": manifest.version[:_MAX_VERSION],
        **_filled({"hashes": _hashes(artifact)}),
        "properties": _properties((("format", artifact.format), ("role", role))),
    }


def _hashes(artifact: Artifact | None) -> list[Json]:
    # A folder's digest is the hash of a list, which no other tool could check; files have theirs.
    if artifact is None or [file.path for file in artifact.files] != [artifact.path]:
        return []
    return [{"alg": "SHA-256", "content": artifact.digest}]


def _library(name: str, version: str) -> Json:
    library = {"type": "library", "name": name, "version": version}
    if not _PROJECT_NAME.fullmatch(name):
        return {**library, "bom-ref": f"library:{name}"}
    # As the package index spells names, which is what a purl of the type pypi demands.
    name = re.sub(r"[-_.]+", "-", name).lower()
    purl = f"pkg:pypi/{name}@{quote(version, safe='')}" if version else f"pkg:pypi/{name}"
    return {**library, "bom-ref": purl, "name": name, "purl": purl}


def _dependencies(manifest: Manifest, model: str, refs: set[str]) -> list[Json]:
    """Say what depends on what; for packages that is unknown, so none is listed as a source."""
    inner = {
        role: {_file_ref(role, file) for file in manifest.artifacts[role].files}
        for role in _BESIDE
        if role in manifest.artifacts
    }
    edges: dict[str, list[str]] = {ref: [] for ref in refs if ref.startswith("file:")}
    edges[model] = sorted(refs.difference(*inner.values()))
    edges |= {_ref(role, manifest): sorted(files) for role, files in inner.items()}
    return [{"ref": ref, **_filled({"dependsOn": edges[ref]})} for ref in sorted(edges)]
