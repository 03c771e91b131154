"""What the views share: plain values, the open keys they read, and how complete a card is."""

import json
from operator import attrgetter
from typing import Final, cast

from holdfast.core.cards import Today
from holdfast.core.manifest import Manifest, plain

FACTS: Final = (
    "description",
    "author",
    "framework",
    "algorithm",
    "metrics",
    "hyperparameters",
    "training_data",
    "input_schema",
    "output_schema",
    "limitations",
    "lineage.git_commit",
    "environment.packages",
    "metadata.intended_use",
    "metadata.license",
)
"""The facts a complete card states, as paths into the manifest: those that somebody must supply.

Name, version and dates do not count: every manifest has them, so they would measure nothing.
"""


def settled(value: object) -> object:
    """Return *value* as plain JSON, the keys of every mapping sorted."""
    return cast("object", json.loads(json.dumps(plain(value), sort_keys=True)))


def words(value: object) -> str:
    """Say *value* in one string: text as it is, anything else as compact JSON."""
    settled_value = settled(value)
    if isinstance(settled_value, str):
        return settled_value
    return json.dumps(settled_value, ensure_ascii=False)


def listed(value: object) -> tuple[str, ...]:
    """Return the texts under an open key, which may hold one, a list of them, or none.

    Blank texts and nulls are left out; what is not text is rendered by `words`.
    """
    match plain(value):
        case list() as items:
            return tuple(text for item in items for text in listed(item))
        case None:
            return ()
        case dict() as mapping if not mapping:
            return ()
        case single:
            text = words(single)
            return (text,) if text.strip() else ()


def completeness(manifest: Manifest) -> tuple[int, int, tuple[str, ...]]:
    """Count the filled facts of a card.

    Returns:
        Filled facts, all facts, and the missing ones as paths such as `metadata.license`.
    """
    missing = tuple(fact for fact in FACTS if not listed(_fact(manifest, fact)))
    return len(FACTS) - len(missing), len(FACTS), missing


def _fact(manifest: Manifest, path: str) -> object:
    field, _, key = path.partition(".")
    return manifest.metadata.get(key) if field == "metadata" else attrgetter(path)(manifest)


def task(manifest: Manifest) -> str | None:
    """Return what the model is for in one word, such as `tabular-classification`."""
    known = listed(manifest.metadata.get("pipeline_tag")) or listed(manifest.metadata.get("task"))
    return known[0] if known else None


def labels(manifest: Manifest, today: Today) -> list[str]:
    """Return all tags, sorted: those of the metadata, and today's as `key:value` or bare `key`."""
    tags = listed(manifest.metadata.get("tags"))
    later = (f"{key}:{value}" if value else key for key, value in today.tags.items())
    return sorted({*tags, *later})
