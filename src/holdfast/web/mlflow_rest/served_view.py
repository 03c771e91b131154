"""What one caller sees of the store through MLflow's REST interface."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from holdfast import scratch
from holdfast.core.state import Record, State
from holdfast.gateways.mlflow import entities, rest_paths
from holdfast.gateways.mlflow.mlflow_errors import invalid
from holdfast.gateways.mlflow.new_versions import Found, Own
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import EntityCache, StoreView
from holdfast.registry.registry import Registry
from holdfast.web.below import session_of
from holdfast.web.rights import Rights


class ServedView(StoreView):
    """The models that whoever asks may read, and their files at this server's own address.

    Args:
        registry: Writes in the name of whoever asks.
        rights: What they may do.
        base: This server as they reach it, such as `https://models.example.org`.
        cache: Of all who reach it so.
        trust: Why code outside the allow-list is taken in, if whoever asks may decide that.
    """

    def __init__(
        self,
        registry: Registry,
        rights: Rights,
        base: str,
        cache: EntityCache,
        trust: str | None = None,
    ) -> None:
        super().__init__(StoreUri("", trust), registry)
        self._rights = rights
        self._base = base
        self.cache = cache

    def files_uri(self, model: str, version: str) -> str:
        """Return the address at this server of a version's files."""
        return f"{self._base}{rest_paths.ARTIFACTS}/{rest_paths.files(model, version)}"

    def behind(self, source: str) -> str | None:
        """Return what stands behind `artifacts/` in an address here, `None` for all others."""
        for prefix in (f"{self._base}{rest_paths.ARTIFACTS}/", "mlflow-artifacts:/"):
            if source.startswith(prefix):
                return source.removeprefix(prefix).strip("/")
        return None

    def record(self, model: str, version: str) -> Record | None:
        """Return a version by Holdfast's names, `None` if whoever asks may not read it."""
        if not self._rights.allows("read", model):
            return None
        state = self.catalogue.state(model)
        record = state.versions.get(version) if state is not None else None
        if state is None or record is None or not entities.is_seen(state, record):
            return None
        return record

    def models(self) -> Iterator[tuple[str, State]]:
        """Go through the models that whoever asks may read."""
        for name, state in super().models():
            if self._rights.allows("read", state.model):
                yield name, state

    def _state(self, name: str) -> State | None:
        state = super()._state(name)
        return state if state is not None and self._rights.allows("read", state.model) else None


class ServerReach:
    """What the server reaches of a source: what is its own, and nothing on its disks or beyond.

    Runs and logged models are the client's to resolve: it knows its tracking server.

    Args:
        view: What whoever asks sees.
        bring: Writes what they put below a path to a new folder.
    """

    def __init__(self, view: ServedView, bring: Callable[[str, Path], None]) -> None:
        self._view = view
        self._bring = bring

    @contextlib.contextmanager
    def reached(self, source: str, _local: str | None, own: Own) -> Iterator[Found]:
        """Give what is here, or say that the source stays a reference."""
        path = self._view.behind(source)
        if path is None:
            yield own(source) or Found(None, source, why="it is not at this server")
        elif path.startswith(rest_paths.UPLOADS):
            with scratch.folder(session_of(self._view.registry).scratch()) as home:
                folder = home / "model"
                folder.mkdir()
                self._bring(path.removeprefix(rest_paths.UPLOADS), folder)
                yield Found(folder, source)
        else:
            yield self._version(path, source)

    def _version(self, path: str, source: str) -> Found:
        """Return the version whose files an address at this server is of."""
        model, version, file = rest_paths.parse_files(path) or ("", "", "")
        record = self._view.record(model, version) if model and not file else None
        if record is None:
            raise invalid(f"Invalid model version source: {source!r} names no version here")
        fetched = self._view.registry.fetch(f"{model}@{version}")
        if "model" not in fetched.paths:
            raise invalid(f"Invalid model version source: {source!r} has no model")
        return Found(fetched.paths["model"], source, record.texts.get("run_id"))

    def run_of(self, _model_id: str) -> str | None:
        """Return nothing: runs are kept elsewhere."""
        return None

    def learnt(self, _run_id: str | None, _model_id: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Return nothing: runs are kept elsewhere."""
        return {"metrics": {}, "params": {}}
