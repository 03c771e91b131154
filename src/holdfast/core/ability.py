"""Whether a version can predict at all, told from the format of its model."""

from typing import Final

from holdfast.core.manifest import Manifest

__all__ = ["judge"]

_CANNOT: Final = {
    "file": "a file of no format that is loaded",
    "folder": "a folder of no format that is loaded",
    "safetensors": "tensors alone, without a network",
    "torch-state": "weights alone, without a network",
}


def judge(candidate: Manifest, champion: Manifest) -> list[str]:
    """Refuse a version that cannot predict in the place of one that can.

    Returns:
        The reason, or nothing.
    """
    problem = _problem(candidate)
    if problem is None or _problem(champion) is not None:
        return []
    return [f"model: {problem}: it cannot predict, and the champion can"]


def _problem(manifest: Manifest) -> str | None:
    model = manifest.artifacts.get("model")
    return _CANNOT.get(model.format) if model else "there is none"
