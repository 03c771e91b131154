"""Giving bytes up: purge by plan, deletion of models, and the collector."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import commands, events, retention
from holdfast.core.refs import resolve, selector_in
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, Plan, Rule, Target
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import InvalidInputError, LockedError, RefusedError
from holdfast.registry import needs
from holdfast.registry.fleet import Fleet
from holdfast.registry.moves import moved
from holdfast.registry.session import Session, Signing
from holdfast.store.place import Collected

_log = logging.getLogger(__name__)
_BATCH = 1_000


class Purge(Struct, frozen=True):
    """The outcome of a purge.

    Attributes:
        purged: Versions whose bytes were given up, in order of number.
        collected: What of their bytes is freed already.
    """

    model: str
    purged: tuple[str, ...]
    collected: Collected


def rule(
    session: Session, model: str, keep: int | None, versions: Iterable[object], target: Target
) -> Rule:
    """Return the rule a caller means: versions by name, else a number to keep, else the policy."""
    chosen = [selector_in(model, str(ref)) for ref in versions]
    if chosen:
        state = session.state(model)
        return Chosen(tuple(resolve(state, selector).version for selector in chosen))
    if keep is not None:
        return KeepNewest(keep, target)
    return ByPolicy(session.state(model).policy.retention, session.clock())


def plan(session: Session, model: str, rule: Rule) -> Plan:
    """Say for every version of a model whether *rule* purges it, and why."""
    return retention.plan(session.state(model), rule, needs.adapters(session))


def purge(session: Session, model: str, rule: Rule, grace_s: float, signing: Signing) -> Purge:
    """Carry a rule out: tombstones first, then folders, then what of the blobs is old enough.

    Raises:
        RefusedError: If a version that was named is live, staged, in a rollout, under an alias,
            held or the rollback target.
    """
    _check_grace(session, grace_s)
    adapters = needs.adapters(session)
    planned = _required(session.state(model), rule, adapters).purged
    target = rule.target if isinstance(rule, KeepNewest) else "spared"
    purged: list[str] = []
    for start in range(0, len(planned), _BATCH):
        batch = frozenset(planned[start : start + _BATCH])

        def decide(
            state: State, _at: str, batch: frozenset[str] = batch
        ) -> events.AnyEvent | commands.Unchanged:
            fresh = _required(state, rule, adapters)
            rows = tuple(row for row in fresh.rows if row.version in batch)
            return commands.purge(state, Plan(model, rows, target))

        entry = session.commit(model, decide, events.Purged, signing).entry
        purged += entry.event.versions() if entry else ()  # what went live meanwhile is spared
    return Purge(model, tuple(purged), _freed(session, grace_s, purged))


def _freed(session: Session, grace_s: float, purged: Sequence[str]) -> Collected:
    """Free what was given up; where a lock is not to be had, the tombstones are there already."""
    try:
        return collect(session, grace_s)
    except LockedError as error:
        if not purged:
            raise
        _log.warning("their bytes stay until `holdfast gc` frees them: %s", error)
        return Collected(0, 0, 0, 0, 0)


def _required(state: State, rule: Rule, adapters: Mapping[str, str]) -> Plan:
    """Plan, and refuse if a version that was named must keep its bytes.

    Raises:
        RefusedError: Naming each such version and why.
    """
    planned = retention.plan(state, rule, adapters)
    if isinstance(rule, Chosen):
        kept = [row for row in planned.rows if row.version in rule.versions and not row.purge]
        if kept:
            reasons = [f"{row.version} stays: {row.reason}" for row in kept]
            raise RefusedError(state.model, "purge", reasons, "name the others alone")
    return planned


def delete(session: Session, model: str, signing: Signing, *, by_force: bool) -> Moved:
    """Delete a model; its journal and manifests stay."""
    commands.check_force(signing.reason, by_force=by_force)
    state = session.state(model)
    if not by_force:
        _require_no_adapter(session, state)
    outcome = session.commit(
        model, lambda state, _at: commands.delete(state, by_force=by_force), events.Deleted, signing
    )
    return moved(outcome)


def _require_no_adapter(session: Session, state: State) -> None:
    """Refuse if an adapter of another model is put on a version of this one.

    Raises:
        RefusedError: Naming each such version and its adapter.
    """
    adapters = needs.adapters(session)
    reasons = [
        f"{record.version} is the base of {adapters[record.manifest]}"
        for record in state.present()
        if record.manifest in adapters
        and not adapters[record.manifest].startswith(f"{state.model}@")
    ]
    if reasons:
        advice = "purge the adapters first, or delete it all the same: --force --reason …"
        raise RefusedError(state.model, "delete", reasons, advice)


def collect(session: Session, grace_s: float) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Raises:
        StoreError: If the store is gone, or another is in its place.
        DamagedError: If a journal or manifest is missing or cannot be read, for what it names is
            then unknown.
    """
    _check_grace(session, grace_s)
    session.require_same()
    collected = session.place.collect(lambda: needs.claims(session), grace_s)
    return replace(collected, leftovers=collected.leftovers + Fleet(session).sweep())


def _check_grace(session: Session, grace_s: float) -> None:
    least = session.place.least_grace_s
    if grace_s < least:
        why = "0" if least == 0 else "one day, for file locks do not reach every writer here"
        raise InvalidInputError(f"grace of {grace_s:g} s", "is too short", f"at least {why}")
