"""The YAML block at the top of a Hugging Face README, written without a YAML library."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from holdfast.core.cards import Today
from holdfast.core.cards.fields import labels, listed, task
from holdfast.core.manifest import Manifest

Node: TypeAlias = "str | float | Sequence[Node] | Mapping[str, Node]"

# The Hub's own name where it is not the framework's.
_LIBRARIES: Final = {"scikit-learn": "sklearn"}
# The Hub overlooks a block without a line in it, so each has this one.
_OWN_TAG: Final = "holdfast"
_UNKNOWN: Final = "unknown"
_NO_TASK: Final = "other"

# All that YAML could take for syntax, a line break or an unprintable: quotes and backslash, the
# control ranges, and the spaces, breaks and direction marks of U+2000 to U+206F.
_UNSAFE: Final = re.compile(
    r'["\\]|[^ -~\u00a1-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd'
    r"\U00010000-\U0010ffff]"
)


def render(manifest: Manifest, today: Today) -> str:
    """Return the block between its two `---` lines, with the keys the Hub gives a meaning."""
    return "\n".join(("---", *_mapping(_entries(manifest, today), ""), "---"))


def _entries(manifest: Manifest, today: Today) -> dict[str, Node]:
    open_keys = manifest.metadata
    library = manifest.framework or ""
    entries: dict[str, Node] = {
        "language": _one_or_many(open_keys.get("language")),
        "license": _one_or_many([text.lower() for text in listed(open_keys.get("license"))]),
        "license_name": _one_or_many(open_keys.get("license_name")),
        "license_link": _one_or_many(open_keys.get("license_link")),
        "library_name": _LIBRARIES.get(library, library),
        "pipeline_tag": "".join(listed(open_keys.get("pipeline_tag"))[:1]),
        "tags": sorted({_OWN_TAG, *labels(manifest, today)}),
        "datasets": listed(open_keys.get("datasets")),
        "base_model": _one_or_many(open_keys.get("base_model")),
        "model-index": _model_index(manifest, today),
    }
    return {key: node for key, node in entries.items() if node}


def _model_index(manifest: Manifest, today: Today) -> list[Node]:
    if not today.metrics:
        return []
    measured_on = _measured_on(manifest)
    result: Node = {
        "task": {"type": task(manifest) or _NO_TASK},
        "dataset": {"name": measured_on, "type": measured_on},
        "metrics": [
            {"type": name, "name": name, "value": today.metrics[name]}
            for name in sorted(today.metrics)
        ],
    }
    return [{"name": manifest.name, "results": [result]}]


def _measured_on(manifest: Manifest) -> str:
    """Name the data behind the metrics: the Hub wants a name, and a hold-out shares its source."""
    names = (
        *listed(manifest.metadata.get("evaluation_data")),
        *listed(manifest.metadata.get("datasets")),
        *listed(manifest.training_data.get("source")),
        _UNKNOWN,
    )
    return names[0]


def _one_or_many(value: object) -> Node:
    texts = listed(value)
    return texts[0] if len(texts) == 1 else texts


def _mapping(entries: Mapping[str, Node], indent: str) -> Iterator[str]:
    for key, node in entries.items():
        match node:
            case Mapping():
                yield f"{indent}{key}:"
                yield from _mapping(node, f"{indent}  ")
            case str() | float() | int():
                yield f"{indent}{key}: {_scalar(node)}"
            case _:
                yield f"{indent}{key}:"
                yield from _sequence(node, indent)


def _sequence(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Mapping):
            first, *rest = _mapping(node, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(node)}"


def _scalar(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else _number(value)


def _quoted(text: str) -> str:
    return f'"{_UNSAFE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}"


def _number(value: object) -> str:
    # YAML 1.1 takes 1e-05 for text, it wants a point in it; and not a number is spelt .nan.
    mantissa, mark, exponent = repr(value).partition("e")
    if mark and "." not in mantissa:
        mantissa += ".0"
    return re.sub("nan|inf", r".\g<0>", f"{mantissa}{mark}{exponent}")
