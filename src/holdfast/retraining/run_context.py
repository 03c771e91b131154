"""What the child of a run is told: its context as a file, and its variables."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import asdict

from holdfast.core.retraining.slots import Window
from holdfast.registry import Registry

__all__ = ["champion", "command", "variables", "write"]

_WORKER: Final = "from holdfast.retraining.training_worker import main; main()"


def write(path: Path, *, out: Path, window: Window | None, **told: Any) -> Path:
    """Write the context of a run: `slot`, `seed`, `data` by name and `champion` besides."""
    told["data"] = {name: str(source) for name, source in told["data"].items()}
    document = {"out": str(out), "window": asdict(window) if window else None, **told}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def champion(registry: Registry, model: str, version: str | None) -> dict[str, Any] | None:
    """Return the live version as a context tells of it, `None` if none is live."""
    if version is None:
        return None
    fetched = registry.fetch(f"{model}@{version}")
    artifacts = fetched.manifest.artifacts.items()
    return {
        "version": version,
        "metrics": registry.retrainings.state(model).record(version).metrics,
        "hyperparameters": fetched.manifest.hyperparameters,
        "paths": {role: str(path) for role, path in fetched.paths.items()},
        "formats": {role: artifact.format for role, artifact in artifacts},
    }


def command(context: Path, entry: str) -> tuple[str, ...]:
    """Return the program that calls an entry point."""
    return (sys.executable, "-c", _WORKER, str(context), entry)


def variables(out: Path, context: Path, slot: str, seed: int) -> Mapping[str, str]:
    """Return what is added to the environment, for programs in any language."""
    return {
        "HOLDFAST_OUT": str(out),
        "HOLDFAST_CONTEXT": str(context),
        "HOLDFAST_SLOT": slot,
        "HOLDFAST_SEED": str(seed),
    }
