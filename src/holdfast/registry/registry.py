"""`Registry`: one method for each verb, the same words as in the CLI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Unpack

from holdfast.registry.evaluation_verbs import EvaluationVerbs
from holdfast.registry.reader import Reference
from holdfast.registry.session import CommitOptions
from holdfast.store.open_store import GRACE_S

if TYPE_CHECKING:
    from holdfast.core.auth import Auth
    from holdfast.core.policy import Policy
    from holdfast.core.retention import PurgePlan, Target
    from holdfast.core.version import Bump
    from holdfast.core.views import Moved, RegistrationResult
    from holdfast.registry import adoption
    from holdfast.registry.adoption import Adopted, AdoptionOptions
    from holdfast.registry.bundles import Bundled
    from holdfast.registry.catalogue_verbs import CatalogueVerbs
    from holdfast.registry.copy_models import Copied
    from holdfast.registry.drift_verbs import Drifts
    from holdfast.registry.facts import Facts
    from holdfast.registry.image_layout import LayoutKept
    from holdfast.registry.losses import Measured
    from holdfast.registry.maintenance import Purge
    from holdfast.registry.repair_plan import Repair
    from holdfast.registry.retraining_verbs import Retrainings
    from holdfast.registry.rollout_verbs import Rollouts
    from holdfast.registry.session import Session
    from holdfast.registry.training_verbs import Trainings
    from holdfast.store.config import Config
    from holdfast.store.metering import Progress
    from holdfast.store.open_store import Collected

Copy: TypeAlias = "Registry | str | PathLike[str]"


class Registry(EvaluationVerbs):
    """All registered models of one store.

    Every verb either does all it says and returns, its entry durable, or raises a
    `holdfast.errors.HoldfastError` and has done nothing. `reason` is kept in the history; the same
    `idempotency_key` never does a thing twice, and is refused for another.
    """

    def init(self) -> Config:
        """Make the store if it is missing, and return what the probe of its file system found."""
        return self._session.writable().config

    def acting_as(self, by: str, auth: Auth | None = None) -> Registry:
        """Return a registry that writes in another name; it shares what is opened and read.

        A server has one for each request. They may be used at the same time, from several threads.

        Args:
            by: Author of what is written.
            auth: How a server authenticated them, kept in each entry's `data.auth`.
        """
        return Registry(self._session.acting_as(by, auth))

    @property
    def rollouts(self) -> Rollouts:
        """The verbs of rollouts: start, pause, resume, advance, promote, abort, retry."""
        from holdfast.registry.rollout_verbs import Rollouts

        return Rollouts(self._session)

    @property
    def drift(self) -> Drifts:
        """References of versions, findings of drift, and taking note of them."""
        from holdfast.registry.drift_verbs import Drifts

        return Drifts(self._session)

    @property
    def retrainings(self) -> Retrainings:
        """The verbs of retraining: its lease, its slots, and the one entry of a run."""
        from holdfast.registry.retraining_verbs import Retrainings

        return Retrainings(self._session)

    @property
    def trainings(self) -> Trainings:
        """What versions keep of their training: curves, figures; and that one failed."""
        from holdfast.registry.training_verbs import Trainings

        return Trainings(self._session)

    @property
    def catalogue(self) -> CatalogueVerbs:
        """What clients of another registry's ways ask for: models without versions, references."""
        from holdfast.registry.catalogue_verbs import CatalogueVerbs

        return CatalogueVerbs(self._session)

    # Registering versions

    def register(
        self,
        name: str,
        model: object = None,
        preprocessor: object = None,
        *,
        bump: Bump = "auto",
        version: str | None = None,
        **facts: Unpack[Facts],
    ) -> RegistrationResult:
        """Register a model and the preprocessor fitted with it as one immutable version.

        Args:
            name: The registered model; made by its first version.
            model: A path, or an object in memory; left out where an entry point makes it.
            preprocessor: The same; `None` where the model needs none.
            bump: How far to raise the highest release; `auto` takes the least that the schemas
                demand, else minor.
            version: An exact version instead; the same bytes and facts give back the same version.
            **facts: See `Facts`.

        Raises:
            InvalidInputError: If a name, number, fact or file is not usable.
            RefusedError: If the version claims less than its schema change demands.
            VersionTakenError: If *version* holds other bytes or facts.
            UntrustedError: If a file runs code outside the allow-list and `trust` is not given.
        """
        from holdfast.core.version import check_bump, parse
        from holdfast.registry import facts as told
        from holdfast.registry import losses as measuring
        from holdfast.registry import registration, trained_on

        told.check(facts)
        facts = trained_on.with_data(self._session, facts)
        sources = told.roles(model, preprocessor, facts)
        asked = parse(version) if version is not None else check_bump(bump)
        measured = measuring.read(facts.get("losses", {}), facts.get("evaluation_set"))
        done = registration.register(self._session, name, sources, asked, facts)
        return self._measure(done, measured) if measured else done

    def _measure(self, done: RegistrationResult, measured: Measured) -> RegistrationResult:
        """Record the losses of a version just registered, unless it has them already."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.measure(self._session, done, measured)

    def adopt(
        self,
        name: str,
        folder: str | PathLike[str],
        *,
        preprocessors: Mapping[str, str] = {},
        **options: Unpack[AdoptionOptions],
    ) -> Adopted:
        """Register every model file of a folder, oldest first; the folder is not touched.

        Args:
            name: The registered model.
            folder: The folder.
            preprocessors: Preprocessor's file by model's file where names do not tell; `*` for all.
            **options: See `AdoptionOptions`.

        Raises:
            InvalidInputError: If a preprocessor cannot be determined, or the folder holds no model.
            UntrustedError: If code would run outside the allow-list and `trust` is not given.
        """
        from holdfast.registry import adoption

        adoption.check(options)
        planned = self.adopt_plan(name, folder, preprocessors=preprocessors)

        def promote(ref: str, reason: str) -> None:
            self.promote(ref, reason=reason, force=True)

        return adoption.run(self._session, planned, options, promote)

    def adopt_plan(
        self, name: str, folder: str | PathLike[str], *, preprocessors: Mapping[str, str] = {}
    ) -> adoption.AdoptionPlan:
        """Say what `adopt` would do with each file."""
        from holdfast.registry import adoption

        return adoption.plan(self._session, name, Path(folder), preprocessors)

    # Moving names

    def promote(
        self,
        ref: Reference,
        *,
        reason: str | None = None,
        force: bool = False,
        expect: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Make a version live, if the gate lets it; the one live before is archived.

        Args:
            ref: The version.
            force: Pass over the gate; needs a reason and is recorded.
            expect: The version that must be live now, else nothing is done.

        Raises:
            RefusedError: With every reason of the gate.
            ConflictError: If another version than *expect* is live, or this one was purged.
        """
        from holdfast.registry import lifecycle

        return lifecycle.promote(
            self._session,
            str(ref),
            CommitOptions(reason, idempotency_key),
            expect=expect,
            by_force=force,
        )

    def rollback(
        self,
        model: str,
        *,
        to: str | None = None,
        reason: str | None = None,
        expect: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Go back to the version that was live before, once its bytes are verified.

        Again goes one further back, never to a version just rejected.

        Args:
            model: The registered model.
            to: Another version that was ever live, such as `1.1.0`.
            expect: The version that must be live now, else nothing is done.

        Raises:
            NoPreviousVersionError: If nothing fit to serve was live before.
            DamagedError: If a byte of the target changed; nothing moves.
            ConflictError: If production moved meanwhile.
        """
        from holdfast.registry import lifecycle

        return lifecycle.rollback(
            self._session, model, to, CommitOptions(reason, idempotency_key), expect
        )

    def stage(
        self, ref: Reference, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Move `staging` to a version; the one staged before gets its earlier status back."""
        from holdfast.registry import lifecycle

        return lifecycle.stage(self._session, str(ref), CommitOptions(reason, idempotency_key))

    def archive(
        self, ref: Reference, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Archive a version; the live one cannot be archived."""
        from holdfast.registry import lifecycle

        return lifecycle.archive(self._session, str(ref), CommitOptions(reason, idempotency_key))

    def alias(
        self, ref: Reference, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Point *alias* to a version; a protected alias needs an approval or force."""
        from holdfast.registry import lifecycle

        return lifecycle.set_alias(
            self._session, alias, str(ref), CommitOptions(reason), by_force=force
        )

    def remove_alias(
        self, model: str, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Remove *alias*."""
        from holdfast.registry import lifecycle

        return lifecycle.remove_alias(
            self._session, model, alias, CommitOptions(reason), by_force=force
        )

    # Facts learnt later

    def tag(
        self, ref: Reference, tags: Mapping[str, str | None], *, reason: str | None = None
    ) -> Moved:
        """Set tags; a value of `None` removes one."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.tag(self._session, str(ref), tags, CommitOptions(reason))

    def note(self, ref: Reference, text: str) -> Moved:
        """Add a note to a version."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.note(self._session, str(ref), text, CommitOptions())

    def approve(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """Approve a version in the author's name, for a gate that asks for a second person."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.approve(self._session, str(ref), CommitOptions(reason))

    def sign(
        self, ref: Reference, *, attach: str | PathLike[str] | None = None, by: str | Path = ""
    ) -> Moved:
        """Sign a version with this registry's key, or attach what model-signing made.

        Args:
            attach: A signature of model-signing's over a folder that `checkout` wrote.
            by: Who made that: a listed signer's name, or the file of a public key.
        """
        from holdfast.registry import sign_version

        if attach is None:
            return sign_version.sign(self._session, str(ref))
        return sign_version.attach(self._session, str(ref), Path(attach), by)

    def hold(self, ref: Reference, *, reason: str) -> Moved:
        """Keep a version from being purged until it is released."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.hold(self._session, str(ref), CommitOptions(reason))

    def release(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """End a hold."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.release(self._session, str(ref), CommitOptions(reason))

    def set_policy(self, model: str, policy: Policy, *, reason: str | None = None) -> Moved:
        """Change a model's policy; a model may have one before its first version."""
        from holdfast.registry import annotations as annotation_verbs

        return annotation_verbs.set_policy(self._session, model, policy, CommitOptions(reason))

    # Repair

    def repair_plan(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Say what `repair` would do, and what it could not repair."""
        from holdfast.registry.repair import planned

        return planned(self._session, model, _repair_source(source))

    def repair(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Rebuild derived files, and replace what is damaged with verified bytes from *source*.

        A copy is another registry, whose entries must be of the same chain, or a folder with files
        of any name. Damaged files are set aside. Without *model* all are repaired.
        """
        from holdfast.registry.repair import repaired

        return repaired(self._session, model, _repair_source(source))

    def put_back_config(self, folder: str | PathLike[str]) -> bool:
        """Write the `holdfast.json` that a store lost of which this one is a copy.

        Returns whether it was lost. Raises `InvalidInputError` if this is a copy of another.
        """
        from holdfast.registry.lost_config import put_back

        return put_back(Path(folder), self._session)

    # Bytes from and to elsewhere

    def import_(
        self,
        file: str | PathLike[str],
        *,
        trust: str | None = None,
        reason: str | None = None,
        progress: Progress | None = None,
    ) -> Bundled:
        """Import a bundle, checked completely before anything is written; history is kept.

        Args:
            file: What `export` wrote.
            trust: Why files that run code outside the allow-list are accepted anyway. For a whole
                model this is an entry of its own, so later bundles of it no longer fit.
            reason: Kept with the entry written here.
            progress: Receives the bytes read and the bytes of the file.
        """
        from holdfast.registry.bundles import unpack

        return unpack.read(self._session, Path(file), CommitOptions(reason), trust, progress)

    def copy(
        self,
        target: Registry,
        *models: str,
        trust: str | None = None,
        progress: Progress | None = None,
    ) -> Copied:
        """Copy models, or all of them, to another registry; history is kept.

        What is there already is skipped, so a copy that was stopped continues when it is run again,
        and a daily copy transfers only what is new.

        Args:
            target: Where to: a folder, a bucket or a server.
            models: Names; all if none is given.
            trust: Why files that run code outside the allow-list are accepted anyway.
            progress: Receives the bytes copied and the bytes to copy, model by model.

        Raises:
            ConflictError: If a model has another history there.
            DamagedError: If a byte changed on the way or before.
        """
        return target._take(self._session, models, trust, progress)

    def _take(
        self,
        source: Session,
        models: Sequence[str],
        trust: str | None,
        progress: Progress | None,
    ) -> Copied:
        """Take in models of another store; `copy` is this, seen from there."""
        from holdfast.registry import copy_models

        return copy_models.copy(source, self._session, models, trust, progress)

    # Removing bytes

    def purge_plan(
        self,
        model: str,
        *,
        keep: int | None = None,
        versions: Sequence[Reference] = (),
        rollback_target: Target = "spared",
    ) -> PurgePlan:
        """Say for every version whether `purge` would take its bytes, and why."""
        from holdfast.registry import maintenance

        rule = maintenance.rule(self._session, model, keep, versions, rollback_target)
        return maintenance.plan(self._session, model, rule)

    def purge(
        self,
        model: str,
        *,
        keep: int | None = None,
        versions: Sequence[Reference] = (),
        rollback_target: Target = "spared",
        grace_s: float = GRACE_S,
        reason: str | None = None,
    ) -> Purge:
        """Remove the bytes of versions; manifests and history stay.

        Args:
            model: The registered model.
            keep: Archived versions to keep, the newest by number; without it and without
                *versions*, the policy's retention decides.
            versions: Just these.
            rollback_target: With *keep*: whether the version a rollback would go to may go too.
            grace_s: Seconds for which bytes nothing names any more are kept.
        """
        from holdfast.registry import maintenance

        rule = maintenance.rule(self._session, model, keep, versions, rollback_target)
        return maintenance.purge(self._session, model, rule, grace_s, CommitOptions(reason))

    def gc(self, *, grace_s: float = GRACE_S) -> Collected:
        """Remove bytes that nothing names any more and what crashes left behind."""
        from holdfast.registry import maintenance

        return maintenance.collect(self._session, grace_s)

    def keep_layout(self) -> LayoutKept:
        """Make the folder an OCI image layout, which every change keeps current from then on."""
        from holdfast.registry import image_layout

        return image_layout.keep(self._session)

    def delete(self, model: str, *, reason: str, force: bool = False) -> Moved:
        """Delete a model; its history stays, and registering again continues it."""
        from holdfast.registry import maintenance

        return maintenance.delete(self._session, model, CommitOptions(reason), by_force=force)


def _repair_source(copy: Copy | None) -> object:
    return copy._session if isinstance(copy, Registry) else copy  # noqa: SLF001 - as `copy` does
