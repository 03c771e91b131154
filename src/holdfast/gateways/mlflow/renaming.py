"""Renaming: Holdfast's journals name their model, so another name is another journal.

The versions are registered under the new name in the same order, with the same files and numbers,
and what is live, staged and aliased is so there. Until all is done the new model is marked as being
made, which hides it from MLflow's clients; a rename that was stopped continues when it is asked for
again. The old journal ends with its deletion and keeps the history.
"""

from typing import Final

from msgspec.structs import replace

from holdfast.core.state import Record, State
from holdfast.errors import ConflictError
from holdfast.gateways.mlflow import entities, mlflow_names
from holdfast.gateways.mlflow.mlflow_errors import taken
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.gateways.mlflow.timestamps import now_ms
from holdfast.registry.catalogue_verbs import Labels

NEEDED: Final = ("register", "promote", "stage", "alias", "policy", "hold", "force")
"""What it takes to make a model anew under another name, as it was under the first."""
_GONE = "deleted before the model was renamed"


def rename(view: StoreView, old: State, new_name: str) -> None:
    """Register a model under another name and end the old one.

    Raises:
        MlflowProblem: If the new name is taken.
        ConflictError: If a rollout is running.
        ForbiddenError: If whoever asks may not do all that it takes; nothing is written then.
    """
    model = mlflow_names.to_holdfast(new_name)
    if model == old.model:
        view.catalogue.describe(model, None, {entities.UPDATED: now_ms()}, _anything)
        return
    if old.running is not None:
        raise ConflictError(old.model, "has a rollout running", "finish or abort it first")
    view.catalogue.require_allowed(old.model, ("delete",))
    view.catalogue.require_allowed(model, NEEDED)
    texts = {key: text for key, text in old.texts.items() if key != mlflow_names.NAME}
    if mlflow_names.to_mlflow(model, {}) != new_name:
        texts[mlflow_names.NAME] = new_name

    def is_free(state: State) -> None:
        if state.exists and state.texts.get(entities.MAKING) != old.model:
            raise taken(f"Registered Model (name={new_name}) already exists.")

    made = {"created": str(entities.created(old.texts, old.created_at)), entities.MAKING: old.model}
    state = view.catalogue.describe(model, None, texts | made, is_free)
    numbers = dict(_carried(view, old, state))
    _names(view, old, model, numbers)
    done = {entities.MAKING: None, entities.UPDATED: now_ms()}
    view.catalogue.describe(model, None, done, _anything)
    reason = f"renamed to {model}"
    for record in old.present():
        if record.held is not None:  # the new one is held
            view.registry.release(f"{old.model}@{record.version}", reason=reason)
    view.registry.delete(old.model, reason=reason, force=True)


def _anything(_state: State) -> None:
    """Ask nothing of a state."""


def _carried(view: StoreView, old: State, new: State) -> list[tuple[str, str]]:
    """Register all versions anew; return the new version of each old one."""
    already = [record.version for record in new.versions.values()][new.earlier :]
    pairs = []
    for at, record in enumerate([*old.versions.values()][old.earlier :]):
        version = already[at] if at < len(already) else _carry(view, old, record, new.model)
        if record.status == "purged":
            state = view.catalogue.require(new.model)
            if state.versions[version].status != "purged":
                view.catalogue.remove(new.model, version, _GONE)
        pairs.append((record.version, version))
    return pairs


def _carry(view: StoreView, old: State, record: Record, model: str) -> str:
    manifest = replace(view.catalogue.manifest(record), name=model, metrics=record.metrics)
    if record.status == "purged":
        manifest = replace(manifest, artifacts={}, scan={}, reference=_GONE)
    created = entities.created(record.texts, record.registered_at)
    texts = record.texts | {"created": str(created), entities.UPDATED: now_ms()}
    why = f"was {old.model}@{record.version} before it was renamed"
    return view.catalogue.carry(manifest, Labels(_anything, record.tags, texts), why)


def _names(view: StoreView, old: State, model: str, numbers: dict[str, str]) -> None:
    """Give the new model the old one's policy, aliases, and what was live and staged."""
    registry, reason = view.registry, f"as in {old.model} before it was renamed"
    for version in dict.fromkeys(old.stack):
        if old.versions[version].status != "purged":
            registry.promote(f"{model}@{numbers[version]}", reason=reason, force=True)
    if old.production is not None:
        registry.promote(f"{model}@{numbers[old.production]}", reason=reason, force=True)
    if old.staging is not None:
        registry.stage(f"{model}@{numbers[old.staging]}", reason=reason)
    state = view.catalogue.require(model)
    for record in old.present():
        if record.number <= old.earlier:
            continue
        ref = f"{model}@{numbers[record.version]}"
        status = state.versions[numbers[record.version]].status
        if record.status == "archived" and status == "registered":
            registry.archive(ref, reason=reason)
        if record.held is not None:
            registry.hold(ref, reason=record.held)
    for alias, version in old.aliases.items():
        registry.alias(f"{model}@{numbers[version]}", alias, reason=reason)
    if old.policy != state.policy:  # last: it may protect aliases and demand signatures
        registry.set_policy(model, old.policy, reason=reason)
