"""The card as a README: Hugging Face front matter, then a section for whatever is known."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import UNSET, structs

from holdfast.core import evaluation
from holdfast.core.cards import Today, front_matter, inert
from holdfast.core.cards.fields import completeness, labels, listed, settled, words
from holdfast.core.manifest import Manifest

__all__ = ["completeness", "render"]

_PURGED: Final = "purged"
_WIDTH: Final = 80


def render(manifest: Manifest, today: Today) -> str:
    """Return the README's text, newline at the end; a section without content is left out."""
    sections = (
        ("Summary", _summary(manifest, today)),
        ("Intended use", _prose(listed(manifest.metadata.get("intended_use")))),
        ("Performance", _performance(today)),
        ("Training data", _facts(("Fact", "Value"), manifest.training_data)),
        ("Hyperparameters", _facts(("Name", "Value"), manifest.hyperparameters)),
        ("Input and output", _signature(manifest)),
        ("Limitations", inert.bullets(manifest.limitations)),
        ("Lineage", inert.table(("Fact", "Value"), _lineage(manifest))),
        ("Files", _files(manifest, today)),
        ("Environment", _environment(manifest)),
        ("How to load", _how_to_load(manifest, today)),
        ("Notes", inert.bullets(today.notes)),
    )
    title = inert.line(f"{manifest.name} {manifest.version}")
    filled = (f"## {heading}\n\n{body}\n" for heading, body in sections if body)
    return "\n".join((front_matter.render(manifest, today), "", f"# {title}\n", *filled))


def _facts(header: tuple[str, str], facts: Mapping[str, object]) -> str:
    return inert.table(header, ((name, words(facts[name])) for name in sorted(facts)))


def _performance(today: Today) -> str:
    """Show metrics, and where they come from if any was measured by Holdfast."""
    if not today.evaluations:
        return _facts(("Metric", "Value"), today.metrics)
    sources = evaluation.origins(today.metrics, today.evaluations)
    rows = [(name, words(today.metrics[name]), sources[name]) for name in sorted(today.metrics)]
    table = inert.table(("Metric", "Value", "Origin"), rows)
    return _parts((table, inert.bullets(past.sentence for past in today.evaluations)))


def _prose(texts: tuple[str, ...]) -> str:
    return inert.paragraphs(texts[0]) if len(texts) == 1 else inert.bullets(texts)


def _parts(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _summary(manifest: Manifest, today: Today) -> str:
    rows = (
        ("Status", today.status),
        ("Aliases", ", ".join(sorted(today.aliases))),
        ("Tags", ", ".join(labels(manifest, today))),
        ("Number", f"v{manifest.number}"),
        ("Registered", f"{manifest.registered_at} by {manifest.registered_by}"),
        ("Updated", today.updated_at),
        ("Author", manifest.author),
        ("Framework", manifest.framework),
        ("Algorithm", manifest.algorithm),
        ("License", ", ".join(listed(manifest.metadata.get("license")))),
        ("Digest", f"sha256:{today.digest}"),
        ("Approved by", ", ".join(today.approved_by)),
        ("Signed by", ", ".join(today.signed_by)),
    )
    return _parts(
        (
            inert.paragraphs(manifest.description or ""),
            inert.table(("Fact", "Value"), [(name, text) for name, text in rows if text]),
            inert.line(_completeness(manifest, today)),
        )
    )


def _completeness(manifest: Manifest, today: Today) -> str:
    measured = structs.replace(manifest, metrics=dict(today.metrics))
    filled, total, missing = completeness(measured)
    rest = f"; missing: {', '.join(missing)}" if missing else ""
    return f"Card {filled} of {total} facts filled{rest}"


def _signature(manifest: Manifest) -> str:
    shown = (
        ("Input", manifest.input_schema or None),
        ("Output", manifest.output_schema or None),
        ("Example", manifest.input_example),
    )
    return _parts(
        f"{name}:\n\n{inert.fenced(_json(settled(value), ''), 'json')}"
        for name, value in shown
        if value is not None
    )


def _json(value: object, indent: str) -> str:
    """Write JSON with what fits on a line on one line: a row of numbers is not a column."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= _WIDTH:
        return flat
    inner = f"{indent}  "
    match value:
        case dict():
            lines = [f"{_json(key, inner)}: {_json(value[key], inner)}" for key in value]
            return _block("{}", lines, indent)
        case list():
            return _block("[]", [_json(item, inner) for item in value], indent)
    return flat


def _block(brackets: str, lines: list[str], indent: str) -> str:
    body = ",\n".join(f"{indent}  {line}" for line in lines)
    return f"{brackets[0]}\n{body}\n{indent}{brackets[1]}"


def _lineage(manifest: Manifest) -> list[tuple[str, str]]:
    lineage = manifest.lineage
    state = {None: "", True: " (with uncommitted changes)", False: " (clean work tree)"}
    commit = f"{lineage.git_commit}{state[lineage.git_dirty]}" if lineage.git_commit else None
    rows = (
        ("Git commit", commit),
        ("Code version", lineage.code_version),
        ("Data window", lineage.data_window),
        ("Adapter of", None if lineage.base is UNSET else lineage.base),
        ("Made from", ", ".join(lineage.parents)),
        ("Run", lineage.run_id),
    )
    return [(name, text) for name, text in rows if text]


def _files(manifest: Manifest, today: Today) -> str:
    rows = [
        (role, file.path, f"{file.size_bytes:,} B", file.sha256)
        for role, artifact in sorted(manifest.artifacts.items())
        for file in artifact.files
    ]
    if not rows:
        return ""
    gone = "The bytes are purged; this is what they were." if today.status == _PURGED else ""
    return _parts((gone, inert.table(("Role", "Path", "Size", "SHA-256"), rows)))


def _environment(manifest: Manifest) -> str:
    environment = manifest.environment
    python = [("Python", environment.python)] if environment.python else []
    return inert.table(("Package", "Version"), (*python, *sorted(environment.packages.items())))


def _how_to_load(manifest: Manifest, today: Today) -> str:
    if today.status == _PURGED:
        return ""
    # A JSON string is a Python string too, whatever the model is called.
    ref = json.dumps(f"{manifest.name}@{manifest.version}", ensure_ascii=False)
    snippet = f'import holdfast\n\nmodel = holdfast.open("store").load({ref})'
    return _parts((_warnings(manifest), inert.fenced(snippet, "python")))


def _warnings(manifest: Manifest) -> str:
    return inert.bullets(
        f"Loading the {role} runs code from its file ({scan.kind})"
        + (f"; trusted because: {scan.trusted}" if scan.trusted else "")
        for role, scan in sorted(manifest.scan.items())
        if scan.executes_code
    )
