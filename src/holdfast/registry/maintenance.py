"""Removing bytes: purge by plan, deletion of models, and the collector."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import commands, events, retention
from holdfast.core.idempotency import Unchanged
from holdfast.core.refs import resolve, selector_in
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, PurgePlan, Rule, Target
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import InvalidInputError, LockedError, RefusedError
from holdfast.registry import reachable_blobs
from holdfast.registry.commits import moved
from holdfast.registry.fleet_reports import Fleet
from holdfast.registry.reachable_blobs import Contents
from holdfast.registry.session import CommitOptions, Session
from holdfast.store.open_store import Collected

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


def plan(session: Session, model: str, rule: Rule) -> PurgePlan:
    """Say for every version of a model whether *rule* purges it, and why."""
    state = session.state(model)
    return retention.plan(state, rule, _adapters(Contents(session), state, rule))


def purge(
    session: Session, model: str, rule: Rule, grace_s: float, options: CommitOptions
) -> Purge:
    """Carry a rule out: first tombstones, then folders, then blobs that are old enough.

    Raises:
        RefusedError: If a version that was named is live, staged, in a rollout, under an alias,
            held or the rollback target.
    """
    _check_grace(session, grace_s)
    contents, state = Contents(session), session.state(model)
    adapters = _adapters(contents, state, rule)
    planned = _required(state, rule, adapters).purged
    target = rule.target if isinstance(rule, KeepNewest) else "spared"
    purged: list[str] = []
    for start in range(0, len(planned), _BATCH):
        batch = frozenset(planned[start : start + _BATCH])

        def decide(
            state: State, _at: str, batch: frozenset[str] = batch
        ) -> events.AnyEvent | Unchanged:
            fresh = _required(state, rule, adapters)
            rows = tuple(row for row in fresh.rows if row.version in batch)
            return commands.purge(state, PurgePlan(model, rows, target))

        once = CommitOptions(options.reason) if start else options  # a key is for one entry
        entry = session.commit(model, decide, events.Purged, once).entry
        purged += entry.event.versions() if entry else ()  # what went live meanwhile is spared
    return Purge(model, tuple(purged), _freed(contents, grace_s, purged))


def _adapters(contents: Contents, state: State, rule: Rule) -> Mapping[str, str]:
    """Name the adapters if there is anything to purge; else damage elsewhere does not matter."""
    anything = any(row.purge for row in retention.plan(state, rule, {}).rows)
    return reachable_blobs.adapters(contents) if anything else {}


def _freed(contents: Contents, grace_s: float, purged: Sequence[str]) -> Collected:
    """Free what was purged; if the lock cannot be taken, the tombstones are written already."""
    try:
        return _collect(contents, grace_s)
    except LockedError as error:
        if not purged:
            raise
        _log.warning("their bytes stay until `holdfast gc` frees them: %s", error)
        return Collected(0, 0, 0, 0, 0)


def _required(state: State, rule: Rule, adapters: Mapping[str, str]) -> PurgePlan:
    """Plan, and refuse if a version that was named must keep its bytes.

    Raises:
        RefusedError: Naming each such version and why.
    """
    planned = retention.plan(state, rule, adapters)
    if isinstance(rule, Chosen):
        retained_rows = [
            row for row in planned.rows if row.version in rule.versions and not row.purge
        ]
        if retained_rows:
            reasons = [f"{row.version} stays: {row.reason}" for row in retained_rows]
            raise RefusedError(state.model, "purge", reasons, "name only the others")
    return planned


def delete(session: Session, model: str, options: CommitOptions, *, by_force: bool) -> Moved:
    """Delete a model; its journal and manifests stay."""
    commands.check_force(options.reason, by_force=by_force)
    state = session.state(model)
    if not by_force:
        _require_no_adapter(session, state)
    outcome = session.commit(
        model, lambda state, _at: commands.delete(state, by_force=by_force), events.Deleted, options
    )
    return moved(outcome)


def _require_no_adapter(session: Session, state: State) -> None:
    """Refuse if an adapter of another model is put on a version of this one.

    Raises:
        RefusedError: Naming each such version and its adapter.
    """
    adapters = reachable_blobs.adapters(Contents(session))
    reasons = [
        f"{record.version} is the base of {adapters[record.manifest]}"
        for record in state.present()
        if record.manifest in adapters
        and not adapters[record.manifest].startswith(f"{state.model}@")
    ]
    if reasons:
        advice = "purge the adapters first, or delete it anyway: --force --reason …"
        raise RefusedError(state.model, "delete", reasons, advice)


def collect(session: Session, grace_s: float) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Raises:
        StoreError: If the store is gone, or another is in its place.
        DamagedError: If a journal or manifest is missing or cannot be read, because what it names
            is then unknown.
    """
    return _collect(Contents(session), grace_s)


def _collect(contents: Contents, grace_s: float) -> Collected:
    session = contents.session
    _check_grace(session, grace_s)
    session.require_same()
    collected = session.open_store.collect(lambda: reachable_blobs.claims(contents), grace_s)
    return replace(collected, leftovers=collected.leftovers + Fleet(session).sweep())


def _check_grace(session: Session, grace_s: float) -> None:
    least = session.open_store.least_grace_s
    if grace_s < least:
        why = "0" if least == 0 else "one day, as file locks do not reach every writer here"
        raise InvalidInputError(f"grace of {grace_s:g} s", "is too short", f"give at least {why}")
