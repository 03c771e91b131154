"""What a folder that MLflow wrote tells of a version: its format, schemas, run and environment."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError, MissingLibraryError
from holdfast.formats import mlflow_folder
from holdfast.formats.mlflow_folder import MlflowFolder
from holdfast.registry.facts import Facts

__all__ = ["completed", "form_of", "of"]

_log = logging.getLogger(__name__)
_FORMAT: Final = "mlflow"


def of(folder: MlflowFolder, form: str) -> Facts:
    """Return what a folder says as facts of a registration.

    Args:
        form: The format of its model.
    """
    facts: Facts = {
        "formats": {"model": form},
        "input_schema": folder.input_schema,
        "output_schema": folder.output_schema,
        "metadata": {"mlflow": folder.about},
    }
    if folder.run_id is not None:
        facts["lineage"] = {"run_id": folder.run_id}
    if folder.framework is not None:
        facts["framework"] = folder.framework
    if folder.packages:
        facts["environment"] = {"python": folder.python, "packages": folder.packages}
    return facts


def form_of(folder: Path, trust: str | None) -> str:
    """Return the format of a folder that MLflow wrote: its own, where it may be loaded.

    A folder whose loader may run anything, and which nobody trusted, is kept as a folder: MLflow's
    client can fetch it, and Holdfast never loads it.
    """
    if mlflow_folder.can_be_loaded(folder, trust):
        return _FORMAT
    _log.info("%s is kept as a folder: its loader may run any code, or is outside it", folder)
    return "folder"


def completed(sources: Mapping[str, object], facts: Facts) -> Facts:
    """Add what a model's `MLmodel` tells to the facts that a caller gives, which go first."""
    source = sources.get("model")
    if not isinstance(source, str | os.PathLike) or not mlflow_folder.is_one(Path(source)):
        return facts
    asked = facts.get("formats", {}).get("model")
    if asked not in (None, _FORMAT):
        return facts
    folder = Path(source)
    try:
        known = of(mlflow_folder.read(folder), asked or form_of(folder, facts.get("trust")))
    except (InvalidInputError, MissingLibraryError) as error:
        if asked is not None:
            raise
        _log.warning("%s is kept as a folder: %s", folder, error)
        return facts
    merged: Facts = {**known, **facts}
    merged["formats"] = {**known["formats"], **facts.get("formats", {})}
    merged["metadata"] = {**known["metadata"], **facts.get("metadata", {})}
    merged["lineage"] = {**known.get("lineage", {}), **facts.get("lineage", {})}
    return merged
