"""Folders that MLflow wrote, as facts of a registration."""

from pathlib import Path

from msgspec import Struct

from holdfast.formats import mlflow_folder
from holdfast.formats.mlflow_folder import is_one
from holdfast.registry import mlflow_facts
from holdfast.registry.facts import Facts

__all__ = ["ModelFolder", "is_one", "read"]


class ModelFolder(Struct, frozen=True):
    """What an `MLmodel` says of its folder.

    Attributes:
        flavors: Names of the ways to load it.
        facts: For the registration: format, schemas, framework, lineage and where it comes from.
    """

    flavors: tuple[str, ...]
    run_id: str | None
    model_id: str | None
    facts: Facts


def read(folder: Path, trust: str | None) -> ModelFolder:
    """Read a folder's `MLmodel`; what is odd in it counts as left out.

    Args:
        trust: Why code outside the allow-list is accepted, if it is.

    Raises:
        InvalidInputError: If it is not YAML, or too long to be an `MLmodel`.
    """
    known = mlflow_folder.read(folder)
    facts = mlflow_facts.of(known, mlflow_facts.form_of(folder, trust))
    return ModelFolder(known.flavors, known.run_id, known.model_id, facts)
