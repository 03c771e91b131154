"""Giving bytes up: purge by plan, deletion of models, and the collector."""

import os
from collections.abc import Iterable, Iterator

from msgspec import Struct

from holdfast.core import commands, events, retention
from holdfast.core.retention import ByPolicy, Chosen, KeepNewest, Plan, Rule, Target
from holdfast.core.state import State
from holdfast.core.views import Moved
from holdfast.errors import InvalidInputError
from holdfast.registry.moves import moved
from holdfast.registry.session import Session, Signing
from holdfast.store import durable, layout

GRACE_S = 7 * 86_400.0
"""Seconds for which bytes that nothing names any more are kept."""

_LEAST_UNLOCKED_GRACE_S = 86_400.0
_BATCH = 1_000


class Collected(Struct, frozen=True):
    """What a collector did.

    Attributes:
        freed_bytes: Length of the blobs removed.
        freed_blobs: How many.
        waiting_bytes: Length of unreferenced blobs that are younger than the grace time.
        waiting_blobs: How many.
        leftovers: Files and folders of crashed writers removed.
    """

    freed_bytes: int
    freed_blobs: int
    waiting_bytes: int
    waiting_blobs: int
    leftovers: int


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
    chosen = [str(ref) if "@" in str(ref) else f"{model}@{ref}" for ref in versions]
    if chosen:
        return Chosen(tuple(session.find(ref)[1].version for ref in chosen))
    if keep is not None:
        return KeepNewest(keep, target)
    return ByPolicy(session.state(model).policy.retention, session.clock())


def plan(session: Session, model: str, rule: Rule) -> Plan:
    """Say for every version of a model whether *rule* purges it, and why."""
    return retention.plan(session.state(model), rule)


def purge(session: Session, model: str, rule: Rule, grace_s: float, signing: Signing) -> Purge:
    """Carry a rule out: tombstones first, then folders, then what of the blobs is old enough."""
    _check_grace(session, grace_s)
    planned = retention.plan(session.state(model), rule).purged
    target = rule.target if isinstance(rule, KeepNewest) else "spared"
    for start in range(0, len(planned), _BATCH):
        batch = frozenset(planned[start : start + _BATCH])

        def decide(
            state: State, _at: str, batch: frozenset[str] = batch
        ) -> events.AnyEvent | commands.Unchanged:
            fresh = retention.plan(state, rule)
            rows = tuple(row for row in fresh.rows if row.version in batch)
            return commands.purge(state, Plan(model, rows, target))

        session.commit(model, decide, events.Purged, signing)
    return Purge(model, planned, collect(session, grace_s))


def delete(session: Session, model: str, signing: Signing, *, by_force: bool) -> Moved:
    """Delete a model; its journal and manifests stay."""
    session.state(model)
    outcome = session.commit(
        model, lambda state, _at: commands.delete(state, by_force=by_force), events.Deleted, signing
    )
    return moved(outcome)


def collect(session: Session, grace_s: float) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Condemned blobs go to the trash first; then all journals are read again, and what an entry
    names by now is put back.

    Raises:
        DamagedError: If a journal or manifest cannot be read, for what it names is then unknown.
    """
    _check_grace(session, grace_s)
    with session.alone():
        return _Collector(session, grace_s).run()


def _check_grace(session: Session, grace_s: float) -> None:
    locks = session.folder.config.probe.locks
    if grace_s < 0 or (not locks and grace_s < _LEAST_UNLOCKED_GRACE_S):
        least = "0" if locks else "one day, for file locks do not reach every writer here"
        raise InvalidInputError(f"grace of {grace_s:g} s", "is too short", f"at least {least}")


class _Collector:
    """One run: the store must not be registered into meanwhile, where locks can see to that."""

    def __init__(self, session: Session, grace_s: float) -> None:
        self._session = session
        self._store = session.folder.store
        self._oldest = durable.now_of(self._store.path("")) - grace_s

    def run(self) -> Collected:
        needed = self._needed()
        blobs = [item for item in self._store.items(layout.BLOBS) if not _is_temporary(item.name)]
        loose = [item for item in blobs if item.name not in needed]
        condemned = [item for item in loose if item.modified <= self._oldest]
        waiting = [item for item in loose if item.modified > self._oldest]
        for item in condemned:
            self._store.move(layout.blob(item.name), f"{layout.TRASH}/{item.name}")
        freed = list(self._empty_trash())
        return Collected(
            freed_bytes=sum(freed),
            freed_blobs=len(freed),
            waiting_bytes=sum(item.size_bytes for item in waiting),
            waiting_blobs=len(waiting),
            leftovers=self._sweep(),
        )

    def _needed(self) -> set[str]:
        """Return the digests that versions name: every manifest, and the files not purged."""
        states = (self._session.ledger(model).state() for model in self._session.journals())
        records = [record for state in states for record in state.versions.values()]
        present = [record for record in records if record.status != "purged"]
        files = (file for record in present for file in self._session.manifest(record).files)
        return {record.manifest for record in records}.union(file.sha256 for file in files)

    def _empty_trash(self) -> Iterator[int]:
        """Put back what an entry names by now, remove the rest; yield the lengths removed."""
        needed = self._needed()
        for item in list(self._store.items(layout.TRASH)):
            key = f"{layout.TRASH}/{item.name}"
            if item.name in needed:
                self._store.move(key, layout.blob(item.name))
            else:
                self._store.delete(key)
                yield item.size_bytes

    def _sweep(self) -> int:
        """Remove what crashed writers left, if it is old enough; return how many."""
        swept = 0
        for parent, folders, files in os.walk(self._store.path("")):
            for name in filter(_is_temporary, [*folders, *files]):
                path = os.path.join(parent, name)
                if os.lstat(path).st_mtime <= self._oldest:
                    durable.remove(path)
                    swept += 1
            folders[:] = [name for name in folders if not _is_temporary(name)]
        return swept


def _is_temporary(name: str) -> bool:
    return name.startswith(layout.TEMPORARY)
