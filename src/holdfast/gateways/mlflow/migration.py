"""Migration: all registered models of an MLflow registry, planned first, resumed where it stopped.

MLflow's version *n* becomes the registration number `vn`: numbers that were deleted there are
registered as references and purged. Each version brings, in the entry that registers it, where it
comes from; so an import that was stopped, at any moment, continues with the next one.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from msgspec import Struct

from holdfast.core.state import Record, State
from holdfast.errors import ConflictError, InvalidInputError, NotFoundError
from holdfast.gateways.mlflow import entities, mlflow_names, model_folders, stages
from holdfast.gateways.mlflow.mlflow_exceptions import understood
from holdfast.gateways.mlflow.new_versions import Found, finite
from holdfast.gateways.mlflow.sources import Tracking, local_folder
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.registry.catalogue_verbs import Labels
from holdfast.registry.facts import Facts
from holdfast.registry.registry import Registry

IMPORTED: Final = "imported"
_GONE: Final = "deleted in MLflow before the import"
_PAGE: Final = 1000
_SCHEMES: Final = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "file", "")
Progress = Callable[[int, int], None]


class PlannedVersion(Struct, frozen=True):
    """What becomes of one version.

    Attributes:
        number: Its integer there, and its registration number here.
        bytes_at: Where its bytes are, `None` if they cannot be reached.
        problem: Why they cannot, so that it becomes a reference.
        done: True if it is here already.
        live: True if it will be promoted.
    """

    name: str
    model: str
    number: int
    source: str
    stage: str
    aliases: tuple[str, ...]
    bytes_at: str | None = None
    problem: str = ""
    done: bool = False
    live: bool = False


class MigrationResult(Struct, frozen=True):
    """What an import did.

    Attributes:
        references: Refs of those whose bytes could not be reached.
        unmade: Why a version is not live although it was to be, by ref.
    """

    models: int
    versions: int
    new: int
    references: tuple[str, ...]
    unmade: dict[str, str]


class Migration:
    """An import from one registry of MLflow's into a store.

    Args:
        uri: `sqlite:///mlflow.db`, `postgresql://…`, `http://server`, or the folder `mlruns`, which
            MLflow opens where `MLFLOW_ALLOW_FILE_STORE` is set.
        live: Stages and aliases whose version is to be live, the first that there is.
        trust: Why files that run code outside the allow-list are accepted.
    """

    def __init__(
        self, registry: Registry, uri: str, live: Sequence[str] = (), trust: str | None = None
    ) -> None:
        self._uri = _checked(uri)
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        self._tracking = Tracking(self._uri)
        self._locations: dict[tuple[str, Any], str] = {}
        self._live = tuple(live)
        self._trust = trust
        self._registry = registry
        self._view = StoreView(StoreUri(str(registry.location)), registry)

    @understood
    def plan(self) -> list[PlannedVersion]:
        """Say what becomes of every version; nothing is written and nothing fetched."""
        return [row for model in self._models() for row in self._rows(model)]

    @understood
    def run(self, progress: Progress | None = None) -> MigrationResult:
        """Import what is not here yet.

        Raises:
            ConflictError: If a model here has versions that did not come from there.
        """
        models = list(self._models())
        rows = {model.name: self._rows(model) for model in models}
        total = sum(map(len, rows.values()))
        at, new = 0, 0
        references: list[str] = []
        unmade: dict[str, str] = {}
        for model in models:
            self._require_own(model.name, rows[model.name])
            self._describe(model)
            for version in self._versions(model.name):
                new += self._take(model.name, version, references)
                at += 1
                if progress is not None:
                    progress(at, total)
            self._name(model, rows[model.name], unmade)
        return MigrationResult(len(models), total, new, tuple(references), unmade)

    def _models(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_registered_models(max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _versions(self, name: str) -> list[Any]:
        quoted = name.replace("'", "\\'")
        versions, token = [], None
        while True:
            page = self._client.search_model_versions(
                f"name = '{quoted}'", max_results=_PAGE, page_token=token
            )
            versions += page
            token = page.token
            if not token:
                return sorted(versions, key=lambda version: int(version.version))

    def _rows(self, model: Any) -> list[PlannedVersion]:
        state = self._view.catalogue.state(mlflow_names.to_holdfast(model.name))
        records = _own_records(state) if state is not None else []
        aliases = _by_number(model.aliases)
        versions = self._versions(model.name)
        live = self._live_number(model, versions)
        rows = []
        for version in versions:
            number = int(version.version)
            found = self._look(version)
            rows.append(
                PlannedVersion(
                    name=model.name,
                    model=mlflow_names.to_holdfast(model.name),
                    number=number,
                    source=version.source or "",
                    stage=version.current_stage or "None",
                    aliases=tuple(aliases.get(number, ())),
                    bytes_at=str(found.folder or found.location) if not found.why else None,
                    problem=found.why,
                    done=self._has(records[number - 1 : number], model.name, number),
                    live=number == live,
                )
            )
        return rows

    def _has(self, records: Sequence[Record], name: str, number: int) -> bool:
        """Tell whether the record with a number, if there is one, is of MLflow's version."""
        return any(record.texts.get(IMPORTED) == self._mark(name, number) for record in records)

    def _mark(self, name: str, number: int) -> str:
        return f"{name}/{number}"

    def _require_own(self, name: str, rows: Sequence[PlannedVersion]) -> None:
        state = self._view.catalogue.state(mlflow_names.to_holdfast(name))
        count = len(state.versions) - state.earlier if state is not None else 0
        for row in rows:
            if row.number <= count and not row.done:
                raise ConflictError(
                    f"{row.model}@v{row.number}",
                    f"is not MLflow's version {row.number} of {name!r}",
                    "import into another store, or delete the model here",
                )

    def _describe(self, model: Any) -> None:
        texts: dict[str, str | None] = {
            f"{entities.TAG}{key}": value or "" for key, value in model._tags.items()
        }
        texts[entities.DESCRIPTION] = model.description or None
        texts["created"] = str(model.creation_timestamp or 0)
        name = mlflow_names.to_holdfast(model.name)
        if mlflow_names.to_mlflow(name, {}) != model.name:
            texts[mlflow_names.NAME] = model.name
        self._view.catalogue.describe(name, None, texts, _anything)

    def _take(self, name: str, version: Any, references: list[str]) -> int:
        """Register one version, and before it those that were deleted; return how many are new."""
        model = mlflow_names.to_holdfast(name)
        number = int(version.version)
        state = self._view.catalogue.require(model)
        before = _own_records(state, number) if number <= len(state.versions) else []
        if self._has(before, name, number):
            references += [f"{model}@{r.version}" for r in before if r.reference is not None]
            return 0
        while len(state.versions) - state.earlier < number - 1:
            state = self._fill(model, name, len(state.versions) - state.earlier + 1)
        labels = Labels(_anything, dict(version._tags), self._texts(name, version))
        with self._reached(version) as found:
            facts = self._facts(version, found)
            if found.folder is None:
                made = self._view.catalogue.refer(model, version.source or "", labels, facts)
                references.append(f"{model}@{made}")
            else:
                self._view.catalogue.register(model, found.folder, labels, facts)
        return 1

    def _fill(self, model: str, name: str, number: int) -> State:
        labels = Labels(_anything, texts={IMPORTED: self._mark(name, number)})
        made = self._view.catalogue.refer(model, _GONE, labels, {})
        self._view.catalogue.remove(model, made, _GONE)
        return self._view.catalogue.require(model)

    def _texts(self, name: str, version: Any) -> dict[str, str]:
        texts = {
            IMPORTED: self._mark(name, int(version.version)),
            entities.SOURCE: version.source,
            "run_id": version.run_id,
            "run_link": version.run_link,
            "model_id": getattr(version, "model_id", None),
            entities.DESCRIPTION: version.description,
            "created": version.creation_timestamp,
            entities.UPDATED: version.last_updated_timestamp,
            "user_id": version.user_id,
        }
        if version.current_stage in ("Staging", "Production", "Archived"):
            texts[entities.STAGE] = f"{version.current_stage} while registered"
        return {key: str(text) for key, text in texts.items() if text}

    def _facts(self, version: Any, found: Found) -> Facts:
        facts: Facts = {"lineage": {"run_id": version.run_id or None}}
        if version.description:
            facts["description"] = version.description
        if found.folder is None:
            return facts
        told = model_folders.read(found.folder, self._trust)
        learnt = self._tracking.learnt(version.run_id or told.run_id, None)
        facts = {**told.facts, **facts}
        facts["metrics"] = finite(learnt["metrics"])
        facts["hyperparameters"] = dict(learnt["params"])
        if self._trust is not None:
            facts["trust"] = self._trust
        return facts

    def _look(self, version: Any) -> Found:
        """Say where a version's bytes are, without fetching them."""
        source = version.source or ""
        try:
            location = self._location(version)
        except MlflowException as error:
            return Found(None, source, version.run_id, str(error).splitlines()[0])
        scheme = urlparse(location).scheme
        if scheme in ("runs", "models"):
            try:
                location, _ = self._tracking.location(location)
            except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
                return Found(None, source, version.run_id, str(error).splitlines()[0])
            scheme = urlparse(location).scheme
        if scheme in ("", "file"):
            folder = local_folder(location)
            why = "" if folder else f"no folder with an MLmodel is at {location!r}"
            return Found(folder, location, version.run_id, why)
        return Found(None, location, version.run_id)

    def _location(self, version: Any) -> str:
        """Return where MLflow keeps a version's files.

        The client would read the whole model before it asks for one version. A database is not
        asked at all about a source that MLflow had nothing to look up for: it keeps that as it is.
        """
        source = version.source or ""
        if not self._uri.startswith("http") and urlparse(source).scheme != "models":
            return source
        key = version.name, version.version
        if key not in self._locations:
            ask = self._client._get_registry_client().get_model_version_download_uri
            self._locations[key] = ask(*key)
        return self._locations[key]

    @contextlib.contextmanager
    def _reached(self, version: Any) -> Iterator[Found]:
        found = self._look(version)
        if found.folder is not None or found.why:
            yield found
            return
        with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
            yield self._fetched(found, Path(scratch))

    def _fetched(self, found: Found, scratch: Path) -> Found:
        try:
            folder = self._tracking.download(found.location, scratch)
        except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
            return Found(None, found.location, found.run_id, str(error).splitlines()[0])
        if not model_folders.is_one(folder):
            return Found(None, found.location, found.run_id, "no MLmodel is there")
        return Found(folder, found.location, found.run_id)

    def _live_number(self, model: Any, versions: Sequence[Any]) -> int | None:
        aliases = {alias: int(number) for alias, number in dict(model.aliases).items()}
        for wanted in self._live:
            if wanted in aliases:
                return aliases[wanted]
            in_stage = [
                int(version.version) for version in versions if version.current_stage == wanted
            ]
            if in_stage:
                return max(in_stage)
        return None

    def _name(self, model: Any, rows: Sequence[PlannedVersion], unmade: dict[str, str]) -> None:
        """Put versions away, set aliases, and promote what is to be live."""
        state = self._view.catalogue.require(mlflow_names.to_holdfast(model.name))
        records = _own_records(state)
        for row in rows:
            record = records[row.number - 1]
            if row.stage == "Archived" and record.status == "registered":
                self._registry.archive(f"{row.model}@{record.version}", reason="as in MLflow")
            for alias in row.aliases:
                self._alias(state, alias, f"{row.model}@{record.version}")
        for row in rows:
            if row.live and state.production is None:
                self._promote(f"{row.model}@{records[row.number - 1].version}", unmade)

    def _alias(self, state: State, alias: str, ref: str) -> None:
        if alias.lower() in (*stages.BUILT_IN, "previous"):  # what is live is said by --live
            return
        kept = mlflow_names.alias_to_holdfast(alias)
        key = mlflow_names.alias_key(kept)
        if key is not None:
            self._view.catalogue.describe(state.model, None, {key: alias}, _anything)
        if kept not in state.aliases:
            self._registry.alias(ref, kept, reason="as in MLflow")

    def _promote(self, ref: str, unmade: dict[str, str]) -> None:
        try:
            self._registry.promote(ref, reason="live in MLflow at the import", force=True)
        except ConflictError as error:
            unmade[ref] = str(error)


def _anything(_state: State) -> None:
    """Ask nothing of a state."""


def _own_records(state: State, number: int | None = None) -> list[Record]:
    """Return the versions that a model has since it was created last, or the one of a number."""
    if number is None:
        return list(islice(state.versions.values(), state.earlier, None))
    at = state.earlier + number
    if at > len(state.versions):
        return []
    return [next(islice(reversed(state.versions.values()), len(state.versions) - at, None))]


def _by_number(aliases: Mapping[str, Any]) -> dict[int, list[str]]:
    by_number: dict[int, list[str]] = {}
    for alias, number in sorted(dict(aliases).items()):
        by_number.setdefault(int(number), []).append(alias)
    return by_number


def _checked(uri: str) -> str:
    """Check that there is something to import: MLflow makes what is missing.

    Raises:
        InvalidInputError: If it is not the address of a registry of MLflow's.
        NotFoundError: If there is no such file or folder.
    """
    parsed = urlparse(uri)
    scheme = parsed.scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        advice = "name sqlite:///FILE, postgresql://…, http://… or the folder mlruns"
        raise InvalidInputError(f"address {uri!r}", "is not one of MLflow's registries", advice)
    if scheme == "sqlite" and not Path(parsed.path.removeprefix("/")).is_file():
        raise NotFoundError(f"database {uri}", advice="check the path behind sqlite:///")
    if scheme in ("", "file"):
        folder = Path(parsed.path)
        if not folder.is_dir():
            raise NotFoundError(f"folder {uri}", advice="name the folder that holds `models`")
        return folder.resolve().as_uri()
    return uri
