"""A new version in MLflow's words: taken in if its bytes can be reached, else a reference."""

import contextlib
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

from msgspec import Struct

from holdfast.core import names
from holdfast.core.state import State
from holdfast.gateways.mlflow import entities, model_folders
from holdfast.gateways.mlflow.entities import VersionEntity
from holdfast.gateways.mlflow.mlflow_errors import INTERNAL, MlflowProblem, invalid, missing
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.registry.catalogue_verbs import Labels
from holdfast.registry.facts import Facts

_log = logging.getLogger(__name__)


class NewVersion(Struct, frozen=True, kw_only=True):
    """What a client says of a version."""

    name: str
    source: str
    local_path: str | None = None
    run_id: str | None = None
    model_id: str | None = None
    run_link: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}


class Found(Struct, frozen=True):
    """What a source leads to.

    Attributes:
        folder: A folder that MLflow wrote, `None` where none can be reached.
        location: Where its bytes are said to be.
        why: Why they cannot be reached, for people.
    """

    folder: Path | None
    location: str
    run_id: str | None = None
    why: str = ""


Own = Callable[[str], Found | None]
"""Tells what another version of the same registry is, `None` for every other source."""


class Reach(Protocol):
    """What can be reached from here of runs, logged models, and files elsewhere."""

    def reached(
        self, source: str, local: str | None, own: Own
    ) -> contextlib.AbstractContextManager[Found]:
        """Reach the bytes behind a source; what is fetched from elsewhere lives as long as this.

        Args:
            local: A folder that has them already.
        """
        ...

    def run_of(self, model_id: str) -> str | None:
        """Return the run that a logged model is of, if that can be known."""
        ...

    def learnt(self, run_id: str | None, model_id: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Return metrics and parameters of a run and its logged model, as far as there are any."""
        ...


def create(view: StoreView, tracking: Reach, new: NewVersion) -> VersionEntity:
    """Register a version of a model that exists.

    Raises:
        MlflowProblem: If the model, or another version that is the source, does not exist.
        UntrustedError: If its files would run code outside the allow-list.
    """
    model = view.state(new.name).model

    def own(source: str) -> Found | None:
        return _own(view, source)

    with tracking.reached(new.source, new.local_path, own) as found:
        run_id = new.run_id or found.run_id
        if not run_id and new.model_id:
            run_id = tracking.run_of(new.model_id)
        labels = Labels(_exists(new.name), new.tags, _texts(new, run_id, found))
        if found.folder is None:
            _log.info("%s: %r stays a reference: %s", new.name, new.source, found.why)
            facts: Facts = {"lineage": {"run_id": run_id}, "metadata": {"mlflow": {}}}
            version = view.catalogue.refer(model, new.source, labels, facts)
        else:
            facts = _facts(view, tracking, found.folder, run_id, new.model_id)
            version = view.catalogue.register(model, found.folder, labels, facts)
    state = view.catalogue.require(model)
    return view.version(new.name, state, state.versions[version])


def _own(view: StoreView, source: str) -> Found | None:
    """Return what another version of this store is, `None` for a source of any other kind."""
    if urlparse(source).scheme != "models":
        return None
    try:
        name, version = _version_of(source)
        if version is None:
            return None
        state, record = view.find(name, version)
    except MlflowProblem as problem:
        raise MlflowProblem(
            f"Unable to fetch model from model URI source artifact location '{source}'."
            f"Error: {problem}",
            INTERNAL,
        ) from problem
    location = view.download_uri(state, record)
    if record.reference is not None:
        why = "it refers to a version that is a reference"
        return Found(None, location, record.texts.get("run_id"), why)
    folder = view.registry.fetch(f"{state.model}@{record.version}").paths["model"]
    return Found(folder, location, record.texts.get("run_id"))


def _version_of(source: str) -> tuple[str, str | None]:
    """Return the model and version of a `models:/` address; no version where it is another kind.

    Raises:
        MlflowProblem: If it is not such an address.
    """
    path = urlparse(source, allow_fragments=False).path
    name, slash, version = path.lstrip("/").partition("/")
    is_one = path.startswith("/") and name.strip() and "/" not in version
    if not is_one or (slash and not version.strip()):
        raise invalid(f"Not a proper models:/ URI: {source}.")
    if slash and not version.isdecimal():
        raise invalid(f"Parameter 'version' must be an integer, got '{version}'.")
    return name, version or None


def _exists(name: str) -> Any:
    def check(state: State) -> None:
        if not state.exists:
            raise missing(f"Registered Model with name={name} not found")

    return check


def _texts(new: NewVersion, run_id: str | None, found: Found) -> dict[str, str]:
    texts = {
        entities.SOURCE: new.source,
        "location": found.location if found.location != new.source else None,
        "run_id": run_id,
        "run_link": new.run_link,
        "model_id": new.model_id,
        entities.DESCRIPTION: new.description,
    }
    return {key: text for key, text in texts.items() if text is not None}


def _facts(
    view: StoreView, tracking: Reach, folder: Path, run_id: str | None, model_id: str | None
) -> Facts:
    told = model_folders.read(folder, view.uri.trust) if model_folders.is_one(folder) else None
    facts: Facts = dict(told.facts) if told else {}  # type: ignore[assignment]  # a copy of them
    run_id = run_id or (told.run_id if told else None)
    learnt = tracking.learnt(run_id, model_id or (told.model_id if told else None))
    facts["metrics"] = finite(learnt["metrics"])
    facts["lineage"] = {"run_id": run_id}
    if learnt["params"]:
        facts["hyperparameters"] = dict(learnt["params"])
    if view.uri.trust is not None:
        facts["trust"] = view.uri.trust
    return facts


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that a version can have: finite numbers under printable names."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if names.is_key(name) and math.isfinite(float(value))
    }
