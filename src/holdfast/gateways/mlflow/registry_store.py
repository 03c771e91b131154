"""The plugin: MLflow's registry store over a store of Holdfast's, in MLflow's own classes.

`mlflow.set_registry_uri("holdfast:///folder")`. What each call does is in `registry_calls`.
"""

from collections.abc import Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from holdfast.gateways.mlflow.as_mlflow import (
    model_object,
    model_page,
    pairs,
    version_object,
    version_page,
)
from holdfast.gateways.mlflow.mlflow_exceptions import translated
from holdfast.gateways.mlflow.new_versions import NewVersion
from holdfast.gateways.mlflow.registry_calls import RegistryCalls
from holdfast.gateways.mlflow.sources import Tracking
from holdfast.gateways.mlflow.store_uri import parse as parse_uri
from holdfast.gateways.mlflow.store_view import StoreView


class HoldfastStore(AbstractStore):
    """MLflow's store of registered models, kept by Holdfast.

    Args:
        store_uri: `holdfast:///folder`, `holdfast+s3://bucket/prefix`, …
        tracking_uri: Of the server that runs and logged models are asked of.
    """

    @translated
    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)
        self._view = StoreView(parse_uri(store_uri))
        self._calls = RegistryCalls(self._view, Tracking(tracking_uri))

    # Models

    @translated
    def create_registered_model(
        self,
        name: str,
        tags: Sequence[Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Create a model without versions."""
        return model_object(
            self._calls.create_registered_model(name, pairs(tags), description, deployment_job_id)
        )

    @translated
    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Change a model's description."""
        return model_object(
            self._calls.update_registered_model(name, description, deployment_job_id)
        )

    @translated
    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name."""
        return model_object(self._calls.rename_registered_model(name, new_name))

    @translated
    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all its versions, unless one of them is live or held."""
        self._calls.delete_registered_model(name)

    @translated
    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a model."""
        return model_object(self._calls.get_registered_model(name))

    @translated
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return one page of the models that match."""
        return model_page(
            self._calls.search_registered_models(filter_string, max_results, order_by, page_token)
        )

    @translated
    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """Return the newest version of each stage; a SemVer or range is taken for a stage, too."""
        return [version_object(found) for found in self._calls.get_latest_versions(name, stages)]

    @translated
    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Set a tag of a model."""
        self._calls.set_registered_model_tag(name, tag.key, tag.value)

    @translated
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model."""
        self._calls.delete_registered_model_tag(name, key)

    # Versions

    @translated
    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Take a version in, or refer to it where its bytes cannot be reached."""
        new = NewVersion(
            name=name,
            source=source or "",
            local_path=local_model_path,
            run_id=run_id,
            model_id=model_id,
            run_link=run_link,
            description=description,
            tags=dict(pairs(tags)),
        )
        return version_object(self._calls.create_model_version(new))

    @translated
    def update_model_version(
        self, name: str, version: str, description: str | None = None
    ) -> ModelVersion:
        """Change a version's description."""
        return version_object(self._calls.update_model_version(name, version, description))

    @translated
    def transition_model_version_stage(
        self,
        name: str,
        version: str,
        stage: str,
        archive_existing_versions: bool,
    ) -> ModelVersion:
        """Move a version to a stage; `Production` is a promotion by the model's gate."""
        return version_object(
            self._calls.transition_model_version_stage(
                name, version, stage, archive_existing_versions=archive_existing_versions
            )
        )

    @translated
    def delete_model_version(self, name: str, version: str) -> None:
        """Remove a version with its aliases; one that is live stays."""
        self._calls.delete_model_version(name, version)

    @translated
    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Return a version by its integer."""
        return version_object(self._calls.get_model_version(name, version))

    @translated
    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Return where MLflow gets a version's files from."""
        return self._calls.get_model_version_download_uri(name, version)

    @translated
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return one page of the versions that match, with their aliases."""
        return version_page(
            self._calls.search_model_versions(filter_string, max_results, order_by, page_token)
        )

    @translated
    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag of a version."""
        self._calls.set_model_version_tag(name, version, tag.key, tag.value)

    @translated
    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version."""
        self._calls.delete_model_version_tag(name, version, key)

    # Aliases

    @translated
    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias; `production` is a promotion by the model's gate, `staging` stages."""
        self._calls.set_registered_model_alias(name, alias, version)

    @translated
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; what is live or staged keeps its name."""
        self._calls.delete_registered_model_alias(name, alias)

    @translated
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version of an alias; a SemVer or range is taken for one, too."""
        return version_object(self._calls.get_model_version_by_alias(name, alias))

    def list_webhooks_by_event(self, *_args: Any, **_kwargs: Any) -> PagedList[Any]:
        """Return none: notices are Holdfast's own (`holdfast notify`)."""
        return PagedList([], None)

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: int) -> None:
        """Wait for nothing: a version is there when its creation returns."""
