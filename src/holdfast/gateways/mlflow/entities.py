"""Models and versions as MLflow sees them, made from a state of the journal."""

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec import Struct

from holdfast.core import names
from holdfast.core.state import Record, State
from holdfast.gateways.mlflow import mlflow_names

Sources = Callable[[State, Record], str]
TAG: Final = "tag."
DESCRIPTION: Final = "description"
SOURCE: Final = "source"
UPDATED: Final = "updated"
STAGE: Final = "stage"
STAGED: Final = "alias.staging"
"""Of a model whose `staging` was ever set as an alias."""
MAKING: Final = "being made from"
"""Of a model that a rename has not finished: MLflow's clients do not see it yet."""
STAGES: Final = ("None", "Staging", "Production", "Archived")
"""MLflow's stages, by the words that it answers."""
ACTIVE: Final = ["Staging", "Production"]
"""Stages that a transition may clear of others."""
_STAGES: Final = {
    "registered": "None",
    "staging": "Staging",
    "production": "Production",
    "archived": "Archived",
}


class VersionEntity(Struct, frozen=True, kw_only=True):
    """A version as MLflow sees it, by its words; times are milliseconds since 1970."""

    name: str
    version: int
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    user_id: str
    current_stage: str
    source: str
    run_id: str | None
    run_link: str | None
    model_id: str | None
    tags: dict[str, str]
    aliases: list[str]


class ModelEntity(Struct, frozen=True, kw_only=True):
    """A registered model as MLflow sees it, by its words; times are milliseconds since 1970."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    deployment_job_id: str | None
    latest_versions: list[VersionEntity]
    tags: dict[str, str]
    aliases: dict[str, int]


@functools.lru_cache(maxsize=65_536)
def milliseconds(moment: str) -> int:
    """Return a time of the journal in milliseconds since 1970, 0 for none."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else 0


def number_of(state: State, record: Record) -> int:
    """Return the integer that MLflow knows a version by: it restarts when a model does."""
    return record.number - state.earlier


def is_seen(state: State, record: Record) -> bool:
    """Tell whether MLflow's clients see a version: not purged, nor of a model deleted since."""
    return record.status != "purged" and record.number > state.earlier


def seen(state: State) -> Iterator[Record]:
    """Go through the versions that MLflow's clients see, the newest first."""
    for record in reversed(state.versions.values()):
        if record.number <= state.earlier:
            return
        if record.status != "purged":
            yield record


def stage_of(record: Record) -> str:
    """Return the stage of a version.

    Holdfast has one version in production and one in staging. MLflow lets several stay there, which
    is kept beside the status, and counts as long as the version has that status.
    """
    kept = record.texts.get(STAGE)
    if kept is None:
        return _STAGES[record.status]
    stage, _, status = kept.partition(" while ")
    return stage if status == record.status else _STAGES[record.status]


def stage_text(stage: str, record: Record) -> str | None:
    """Return what is kept so that *record*, as it is, has *stage*; `None` if it has it anyway."""
    return None if _STAGES[record.status] == stage else f"{stage} while {record.status}"


def aliases_of(state: State) -> dict[str, str]:
    """Return all aliases as MLflow knows them, and the version of each.

    What is live has the alias `production`, whatever made it live. What is staged has `staging` if
    that alias was ever set: stages are not aliases in MLflow.
    """
    aliases = {
        mlflow_names.alias_to_mlflow(kept, state.texts): version
        for kept, version in state.aliases.items()
    }
    staged = state.staging if STAGED in state.texts else None
    built_in = {names.PRODUCTION: state.production, names.STAGING: staged}
    return aliases | {alias: version for alias, version in built_in.items() if version}


def by_version(state: State) -> dict[str, list[str]]:
    """Return the aliases of each version that has any."""
    aliases: dict[str, list[str]] = {}
    for alias, version in sorted(aliases_of(state).items()):
        aliases.setdefault(version, []).append(alias)
    return aliases


def version_entity(
    name: str, state: State, record: Record, aliases: Mapping[str, list[str]], source: Sources
) -> VersionEntity:
    """Return a version as MLflow sees it.

    Args:
        source: Tells where a version's files are that has no source in MLflow's words.
    """
    texts = record.texts
    return VersionEntity(
        name=name,
        version=number_of(state, record),
        creation_timestamp=created(texts, record.registered_at),
        last_updated_timestamp=updated(texts, record.moved_at or record.registered_at),
        description=texts.get(DESCRIPTION),
        user_id=record.registered_by,
        current_stage=stage_of(record),
        source=texts.get(SOURCE, record.reference) or source(state, record),
        run_id=texts.get("run_id"),
        run_link=texts.get("run_link"),
        model_id=texts.get("model_id"),
        tags=dict(record.tags),
        aliases=list(aliases.get(record.version, ())),
    )


def created(texts: Mapping[str, str], registered_at: str) -> int:
    """Return when something came to be, here or where it was before, in milliseconds."""
    return int(texts["created"]) if "created" in texts else milliseconds(registered_at)


def updated(texts: Mapping[str, str], moved_at: str) -> int:
    """Return when something was changed that MLflow counts, in milliseconds."""
    return max(int(texts.get(UPDATED, 0)), milliseconds(moved_at))


def model_entity(
    name: str, state: State, latest: Mapping[str, Record], source: Sources
) -> ModelEntity:
    """Return a model as MLflow sees it, with its newest version of each stage, *latest*."""
    aliases = by_version(state)
    texts = state.texts
    return ModelEntity(
        name=name,
        creation_timestamp=created(texts, state.created_at),
        last_updated_timestamp=updated(texts, max(state.moved_at, state.created_at)),
        description=texts.get(DESCRIPTION),
        deployment_job_id=texts.get("deployment_job_id"),
        latest_versions=[
            version_entity(name, state, record, aliases, source) for record in latest.values()
        ],
        tags={key.removeprefix(TAG): text for key, text in texts.items() if key.startswith(TAG)},
        aliases={
            alias: number_of(state, state.versions[version])
            for alias, version in aliases_of(state).items()
        },
    )


def newest(state: State) -> dict[str, Record]:
    """Look through all versions for the newest of each stage."""
    found: dict[str, Record] = {}
    sought = set(_STAGES)  # statuses of which no version was seen yet; the others are passed over
    count = len(state.versions) - state.earlier
    for record in islice(reversed(state.versions.values()), count):  # as `seen`, at a tenth of it
        if record.status in sought or (STAGE in record.texts and record.status != "purged"):
            stage = stage_of(record)
            found.setdefault(stage, record)
            if stage == _STAGES[record.status]:
                sought.discard(record.status)
            if len(found) == len(STAGES):
                break
    return found
