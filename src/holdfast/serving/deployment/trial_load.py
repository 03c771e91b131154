"""What runs in the child before a worker loads a version: the same load, the same smoke test."""

from typing import Any

from holdfast.registry import trial_runs
from holdfast.rows import predictor
from holdfast.serving.deployment import preparation

__all__ = ["work"]


def work(argument: dict[str, Any]) -> None:
    """Load a version and have it answer its own `input_example`."""
    pair = trial_runs.pair(argument)
    preparation.answer(predictor.loaded(pair.manifest.name, pair, argument["digest"]))
