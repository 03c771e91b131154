"""Models and versions as objects of MLflow's own classes, for its clients in this process."""

import functools
import inspect
from collections.abc import Iterable
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.store.entities.paged_list import PagedList

from holdfast.gateways.mlflow.entities import ModelEntity, VersionEntity
from holdfast.gateways.mlflow.mlflow_search import FoundPage


def version_object(version: VersionEntity) -> ModelVersion:
    """Return a version as MLflow's own object."""
    return _made(
        ModelVersion,
        name=version.name,
        version=version.version,
        creation_timestamp=version.creation_timestamp,
        last_updated_timestamp=version.last_updated_timestamp,
        description=version.description,
        user_id=version.user_id,
        current_stage=version.current_stage,
        source=version.source,
        run_id=version.run_id,
        tags=[ModelVersionTag(key, text) for key, text in version.tags.items()],
        run_link=version.run_link,
        aliases=list(version.aliases),
        model_id=version.model_id,
    )


def model_object(model: ModelEntity) -> RegisteredModel:
    """Return a model as MLflow's own object."""
    return _made(
        RegisteredModel,
        name=model.name,
        creation_timestamp=model.creation_timestamp,
        last_updated_timestamp=model.last_updated_timestamp,
        description=model.description,
        latest_versions=[version_object(version) for version in model.latest_versions],
        tags=[RegisteredModelTag(key, text) for key, text in model.tags.items()],
        aliases=[RegisteredModelAlias(alias, number) for alias, number in model.aliases.items()],
        deployment_job_id=model.deployment_job_id,
    )


def _made(kind: Any, **fields: Any) -> Any:
    """Make an object of MLflow's, of what its class has in the version that is installed."""
    return kind(**{name: value for name, value in fields.items() if name in _fields(kind)})


@functools.cache
def _fields(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)


def version_page(page: FoundPage[VersionEntity]) -> PagedList[ModelVersion]:
    """Return found versions as MLflow's own list."""
    return _paged(map(version_object, page.entities), page.token)


def model_page(page: FoundPage[ModelEntity]) -> PagedList[RegisteredModel]:
    """Return found models as MLflow's own list."""
    return _paged(map(model_object, page.entities), page.token)


def _paged(objects: Iterable[Any], token: str | None) -> PagedList[Any]:
    return PagedList(list(objects), None if token is None else token.encode())


def pairs(tags: Iterable[Any] | None) -> list[tuple[Any, Any]]:
    """Return key and value of each of MLflow's tags."""
    return [(tag.key, tag.value) for tag in tags or ()]
