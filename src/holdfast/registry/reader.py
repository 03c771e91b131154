"""`Reader`: the verbs that look and bring bytes out; none of them writes an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from holdfast.registry.session import Session

if TYPE_CHECKING:
    from holdfast.access.access_journal import AccessJournal, AccessKeys
    from holdfast.access.refusals import AccessReport
    from holdfast.core.compare import Comparison
    from holdfast.core.entry import Entry
    from holdfast.core.events import Past
    from holdfast.core.fleet import Serving
    from holdfast.core.gate import Verdict
    from holdfast.core.heads import Head
    from holdfast.core.live_status import Status
    from holdfast.core.manifest import Manifest
    from holdfast.core.period import Period
    from holdfast.core.policy import Policy
    from holdfast.core.rollout.rollout_state import Rollout
    from holdfast.core.stage_matrix import MatrixRow, Trend
    from holdfast.core.standing import ModelSummary
    from holdfast.core.views import (
        DesiredState,
        ModelInfo,
        Moved,
        RegistrationResult,
        SearchResult,
        Verification,
        VersionInfo,
        VersionPage,
    )
    from holdfast.formats.pair import Pair
    from holdfast.registry.backup import Backup
    from holdfast.registry.bundles import Bundled
    from holdfast.registry.data_verbs import Datasets
    from holdfast.registry.environments import EnvironmentForm, PackageDifference
    from holdfast.registry.fleet_reports import Fleet
    from holdfast.registry.lineage_verbs import Lineages
    from holdfast.registry.loading import Fetched
    from holdfast.registry.materialising import Materialised
    from holdfast.registry.model_cards import CardFormat
    from holdfast.store.metering import Progress

Reference: TypeAlias = "str | VersionInfo | RegistrationResult | Moved"
"""A ref as text, or what a verb returned."""


class Reader:
    """The verbs that read a registry; `Registry` adds those that change it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def location(self) -> Path | str:
        """The store's folder, or the URL of its bucket."""
        return self._session.site.location

    @property
    def identity(self) -> str:
        """The store's own id, 32 hex digits, which a copy does not share."""
        return self._session.open_store.config.id

    @property
    def fleet(self) -> Fleet:
        """What serving processes report and count."""
        from holdfast.registry.fleet_reports import Fleet

        return Fleet(self._session)

    def access(self, keys: AccessKeys | None = None) -> AccessJournal:
        """Return the journal of who may do what, which guards the store where a server runs.

        Args:
            keys: The servers' keys to believe, and the one to sign with; without them it can be
                looked at, and nobody should be let in by it.
        """
        from holdfast.access.access_journal import NO_KEYS
        from holdfast.registry import access_upkeep

        return access_upkeep.opened(self._session, NO_KEYS if keys is None else keys)

    @property
    def data(self) -> Datasets:
        """Data by name: added, listed, shown and verified."""
        from holdfast.registry.data_verbs import Datasets

        return Datasets(self._session)

    @property
    def lineage(self) -> Lineages:
        """Where versions come from, and what became of them."""
        from holdfast.registry.lineage_verbs import Lineages

        return Lineages(self._session)

    def token_uses(self) -> dict[str, str]:
        """Return the day on which each token was last used through a server, by its id."""
        from holdfast.registry import access_upkeep

        return access_upkeep.last_uses(self._session)

    def refusals(self, day: str) -> list[AccessReport]:
        """Return who was refused what by servers on a day (`2026-03-03`), and who signed in."""
        from holdfast.registry import access_upkeep

        return access_upkeep.refusals_of(self._session, day)

    @property
    def is_local(self) -> bool:
        """True if the store is a folder, which can be read often at little cost."""
        return self._session.open_store.store.traits.is_local

    def models(self, *, at: str | None = None) -> list[ModelInfo]:
        """Show all models, sorted by name, now or as they stood *at* a time."""
        from holdfast.registry import queries

        return queries.models(self._session, at)

    def mistakable(self, name: str) -> tuple[str, ...]:
        """Name the models for which *name* may be a typing error, the nearest first."""
        from holdfast.registry import queries

        return queries.mistakable(self._session, name)

    def versions(self, model: str, *, at: str | None = None) -> list[VersionInfo]:
        """Show a model's versions in SemVer order, purged ones too, now or as they stood *at*."""
        from holdfast.core.views import version_info

        state = self._session.state(model, at)
        return [version_info(state, record) for record in state.ordered()]

    def search(
        self,
        where: str | Sequence[str] = (),
        *,
        model: str | Sequence[str] | None = None,
        at: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
    ) -> SearchResult:
        """Find versions by what they are: `recall > 0.9 and tag.team = "risk"`.

        Purged versions match too. A model or version that cannot be read hides no other; it is
        listed in `damages`.

        Args:
            where: The condition, or several that must all hold; all versions if left out.
                `docs/reference/search.md` has the language.
            model: Where to look: one model, several, or all.
            at: Look at them as they stood then.
            order_by: Such as `metric.recall desc, version`; what a version lacks sorts last. Ties,
                and everything if left out, are in order of model and version.
            limit: Return as many at most.

        Raises:
            InvalidInputError: If *where* or *order_by* is malformed, with the place, or names what
                is neither a field nor a metric of any version.
            NotFoundError: If there is no such model.
        """
        from holdfast.registry import searching

        inquiry = searching.inquiry(where, order_by, limit)
        return searching.search(self._session, inquiry, model, at)

    def version_page(self, model: str, *, below: str | None = None, count: int = 50) -> VersionPage:
        """Show the highest versions of a model, or those *below* one, highest first.

        Args:
            below: A version of the model; one that it does not have counts as none given.
            count: At most so many.
        """
        from holdfast.core.views import version_page

        return version_page(self._session.state(model), below, count)

    def resolve(self, ref: Reference, *, at: str | None = None) -> VersionInfo:
        """Find the version a ref names, now or as it stood *at* a time."""
        from holdfast.core.views import version_info

        info = version_info(*self._session.find(str(ref), at))

        def pictures() -> list[str]:
            from holdfast.registry.training_verbs import Trainings

            return Trainings(self._session).pictures(info.ref)

        return info.drawn_with(pictures)

    def manifest(self, ref: Reference, *, at: str | None = None) -> Manifest:
        """Return what a version records, its bytes checked; purged versions keep theirs."""
        return self._session.manifest(self._session.find(str(ref), at)[1])

    def status(self, model: str, *, at: str | None = None) -> Status:
        """Gather the screen for whoever is on call, now or as it was *at* a time."""
        from holdfast.registry import queries

        return queries.status(self._session, model, at)

    def overview(self, *, at: str | None = None) -> list[ModelSummary]:
        """Summarise every model in one line; those that need attention come first.

        No bytes of versions are looked at: `status` of one model verifies what it could go back to.
        """
        from holdfast.registry import queries

        return queries.overview(self._session, at)

    def matrix(self, *, at: str | None = None) -> list[MatrixRow]:
        """Give a row for every model: what is live, staged, rolling out and newest."""
        from holdfast.registry import queries

        return queries.matrix(self._session, at)

    def trend(
        self, model: str, metric: str | None = None, *, last: int = 24, at: str | None = None
    ) -> Trend:
        """Return one metric by version, and the value that the gate demands, now or *at* a time.

        Args:
            metric: Its name; left out, the one that the policy names first or that tells most.
            last: Of how many versions, the highest ones.
        """
        from holdfast.registry import queries

        return queries.metric_trend(self._session, model, metric, last, at)

    def history(self, model: str, *, at: str | None = None, last: int | None = None) -> list[Past]:
        """List what happened to a model, oldest first, up to *at*.

        Args:
            last: How many of the newest lines are wanted, all if left out: a page of a long
                history is read from its end.

        Raises:
            InvalidInputError: If *last* is below 0.
        """
        from holdfast.registry import queries

        return queries.history_of(self._session, model, at, last)

    def entries(self, model: str, *, after: int = 0) -> list[Entry]:
        """Return a model's entries behind number *after*, oldest first, deleted or not."""
        from holdfast.registry import queries

        return queries.entries(self._session, model, after)

    def rollout_entries(self, model: str) -> tuple[int, ...]:
        """Return the entries that started a model's rollouts; the first one started rollout 1."""
        from holdfast.registry import queries

        return queries.rollout_entries(self._session, model)

    def served(self, model: str, *, at: str | None = None) -> tuple[Period, ...]:
        """List what was live when, oldest first, up to *at*."""
        from holdfast.core import history

        return history.periods(self._session.state(model, at))

    def situation(self, model: str) -> DesiredState:
        """Tell which versions servers should hold; cheap to ask again while nothing changes."""
        from holdfast.core.drift_fold import latched
        from holdfast.core.views import DesiredState

        state = self._session.state(model)
        left = state.live.was if state.live else None
        return DesiredState(
            model=model,
            seq=state.seq,
            production=state.production,
            previous=state.previous,
            left=left if left and state.versions[left].status != "purged" else None,
            rollout=state.running,
            findings=latched(state.findings, state.production),
        )

    def wait(self, model: str, version: str | None = None, *, timeout_s: float = 30.0) -> Serving:
        """Wait until every live server answers with *version*, the live one if not given.

        Returns:
            How far they are: `whole` if all do, else who does not and what they say.
        """
        from holdfast.registry import convergence

        return convergence.wait(self._session, model, version, timeout_s)

    def rollout(self, model: str, *, at: str | None = None) -> Rollout | None:
        """Show the running rollout, or the last one, now or as it stood *at* a time."""
        return self._session.state(model, at).rollout

    def compare(self, a: Reference, b: Reference) -> Comparison:
        """Put version *b* beside version *a*: metrics, parameters, schemas, files, environment."""
        from holdfast.registry import queries

        return queries.compare(self._session, str(a), str(b))

    def card(self, ref: Reference, form: CardFormat = "json") -> dict[str, Any] | str:
        """Return a version's model card: a dict for `json` and `cyclonedx`, text for `markdown`."""
        from holdfast.registry import model_cards

        return model_cards.card(self._session, str(ref), form)

    def policy(self, model: str) -> Policy:
        """Return a model's gate, protected aliases and retention."""
        return self._session.state(model).policy

    def judge(self, ref: Reference) -> Verdict:
        """Ask the gate about a version without moving anything."""
        from holdfast.registry import lifecycle

        return lifecycle.gate(self._session, str(ref))

    def heads(self, model: str | None = None) -> list[Head]:
        """Return the last entry's number and digest, to be kept elsewhere, of one model or all."""
        from holdfast.registry import queries

        return queries.heads(self._session, model)

    def verify(
        self,
        target: str | None = None,
        *,
        head: str | None = None,
        signed_by: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Verification:
        """Hash every byte, check every journal and signature of the store, a model or a version.

        Args:
            head: A head that `heads` returned, `42:9d1f…`; the journal must still have it.
            signed_by: A listed signer, or file of a public key, who must have signed the version.
            progress: Told bytes hashed and bytes to hash, within a long file, too.
        """
        from holdfast.registry import verification
        from holdfast.registry.verification import Demand

        return verification.verify(self._session, target, progress, Demand(head, signed_by))

    def load(self, ref: Reference) -> Pair:
        """Load a version as one pair, ready to predict, after every byte of it was verified.

        Raises:
            DamagedError: If a byte changed; nothing is deserialised.
            MissingLibraryError: If its format's library is not installed.
        """
        from holdfast.registry import loading

        return loading.load(self._session, str(ref))

    def fetch(self, ref: Reference) -> Fetched:
        """Verify every byte of a version and bring it to where it can be loaded from, once.

        What comes back has `manifest`, `paths` by role, and `load()`, which gives the pair.

        Raises:
            DamagedError: If a byte changed.
        """
        from holdfast.registry import loading

        return loading.fetch(self._session, str(ref))

    def environment(self, ref: Reference, form: EnvironmentForm = "requirements") -> str:
        """Write what a version was registered with as `requirements`, `uv` or `conda` reads it."""
        from holdfast.registry import environments

        return environments.write(self.manifest(ref), form)

    def check_environment(self, ref: Reference) -> tuple[PackageDifference, ...]:
        """List the libraries whose versions here are not those that a version records."""
        from holdfast.registry import environments

        return environments.check(self.manifest(ref))

    def demand_environment(self) -> None:
        """From now on, refuse to load versions whose libraries differ here, instead of warning."""
        self._session.demands_environment = True

    def paths(self, ref: Reference) -> dict[str, Path]:
        """Return where a version's artifacts and manifest lie, once every byte is verified."""
        from holdfast.registry import loading

        return loading.paths(self._session, str(ref))

    def blob_paths(self, ref: Reference) -> dict[str, Path]:
        """Map a version's files to where their bytes lie, once every one is verified."""
        record = self._session.find(str(ref))[1]
        files = self._session.manifest(record).files
        blobs = self._session.open_store.blobs
        blobs.require(files)
        return {file.path: blobs.fetch(file) for file in files}

    def checkout(self, ref: Reference, folder: str | PathLike[str]) -> Path:
        """Write a version's files and manifest to a new or empty folder."""
        from holdfast.registry import loading

        return loading.checkout(self._session, str(ref), Path(folder))

    def materialise(
        self,
        ref: Reference,
        root: str,
        *,
        options: Mapping[str, str] | None = None,
        documents: Mapping[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> Materialised:
        """Copy a version's files under their names to `ROOT/MODEL/VERSION/` of a bucket.

        Args:
            root: `s3://bucket/prefix`, `gs://…` or `az://…`, outside any store.
            options: Of the bucket, as `open` takes them.
            documents: Small files by name to keep beside it.
            progress: Told bytes worked on and bytes to work on.
        """
        from holdfast.registry import materialising

        kept = documents or {}
        return materialising.materialise(
            self._session, str(ref), root, options or {}, kept, progress
        )

    def export(
        self, ref: Reference, file: str | PathLike[str], *, progress: Progress | None = None
    ) -> Bundled:
        """Write a version (`iris@1.2.0`) or a whole model (`iris`) to one tar file.

        Args:
            progress: Told bytes written and bytes to write, within a long file, too.
        """
        from holdfast.registry.bundles import pack

        return pack.write(self._session, str(ref), Path(file), progress)

    def backup(self, target: Reader, *, progress: Progress | None = None) -> Backup:
        """Copy the store as it stands to another place, which opens as the same store.

        Others may write meanwhile. What is there already is left out, so that the same call brings
        a backup up to date; nothing there is overwritten.

        Args:
            target: Where to, a folder or a bucket: nothing yet, or an earlier backup of this store.
            progress: Told bytes carried and bytes to carry, model by model.

        Raises:
            ConflictError: If another store is there, or another or longer history of this one.
            InvalidInputError: If it is the same place.
        """
        from holdfast.registry import backup as backing

        return backing.backup(self._session, target._session, progress)

    def __repr__(self) -> str:
        """Show where the registry is."""
        return f"Registry({str(self.location)!r})"

    def _repr_html_(self) -> str:
        """Show the models as a table in a notebook."""
        from holdfast.core.stage_matrix import table

        return table(self.matrix())
