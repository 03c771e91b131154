"""What MLflow's store and its searches read: one opened registry, models by MLflow's names."""

import functools
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.utils.validation import _validate_model_name, _validate_model_version

from holdfast.core.refs import parse_selector, resolve
from holdfast.core.state import Record, State
from holdfast.errors import HoldfastError, NotFoundError, UnsupportedError
from holdfast.gateways.mlflow import entities, mlflow_names, store_uri
from holdfast.gateways.mlflow.mlflow_errors import missing
from holdfast.registry import open_registry
from holdfast.registry.registry import Registry

if TYPE_CHECKING:
    from holdfast.registry.catalogue_verbs import CatalogueVerbs

_log = logging.getLogger(__name__)
PROMPT_TAG: Final = entities.TAG + IS_PROMPT_TAG_KEY
_Key = tuple[str, str | None]


def name_of(state: State) -> str | None:
    """Return the name that MLflow's clients know a model by, `None` if they do not see it."""
    if entities.MAKING in state.texts:
        return None
    return mlflow_names.to_mlflow(state.model, state.texts)


class StoreView:
    """A store of Holdfast's as MLflow's clients see it; threads may share it.

    Args:
        uri: Its address in MLflow's words.
        registry: It, if it is open already.
    """

    def __init__(self, uri: store_uri.StoreUri, registry: Registry | None = None) -> None:
        self.uri = uri
        self._registry = registry
        self._lock = threading.Lock()
        self._models: dict[str, tuple[_Key, RegisteredModel]] = {}
        self._versions: dict[str, _Kept] = {}

    @functools.cached_property
    def registry(self) -> Registry:
        """The registry, opened when it is first asked."""
        if self._registry is not None:
            return self._registry
        if self.uri.location.startswith(("http://", "https://")):
            problem = "is a server, which takes no writes in MLflow's words"
            advice = "name the folder or the bucket that it serves"
            raise UnsupportedError(self.uri.location, problem, advice)
        return open_registry(self.uri.location, options=self.uri.options)

    @property
    def catalogue(self) -> "CatalogueVerbs":
        """The registry's verbs for other registries' clients."""
        return self.registry.catalogue

    def state(self, name: str) -> State:
        """Return the model that *name* means.

        Raises:
            MlflowException: If there is none.
        """
        _validate_model_name(name)
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
            MlflowException: If there is none.
        """
        _validate_model_name(name)
        number = _validate_model_version(version)
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
        """Return the version that a SemVer, range or digest of Holdfast's names, if it is one."""
        try:
            record = resolve(state, parse_selector(text))
        except HoldfastError as error:
            if isinstance(error, NotFoundError) and any(mark in text for mark in ".^~:<>=*"):
                raise
            return None
        return record if entities.is_seen(state, record) else None

    def version(self, name: str, state: State, record: Record) -> ModelVersion:
        """Return a version as MLflow's entity, its source told where only Holdfast knows it."""
        made = entities.model_version(name, state, record, entities.by_version(state))
        if made.source is None:
            made._source = self.download_uri(state, record)  # noqa: SLF001 - there is no setter
        return made

    def download_uri(self, state: State, record: Record) -> str:
        """Return where MLflow gets a version's files from."""
        if record.reference is not None:
            return record.texts.get("location", record.reference)
        return store_uri.artifacts(self.uri.location, state.model, record.version)

    def model(self, name: str, state: State) -> RegisteredModel:
        """Return a model as MLflow's entity; it is made anew when the journal has grown."""
        key = (name, state.head)
        with self._lock:
            kept = self._models.get(state.model)
        if kept is None or kept[0] != key:
            kept = key, entities.registered_model(name, state)
            with self._lock:
                self._models[state.model] = kept
        return kept[1]

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

    def versions(self, name: str, state: State) -> list[ModelVersion]:
        """Return all versions of a model; when the journal has grown, what changed is made anew."""
        key = (name, state.head)
        with self._lock:
            kept = self._versions.get(state.model)
        if kept is None or kept.key != key:
            known = kept.made if kept is not None and kept.key[0] == name else {}
            kept = _Kept(key, self._made(name, state, known))
            with self._lock:
                self._versions[state.model] = kept
        return [made.entity for made in kept.made.values()]

    def _made(self, name: str, state: State, known: "Mapping[int, _Made]") -> "dict[int, _Made]":
        aliases = entities.by_version(state)
        versions = {}
        for record in entities.seen(state):
            before = known.get(record.number)
            own = aliases.get(record.version)
            if before is None or before.record is not record or before.aliases != own:
                entity = entities.model_version(name, state, record, aliases)
                if entity.source is None:
                    entity._source = self.download_uri(state, record)  # noqa: SLF001 - no setter
                before = _Made(record, own, entity)
            versions[record.number] = before
        return versions


class _Made(NamedTuple):
    """A version's entity, and what it was made from."""

    record: Record
    aliases: list[str] | None
    entity: ModelVersion


class _Kept(NamedTuple):
    """All entities of a model at one point of its journal."""

    key: _Key
    made: dict[int, _Made]
