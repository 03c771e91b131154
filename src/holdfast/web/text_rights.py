"""What whoever sets texts of a model must be allowed: some say what MLflow's clients are shown."""

from collections.abc import Iterator, Mapping
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.gateways.mlflow import entities, mlflow_names

__all__ = ["needed"]

_OF_ANY: Final = frozenset((entities.DESCRIPTION, entities.UPDATED, "deployment_job_id"))
_OF_MODELS: Final = frozenset((mlflow_names.NAME, entities.MAKING, "created"))
_STAGES: Final = {"Production": "promote", "Staging": "stage"}


def needed(version: str | None, texts: Mapping[str, str | None]) -> list[str]:
    """Return the verbs that setting texts takes.

    Args:
        version: Whose texts they are; `None` for those of the model.

    Raises:
        InvalidInputError: If a text of a version is set by its registration alone.
    """
    return sorted({verb for key, text in texts.items() for verb in _of(version, key, text)})


def of_stage(text: str | None) -> str:
    """Return the verb that showing a version in a stage takes."""
    return _STAGES.get((text or "").partition(" ")[0], "archive")


def _of(version: str | None, key: str, text: str | None) -> Iterator[str]:
    if key in _OF_ANY:
        yield "note"
    elif version is not None:
        if key != entities.STAGE:
            advice = "register another version"
            raise InvalidInputError(f"text {key!r}", "is set when a version is registered", advice)
        yield of_stage(text)
    elif key in _OF_MODELS:
        yield "register"
    elif key.startswith(entities.TAG):
        yield "tag"
    else:  # `alias.*`
        yield "alias"
