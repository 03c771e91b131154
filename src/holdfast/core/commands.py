"""What each verb decides: from the state and a request to an event, or to a refusal.

Nothing here writes. `Unchanged` says that the wish is already fulfilled.
"""

from collections.abc import Collection, Mapping

from holdfast.core import approvals, evaluation, events, names, paired, retention, rollout_guard
from holdfast.core.evaluation import Evaluation
from holdfast.core.gate import Verdict
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Scan, clean_metrics
from holdfast.core.policy import Policy, check
from holdfast.core.retention import PurgePlan
from holdfast.core.state import Record, State
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NoPreviousVersionError,
    NotFoundError,
    RefusedError,
)


def check_force(reason: str | None, *, by_force: bool) -> None:
    """Check that whoever overrides a rule gives a reason.

    Raises:
        InvalidInputError: If there is no reason.
    """
    if by_force and not names.is_text(reason):
        raise InvalidInputError("force", "needs a reason for the history", "give --reason")


def promote(
    state: State, record: Record, verdict: Verdict, *, by_force: bool
) -> events.Promoted | Unchanged:
    """Move `production` to *record*, if the gate lets it pass or is passed over.

    Raises:
        RefusedError: With every reason of the gate.
        ConflictError: If the version was purged, or a rollout of another one is running.
    """
    require_bytes(state, record)
    require_own_bytes(state.model, record)
    if state.production == record.version:
        return Unchanged(f"{record.version} is already live", record.version)
    supersedes = rollout_guard.supersedes(state, record.version, by_force=by_force)
    if verdict.reasons and not by_force:
        raise RefusedError(
            f"{state.model}@{record.version}",
            names.PRODUCTION,
            verdict.reasons,
            "to promote it anyway: --force --reason …",
        )
    return events.Promoted(
        version=record.version,
        was=state.production,
        forced=bool(verdict.reasons) or supersedes,
        refused=verdict.reasons,
        remarks=verdict.remarks,
        rollout=state.running.seq if state.running else None,
    )


def expect_live(state: State, expected: str | None) -> None:
    """Check that *expected* is live, where the caller says what it expects.

    Raises:
        ConflictError: If another version is.
    """
    if expected is None or expected == state.production:
        return
    live = state.production or "no version"
    raise ConflictError(
        state.model, f"has {live} live, not {expected}", "check its status and decide again"
    )


def rollback(state: State, target: Record | None, undoes: int | None) -> events.RolledBack:
    """Move `production` back to *target*, or to the version that was live before.

    Args:
        state: The model.
        target: Any version that was ever live; `None` takes the rollback target.
        undoes: Entry that made the live version live when the caller looked.

    Raises:
        NoPreviousVersionError: If nothing fit to serve was live before.
        ConflictError: If production moved since the caller looked, or the target cannot serve.
    """
    live = state.live
    if live is None or live.version is None:
        raise NoPreviousVersionError(state.model)
    if undoes is not None and live.seq != undoes:
        raise ConflictError(
            state.model,
            f"changed meanwhile: {live.by} moved production from {live.was} to {live.version}",
            "check its status and decide again",
        )
    if target is None:
        if state.previous is None:
            rejected = live.was if live.how == "rolled_back" else None
            raise NoPreviousVersionError(state.model, rejected)
        target = state.versions[state.previous]
    require_bytes(state, target)
    if target.version == live.version:
        raise ConflictError(f"{state.model}@{target.version}", "is already live")
    if not target.served:
        raise ConflictError(
            f"{state.model}@{target.version}",
            "was never live, so you cannot roll back to it",
            f"holdfast promote {state.model}@{target.version}",
        )
    return events.RolledBack(
        version=target.version,
        was=live.version,
        undoes=live.seq,
        rollout=rollout_guard.undone(state, live.version),
    )


def stage(state: State, record: Record) -> events.Staged | Unchanged:
    """Move `staging` to *record*.

    Raises:
        ConflictError: If it is live or purged.
    """
    require_bytes(state, record)
    _not_live(state, record, "it cannot be staged")
    if state.staging == record.version:
        return Unchanged(f"{record.version} is already staged", record.version)
    return events.Staged(version=record.version, was=state.staging)


def archive(state: State, record: Record) -> events.Archived | Unchanged:
    """Archive *record*.

    Raises:
        ConflictError: If it is live, purged or the candidate of a running rollout.
    """
    require_bytes(state, record)
    _not_live(state, record, "promote another version or roll back first")
    rollout_guard.require_no_candidate(state, record.version)
    if record.status == "archived":
        return Unchanged(f"{record.version} is already archived", record.version)
    return events.Archived(version=record.version)


def set_alias(
    state: State, alias: str, record: Record, mover: approvals.Mover, *, by_force: bool
) -> events.AliasSet | Unchanged:
    """Point *alias* to *record*.

    Raises:
        InvalidInputError: If the alias is not a valid name, or is reserved.
        RefusedError: If it is protected and nobody but *mover* approved the version.
        ConflictError: If the version was purged.
    """
    names.check_alias(alias)
    require_bytes(state, record)
    was = state.aliases.get(alias)
    if was == record.version:
        return Unchanged(f"{alias} already points to {record.version}", record.version)
    shut = approvals.shuts(state.policy, alias, record, mover)
    if shut and not by_force:
        _refuse_alias(state, alias, record.version)
    return events.AliasSet(alias=alias, version=record.version, was=was, forced=shut)


def remove_alias(state: State, alias: str, *, by_force: bool) -> events.AliasRemoved:
    """Remove *alias*.

    Raises:
        NotFoundError: If it names nothing now.
        RefusedError: If it is protected.
    """
    if alias not in state.aliases:
        raise NotFoundError(f"alias {alias} of {state.model}", names.nearest(alias, state.aliases))
    protected = alias in state.policy.protected_aliases
    if protected and not by_force:
        _refuse_alias(state, alias, state.aliases[alias])
    return events.AliasRemoved(alias=alias, was=state.aliases[alias], forced=protected)


def _refuse_alias(state: State, alias: str, version: str) -> None:
    how = {"claimed": "", "signed": " with a listed key", "authenticated": " through a server"}
    reason = f"no second person has approved {version}{how[state.policy.approval]}"
    advice = "have it approved, or use --force --reason …"
    raise RefusedError(f"{state.model}@{version}", f"the protected alias {alias}", [reason], advice)


def tag(state: State, record: Record, tags: Mapping[str, str | None]) -> events.Tagged | Unchanged:
    """Set tags of *record*, remove those whose value is `None`.

    Raises:
        InvalidInputError: If a key is empty or not printable.
    """
    for key in tags:
        if not names.is_key(key):
            raise InvalidInputError(f"tag {key!r}", "is not a name", "use printable characters")
    new_tags = {
        key: value for key, value in (record.tags | dict(tags)).items() if value is not None
    }
    if new_tags == record.tags:
        return Unchanged(f"{state.model}@{record.version} already has these tags", record.version)
    return events.Tagged(version=record.version, tags=dict(sorted(tags.items())))


def note(record: Record, text: str) -> events.Noted:
    """Add the note *text* to *record*.

    Raises:
        InvalidInputError: If it is empty.
    """
    if not names.is_text(text):
        raise InvalidInputError(f"note {text!r}", "is empty", "write what you learnt")
    return events.Noted(version=record.version, text=text)


def evaluate(
    record: Record,
    metrics: Mapping[str, object],
    dataset: str | None,
    losses: paired.Each = (),
    measured: Evaluation | None = None,
) -> events.Evaluated:
    """Record metrics measured after registration.

    Args:
        measured: How Holdfast measured them; `None` for what somebody tells.

    Raises:
        InvalidInputError: If there are none, or one is neither finite nor the mean of its losses,
            or *measured* disagrees with them.
    """
    if not metrics:
        raise InvalidInputError("evaluation", "has no metrics", "give at least one")
    clean, version = clean_metrics(metrics), record.version
    checked_losses = paired.check(losses, clean)
    if measured is not None:
        evaluation.check(measured, version, clean, checked_losses)
    return events.Evaluated(
        version=version, metrics=clean, dataset=dataset, losses=checked_losses, measured=measured
    )


def approve(state: State, record: Record, mover: approvals.Mover) -> events.Approved | Unchanged:
    """Approve *record* for production in the name of *mover*; signing what was claimed is new."""
    require_bytes(state, record)
    if not approvals.adds(state.policy, record, mover):
        return Unchanged(f"{mover.by} has already approved {record.version}", record.version)
    return events.Approved(version=record.version)


def trust(state: State, record: Record, scan: Mapping[str, Scan]) -> events.Trusted | Unchanged:
    """Accept the imported *record* with the code that its files were found to run.

    Raises:
        ConflictError: If the version was purged.
        InvalidInputError: If nothing was found, or trusted without a reason.
    """
    require_bytes(state, record)
    if not scan or not all(
        finding.unknown and names.is_text(finding.trusted) for finding in scan.values()
    ):
        raise InvalidInputError("trust", "needs a finding and a reason", "say why you trust it")
    if record.scan == scan:
        return Unchanged(f"{record.version} is already trusted", record.version)
    return events.Trusted(version=record.version, scan=dict(scan))


def sign(
    state: State, record: Record, key: str, signature: str, existing_keys: Collection[str] = ()
) -> events.Signed | Unchanged:
    """Record a signature of *record*.

    Args:
        key: The public key it verifies under.
        signature: The digest of its bytes.
        existing_keys: Keys whose valid signatures it has already.
    """
    require_bytes(state, record)
    if key in existing_keys:
        return Unchanged(f"{record.version} already has a signature by this key", record.version)
    return events.Signed(version=record.version, key=key, signature=signature)


def hold(state: State, record: Record) -> events.Held | Unchanged:
    """Keep *record* from being purged."""
    require_bytes(state, record)
    if record.held is not None:
        return Unchanged(f"{record.version} is already held: {record.held}", record.version)
    return events.Held(version=record.version)


def release(record: Record) -> events.Released | Unchanged:
    """End the hold on *record*."""
    if record.held is None:
        return Unchanged(f"{record.version} is not held", record.version)
    return events.Released(version=record.version)


def set_policy(state: State, policy: Policy) -> events.PolicySet | Unchanged:
    """Make *policy* the model's policy.

    Raises:
        InvalidInputError: If its figures make no sense.
    """
    if state.seq and check(policy) == state.policy:
        return Unchanged("the policy already says this")
    return events.PolicySet(policy=check(policy), was=state.policy)


def purge(state: State, plan: PurgePlan) -> events.Purged | Unchanged:
    """Purge the versions that *plan* names, if each may still be purged.

    Raises:
        ConflictError: If one became live, staged, aliased, held or a rollback target since.
    """
    for version in plan.purged:
        why = retention.protection(state, state.versions[version], plan.target)
        if why is not None:
            raise ConflictError(
                f"{state.model}@{version}", f"cannot be purged: {why}", "make a new plan"
            )
    if not plan.purged:
        return Unchanged("there is no version to purge")
    return events.Purged(reasons={row.version: row.reason for row in plan.rows if row.purge})


def delete(state: State, *, by_force: bool) -> events.Deleted:
    """Delete the model with all its versions.

    Raises:
        RefusedError: If a version is held, or live and not forced; each is named.
    """
    reasons = [
        f"{record.version} is held: {record.held}"
        for record in state.present()
        if record.held is not None
    ]
    if state.production is not None and not by_force:
        reasons.insert(0, f"{state.production} is live (--force --reason … deletes it anyway)")
    if reasons:
        raise RefusedError(state.model, "deletion", reasons)
    return events.Deleted(purged=tuple(record.version for record in state.present()))


def require_bytes(state: State, record: Record) -> None:
    """Refuse a version that was purged.

    Raises:
        ConflictError: If its bytes are gone.
    """
    if record.status == "purged":
        raise ConflictError(
            f"{state.model}@{record.version}",
            "was purged, so its bytes are gone",
            "register the model under a new version",
        )


def require_own_bytes(model: str, record: Record) -> None:
    """Refuse a version whose bytes were never taken in.

    Raises:
        ConflictError: If it is a reference to bytes elsewhere.
    """
    if record.reference is not None:
        raise ConflictError(
            f"{model}@{record.version}",
            f"is a reference to {record.reference!r}: its bytes were never taken in or hashed",
            "register the files themselves as a new version",
        )


def _not_live(state: State, record: Record, advice: str) -> None:
    if state.production == record.version:
        raise ConflictError(f"{state.model}@{record.version}", "is live", advice)
