"""`RemoteRegistry`: the verbs of a registry behind a server.

What looks is the reader's own code over what the server sends. What writes is asked of the server,
which decides under the caller's identity, and then read back and checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from holdfast.core import approvals, events
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.registry.registry import Copy, Registry
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs, check_reason
from holdfast.registry.session import CommitOptions, Session
from holdfast.store.open_store import GRACE_S
from holdfast.store.remote.http_client import quoted

if TYPE_CHECKING:
    from holdfast.core.gate import Verdict
    from holdfast.core.manifest import Manifest
    from holdfast.core.policy import Policy
    from holdfast.core.retention import Target
    from holdfast.core.version import Bump, Version
    from holdfast.core.views import Moved, RegistrationResult
    from holdfast.registry.bundles import Bundled
    from holdfast.registry.copy_models import Copied
    from holdfast.registry.evaluating import Unrecorded
    from holdfast.registry.losses import Measured
    from holdfast.registry.maintenance import Purge
    from holdfast.registry.reader import Reference
    from holdfast.registry.remote_catalogue import RemoteCatalogue
    from holdfast.registry.remote_data import RemoteDatasets
    from holdfast.registry.remote_drift import RemoteDrifts
    from holdfast.registry.remote_retrainings import RemoteRetrainings
    from holdfast.registry.remote_rollouts import RemoteRollouts
    from holdfast.registry.remote_trainings import RemoteTrainings
    from holdfast.registry.repair_plan import Repair
    from holdfast.registry.server_answers import WhoAmI
    from holdfast.store.config import Config
    from holdfast.store.metering import Progress
    from holdfast.store.open_store import Collected
    from holdfast.store.remote_location import RemoteLocation


class RemoteRegistry(Registry):
    """All registered models of a server's store.

    `by` of what is written is whoever the server says that the token is of.
    """

    def __init__(self, session: Session, site: RemoteLocation) -> None:
        super().__init__(session)
        self._verbs = ServerVerbs(session, site)
        session.publish = self._publish
        session.stored_key = self._verbs.stored_key

    def whoami(self) -> WhoAmI:
        """Tell who the server says that asks."""
        return self._verbs.whoami()

    def init(self) -> Config:
        """Return what the server's store says of itself; a server makes its own.

        Raises:
            StoreError: If it has none yet.
        """
        return self._session.open_store.config

    @property
    def catalogue(self) -> RemoteCatalogue:
        """The verbs for other registries' clients, asked of the server."""
        from holdfast.registry.remote_catalogue import RemoteCatalogue

        return RemoteCatalogue(self._session, self._verbs)

    @property
    def rollouts(self) -> RemoteRollouts:
        """The verbs of rollouts, asked of the server."""
        from holdfast.registry.remote_rollouts import RemoteRollouts

        return RemoteRollouts(self._session, self._verbs)

    @property
    def drift(self) -> RemoteDrifts:
        """The verbs of drift, asked of the server."""
        from holdfast.registry.remote_drift import RemoteDrifts

        return RemoteDrifts(self._session, self._verbs)

    @property
    def retrainings(self) -> RemoteRetrainings:
        """The verbs of retraining, asked of the server; it keeps the lease."""
        from holdfast.registry.remote_retrainings import RemoteRetrainings

        return RemoteRetrainings(self._session, self._verbs)

    @property
    def trainings(self) -> RemoteTrainings:
        """What versions keep of their training; a failure is told to the server."""
        from holdfast.registry.remote_trainings import RemoteTrainings

        return RemoteTrainings(self._session, self._verbs)

    @property
    def data(self) -> RemoteDatasets:
        """Data by name; what is added is written by the server."""
        from holdfast.registry.remote_data import RemoteDatasets

        return RemoteDatasets(self._session, self._verbs)

    def judge(self, ref: Reference) -> Verdict:
        """Ask the gate about a version, as whoever the server says that asks."""
        self._session.by = self.whoami().user.name
        return super().judge(ref)

    # Registering versions

    def _publish(
        self, draft: Manifest, asked: Version | Bump, options: CommitOptions, trust: str | None
    ) -> RegistrationResult:
        from holdfast.registry import remote_drafts

        wish = remote_drafts.Wish(asked, options, trust)
        return remote_drafts.publish(self._session, self._verbs, draft, wish)

    def _measure(self, done: RegistrationResult, measured: Measured) -> RegistrationResult:
        from holdfast.core.views import version_info
        from holdfast.registry import losses as measuring

        if measuring.lacks(self._session.find(done.ref)[1], measured):
            self._evaluate(done.ref, {}, None, measured, CommitOptions())
        return replace(done, version=version_info(*self._session.find(done.ref)))

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
        """Make a version live, if the server's gate lets it."""
        options = CommitOptions(reason, idempotency_key)
        check_reason(options, by_force=force)
        arguments = {"force": force or None, "expect": expect}
        expected = {} if force else {"forced": False}
        verb = ServerVerb("promote", (events.Promoted,), arguments, expected)
        return self._verbs.on_version(str(ref), verb, options)

    def rollback(
        self,
        model: str,
        *,
        to: str | None = None,
        reason: str | None = None,
        expect: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Go back to the version that was live before, once the server has verified its bytes."""
        from holdfast.core.refs import fixed, selector_in

        state = self._session.state(model)
        version = fixed(state, selector_in(model, to)) if to else None
        arguments = {"to": to, "expect": expect}
        expected = {} if version is None else {"version": version}
        verb = ServerVerb("rollback", (events.RolledBack,), arguments, expected)
        return self._verbs.on_model(model, verb, CommitOptions(reason, idempotency_key))

    def stage(
        self, ref: Reference, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Move `staging` to a version."""
        verb = ServerVerb("stage", (events.Staged,))
        return self._verbs.on_version(str(ref), verb, CommitOptions(reason, idempotency_key))

    def archive(
        self, ref: Reference, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Moved:
        """Archive a version."""
        verb = ServerVerb("archive", (events.Archived,))
        return self._verbs.on_version(str(ref), verb, CommitOptions(reason, idempotency_key))

    def alias(
        self, ref: Reference, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Point *alias* to a version."""
        options = CommitOptions(reason)
        check_reason(options, by_force=force)
        arguments = {"alias": alias, "force": force or None}
        expected = {"alias": alias} | ({} if force else {"forced": False})
        verb = ServerVerb("alias", (events.AliasSet,), arguments, expected)
        return self._verbs.on_version(str(ref), verb, options)

    def remove_alias(
        self, model: str, alias: str, *, reason: str | None = None, force: bool = False
    ) -> Moved:
        """Remove *alias*."""
        options = CommitOptions(reason)
        check_reason(options, by_force=force)
        arguments = {"alias": alias, "force": force or None}
        verb = ServerVerb("remove-alias", (events.AliasRemoved,), arguments, {"alias": alias})
        return self._verbs.on_model(model, verb, options)

    # Facts learnt later

    def tag(
        self, ref: Reference, tags: Mapping[str, str | None], *, reason: str | None = None
    ) -> Moved:
        """Set tags; a value of `None` removes one."""
        from holdfast.core import commands

        commands.tag(*self._session.find(str(ref)), tags)  # refuses what is not text
        verb = ServerVerb("tag", (events.Tagged,), {"tags": dict(tags)})
        return self._verbs.on_version(str(ref), verb, CommitOptions(reason))

    def note(self, ref: Reference, text: str) -> Moved:
        """Add a note to a version."""
        verb = ServerVerb("note", (events.Noted,), {"text": text})
        return self._verbs.on_version(str(ref), verb, CommitOptions())

    def _evaluate(
        self,
        ref: str,
        metrics: Mapping[str, object],
        dataset: str | None,
        measured: Measured | None,
        options: CommitOptions,
    ) -> Moved:
        from holdfast.core.manifest import clean_metrics

        all_metrics = clean_metrics(measured.among(metrics) if measured else metrics)
        arguments: dict[str, Any] = {"metrics": all_metrics, "dataset": dataset}
        if measured:
            arguments["losses"] = measured.values()
            arguments["evaluation_set"] = f"sha256:{measured.on}"
        expected = {"metrics": all_metrics, "dataset": dataset}
        verb = ServerVerb("evaluate", (events.Evaluated,), arguments, expected)
        return self._verbs.on_version(ref, verb, options)

    def _record_evaluation(self, made: Unrecorded, options: CommitOptions) -> Moved:
        from holdfast.registry import remote_evaluations

        return remote_evaluations.record(self._session, self._verbs, made, options)

    def approve(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """Approve a version in the name that the server knows."""
        verb = ServerVerb("approve", (events.Approved,))
        done = self._verbs.on_version(str(ref), verb, CommitOptions(reason))
        record = self._session.find(done.ref)[1]
        claimed = self.whoami().user.name in approvals.claimed(record)
        return replace(done, note=f"{done.note} (claimed)") if done.changed and claimed else done

    def sign(
        self, ref: Reference, *, attach: str | PathLike[str] | None = None, by: str | Path = ""
    ) -> Moved:
        """Sign a version with this registry's key, or attach a signature; either is made here."""
        from holdfast.registry import sign_version

        made = (
            sign_version.made(self._session, str(ref))
            if attach is None
            else sign_version.read(self._session, str(ref), Path(attach), by)
        )
        signature = self._session.open_store.blobs.add_bytes(made.raw)
        facts = {"key": made.key, "signature": signature}
        verb = ServerVerb("sign-attach", (events.Signed,), facts, facts)
        return self._verbs.on_version(f"{made.model}@{made.version}", verb, CommitOptions())

    def hold(self, ref: Reference, *, reason: str) -> Moved:
        """Keep a version from being purged until it is released."""
        verb = ServerVerb("hold", (events.Held,))
        return self._verbs.on_version(str(ref), verb, CommitOptions(reason))

    def release(self, ref: Reference, *, reason: str | None = None) -> Moved:
        """End a hold."""
        verb = ServerVerb("release", (events.Released,))
        return self._verbs.on_version(str(ref), verb, CommitOptions(reason))

    def set_policy(self, model: str, policy: Policy, *, reason: str | None = None) -> Moved:
        """Change a model's policy; a model may have one before its first version."""
        from holdfast.core.names import check_model

        verb = ServerVerb(
            "policy",
            (events.PolicySet,),
            {"policy": msgspec.to_builtins(policy)},
            {"policy": policy},
        )
        outcome = self._verbs.post(check_model(model), verb, CommitOptions(reason))
        return self._verbs.moved(model, outcome)

    # Repair

    def repair_plan(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Say what the server's `repair` would do, and what it could not repair."""
        return self._repair("repair-plan", model, source)

    def repair(self, model: str | None = None, *, source: Copy | None = None) -> Repair:
        """Have the server rebuild derived files."""
        return self._repair("repair", model, source)

    def _repair(self, verb: str, model: str | None, source: Copy | None) -> Repair:
        from holdfast.registry.repair_plan import Repair

        if source is not None:
            raise self._beside("does not take a copy to repair from")
        path = f"/models/{quoted(model)}:{verb}" if model else f"/models:{verb}"
        return self._verbs.plan(path, {}, Repair)

    # Bytes from and to elsewhere

    def import_(
        self,
        file: str | PathLike[str],
        *,
        trust: str | None = None,
        reason: str | None = None,
        progress: Progress | None = None,
    ) -> Bundled:
        """Send a bundle, which the server checks completely before anything is written."""
        from holdfast.registry.bundles import Bundled
        from holdfast.store.metering import Meter

        source = Path(file)
        if not source.is_file():
            raise InvalidInputError(f"file {str(source)!r}", "is not a file", "name a bundle")
        CommitOptions(reason)
        size_bytes = source.stat().st_size
        blobs = self._session.open_store.blobs
        with Meter(progress, size_bytes).part(size_bytes, blobs.passes) as step:
            sent = blobs.add(source, step=step)
        arguments = {"blob": sent.sha256, "trust": trust, "reason": reason}
        done = self._verbs.plan("/models:import", arguments, Bundled)
        self._session.ledger(done.model).state()
        return replace(done, path=str(source), size_bytes=size_bytes)

    def _take(
        self,
        source: Session,
        models: Sequence[str],
        trust: str | None,
        progress: Progress | None,
    ) -> Copied:
        """Take in models of another store, each as a bundle."""
        from holdfast.registry import remote_copies

        return remote_copies.send(source, self._session, self, models, trust, progress)

    # Removing bytes

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
        """Have the server remove the bytes of versions; manifests and history stay."""
        from holdfast.core.refs import resolve, selector_in
        from holdfast.registry.maintenance import Purge

        state = self._session.state(model)
        chosen = [resolve(state, selector_in(model, str(ref))).version for ref in versions]
        arguments = {
            "keep": keep,
            "versions": chosen or None,
            "rollback_target": rollback_target,
            "grace_s": grace_s,
        }
        verb = ServerVerb("purge", (events.Purged,), arguments)
        outcome = self._verbs.post(model, verb, CommitOptions(reason))
        done = self._verbs.result(outcome.result, Purge)
        gone = {record.version for record in outcome.state.versions.values()} - {
            record.version for record in outcome.state.present()
        }
        return replace(done, model=model, purged=tuple(v for v in done.purged if v in gone))

    def gc(self, *, grace_s: float = GRACE_S) -> Collected:  # noqa: ARG002 - a registry has it
        """Refuse: bytes are collected beside the server.

        Raises:
            UnsupportedError: Always.
        """
        raise self._beside("does not collect bytes for a client")

    def delete(self, model: str, *, reason: str, force: bool = False) -> Moved:
        """Have the server delete a model; its history stays."""
        options = CommitOptions(reason)
        check_reason(options, by_force=force)
        verb = ServerVerb("delete", (events.Deleted,), {"force": force or None})
        return self._verbs.on_model(model, verb, options)

    def _beside(self, problem: str) -> UnsupportedError:
        advice = "run the command against its folder or bucket"
        return UnsupportedError(f"server {self.location}", problem, advice)
