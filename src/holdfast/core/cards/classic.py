"""The classic card: one flat JSON object with the fourteen keys that tools expect."""

from typing import Any

from holdfast.core.cards import Today
from holdfast.core.cards.fields import settled
from holdfast.core.manifest import Manifest


def render(manifest: Manifest, today: Today) -> dict[str, Any]:
    """Return the card as plain JSON.

    Returns:
        Always the same fourteen keys in the same order; what is unknown is `None`, `{}` or `[]`.
    """
    return {
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "created_at": manifest.registered_at,
        "updated_at": today.updated_at,
        "author": manifest.author,
        "framework": manifest.framework,
        "algorithm": manifest.algorithm,
        "hyperparameters": settled(manifest.hyperparameters),
        "training_data": settled(manifest.training_data),
        "performance": settled(today.metrics),
        "input_schema": settled(manifest.input_schema),
        "output_schema": settled(manifest.output_schema),
        "limitations": list(manifest.limitations),
    }
