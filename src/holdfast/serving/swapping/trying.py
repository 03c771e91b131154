"""What runs in the child before a worker loads a version: the same load, the same smoke test."""

from typing import Any

from holdfast.registry import trying
from holdfast.serving.rows import predictor
from holdfast.serving.swapping import loading

__all__ = ["work"]


def work(argument: dict[str, Any]) -> None:
    """Load a version and have it answer its own `input_example`."""
    pair = trying.pair(argument)
    loading.answer(predictor.loaded(pair.manifest.name, pair, argument["digest"]))
