"""What MLflow's store and its searches read: one opened registry, models by MLflow's names."""

import functools
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.core.refs import parse_selector, resolve
from holdfast.core.state import Record, State
from holdfast.errors import HoldfastError, NotFoundError
from holdfast.gateways.mlflow import (
    entities,
    mlflow_checks,
    mlflow_names,
    newest_versions,
    store_uri,
)
from holdfast.gateways.mlflow.entities import ModelEntity, Sources, VersionEntity
from holdfast.gateways.mlflow.mlflow_errors import missing
from holdfast.gateways.mlflow.newest_versions import NewestVersions, Touched
from holdfast.gateways.mlflow.timestamps import now
from holdfast.registry import open_registry
from holdfast.registry.registry import Registry

if TYPE_CHECKING:
    from holdfast.registry.catalogue_verbs import CatalogueVerbs

_log = logging.getLogger(__name__)
PROMPT_TAG: Final = entities.TAG + mlflow_checks.PROMPT_TAG
_MARKS: Final = ".^~:<>=*"
_Key = tuple[str, str | None]


def name_of(state: State) -> str | None:
    """Return the name that MLflow's clients know a model by, `None` if they do not see it."""
    if entities.MAKING in state.texts:
        return None
    return mlflow_names.to_mlflow(state.model, state.texts)


class _Made(NamedTuple):
    """A version as MLflow sees it, and what that was made from."""

    record: Record
    aliases: list[str] | None
    entity: VersionEntity


class EntityCache:
    """What was made of models, as long as it holds; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, tuple[_Key, ModelEntity]] = {}
        self._newest: dict[str, NewestVersions] = {}
        self._versions: dict[str, tuple[_Key, dict[int, _Made], AllVersions]] = {}

    def newest(self, state: State, touched: Touched) -> dict[str, Record]:
        """Return the newest version of each stage; of production, the live one, if one is."""
        with self._lock:
            before = self._newest.get(state.model)
        found = newest_versions.follow(before, state, touched)
        with self._lock:
            self._newest[state.model] = found
        return found.shown(state)

    def model(self, name: str, state: State, source: Sources, touched: Touched) -> ModelEntity:
        """Return a model, made anew when its journal has grown."""
        key = (name, state.head)
        with self._lock:
            entry = self._models.get(state.model)
        if entry is None or entry[0] != key:
            latest = self.newest(state, touched)
            entry = key, entities.model_entity(name, state, latest, source)
            with self._lock:
                self._models[state.model] = entry
        return entry[1]

    def versions(self, name: str, state: State, source: Sources) -> "AllVersions":
        """Return all versions of a model; when its journal has grown, what changed is made anew."""
        key = (name, state.head)
        with self._lock:
            entry = self._versions.get(state.model)
        if entry is None or entry[0] != key:
            known = entry[1] if entry is not None and entry[0][0] == name else {}
            made = _versions(name, state, source, known)
            listed = [each.entity for each in made.values()]
            entry = key, made, AllVersions(listed, any(map(_is_prompt, listed)))
            with self._lock:
                self._versions[state.model] = entry
        return entry[2]


class AllVersions(NamedTuple):
    """The versions of a model, the newest first, and whether one of them is a prompt's."""

    listed: list[VersionEntity]
    has_prompts: bool


def _is_prompt(version: VersionEntity) -> bool:
    return version.tags.get(mlflow_checks.PROMPT_TAG) == "true"


def _versions(
    name: str, state: State, source: Sources, known: Mapping[int, _Made]
) -> dict[int, _Made]:
    aliases = entities.by_version(state)
    versions = {}
    for record in entities.seen(state):
        made, own = known.get(record.number), aliases.get(record.version)
        if made is None or made.record is not record or made.aliases != own:
            entity = entities.version_entity(name, state, record, aliases, source)
            made = _Made(record, own, entity)
        versions[record.number] = made
    return versions


class StoreView:
    """A store of Holdfast's as MLflow's clients see it; threads may share it.

    Args:
        uri: Its address in MLflow's words.
        registry: It, if it is open already.
    """

    def __init__(self, uri: store_uri.StoreUri, registry: Registry | None = None) -> None:
        self.uri = uri
        self._registry = registry
        self.cache = EntityCache()

    @functools.cached_property
    def registry(self) -> Registry:
        """The registry, opened when it is first asked."""
        if self._registry is not None:
            return self._registry
        return open_registry(self.uri.location, options=self.uri.options, clock=now)

    @property
    def catalogue(self) -> "CatalogueVerbs":
        """The registry's verbs for other registries' clients."""
        return self.registry.catalogue

    def state(self, name: str) -> State:
        """Return the model that *name* means.

        Raises:
            MlflowProblem: If there is none.
        """
        mlflow_checks.check_name(name)
        state = self._state(name)
        if state is None:
            raise missing(f"Registered Model with name={name} not found")
        return state

    def _state(self, name: str) -> State | None:
        state = self.catalogue.state(mlflow_names.to_holdfast(name))
        return state if state is not None and name_of(state) == name else None

    def find(self, name: str, version: str | int) -> tuple[State, Record]:
        """Return a version by its integer.

        Raises:
            MlflowProblem: If there is none.
        """
        mlflow_checks.check_name(name)
        number = mlflow_checks.number_of(version)
        state = self._state(name)
        if state is not None and number > 0:
            try:
                record = resolve(state, parse_selector(f"v{number + state.earlier}"))
            except HoldfastError:
                record = None
            if record is not None and entities.is_seen(state, record):
                return state, record
        raise missing(f"Model Version (name={name}, version={number}) not found")

    def selected(self, state: State, text: str) -> Record | None:
        """Return the version that a SemVer, range or digest of Holdfast's names, if it is one.

        A word that may be an alias is not, although ranges may be written so, too (`1`, `x`).
        """
        is_marked = any(mark in text for mark in _MARKS)
        if not is_marked and mlflow_checks.NUMBERED.match(text) is None:
            return None
        try:
            record = resolve(state, parse_selector(text))
        except HoldfastError as error:
            if isinstance(error, NotFoundError) and is_marked:
                raise
            return None
        return record if entities.is_seen(state, record) else None

    def version(self, name: str, state: State, record: Record) -> VersionEntity:
        """Return a version as MLflow sees it."""
        aliases = entities.by_version(state)
        return entities.version_entity(name, state, record, aliases, self.download_uri)

    def download_uri(self, state: State, record: Record) -> str:
        """Return where MLflow gets a version's files from."""
        if record.reference is not None:
            return record.texts.get("location", record.reference)
        return self.files_uri(state.model, record.version)

    def files_uri(self, model: str, version: str) -> str:
        """Return the address under which MLflow asks for the files of a version taken in."""
        return store_uri.artifacts(self.uri.location, model, version)

    def model(self, name: str, state: State) -> ModelEntity:
        """Return a model as MLflow sees it."""
        return self.cache.model(name, state, self.download_uri, self.catalogue.touched)

    def newest(self, state: State) -> dict[str, Record]:
        """Return a model's newest version of each stage."""
        return self.cache.newest(state, self.catalogue.touched)

    def models(self) -> Iterator[tuple[str, State]]:
        """Go through all models that MLflow's clients see; one that is damaged hides no other."""
        for model in self.catalogue.models():
            try:
                state = self.catalogue.state(model)
            except HoldfastError as error:
                _log.warning("%s is left out: %s", model, error)
                continue
            name = name_of(state) if state is not None else None
            if state is not None and name is not None:
                yield name, state

    def versions(self, name: str, state: State) -> AllVersions:
        """Return all versions of a model, the newest first."""
        return self.cache.versions(name, state, self.download_uri)
