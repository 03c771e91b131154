"""What one caller sees of the store through MLflow's REST interface."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.core.state import State
from holdfast.gateways.mlflow import rest_paths
from holdfast.gateways.mlflow.new_versions import Found, Own
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import EntityCache, StoreView
from holdfast.registry.registry import Registry
from holdfast.web.rights import Rights


class ServedView(StoreView):
    """The models that whoever asks may read, and their files at this server's own address.

    Args:
        registry: Writes in the name of whoever asks.
        rights: What they may do.
        base: This server as they reach it, such as `https://models.example.org`.
        cache: Of all who reach it so.
    """

    def __init__(self, registry: Registry, rights: Rights, base: str, cache: EntityCache) -> None:
        super().__init__(StoreUri(""), registry)
        self._rights = rights
        self._base = base
        self.cache = cache

    def files_uri(self, model: str, version: str) -> str:
        """Return the address at this server of a version's files."""
        return f"{self._base}{rest_paths.ARTIFACTS}/{rest_paths.files(model, version)}"

    def models(self) -> Iterator[tuple[str, State]]:
        """Go through the models that whoever asks may read."""
        for name, state in super().models():
            if self._rights.allows("read", state.model):
                yield name, state

    def _state(self, name: str) -> State | None:
        state = super()._state(name)
        return state if state is not None and self._rights.allows("read", state.model) else None


class ServerReach:
    """What the server reaches of a source: its own versions, and nothing on its disks or beyond.

    Runs and logged models are the client's to resolve: it knows its tracking server.
    """

    @contextlib.contextmanager
    def reached(self, source: str, _local: str | None, own: Own) -> Iterator[Found]:
        """Give another version of this store, or say that the source stays a reference."""
        other = own(source)
        yield other or Found(None, source, why="a server takes in nothing that is not sent to it")

    def run_of(self, _model_id: str) -> str | None:
        """Return nothing: runs are kept elsewhere."""
        return None

    def learnt(self, _run_id: str | None, _model_id: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Return nothing: runs are kept elsewhere."""
        return {"metrics": {}, "params": {}}
