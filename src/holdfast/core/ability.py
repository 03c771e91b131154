"""Compares what a version can do with what the champion can: predict, and state its schemas."""

from typing import Final

from holdfast.core.manifest import Manifest
from holdfast.core.schema_change import SchemaChange

__all__ = ["judge", "takes_back", "unsaid"]

_WITHDRAWN: Final = "schema-withdrawn"

_CANNOT: Final = {
    "file": "a file whose format cannot be loaded",
    "folder": "a folder whose format cannot be loaded",
    "safetensors": "tensors without a network",
    "torch-state": "weights without a network",
}


def judge(candidate: Manifest, champion: Manifest) -> list[str]:
    """Refuse a version that cannot predict in the place of one that can.

    Returns:
        The reason, or nothing.
    """
    problem = _problem(candidate)
    if problem is None or _problem(champion) is not None:
        return []
    return [f"model: {problem}; it cannot predict, but the champion can"]


def takes_back(change: SchemaChange, champion: Manifest) -> bool:
    """Tell whether a schema is missing that somebody declared for the champion."""
    schema = getattr(champion, change.side) or {}
    return change.rule == _WITHDRAWN and not schema.get("inferred")


def unsaid(candidate: Manifest, champion: Manifest) -> list[str]:
    """Remark on a schema that is missing, where the champion's was only inferred."""
    return [
        f"{side}: missing, but the champion has an inferred one; --input-example adds it"
        if side == "input_schema"
        else f"{side}: missing, but the champion has an inferred one"
        for side in ("input_schema", "output_schema")
        if getattr(candidate, side) is None and (getattr(champion, side) or {}).get("inferred")
    ]


def _problem(manifest: Manifest) -> str | None:
    model = manifest.artifacts.get("model")
    return _CANNOT.get(model.format) if model else "missing"
