"""The plugin: MLflow's registry store over a store of Holdfast's, call by call.

`mlflow.set_registry_uri("holdfast:///folder")`. Errors, pages and orders are those of MLflow's own
database; `docs/how-to/mlflow.md` lists what differs.
"""

from collections.abc import Sequence
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils import validation

from holdfast.core import names
from holdfast.core.state import State
from holdfast.errors import InvalidInputError, RefusedError
from holdfast.gateways.mlflow import (
    entities,
    mlflow_names,
    mlflow_search,
    renaming,
    stages,
)
from holdfast.gateways.mlflow.mlflow_errors import invalid, missing, translated
from holdfast.gateways.mlflow.new_versions import NewVersion, create
from holdfast.gateways.mlflow.sources import Tracking
from holdfast.gateways.mlflow.store_uri import parse as parse_uri
from holdfast.gateways.mlflow.store_view import PROMPT_TAG, StoreView
from holdfast.gateways.mlflow.timestamps import now_ms

_LATEST: Final = "latest"
_DELETED: Final = "deleted by an MLflow client"


def _anything(_state: State) -> None:
    """Ask nothing of a state."""


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
        self._tracking = Tracking(tracking_uri)

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
        validation._validate_model_name(name)
        for tag in tags or ():
            validation._validate_registered_model_tag(tag.key, tag.value)
        model = mlflow_names.to_holdfast(name)
        texts = {
            entities.DESCRIPTION: description,
            "deployment_job_id": deployment_job_id,
            mlflow_names.NAME: None if mlflow_names.to_mlflow(model, {}) == name else name,
        }
        texts |= {f"{entities.TAG}{tag.key}": tag.value for tag in tags or ()}

        def is_new(state: State) -> None:
            if state.exists:
                is_prompt = PROMPT_TAG in state.texts
                handle_resource_already_exist_error(name, is_prompt, has_prompt_tag(tags))

        given = {key: text for key, text in texts.items() if text is not None}
        return self._view.model(name, self._view.catalogue.describe(model, None, given, is_new))

    @translated
    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Change a model's description."""
        texts = {entities.DESCRIPTION: description, entities.UPDATED: now_ms()}
        if deployment_job_id is not None:
            texts["deployment_job_id"] = deployment_job_id
        state = self._view.state(name)
        described = self._view.catalogue.describe(state.model, None, texts, _still(name))
        return self._view.model(name, described)

    @translated
    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name: its versions are registered under it, and the old one ends."""
        validation._validate_model_renaming(new_name)
        renaming.rename(self._view, self._view.state(name), new_name)
        return self.get_registered_model(new_name)

    @translated
    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all its versions, unless one of them is live or held."""
        state = self._view.state(name)
        self._view.registry.delete(state.model, reason=_DELETED)

    @translated
    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a model."""
        return self._view.model(name, self._view.state(name))

    @translated
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return one page of the models that match."""
        mlflow_search.check_models_wanted(max_results)
        clauses = mlflow_search.model_clauses(filter_string)
        order = mlflow_search.model_order(order_by)
        prompts = mlflow_search.asks_for_prompts(clauses)
        wanted = clauses if prompts else mlflow_search.without_prompt_tag(clauses)
        matches = mlflow_search.matcher(wanted)
        models = [
            self._view.model(name, state)
            for name, state in self._view.models()
            if prompts or state.texts.get(PROMPT_TAG) != "true"
        ]
        return mlflow_search.page(
            [model for model in models if matches(model)], order, max_results, page_token
        )

    @translated
    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """Return the newest version of each stage; a SemVer or range is taken for a stage, too."""
        state = self._view.state(name)
        newest = entities.newest(state)
        records = []
        for stage in stages or ALL_STAGES:
            selected = None if stage.lower() in _STAGES else self._view.selected(state, stage)
            record = selected or newest.get(get_canonical_stage(stage))
            if record is not None and record not in records:
                records.append(record)
        return [self._view.version(name, state, record) for record in records]

    @translated
    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Set a tag of a model."""
        validation._validate_model_name(name)
        validation._validate_registered_model_tag(tag.key, tag.value)
        self._tag_model(name, tag.key, "" if tag.value is None else tag.value)

    @translated
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model."""
        validation._validate_model_name(name)
        validation._validate_tag_name(key)
        self._tag_model(name, key, None)

    def _tag_model(self, name: str, key: str, value: str | None) -> None:
        state = self._view.state(name)
        texts = {f"{entities.TAG}{key}": value}
        self._view.catalogue.describe(state.model, None, texts, _still(name))

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
        validation._validate_model_name(name)
        for tag in tags or ():
            validation._validate_model_version_tag(tag.key, tag.value)
        new = NewVersion(
            name=name,
            source=source or "",
            local_path=local_model_path,
            run_id=run_id,
            model_id=model_id,
            run_link=run_link,
            description=description,
            tags={tag.key: tag.value for tag in tags or ()},
        )
        return create(self._view, self._tracking, new)

    @translated
    def update_model_version(
        self, name: str, version: str, description: str | None = None
    ) -> ModelVersion:
        """Change a version's description."""
        state, record = self._view.find(name, version)
        texts = {entities.DESCRIPTION: description, entities.UPDATED: now_ms()}
        after = self._view.catalogue.describe(state.model, record.version, texts, _anything)
        return self._view.version(name, after, after.versions[record.version])

    @translated
    def transition_model_version_stage(
        self,
        name: str,
        version: str,
        stage: str,
        archive_existing_versions: bool,
    ) -> ModelVersion:
        """Move a version to a stage; `Production` is a promotion by the model's gate."""
        canonical = get_canonical_stage(stage)
        if archive_existing_versions and canonical not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise MlflowException(
                "Model version transition cannot archive existing model versions "
                f"because '{stage}' is not an Active stage. "
                f"Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}"
            )
        state, record = self._view.find(name, version)
        stages.move(self._view, state, record, canonical, archives=archive_existing_versions)
        return self.get_model_version(name, version)

    @translated
    def delete_model_version(self, name: str, version: str) -> None:
        """Remove a version with its aliases; one that is live stays."""
        state, record = self._view.find(name, validation._validate_model_version(version))
        ref = f"{state.model}@{record.version}"
        if state.production == record.version:
            raise RefusedError(ref, "deletion", [f"{record.version} is live"], "promote another")
        for alias in state.aliases_of(record.version):
            self._view.registry.remove_alias(state.model, alias, reason=_DELETED)
        if state.staging == record.version:
            self._view.registry.archive(ref, reason=_DELETED)
        self._view.catalogue.remove(state.model, record.version, _DELETED)

    @translated
    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Return a version by its integer."""
        return self._view.version(name, *self._view.find(name, version))

    @translated
    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Return where MLflow gets a version's files from."""
        return self._view.download_uri(*self._view.find(name, version))

    @translated
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return one page of the versions that match, with their aliases."""
        mlflow_search.check_versions_wanted(max_results)
        clauses = mlflow_search.version_clauses(filter_string)
        order = mlflow_search.version_order(order_by)
        prompts = mlflow_search.asks_for_prompts(clauses)
        wanted = clauses if prompts else mlflow_search.without_prompt_tag(clauses)
        matches = mlflow_search.matcher(wanted)
        only = mlflow_search.names_one(clauses)
        found: list[ModelVersion] = []
        for name, state in self._named(only) if only else self._view.models():
            versions = self._view.versions(name, state)
            if prompts or not any(_is_prompt(version) for version in versions):
                found += filter(matches, versions)
        return mlflow_search.page(found, order, max_results, page_token)

    def _named(self, name: str) -> list[tuple[str, State]]:
        try:
            return [(name, self._view.state(name))]
        except MlflowException:
            return []

    @translated
    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag of a version."""
        validation._validate_model_name(name)
        number = validation._validate_model_version(version)
        validation._validate_model_version_tag(tag.key, tag.value)
        state, record = self._view.find(name, number)
        self._view.registry.tag(f"{state.model}@{record.version}", {tag.key: tag.value})

    @translated
    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version."""
        validation._validate_model_name(name)
        number = validation._validate_model_version(version)
        validation._validate_tag_name(key)
        state, record = self._view.find(name, number)
        self._view.registry.tag(f"{state.model}@{record.version}", {key: None})

    # Aliases

    @translated
    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias; `production` is a promotion by the model's gate, `staging` stages."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        validation._validate_model_alias_name_reserved(alias)
        state, record = self._view.find(name, validation._validate_model_version(version))
        ref = f"{state.model}@{record.version}"
        match alias.lower():
            case names.PRODUCTION:
                self._view.registry.promote(ref, reason=f"alias {alias} set by an MLflow client")
            case names.STAGING:
                self._view.registry.stage(ref, reason=f"alias {alias} set by an MLflow client")
                self._view.catalogue.describe(state.model, None, {entities.STAGED: ""}, _anything)
            case names.PREVIOUS:
                problem = "is what a rollback goes to, which only moves with `production`"
                raise InvalidInputError(f"alias {alias!r}", problem, "choose another word")
            case _:
                self._alias(state, alias, ref)

    def _alias(self, state: State, alias: str, ref: str) -> None:
        kept = mlflow_names.alias_to_holdfast(alias)
        key = mlflow_names.alias_key(kept)
        if key is not None:
            self._view.catalogue.describe(state.model, None, {key: alias}, _anything)
        self._view.registry.alias(ref, kept)

    @translated
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; what is live or staged keeps its name."""
        validation._validate_model_name(name)
        validation._validate_model_alias_name(alias)
        state = self._view.state(name)
        kept = mlflow_names.alias_to_holdfast(alias)
        if kept in state.aliases:
            self._view.registry.remove_alias(state.model, kept)
        else:
            stages.forget_built_in(state, alias)

    @translated
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version of an alias; a SemVer or range is taken for one, too."""
        validation._validate_model_name(name)
        if not alias:
            validation._validate_model_alias_name(alias)
        if alias.lower() == _LATEST:
            return self._latest(name)
        state = self._view.state(name)
        version = state.aliases.get(mlflow_names.alias_to_holdfast(alias))
        version = version or stages.standing_for(state, alias)
        record = state.versions[version] if version else self._view.selected(state, alias)
        if record is not None:
            return self._view.version(name, state, record)
        validation._validate_model_alias_name(alias)
        raise invalid(f"Registered model alias {alias} not found.")

    def _latest(self, name: str) -> ModelVersion:
        state = self._view.state(name)
        newest = next(entities.seen(state), None)
        if newest is None:
            raise missing(f"Latest version not found for model {name}.")
        return self._view.version(name, state, newest)

    def list_webhooks_by_event(self, *_args: Any, **_kwargs: Any) -> PagedList[Any]:
        """Return none: notices are Holdfast's own (`holdfast notify`)."""
        return PagedList([], None)

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: int) -> None:
        """Wait for nothing: a version is there when its creation returns."""


_STAGES: Final = frozenset(stage.lower() for stage in ALL_STAGES)


def _still(name: str) -> Any:
    """Return a check that a model was not deleted meanwhile."""

    def check(state: State) -> None:
        if not state.exists:
            raise missing(f"Registered Model with name={name} not found")

    return check


def _is_prompt(version: ModelVersion) -> bool:
    return bool(version._tags.get(PROMPT_TAG.removeprefix(entities.TAG)) == "true")
