"""Migration: all registered models of an MLflow registry, planned first, resumed where it stopped.

MLflow's version *n* becomes the registration number `vn`: numbers that were deleted there are
registered as references and purged. Each version brings, in the entry that registers it, where it
comes from; so an import that was stopped, at any moment, continues with the next one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from msgspec import Struct

from holdfast.core import names
from holdfast.core.state import Record, State
from holdfast.errors import ConflictError, InvalidInputError, UntrustedError
from holdfast.gateways.mlflow import entities, mlflow_names
from holdfast.gateways.mlflow.mlflow_exceptions import understood
from holdfast.gateways.mlflow.new_versions import Found
from holdfast.gateways.mlflow.store_uri import StoreUri
from holdfast.gateways.mlflow.store_view import StoreView
from holdfast.gateways.mlflow.their_registry import TheirRegistry, TheirVersion
from holdfast.registry.catalogue_verbs import Labels, Reference
from holdfast.registry.registry import Registry

IMPORTED: Final = "imported"
_GONE: Final = "deleted in MLflow before the import"
_NOT_TAKEN: Final = "its bytes were never taken in; promote a version whose bytes are here"
_HOW_LIVE: Final = "import again with --live, or promote it"
_BATCH: Final = 64
"""References that are written at once."""
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
        unmade: What a version is not although MLflow says so, and why: a predicate, by ref.
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
        self._theirs = TheirRegistry(uri, trust)
        self._live = tuple(live)
        self._registry = registry
        self._view = StoreView(StoreUri(str(registry.location)), registry)

    @understood
    def plan(self) -> list[PlannedVersion]:
        """Say what becomes of every version; nothing is written and nothing fetched."""
        rows = (
            self._rows(model, self._theirs.versions(model.name)) for model in self._theirs.models()
        )
        return list(chain.from_iterable(rows))

    @understood
    def run(self, progress: Progress | None = None) -> MigrationResult:
        """Import what is not here yet.

        Raises:
            ConflictError: If a model here has versions that did not come from there.
        """
        models = list(self._theirs.models())
        versions = {model.name: self._theirs.versions(model.name) for model in models}
        rows = {model.name: self._rows(model, versions[model.name]) for model in models}
        total = sum(map(len, rows.values()))
        at, new = 0, 0
        references: list[str] = []
        unmade: dict[str, str] = {}
        for model in models:
            self._require_own(model.name, rows[model.name])
            self._describe(model)
            for batch in _batches(versions.pop(model.name), rows[model.name]):
                new += self._take_all(model.name, batch, references, unmade)
                at += len(batch)
                if progress is not None:
                    progress(at, total)
            self._name(model, rows[model.name], unmade)
        return MigrationResult(len(models), total, new, tuple(references), unmade)

    def _rows(self, model: Any, versions: Sequence[TheirVersion]) -> list[PlannedVersion]:
        state = self._view.catalogue.state(mlflow_names.to_holdfast(model.name))
        records = _own_records(state) if state is not None else []
        aliases = _by_number(model.aliases)
        live = self._live_number(model, versions)
        rows = []
        for version in versions:
            number = version.number
            found = self._theirs.look(version)  # may ask a server
            rows.append(
                PlannedVersion(
                    name=model.name,
                    model=mlflow_names.to_holdfast(model.name),
                    number=number,
                    source=version.source,
                    stage=version.current_stage,
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
                raise self._not_ours(row.model, name, row.number)

    def _not_ours(self, model: str, name: str, number: int) -> ConflictError:
        return ConflictError(
            f"{model}@v{number}",
            f"is not MLflow's version {number} of {name!r}",
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

    def _take_all(
        self,
        name: str,
        batch: Sequence[TheirVersion],
        references: list[str],
        unmade: dict[str, str],
    ) -> int:
        """Register versions of one batch, and before it those that were deleted.

        Returns:
            How many are new.
        """
        model = mlflow_names.to_holdfast(name)
        state = self._view.catalogue.require(model)
        first = batch[0].number
        records = list(islice(state.versions.values(), state.earlier + first - 1, None))
        known = records[: len(batch)]
        for record, version in zip(known, batch, strict=False):
            if not self._has([record], name, version.number):
                raise self._not_ours(model, name, version.number)
            references += [f"{model}@{record.version}"] if record.reference is not None else []
        new = batch[len(known) :]
        while new and len(state.versions) - state.earlier < first - 1:
            state = self._fill(model, name, len(state.versions) - state.earlier + 1)
        if len(new) == 1:
            self._take(model, new[0], references, unmade)
        elif new:
            made = self._view.catalogue.refer_all(model, [self._reference(v) for v in new])
            references += [f"{model}@{version}" for version in made]
        return len(new)

    def _take(
        self,
        model: str,
        version: TheirVersion,
        references: list[str],
        unmade: dict[str, str],
    ) -> None:
        """Register a version; one whose files are not what MLflow writes becomes a reference.

        Raises:
            UntrustedError: If it would run code that nobody trusted: whoever imports may decide to.
        """
        labels, problem = self._labels(version), ""
        with self._theirs.reached(version) as found:
            if found.folder is not None:
                try:
                    facts = self._theirs.facts(version, found)
                    self._view.catalogue.register(model, found.folder, labels, facts)
                except UntrustedError as error:
                    place = f"version {version.number} of {version.name!r}, {error.path}"
                    raise UntrustedError(place, error.findings) from error
                except InvalidInputError as error:
                    problem = str(error)
                else:
                    return
        facts = self._theirs.facts(version, Found(None, version.source))
        made = f"{model}@{self._view.catalogue.refer(model, version.source, labels, facts)}"
        references.append(made)
        if problem:
            unmade[made] = f"was not taken in: {problem}"

    def _reference(self, version: TheirVersion) -> Reference:
        facts = self._theirs.facts(version, Found(None, version.source))
        return Reference(version.source, self._labels(version), facts)

    def _labels(self, version: TheirVersion) -> Labels:
        return Labels(_anything, version.tags, self._texts(version))

    def _fill(self, model: str, name: str, number: int) -> State:
        labels = Labels(_anything, texts={IMPORTED: self._mark(name, number)})
        made = self._view.catalogue.refer(model, _GONE, labels, {})
        self._view.catalogue.remove(model, made, _GONE)
        return self._view.catalogue.require(model)

    def _texts(self, version: TheirVersion) -> dict[str, str]:
        texts = {
            IMPORTED: self._mark(version.name, version.number),
            entities.SOURCE: version.source,
            "run_id": version.run_id,
            "run_link": version.run_link,
            "model_id": version.model_id,
            entities.DESCRIPTION: version.description,
            "created": version.creation_timestamp,
            entities.UPDATED: version.last_updated_timestamp,
            "user_id": version.user_id,
        }
        if version.current_stage in ("Staging", "Production", "Archived"):
            texts[entities.STAGE] = f"{version.current_stage} while registered"
        return {key: str(text) for key, text in texts.items() if text}

    def _live_number(self, model: Any, versions: Sequence[TheirVersion]) -> int | None:
        aliases = {alias: int(number) for alias, number in dict(model.aliases).items()}
        for wanted in self._live:
            if wanted in aliases:
                return aliases[wanted]
            in_stage = [version.number for version in versions if version.current_stage == wanted]
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
                self._alias(state, alias, f"{row.model}@{record.version}", unmade)
        for row in rows:
            if row.live and state.production is None:
                self._promote(f"{row.model}@{records[row.number - 1].version}", unmade)
        if self._view.catalogue.require(state.model).production is None:
            for row in _said_live(rows):
                ref = f"{row.model}@{records[row.number - 1].version}"
                unmade.setdefault(ref, f"is not live: {_NOT_TAKEN if row.problem else _HOW_LIVE}")

    def _alias(self, state: State, alias: str, ref: str, unmade: dict[str, str]) -> None:
        match alias.lower():
            case names.PRODUCTION:  # what is live is said by --live
                return
            case names.STAGING if state.staging is None:
                self._registry.stage(ref, reason="as in MLflow")
                return
            case names.STAGING:
                return
            case names.PREVIOUS:
                unmade[ref] = f"has no alias {alias}: it moves with rollbacks"
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
            unmade[ref] = f"is not live: {error}"


def _said_live(rows: Sequence[PlannedVersion]) -> Iterator[PlannedVersion]:
    """Return the version that MLflow's alias or stage says is live, if one does."""
    aliased = (row for row in rows if names.PRODUCTION in map(str.lower, row.aliases))
    staged = (row for row in reversed(rows) if row.stage == "Production")
    yield from islice(chain(aliased, staged), 1)


def _batches(
    versions: Sequence[TheirVersion], rows: Sequence[PlannedVersion]
) -> Iterator[list[TheirVersion]]:
    """Go through versions in their order: one that is taken in alone, others some at a time."""
    batch: list[TheirVersion] = []
    for version, row in zip(versions, rows, strict=True):
        is_next = not batch or version.number == batch[-1].number + 1
        is_reference = bool(row.problem)
        if batch and not (is_next and len(batch) < _BATCH and is_reference):
            yield batch
            batch = []
        batch.append(version)
        if not is_reference:
            yield batch
            batch = []
    if batch:
        yield batch


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
