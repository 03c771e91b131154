"""The description of the hot paths, which no framework sees, for `/openapi.json`."""

from collections.abc import Iterable
from typing import Any, Final

from holdfast.core.manifest import Manifest

__all__ = ["described"]

_ROWS: Final = {
    "description": "A list of rows (lists or objects), or columns by name.",
    "oneOf": [{"type": "array"}, {"type": "object"}],
}
_ANSWER: Final = {
    "type": "object",
    "required": ["predictions", "model_version", "prediction_id"],
    "properties": {
        "predictions": {"type": "array"},
        "model_version": {"type": "string"},
        "prediction_id": {"type": "string", "format": "uuid"},
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
}
_STATUSES: Final = {
    400: "Malformed.", 401: "No token, or a wrong one.", 403: "Versions cannot be chosen here.",
    404: "No such model, version or canary here.", 405: "Use POST.", 408: "The body came too late.",
    413: "The body is too long.", 415: "The media type is not supported.",
    422: "The version's schema does not admit it; `field` names the place.",
    500: "The model failed, or its output is not valid.",
    503: "No version is ready, or too many requests wait.", 504: "No answer in time.",
}  # fmt: skip
_HEADERS: Final = {
    "X-Request-Id": "Returned with the answer; generated if absent.",
    "traceparent": "W3C trace context; its trace id is kept with the prediction.",
    "X-Model-Version": "The version to answer.",
    "X-Holdfast-Role": "`canary` or `active`: the side of a rollout to answer.",
    "X-Holdfast-Route": "An earlier answer's, to keep to its side.",
}


def described(manifests: Iterable[tuple[str, Manifest | None]], *, lone: bool) -> dict[str, Any]:
    """Return the paths of all models by OpenAPI's rules.

    Args:
        manifests: By model, of the version that is live.
        lone: Whether the paths without a model's name exist, too.
    """
    paths: dict[str, Any] = {}
    for model, manifest in manifests:
        rows = _rows(manifest)
        params = _params(manifest)
        predict = _operation(f"Predict by {model}", {"instances": rows} | params)
        paths[f"/models/{model}/predict"] = predict
        invoke = _operation(f"Invoke {model}", _invoked(rows) | params)
        paths[f"/models/{model}/invocations"] = invoke
        paths[f"/v1/models/{model}:predict"] = _operation(f"V1: {model}", {"instances": rows})
        infer = {"inputs": {"type": "array"}, "outputs": {"type": "array"}}
        paths[f"/v2/models/{model}/infer"] = _operation(f"V2: infer by {model}", infer)
        version = f"/v2/models/{model}/versions/{{version}}/infer"
        paths[version] = _operation(f"V2: infer by one version of {model}", infer, "version")
        if lone:
            paths["/predict"] = predict
            paths["/invocations"] = paths[f"/models/{model}/invocations"]
    return paths


def _rows(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None or manifest.input_schema is None:
        return _ROWS
    schema = manifest.input_schema
    whole = schema.get("type") == "array"
    return schema if whole else {"type": "array", "items": schema}


def _params(manifest: Manifest | None) -> dict[str, Any]:
    """Return the field for parameters of a call, where an MLflow signature names some."""
    about = {} if manifest is None else manifest.metadata.get("mlflow")
    defaults = about.get("params") if isinstance(about, dict) else None
    if not isinstance(defaults, dict):
        return {}
    fields = {name: {"default": default} for name, default in defaults.items()}
    return {"params": {"type": "object", "properties": fields, "additionalProperties": False}}


def _invoked(rows: dict[str, Any]) -> dict[str, Any]:
    split = {"type": "object", "properties": {"columns": {"type": "array"}, "data": _ROWS}}
    return {
        "inputs": rows,
        "instances": rows,
        "dataframe_split": split,
        "dataframe_records": {"type": "array"},
    }


def _operation(summary: str, properties: dict[str, Any], *variables: str) -> dict[str, Any]:
    body = {"schema": {"type": "object", "properties": properties}}
    answer = _ANSWER if "instances" in properties else {"type": "object"}
    responses: dict[str, Any] = {
        str(status): {
            "description": description,
            "content": {"application/json": {"schema": _ERROR}},
        }
        for status, description in _STATUSES.items()
    }
    content = {"application/json": {"schema": answer}}
    responses["200"] = {"description": "Predictions.", "content": content}
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "header", "description": description, "schema": text}
        for name, description in _HEADERS.items()
    ]
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": text} for name in variables
    ]
    operation = {
        "summary": summary,
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": responses,
    }
    return {"post": operation}
