"""Stages and the aliases that move them: MLflow's words for promoting and staging.

One version is live in Holdfast and one is staged. MLflow lets several share a stage; those that
stay there beside the one that Holdfast names are marked so (`entities.stage_of`). A reference is
never live; where nothing is and no policy has a say, its stage `Production` is a word for MLflow's
clients alone.
"""

from typing import Final

from holdfast.core import names
from holdfast.core.policy import OPEN, Policy
from holdfast.core.state import Record, State
from holdfast.errors import ConflictError
from holdfast.gateways.mlflow import entities
from holdfast.gateways.mlflow.mlflow_errors import invalid
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.gateways.mlflow.timestamps import now_ms

BUILT_IN: Final = (names.PRODUCTION, names.STAGING)
_CANONICAL: Final = {stage.lower(): stage for stage in entities.STAGES}
_REASON: Final = "by an MLflow client"


def canonical(stage: str) -> str:
    """Return a stage as MLflow writes it.

    Raises:
        MlflowProblem: If there is no such stage.
    """
    if stage.lower() not in _CANONICAL:
        listed = ", ".join(entities.STAGES)
        raise invalid(f"Invalid Model Version stage: {stage}. Value must be one of {listed}.")
    return _CANONICAL[stage.lower()]


def is_one(stage: str) -> bool:
    """Tell whether MLflow has such a stage."""
    return stage.lower() in _CANONICAL


def move(view: StoreView, state: State, record: Record, stage: str, *, archives: bool) -> None:
    """Bring a version to a stage; to `Production` by the model's gate.

    Args:
        archives: Whether all others of that stage are archived.

    Raises:
        RefusedError: With every reason of the gate.
        ConflictError: If it is live and would leave production, or its bytes were never taken in.
    """
    others = [other for other in entities.seen(state) if other.version != record.version]
    sharing = [other for other in others if entities.stage_of(other) == stage]
    _put(view, state, record, stage)
    if stage in ("Production", "Staging"):
        for other in sharing:
            _settle(view, state, other, "Archived" if archives else stage)
    after = view.catalogue.require(state.model)
    is_unmoved = after.versions[record.version].moved_at == record.moved_at  # as its entries say
    cleared = sharing if archives else []
    changed = [record, *cleared] if is_unmoved or cleared else []
    texts = {entities.UPDATED: now_ms()}  # one time for all, as in MLflow's database
    for each in changed:
        view.catalogue.describe(state.model, each.version, texts, _anything)
    if is_unmoved:
        view.catalogue.describe(state.model, None, texts, _anything)


def _anything(_state: State) -> None:
    """Ask nothing of a state."""


def _put(view: StoreView, state: State, record: Record, stage: str) -> None:
    ref = f"{state.model}@{record.version}"
    is_live = state.production == record.version
    if is_live and stage != "Production":
        raise ConflictError(
            ref, "is live, and stays so until another version is promoted", "promote another one"
        )
    match stage:
        case "Production" if not _is_a_word_alone(state, record):
            view.registry.promote(ref, reason=_REASON)
        case "Staging":
            view.registry.stage(ref, reason=_REASON)
        case "Archived":
            view.registry.archive(ref, reason=_REASON)
        case _ if record.status == "staging":  # nothing but another takes its place
            view.registry.archive(ref, reason=_REASON)
    _settle(view, state, record, stage)


def _is_a_word_alone(state: State, record: Record) -> bool:
    """Tell whether `Production` says of a version only what MLflow's clients are shown."""
    is_free = state.production is None and state.policy in (Policy(), OPEN)
    return record.reference is not None and is_free


def _settle(view: StoreView, state: State, record: Record, stage: str) -> None:
    """Have a version shown in a stage, whatever its status has become."""
    now = view.catalogue.require(state.model)
    fresh = now.versions[record.version]
    if stage == "Archived" and fresh.status in ("registered", "staging"):
        view.registry.archive(f"{state.model}@{record.version}", reason=_REASON)
        fresh = view.catalogue.require(state.model).versions[record.version]
    text = entities.stage_text(stage, fresh)
    if fresh.texts.get(entities.STAGE) != text:
        texts = {entities.STAGE: text}
        view.catalogue.describe(state.model, record.version, texts, _anything)


def standing_for(state: State, alias: str) -> str | None:
    """Return the version that one of Holdfast's own names stands for, `None` if it is another."""
    match alias.lower():
        case names.PRODUCTION:
            return state.production
        case names.STAGING:
            return state.staging
        case names.PREVIOUS:
            return state.previous
        case _:
            return None


def forget_built_in(state: State, alias: str) -> None:
    """Refuse to take away a name that says what is live or staged.

    Raises:
        ConflictError: If it names a version now.
    """
    version = standing_for(state, alias)
    if version is not None:
        advice = "promote or stage another version, which takes it over"
        raise ConflictError(f"alias {alias} of {state.model}", f"names {version}", advice)
