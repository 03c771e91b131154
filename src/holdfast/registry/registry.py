"""`Registry`: one method for each verb, the same words as in the CLI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Unpack

from holdfast.registry import moves
from holdfast.registry.reader import Reader, Reference
from holdfast.registry.session import Signing
from holdfast.store.place import GRACE_S

if TYPE_CHECKING:
    from holdfast.core.policy import Policy
    from holdfast.core.retention import Plan, Target
    from holdfast.core.version import Bump
    from holdfast.core.views import Moved, Registered
    from holdfast.registry import adoption
    from holdfast.registry.adoption import Adopted
    from holdfast.registry.bundles import Bundled
    from holdfast.registry.copying import Copied
    from holdfast.registry.facts import Facts
    from holdfast.registry.repairing import Repair
    from holdfast.registry.rollouts import Rollouts
    from holdfast.registry.upkeep import Purge
    from holdfast.registry.verifying import Progress
    from holdfast.store.config import Config
    from holdfast.store.place import Collected

Copy: TypeAlias = "Registry | str | PathLike[str]"


class Registry(Reader):
    """All registered models of one store.

    Every verb either does all it says and returns, its entry durable, or raises a
    `holdfast.errors.HoldfastError` and has done nothing. `reason` is kept in the history; the same
    `key` never does a thing twice, and is refused for another.
    """

    def init(self) -> Config:
        """Make the store if it is not there, and tell what its file system keeps."""
        return self._session.writable().config

    @property
    def rollouts(self) -> Rollouts:
        """The verbs of rollouts: start, pause, resume, advance, promote, abort, retry."""
        from holdfast.registry.rollouts import Rollouts

        return Rollouts(self._session)

    # Versions come to be

    def register(
        self,
        name: str,
        model: object = None,
        preprocessor: object = None,
        *,
        bump: Bump = "auto",
        version: str | None = None,
        **facts: Unpack[Facts],
    ) -> Registered:
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
        from holdfast.registry import intake
        from holdfast.registry import losses as measuring

        told.check(facts)
        sources = told.roles(model, preprocessor, facts)
        asked = parse(version) if version is not None else check_bump(bump)
        measured = measuring.read(facts.get("losses", {}), facts.get("evaluation_set"))
        done = intake.register(self._session, name, sources, asked, facts)
        return moves.measure(self._session, done, measured) if measured else done

    def adopt(
        self,
        name: str,
        folder: str | PathLike[str],
        *,
        preprocessors: Mapping[str, str] = {},
        live: str | None = None,
        trust: str | None = None,
        reason: str | None = None,
    ) -> Adopted:
        """Register every model file of a folder, oldest first; the folder is not touched.

        Args:
            name: The registered model.
            folder: The folder.
            preprocessors: Preprocessor's file by model's file where names do not tell; `*` for all.
            live: The file that is live; it is promoted.
            trust: Why files that run code outside the allow-list are taken in all the same.

        Raises:
            InvalidInputError: If a preprocessor cannot be told, or the folder holds no model.
        """
        from holdfast.registry import adoption

        planned = self.adopt_plan(name, folder, preprocessors=preprocessors)
        return adoption.run(self._session, planned, live, trust, Signing(reason))

    def adopt_plan(
        self, name: str, folder: str | PathLike[str], *, preprocessors: Mapping[str, str] = {}
    ) -> adoption.Plan:
        """Say what `adopt` would do with each file."""
        from holdfast.registry import adoption

        return adoption.plan(self._session, name, Path(folder), preprocessors)

    # Names move

    def promote(
        self,
        ref: Reference,
        *,
        reason: str | None = None,
        force: bool = False,
        expect: str | None = None,
        key: str | None = None,
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
        return moves.promote(
            self._session, str(ref), Signing(reason, key), expect=expect, by_force=force
        )

    def rollback(
        self,
        model: str,
        *,
        to: str | None = None,
        reason: str | None = None,
        expect: str | None = None,
        key: str | None = None,
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
        return moves.rollback(self._session, model, to, Signing(reason, key), expect)

    def stage(self, ref: Reference, *, reason: str | None = None, key: str | None = None) -> Moved:
        """Let `staging` name a version; the one staged before is registered again."""
        return moves.stage(self._session, str(ref), Signing(reason, key))

    def archive(
        self, ref: Reference, *, reason: str | None = None, key: str | None = None
    ) -> Moved:
        """Put a version away; the live one cannot be."""
        return moves.archive(self._session, str(ref), Signing(reason, key))

    def alias(
        self, ref: Reference, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Let *alias* name a version; a protected one needs an approval or force."""
        return moves.set_alias(self._session, alias, str(ref), Signing(reason), by_force=force)

    def remove_alias(
        self, model: str, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Let *alias* name nothing."""
        return moves.remove_alias(self._session, model, alias, Signing(reason), by_force=force)

    # Facts learnt later

    def tag(
        self, ref: Reference, tags: Mapping[str, str | None], *, reason: str | None = None
    ) -> Moved:
        """Set tags; a value of `None` removes one."""
        return moves.tag(self._session, str(ref), tags, Signing(reason))

    def note(self, ref: Reference, text: str) -> Moved:
        """Write a note on a version."""
        return moves.note(self._session, str(ref), text, Signing())

    def evaluate(
        self,
        ref: Reference,
        metrics: Mapping[str, object] = {},
        *,
        dataset: str | None = None,
        losses: Mapping[str, object] = {},
        evaluation_set: str | PathLike[str] | None = None,
        reason: str | None = None,
    ) -> Moved:
        """Record metrics measured after registration; gate and comparison use the latest.

        Args:
            losses: One value a row by metric: a list, an array, a `.csv` or `.npy` file. They are
                kept, their means are metrics, and the gate pairs them with the champion's.
            evaluation_set: What *losses* are of, row by row: its file, or `sha256:…`.

        Raises:
            InvalidInputError: If there are no metrics, or one is not the mean of its losses.
        """
        from holdfast.registry import losses as measuring

        measured = measuring.read(losses, evaluation_set)
        return moves.evaluate(self._session, str(ref), metrics, dataset, measured, Signing(reason))

    def approve(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """Approve a version in the author's name, for a gate that asks for a second person."""
        return moves.approve(self._session, str(ref), Signing(reason))

    def sign(
        self, ref: Reference, *, attach: str | PathLike[str] | None = None, by: str | Path = ""
    ) -> Moved:
        """Sign a version with this registry's key, or take in what model-signing made.

        Args:
            attach: A signature of model-signing's over a folder that `checkout` wrote.
            by: Who made that: a listed signer's name, or the file of a public key.
        """
        from holdfast.registry import signing

        if attach is None:
            return signing.sign(self._session, str(ref))
        return signing.attach(self._session, str(ref), Path(attach), by)

    def hold(self, ref: Reference, *, reason: str) -> Moved:
        """Keep a version from being purged until it is released."""
        return moves.hold(self._session, str(ref), Signing(reason))

    def release(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """End a hold."""
        return moves.release(self._session, str(ref), Signing(reason))

    def set_policy(self, model: str, policy: Policy, *, reason: str | None = None) -> Moved:
        """Change a model's policy; a model may have one before its first version."""
        return moves.set_policy(self._session, model, policy, Signing(reason))

    # Mending

    def repair_plan(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Say what `repair` would do, and what it could not repair."""
        from holdfast.registry.repairing import planned

        return planned(self._session, model, source)

    def repair(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Make anew what is derived, and fetch from *source* what is damaged, verified before.

        A copy is another registry, whose entries must be of the same chain, or a folder with files
        of any name. Damaged files are set aside. Without *model* all are repaired.
        """
        from holdfast.registry.repairing import repaired

        return repaired(self._session, model, source)

    # Bytes from and to elsewhere

    def import_(
        self,
        file: str | PathLike[str],
        *,
        trust: str | None = None,
        reason: str | None = None,
    ) -> Bundled:
        """Take a bundle in, checked whole before anything is written; history is kept.

        Args:
            file: What `export` wrote.
            trust: Why files that run code outside the allow-list are taken in all the same. For a
                whole model it is an entry of its own: later bundles of it do not fit any more.
            reason: Kept with the entry written here.
        """
        from holdfast.registry.bundles import unpack

        return unpack.read(self._session, Path(file), Signing(reason), trust)

    def copy(
        self,
        target: Registry,
        *models: str,
        trust: str | None = None,
        progress: Progress | None = None,
    ) -> Copied:
        """Carry models, or all of them, to another registry; history is kept.

        What is there already is left out, so a copy that was stopped goes on when it is run again,
        and one that is run daily carries what is new.

        Args:
            target: Where to, a folder or a bucket.
            models: Names; all if none is given.
            trust: Why files that run code outside the allow-list are taken in all the same.
            progress: Told bytes carried and bytes to carry, model by model.

        Raises:
            ConflictError: If a model has another history there.
            DamagedError: If a byte changed on the way or before.
        """
        from holdfast.registry import copying

        return copying.copy(self._session, target._session, models, trust, progress)

    # Giving bytes up

    def purge_plan(
        self,
        model: str,
        *,
        keep: int | None = None,
        versions: Sequence[Reference] = (),
        rollback_target: Target = "spared",
    ) -> Plan:
        """Say for every version whether `purge` would take its bytes, and why."""
        from holdfast.registry import upkeep

        rule = upkeep.rule(self._session, model, keep, versions, rollback_target)
        return upkeep.plan(self._session, model, rule)

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
        """Give up the bytes of versions; manifests and history stay.

        Args:
            model: The registered model.
            keep: Archived versions to keep, the newest by number; without it and without
                *versions*, the policy's retention decides.
            versions: Just these.
            rollback_target: With *keep*: whether the version a rollback would go to may go too.
            grace_s: Seconds for which bytes nothing names any more are kept.
        """
        from holdfast.registry import upkeep

        rule = upkeep.rule(self._session, model, keep, versions, rollback_target)
        return upkeep.purge(self._session, model, rule, grace_s, Signing(reason))

    def gc(self, *, grace_s: float = GRACE_S) -> Collected:
        """Remove bytes that nothing names any more and what crashes left behind."""
        from holdfast.registry import upkeep

        return upkeep.collect(self._session, grace_s)

    def delete(self, model: str, *, reason: str, force: bool = False) -> Moved:
        """Delete a model; its history stays, and registering again goes on in it."""
        from holdfast.registry import upkeep

        return upkeep.delete(self._session, model, Signing(reason), by_force=force)
