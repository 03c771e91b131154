"""MLflow's registry, call by call, over a store of Holdfast's: for the plugin and the server alike.

Errors, pages and orders are those of MLflow's own database; `docs/how-to/mlflow.md` lists what
differs. Nothing here needs mlflow itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from holdfast.core import names
from holdfast.core.state import State
from holdfast.errors import InvalidInputError, RefusedError
from holdfast.gateways.mlflow import (
    entities,
    mlflow_checks,
    mlflow_names,
    mlflow_search,
    renaming,
    stages,
)
from holdfast.gateways.mlflow.entities import ModelEntity, VersionEntity
from holdfast.gateways.mlflow.mlflow_checks import Tags
from holdfast.gateways.mlflow.mlflow_errors import INTERNAL, MlflowProblem, invalid, missing, taken
from holdfast.gateways.mlflow.mlflow_search import FoundPage
from holdfast.gateways.mlflow.new_versions import NewVersion, Reach, create
from holdfast.gateways.mlflow.store_view import PROMPT_TAG, StoreView
from holdfast.gateways.mlflow.timestamps import now_ms

_LATEST: Final = "latest"
_DELETED: Final = "deleted by an MLflow client"


def _anything(_state: State) -> None:
    """Ask nothing of a state."""


class RegistryCalls:
    """What MLflow's clients ask of a registry.

    Args:
        view: Its models by MLflow's names, as whoever asks may see them.
        reach: What can be reached of the sources of new versions.
    """

    def __init__(self, view: StoreView, reach: Reach) -> None:
        self._view = view
        self._reach = reach

    # Models

    def create_registered_model(
        self,
        name: str,
        tags: Tags | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> ModelEntity:
        """Create a model without versions."""
        mlflow_checks.check_name(name)
        for key, text in tags or ():
            mlflow_checks.check_model_tag(key, text)
        model = mlflow_names.to_holdfast(name)
        texts = {
            entities.DESCRIPTION: description,
            "deployment_job_id": deployment_job_id,
            mlflow_names.NAME: None if mlflow_names.to_mlflow(model, {}) == name else name,
        }
        texts |= {f"{entities.TAG}{key}": text for key, text in tags or ()}

        def is_new(state: State) -> None:
            if state.exists:
                raise _taken(name, PROMPT_TAG in state.texts, tags or ())

        given = {key: text for key, text in texts.items() if text is not None}
        return self._view.model(name, self._view.catalogue.describe(model, None, given, is_new))

    def update_registered_model(
        self, name: str, description: str | None, deployment_job_id: str | None = None
    ) -> ModelEntity:
        """Change a model's description."""
        texts = {entities.DESCRIPTION: description, entities.UPDATED: now_ms()}
        if deployment_job_id is not None:
            texts["deployment_job_id"] = deployment_job_id
        state = self._view.state(name)
        described = self._view.catalogue.describe(state.model, None, texts, _still(name))
        return self._view.model(name, described)

    def rename_registered_model(self, name: str, new_name: str) -> ModelEntity:
        """Give a model another name: its versions are registered under it, and the old one ends."""
        mlflow_checks.check_new_name(new_name)
        renaming.rename(self._view, self._view.state(name), new_name)
        return self.get_registered_model(new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all its versions, unless one of them is live or held."""
        state = self._view.state(name)
        self._view.registry.delete(state.model, reason=_DELETED)

    def get_registered_model(self, name: str) -> ModelEntity:
        """Return a model."""
        return self._view.model(name, self._view.state(name))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | bytes | None = None,
    ) -> FoundPage[ModelEntity]:
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

    def get_latest_versions(
        self, name: str, wanted: Sequence[str] | None = None
    ) -> list[VersionEntity]:
        """Return the newest version of each stage; a SemVer or range is taken for a stage, too."""
        state = self._view.state(name)
        newest = self._view.newest(state)
        records = []
        for stage in wanted or entities.STAGES:
            selected = None if stages.is_one(stage) else self._view.selected(state, stage)
            record = selected or newest.get(stages.canonical(stage))
            if record is not None and record not in records:
                records.append(record)
        return [self._view.version(name, state, record) for record in records]

    def set_registered_model_tag(self, name: str, key: Any, value: Any) -> None:
        """Set a tag of a model."""
        mlflow_checks.check_name(name)
        mlflow_checks.check_model_tag(key, value)
        self._tag_model(name, key, "" if value is None else value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model."""
        mlflow_checks.check_name(name)
        mlflow_checks.check_key(key)
        self._tag_model(name, key, None)

    def _tag_model(self, name: str, key: str, value: str | None) -> None:
        state = self._view.state(name)
        texts = {f"{entities.TAG}{key}": value}
        self._view.catalogue.describe(state.model, None, texts, _still(name))

    # Versions

    def create_model_version(self, new: NewVersion) -> VersionEntity:
        """Take a version in, or refer to it where its bytes cannot be reached."""
        mlflow_checks.check_name(new.name)
        for key, text in new.tags.items():
            mlflow_checks.check_version_tag(key, text)
        return create(self._view, self._reach, new)

    def update_model_version(
        self, name: str, version: str, description: str | None = None
    ) -> VersionEntity:
        """Change a version's description."""
        state, record = self._view.find(name, version)
        texts = {entities.DESCRIPTION: description, entities.UPDATED: now_ms()}
        after = self._view.catalogue.describe(state.model, record.version, texts, _anything)
        return self._view.version(name, after, after.versions[record.version])

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, *, archive_existing_versions: bool
    ) -> VersionEntity:
        """Move a version to a stage; `Production` is a promotion by the model's gate."""
        canonical = stages.canonical(stage)
        if archive_existing_versions and canonical not in entities.ACTIVE:
            raise MlflowProblem(
                "Model version transition cannot archive existing model versions "
                f"because '{stage}' is not an Active stage. Valid stages are {entities.ACTIVE}",
                INTERNAL,
            )
        state, record = self._view.find(name, version)
        stages.move(self._view, state, record, canonical, archives=archive_existing_versions)
        return self.get_model_version(name, version)

    def delete_model_version(self, name: str, version: str) -> None:
        """Remove a version with its aliases; one that is live stays."""
        state, record = self._view.find(name, mlflow_checks.number_of(version))
        ref = f"{state.model}@{record.version}"
        if state.production == record.version:
            raise RefusedError(ref, "deletion", [f"{record.version} is live"], "promote another")
        for alias in state.aliases_of(record.version):
            self._view.registry.remove_alias(state.model, alias, reason=_DELETED)
        if state.staging == record.version:
            self._view.registry.archive(ref, reason=_DELETED)
        self._view.catalogue.remove(state.model, record.version, _DELETED)

    def get_model_version(self, name: str, version: str) -> VersionEntity:
        """Return a version by its integer."""
        return self._view.version(name, *self._view.find(name, version))

    def get_model_version_download_uri(self, name: str, version: str) -> str:
        """Return where MLflow gets a version's files from."""
        return self._view.download_uri(*self._view.find(name, version))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | bytes | None = None,
    ) -> FoundPage[VersionEntity]:
        """Return one page of the versions that match, with their aliases."""
        mlflow_search.check_versions_wanted(max_results)
        clauses = mlflow_search.version_clauses(filter_string)
        order = mlflow_search.version_order(order_by)
        prompts = mlflow_search.asks_for_prompts(clauses)
        wanted = clauses if prompts else mlflow_search.without_prompt_tag(clauses)
        only = mlflow_search.names_one(clauses)
        if only is not None:  # so that neither needs a look at each version
            wanted = [clause for clause in wanted if not mlflow_search.is_name(clause, only)]
            order = [field for field in order if field[0] != "name"]
        matches = mlflow_search.matcher(wanted) if wanted else None
        found: list[VersionEntity] = []
        for name, state in self._named(only) if only is not None else self._view.models():
            versions = self._view.versions(name, state)
            if prompts or not versions.has_prompts:
                listed = versions.listed
                found += filter(matches, listed) if matches is not None else listed
        return mlflow_search.page(found, order, max_results, page_token)

    def _named(self, name: str) -> list[tuple[str, State]]:
        try:
            return [(name, self._view.state(name))]
        except MlflowProblem:
            return []

    def set_model_version_tag(self, name: str, version: str, key: Any, value: Any) -> None:
        """Set a tag of a version."""
        mlflow_checks.check_name(name)
        number = mlflow_checks.number_of(version)
        mlflow_checks.check_version_tag(key, value)
        state, record = self._view.find(name, number)
        self._view.registry.tag(f"{state.model}@{record.version}", {key: value})

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version."""
        mlflow_checks.check_name(name)
        number = mlflow_checks.number_of(version)
        mlflow_checks.check_key(key)
        state, record = self._view.find(name, number)
        self._view.registry.tag(f"{state.model}@{record.version}", {key: None})

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias; `production` is a promotion by the model's gate, `staging` stages."""
        mlflow_checks.check_name(name)
        mlflow_checks.check_alias(alias)
        mlflow_checks.check_not_reserved(alias)
        state, record = self._view.find(name, mlflow_checks.number_of(version))
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

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; what is live or staged keeps its name."""
        mlflow_checks.check_name(name)
        mlflow_checks.check_alias(alias)
        state = self._view.state(name)
        kept = mlflow_names.alias_to_holdfast(alias)
        if kept in state.aliases:
            self._view.registry.remove_alias(state.model, kept)
        else:
            stages.forget_built_in(state, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> VersionEntity:
        """Return the version of an alias; a SemVer or range is taken for one, too."""
        mlflow_checks.check_name(name)
        if not alias:
            mlflow_checks.check_alias(alias)
        if alias.lower() == _LATEST:
            return self._latest(name)
        state = self._view.state(name)
        version = state.aliases.get(mlflow_names.alias_to_holdfast(alias))
        version = version or stages.standing_for(state, alias)
        record = state.versions[version] if version else self._view.selected(state, alias)
        if record is not None:
            return self._view.version(name, state, record)
        mlflow_checks.check_alias(alias)
        raise invalid(f"Registered model alias {alias} not found.")

    def _latest(self, name: str) -> VersionEntity:
        state = self._view.state(name)
        newest = next(entities.seen(state), None)
        if newest is None:
            raise missing(f"Latest version not found for model {name}.")
        return self._view.version(name, state, newest)


def _taken(name: str, is_prompt: bool, tags: Tags) -> MlflowProblem:  # noqa: FBT001
    """Return the error of a name that a model or a prompt has already."""
    asks_for_prompt = any(key == mlflow_checks.PROMPT_TAG for key, _ in tags)
    old, new = (
        "Prompt" if is_one else "Registered Model" for is_one in (is_prompt, asks_for_prompt)
    )
    if old == new:
        return taken(f"{new} (name={name}) already exists.")
    return taken(
        f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a "
        f"{old.lower()}. MLflow does not allow creating a model and a prompt with the same name."
    )


def _still(name: str) -> Any:
    """Return a check that a model was not deleted meanwhile."""

    def check(state: State) -> None:
        if not state.exists:
            raise missing(f"Registered Model with name={name} not found")

    return check
