"""The page `/docs`: what `/openapi.json` says, drawn here, with nothing fetched from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

__all__ = ["HEADERS", "drawn"]

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --mark: #0a7d5a; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1rem; }
h1 { margin: 0; } h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
summary { cursor: pointer; padding: .5rem .8rem; overflow-wrap: anywhere; }
summary b { color: var(--mark); display: inline-block; min-width: 3.2rem; }
summary span { opacity: .75; }
details > div { border-top: 1px solid var(--line); padding: .2rem .8rem .8rem; }
table { border-collapse: collapse; width: 100%; } h3 { font-size: .95rem; margin: .8rem 0 .2rem; }
td { border-bottom: 1px solid var(--line); padding: .25rem .5rem .25rem 0; }
td { text-align: left; vertical-align: baseline; }
td:first-child { width: 11rem; }
pre { background: var(--soft); border-radius: 6px; overflow-x: auto; padding: .6rem .8rem; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""What a browser is told with the page: it may run and fetch nothing."""

_DEEPEST: Final = 6
_MOST_FIELDS: Final = 200


def drawn(document: Mapping[str, Any], prefix: str) -> str:
    """Draw a description by OpenAPI's rules as one page of HTML.

    Args:
        document: The description.
        prefix: Of the paths, where a proxy shows them.
    """
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            group = (operation.get("tags") or ["predictions"])[0]
            shown = "".join(_operation(method.upper(), prefix + path, operation))
            groups.setdefault(group, []).append(shown)
    body = "".join(
        f"<h2>{escape(name)}</h2>{''.join(shown)}"
        for name, shown in sorted(groups.items(), reverse=True)
    )
    title, version = escape(document["info"]["title"]), escape(document["info"]["version"])
    description = escape(document["info"].get("description", ""))
    where = escape(f"{prefix}/openapi.json")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title} {version}</h1><p>{description} "
        f'For programs: <a href="{where}">{where}</a>.</p>{body}</body></html>'
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    description = operation.get("description") or operation.get("summary") or ""
    yield f"<details><summary><b>{escape(method)}</b> <code>{escape(path)}</code> "
    yield f"<span>{escape(description)}</span></summary><div>"
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            (parameter["name"], parameter["in"], parameter.get("description", ""))
            for parameter in parameters
        ]
        yield _table("Parameters", rows)
    content = operation.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        schema = body.get("schema", {})
        example = json.dumps(_example(schema, _DEEPEST), ensure_ascii=False).replace("'", "'\\''")
        line = f"curl -X {method} http://HOST:PORT{path} -H 'content-type: {media}' -d '{example}'"
        yield f"<h3>Body</h3><pre>{escape(line)}</pre>"
        yield f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
    answers = operation.get("responses", {})
    yield _table(
        "Answers",
        [(status, answer.get("description", "")) for status, answer in sorted(answers.items())],
    )
    yield "</div></details>"


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    cells = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<h3>{title}</h3><table>{cells}</table>"


def _example(schema: Any, depth: int) -> Any:
    """Make something that a schema admits, as far as its types and enumerations tell."""
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object" if "properties" in schema else "array")
    match kinds[0] if isinstance(kinds, list) and kinds else kinds:
        case "object":
            fields = list(schema.get("properties", {}).items())[:_MOST_FIELDS]
            return {name: _example(inner, depth - 1) for name, inner in fields}
        case "array":
            item = _example(schema.get("items"), depth - 1)
            return [] if item is None else [item]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "string":
            return "text"
        case "boolean":
            return True
        case _:
            return None
