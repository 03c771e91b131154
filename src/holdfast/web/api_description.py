"""The API's description by OpenAPI 3.1, made of the same table that answers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from holdfast import __version__
from holdfast.http import problems
from holdfast.web.routes import Parameter, Route, Routes
from holdfast.web.web_settings import API

__all__ = ["described"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
    },
}
_ALWAYS: Final = (400, 401, 403, 404, 408, 421, 422, 429, 431, 500, 503)
"""Problems that every operation may answer."""

_VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "model": {"type": "string", "minLength": 1, "maxLength": 250},
    "data": {"type": "string", "minLength": 1, "maxLength": 250},
    "ref": {"type": "string", "minLength": 1, "maxLength": 1000},
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "upload": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 100}


def described(routes: Routes, *, secured: bool = True) -> dict[str, Any]:
    """Return the description.

    Args:
        routes: The table.
        secured: Whether a token is asked for.
    """
    kinds = list(dict.fromkeys(_kinds(routes)))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    known = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Any] = {}
    names: set[str] = set()
    for route in routes:
        operation = _operation(route, known, names)
        paths.setdefault(f"{API}{route.template}", {})[route.method.lower()] = operation
    scheme = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": _DIALECT,
        "info": {
            "title": "Holdfast",
            "version": __version__,
            "description": "One registry of models for a team: every verb and every read.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": scheme,
        },
        "security": [{"bearer": []}] if secured else [],
    }


def _kinds(routes: Iterable[Route]) -> Iterable[Any]:
    for route in routes:
        if route.body not in (None, bytes):
            yield route.body
        yield from (kind for _, kind in route.answers.values() if kind not in (None, bytes, str))


def _operation(route: Route, known: Mapping[Any, Any], names: set[str]) -> dict[str, Any]:
    name = route.operation if route.operation not in names else f"set-{route.operation}"
    names.add(name)
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.about,
        "tags": [_tag(route)],
        "parameters": [*_path_values(route.template), *map(_parameter, route.parameters)],
        "responses": _responses(route, known),
    }
    if route.body is bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.body is not None:
        content = {"application/json": {"schema": known[route.body]}}
        needed = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": needed, "content": content}
    return operation


def _tag(route: Route) -> str:
    if route.template.startswith("/models"):
        return "models"
    if route.template.startswith("/data"):
        return "data"
    return "bytes" if route.access == "upload" else "server"


def _path_values(template: str) -> list[dict[str, Any]]:
    names = [part.partition("}")[0] for part in template.split("{")[1:]]
    return [
        {"name": name, "in": "path", "required": True, "schema": _VALUES.get(name, _NAME)}
        for name in names
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "header" if parameter.is_header else "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _responses(route: Route, known: Mapping[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, (media, kind) in route.answers.items():
        responses[str(status)] = {"description": _SAID.get(status, "Done.")}
        if media:
            schema = _BINARY.get(kind, known.get(kind, {}))
            responses[str(status)]["content"] = {media: {"schema": schema}}
    problem = {problems.MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted({*_ALWAYS, *route.problems}):
        title = problems.TITLES.get(status, "refused")
        responses[str(status)] = {"description": title, "content": problem}
    return responses


_BINARY: Final[Mapping[Any, Any]] = {
    bytes: {"type": "string", "format": "binary"},
    str: {"type": "string"},
}
_SAID: Final = {
    200: "The answer.", 201: "It was made.", 204: "Done.", 206: "The range.",
    304: "Nothing is new.",
    307: "Where to read it, for callers who sent `Holdfast-Redirect: follow`.",
}  # fmt: skip
