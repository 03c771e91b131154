"""What each verb decides: from the state and a wish to an event, or to a refusal.

Nothing here writes. `Unchanged` says that the wish is already fulfilled.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from holdfast.core import events, names, paired, retention
from holdfast.core.manifest import Scan, clean_metrics
from holdfast.core.policy import Policy, Verdict, check
from holdfast.core.retention import Plan
from holdfast.core.rollout import guard
from holdfast.core.state import Record, State
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    NoPreviousVersionError,
    NotFoundError,
    RefusedError,
)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to do, and why."""

    why: str
    version: str | None = None


def check_signing(reason: object, key: object) -> None:
    """Check what a caller says about its own deed, before anything is done.

    Raises:
        InvalidInputError: If one is no text, or the key is empty.
    """
    for field, said in (("reason", reason), ("key", key)):
        if said is not None and not isinstance(said, str):
            raise InvalidInputError(f"{field} {said!r}", "is no text", f"give the {field} as text")
    if key is not None and not names.is_text(key):
        raise InvalidInputError("key", "is empty", "leave it out or give one that is yours alone")


def check_force(reason: str | None, *, by_force: bool) -> None:
    """Check that whoever passes over a rule says why.

    Raises:
        InvalidInputError: If there is no reason.
    """
    if by_force and not names.is_text(reason):
        raise InvalidInputError("force", "needs a reason, which history keeps", "give --reason")


def repeated(
    state: State, key: str | None, operation: type[events.AnyEvent], version: str | None = None
) -> Unchanged | None:
    """Answer a wish whose idempotency key was used: the same deed is a repetition.

    It is looked at before the world is judged, for what the deed changed may forbid it now.

    Args:
        state: The model.
        key: The caller's; `None` asks each time for a new deed.
        operation: The event wished for.
        version: The one wished for, where the caller names it once and for all.

    Raises:
        ConflictError: If the key was used for another deed.
    """
    use = state.keys.get(key) if key is not None else None
    if use is None:
        return None
    if use.op != events.WORDS[operation] or version not in (None, use.version):
        of = f" of {use.version}" if use.version else ""
        raise ConflictError(
            f"key {key!r}", f"was used for {use.op!r} in entry {use.seq}{of}", "use another key"
        )
    return Unchanged(f"entry {use.seq} did this under the same key", use.version)


def promote(
    state: State, record: Record, verdict: Verdict, *, by_force: bool
) -> events.Promoted | Unchanged:
    """Move `production` to *record*, if the gate lets it pass or is passed over.

    Raises:
        RefusedError: With every reason of the gate.
        ConflictError: If the version was purged, or a rollout of another one goes on.
    """
    require_bytes(state, record)
    if state.production == record.version:
        return Unchanged(f"{record.version} is live already", record.version)
    supersedes = guard.supersedes(state, record.version, by_force=by_force)
    if verdict.reasons and not by_force:
        raise RefusedError(
            f"{state.model}@{record.version}",
            names.PRODUCTION,
            verdict.reasons,
            "to promote all the same: --force --reason …",
        )
    return events.Promoted(
        version=record.version,
        was=state.production,
        forced=bool(verdict.reasons) or supersedes,
        refused=verdict.reasons,
        remarks=verdict.remarks,
        rollout=state.running.number if state.running else None,
    )


def expect_live(state: State, expected: str | None) -> None:
    """Check that *expected* is live, where the caller says what it expects.

    Raises:
        ConflictError: If another version is.
    """
    if expected is None or expected == state.production:
        return
    now = f"{state.production} is" if state.production else "nothing is"
    raise ConflictError(
        state.model, f"expected {expected} to be live, {now}", "look at its status and decide again"
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
            f"production moved meanwhile: {live.was} → {live.version} by {live.by}",
            "look at its status and decide again",
        )
    if target is None:
        if state.previous is None:
            rejected = live.was if live.how == "rolled_back" else None
            raise NoPreviousVersionError(state.model, rejected)
        target = state.versions[state.previous]
    require_bytes(state, target)
    if target.version == live.version:
        raise ConflictError(f"{state.model}@{target.version}", "is live already")
    if not target.served:
        raise ConflictError(
            f"{state.model}@{target.version}",
            "was never live, so there is no going back to it",
            f"holdfast promote {state.model}@{target.version}",
        )
    return events.RolledBack(
        version=target.version,
        was=live.version,
        undoes=live.seq,
        rollout=guard.undone(state, live.version),
    )


def stage(state: State, record: Record) -> events.Staged | Unchanged:
    """Move `staging` to *record*.

    Raises:
        ConflictError: If it is live or purged.
    """
    require_bytes(state, record)
    _not_live(state, record, "it cannot be staged")
    if state.staging == record.version:
        return Unchanged(f"{record.version} is staged already", record.version)
    return events.Staged(version=record.version, was=state.staging)


def archive(state: State, record: Record) -> events.Archived | Unchanged:
    """Put *record* away.

    Raises:
        ConflictError: If it is live, purged or the candidate of a rollout that goes on.
    """
    require_bytes(state, record)
    _not_live(state, record, "promote another version or roll back first")
    guard.require_no_candidate(state, record.version)
    if record.status == "archived":
        return Unchanged(f"{record.version} is archived already", record.version)
    return events.Archived(version=record.version)


def set_alias(
    state: State, alias: str, record: Record, by: str, *, by_force: bool
) -> events.AliasSet | Unchanged:
    """Let *alias* name *record*.

    Raises:
        InvalidInputError: If the alias is no name or has a meaning of its own.
        RefusedError: If it is protected and nobody but *by* approved the version.
        ConflictError: If the version was purged.
    """
    names.check_alias(alias)
    require_bytes(state, record)
    was = state.aliases.get(alias)
    if was == record.version:
        return Unchanged(f"{alias} names {record.version} already", record.version)
    open_ = alias not in state.policy.protected_aliases or set(record.approvals) - {by}
    if not open_ and not by_force:
        _refuse_alias(state, alias, record.version)
    return events.AliasSet(alias=alias, version=record.version, was=was, forced=not open_)


def remove_alias(state: State, alias: str, *, by_force: bool) -> events.AliasRemoved:
    """Let *alias* name nothing.

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
    raise RefusedError(
        f"{state.model}@{version}",
        f"the protected alias {alias}",
        [f"no second person approved {version}"],
        "approve it, or --force --reason …",
    )


def tag(state: State, record: Record, tags: Mapping[str, str | None]) -> events.Tagged | Unchanged:
    """Set tags of *record*, remove those whose value is `None`.

    Raises:
        InvalidInputError: If a key is empty or not printable.
    """
    for key in tags:
        if not names.is_key(key):
            raise InvalidInputError(f"tag {key!r}", "is no name", "use printable characters")
    kept = {key: value for key, value in (record.tags | dict(tags)).items() if value is not None}
    if kept == record.tags:
        return Unchanged(f"{state.model}@{record.version} bears these tags already", record.version)
    return events.Tagged(version=record.version, tags=dict(sorted(tags.items())))


def note(record: Record, text: str) -> events.Noted:
    """Write *text* on *record*.

    Raises:
        InvalidInputError: If it is empty.
    """
    if not names.is_text(text):
        raise InvalidInputError(f"note {text!r}", "says nothing", "write what you learnt")
    return events.Noted(version=record.version, text=text)


def evaluate(
    record: Record, metrics: Mapping[str, object], dataset: str | None, losses: paired.Each = ()
) -> events.Evaluated:
    """Record metrics measured after registration.

    Raises:
        InvalidInputError: If there are none, or one is no finite number or mean of its losses.
    """
    if not metrics:
        raise InvalidInputError("evaluation", "has no metrics", "give at least one")
    clean, version = clean_metrics(metrics), record.version
    kept = paired.check(losses, clean)
    return events.Evaluated(version=version, metrics=clean, dataset=dataset, losses=kept)


def approve(state: State, record: Record, by: str) -> events.Approved | Unchanged:
    """Approve *record* for production in the name of *by*."""
    require_bytes(state, record)
    if by in record.approvals:
        return Unchanged(f"{by} approved {record.version} already", record.version)
    return events.Approved(version=record.version)


def trust(state: State, record: Record, scan: Mapping[str, Scan]) -> events.Trusted | Unchanged:
    """Let *record* in from elsewhere with the code that its files were found to run.

    Raises:
        ConflictError: If the version was purged.
        InvalidInputError: If nothing was found, or trusted without a reason.
    """
    require_bytes(state, record)
    if not scan or not all(one.unknown and names.is_text(one.trusted) for one in scan.values()):
        raise InvalidInputError("trust", "needs a finding and a reason", "say why it is trusted")
    if record.scan == scan:
        return Unchanged(f"{record.version} is trusted already", record.version)
    return events.Trusted(version=record.version, scan=dict(scan))


def sign(
    state: State, record: Record, key: str, signature: str, held: Collection[str] = ()
) -> events.Signed | Unchanged:
    """Record that *record* bears a signature.

    Args:
        key: The public key it verifies under.
        signature: The digest of its bytes.
        held: Keys whose signatures it bears already, and they hold.
    """
    require_bytes(state, record)
    if key in held:
        return Unchanged(f"{record.version} bears a signature of this key already", record.version)
    return events.Signed(version=record.version, key=key, signature=signature)


def hold(state: State, record: Record) -> events.Held | Unchanged:
    """Keep *record* from being purged."""
    require_bytes(state, record)
    if record.held is not None:
        return Unchanged(f"{record.version} is held already: {record.held}", record.version)
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
        return Unchanged("the policy is this already")
    return events.PolicySet(policy=check(policy), was=state.policy)


def purge(state: State, plan: Plan) -> events.Purged | Unchanged:
    """Give up the bytes of the versions *plan* names, if each may still go.

    Raises:
        ConflictError: If one became live, staged, aliased, held or a rollback target since.
    """
    for version in plan.purged:
        why = retention.protection(state, state.versions[version], plan.target)
        if why is not None:
            raise ConflictError(
                f"{state.model}@{version}", f"cannot be purged: {why}", "plan again"
            )
    if not plan.purged:
        return Unchanged("no version is to be purged")
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
        reasons.insert(
            0, f"{state.production} is live (--force --reason … deletes it all the same)"
        )
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
            "was purged, its bytes are gone",
            "register the model under a new version",
        )


def _not_live(state: State, record: Record, advice: str) -> None:
    if state.production == record.version:
        raise ConflictError(f"{state.model}@{record.version}", "is live", advice)
