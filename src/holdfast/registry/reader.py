"""`Reader`: the verbs that only look, and bring bytes out; none of them writes an entry."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from holdfast.registry import moves
from holdfast.registry.session import Session

if TYPE_CHECKING:
    from holdfast.core.compare import Comparison
    from holdfast.core.entry import Entry
    from holdfast.core.events import Past
    from holdfast.core.fleet import Serving
    from holdfast.core.heads import Head
    from holdfast.core.history import Period
    from holdfast.core.manifest import Manifest
    from holdfast.core.policy import Policy, Verdict
    from holdfast.core.rollout.course import Rollout
    from holdfast.core.standing import Standing
    from holdfast.core.views import (
        ModelInfo,
        Moved,
        Registered,
        Situation,
        Status,
        Verification,
        VersionInfo,
    )
    from holdfast.formats.pair import Pair
    from holdfast.registry.backup import Backup
    from holdfast.registry.bundles import Bundled
    from holdfast.registry.carding import CardFormat
    from holdfast.registry.environments import Difference, EnvironmentForm
    from holdfast.registry.fleet import Fleet
    from holdfast.registry.loading import Fetched
    from holdfast.registry.verifying import Progress

Reference: TypeAlias = "str | VersionInfo | Registered | Moved"
"""A ref as text, or what a verb returned."""


class Reader:
    """All that a registry tells; `Registry` adds what changes it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def location(self) -> Path | str:
        """The store's folder, or the URL of its bucket."""
        return self._session.site.location

    @property
    def identity(self) -> str:
        """The store's own id, 32 hex digits, which a copy does not share."""
        return self._session.place.config.id

    @property
    def fleet(self) -> Fleet:
        """What serving processes report and count."""
        from holdfast.registry.fleet import Fleet

        return Fleet(self._session)

    @property
    def near(self) -> bool:
        """True if the store is a folder, which can be asked at any time at no cost."""
        return self._session.place.store.traits.near

    def models(self, *, at: str | None = None) -> list[ModelInfo]:
        """Show all models, sorted by name, now or as they stood *at* a time."""
        from holdfast.registry import reading

        return reading.models(self._session, at)

    def versions(self, model: str, *, at: str | None = None) -> list[VersionInfo]:
        """Show a model's versions in SemVer order, purged ones too, now or as they stood *at*."""
        from holdfast.core.views import version_info

        state = self._session.state(model, at)
        return [version_info(state, record) for record in state.ordered()]

    def resolve(self, ref: Reference, *, at: str | None = None) -> VersionInfo:
        """Find the version a ref names, now or as it stood *at* a time."""
        from holdfast.core.views import version_info

        return version_info(*self._session.find(str(ref), at))

    def manifest(self, ref: Reference, *, at: str | None = None) -> Manifest:
        """Return what a version records, its bytes checked; purged versions keep theirs."""
        return self._session.manifest(self._session.find(str(ref), at)[1])

    def status(self, model: str, *, at: str | None = None) -> Status:
        """Gather the screen for whoever is on call, now or as it was *at* a time."""
        from holdfast.registry import reading

        return reading.status(self._session, model, at)

    def overview(self, *, at: str | None = None) -> list[Standing]:
        """Tell where every model stands, in a line each, those that ask for a look first.

        No bytes of versions are looked at: `status` of one model verifies what it could go back to.
        """
        from holdfast.registry import reading

        return reading.overview(self._session, at)

    def history(self, model: str, *, at: str | None = None) -> list[Past]:
        """List everything that happened to a model, oldest first, up to *at*."""
        from holdfast.registry import reading

        return reading.history_of(self._session, model, at)

    def entries(self, model: str, *, after: int = 0) -> list[Entry]:
        """Return a model's entries behind number *after*, oldest first, deleted or not."""
        from holdfast.registry import reading

        return reading.entries(self._session, model, after)

    def served(self, model: str, *, at: str | None = None) -> tuple[Period, ...]:
        """List what was live when, oldest first, up to *at*."""
        from holdfast.core import history

        return history.periods(self._session.state(model, at))

    def situation(self, model: str) -> Situation:
        """Tell which versions servers are to hold; cheap to ask again while nothing changes."""
        from holdfast.core.views import Situation

        state = self._session.state(model)
        left = state.live.was if state.live else None
        return Situation(
            model=model,
            seq=state.seq,
            production=state.production,
            previous=state.previous,
            left=left if left and state.versions[left].status != "purged" else None,
            rollout=state.running,
        )

    def wait(self, model: str, version: str | None = None, *, timeout_s: float = 30.0) -> Serving:
        """Wait until every live server answers by *version*, the live one if not given.

        Returns:
            How far they are: `whole` if all do, else who does not and what they say.
        """
        from holdfast.registry import waiting

        return waiting.wait(self._session, model, version, timeout_s)

    def rollout(self, model: str, *, at: str | None = None) -> Rollout | None:
        """Show the rollout that goes on, or the last one, now or as it stood *at* a time."""
        return self._session.state(model, at).rollout

    def compare(self, a: Reference, b: Reference) -> Comparison:
        """Put version *b* beside version *a*: metrics, parameters, schemas, files, environment."""
        from holdfast.registry import reading

        return reading.compare(self._session, str(a), str(b))

    def card(self, ref: Reference, form: CardFormat = "json") -> dict[str, Any] | str:
        """Return a version's model card: a dict for `json` and `cyclonedx`, text for `markdown`."""
        from holdfast.registry import carding

        return carding.card(self._session, str(ref), form)

    def policy(self, model: str) -> Policy:
        """Return a model's gate, protected aliases and retention."""
        return self._session.state(model).policy

    def judge(self, ref: Reference) -> Verdict:
        """Ask the gate about a version without moving anything."""
        return moves.gate(self._session, str(ref))

    def heads(self, model: str | None = None) -> list[Head]:
        """Return the last entry's number and digest, to be kept elsewhere, of one model or all."""
        from holdfast.registry import reading

        return reading.heads(self._session, model)

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
            head: What `heads` told of the model, `42:9d1f…`, must still stand there.
            signed_by: A listed signer, or file of a public key, who must have signed the version.
        """
        from holdfast.registry import verifying
        from holdfast.registry.verifying import Demand

        return verifying.verify(self._session, target, progress, Demand(head, signed_by))

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

    def check_environment(self, ref: Reference) -> tuple[Difference, ...]:
        """List the libraries whose versions here are not those that a version records."""
        from holdfast.registry import environments

        return environments.check(self.manifest(ref))

    def demand_environment(self) -> None:
        """Refuse from now on to load versions whose libraries differ here, instead of telling."""
        self._session.demands_environment = True

    def paths(self, ref: Reference) -> dict[str, Path]:
        """Return where a version's artifacts and manifest lie, once every byte is verified."""
        from holdfast.registry import loading

        return loading.paths(self._session, str(ref))

    def checkout(self, ref: Reference, folder: str | PathLike[str]) -> Path:
        """Write a version's files and manifest to a new or empty folder."""
        from holdfast.registry import loading

        return loading.checkout(self._session, str(ref), Path(folder))

    def export(self, ref: Reference, file: str | PathLike[str]) -> Bundled:
        """Write a version (`iris@1.2.0`) or a whole model (`iris`) to one tar file."""
        from holdfast.registry.bundles import pack

        return pack.write(self._session, str(ref), Path(file))

    def backup(self, target: Reader, *, progress: Progress | None = None) -> Backup:
        """Write the store as it stands to another place, which opens as the same store.

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
        from holdfast.core.views import model_table

        return model_table(self.models())
