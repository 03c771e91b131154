"""Which versions say that they were made from which: lineage the other way round.

A manifest names parents and never children, and it never changes. So each is read once for as long
as a program runs, and what it names is kept by its digest.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from holdfast.core.refs import fixed, selector_of
from holdfast.core.state import Record, State
from holdfast.core.views import VersionInfo, version_info
from holdfast.errors import HoldfastError
from holdfast.registry.queries import all_states
from holdfast.registry.session import Session, read_ref
from holdfast.store import concurrent

__all__ = ["Child", "Descent", "descent"]

MOST_READ: Final = 1000
"""Manifests that a page reads at once; the rest are counted, and read when it is asked again."""

_MOST_NAMED: Final = 100
"""Parents of one version that are looked at: a manifest may name any number."""

Named = tuple[tuple[str, str], ...]
"""Kind (`child` or `adapter`) and ref of what a manifest names, in its order."""


@dataclass(frozen=True, slots=True)
class Child:
    """A version that names another: as parent, or as what its adapter is put on."""

    kind: str
    info: VersionInfo


@dataclass(frozen=True, slots=True)
class Descent:
    """Children by model and version of what they name, and how many versions were not looked at."""

    children: Mapping[tuple[str, str], list[Child]]
    unread: int


def descent(session: Session, sees: Callable[[str], bool], most: int | None) -> Descent:
    """Turn lineage round, in the models that *sees* allows; of others nothing shows.

    A ref that means another version later, such as `base@production`, leads to nobody: what it
    meant when it was written is not recorded.

    Args:
        session: The store.
        sees: Allows a model by name.
        most: How many manifests are read now that were never read; `None` for all.
    """
    states = {
        name: state
        for name, state in all_states(session, None)
        if sees(name) and not isinstance(state, HoldfastError)
    }
    unread = _read(session, states, most)
    children: dict[tuple[str, str], list[Child]] = defaultdict(list)
    for state in states.values():
        for parent, child in _told(session, states, state):
            children[parent].append(child)
    return Descent(children, unread)


def _told(
    session: Session, states: Mapping[str, State], state: State
) -> Iterator[tuple[tuple[str, str], Child]]:
    """Go through what the versions of one model name, with the versions that do."""
    for record in state.versions.values():
        for kind, ref in session.named_parents.get(record.manifest, ()):
            parent = _meant(states, ref)
            if parent is not None:
                yield parent, Child(kind, version_info(state, record))


def _read(session: Session, states: Mapping[str, State], most: int | None) -> int:
    """Read what manifests name that were not read yet, the newest first; return how many are left.

    One that is damaged stays unread: its own page tells of it.
    """
    known = session.named_parents
    records = [
        record
        for state in states.values()
        for record in state.versions.values()
        if record.manifest not in known
    ]
    records.sort(key=lambda record: record.registered_at, reverse=True)

    def named(record: Record) -> Named | None:
        try:
            return tuple(_named(session, record))
        except HoldfastError:
            return None

    at_once = session.open_store.store.traits.concurrency if records else 1
    some = records[:most]
    for record, found in zip(some, concurrent.map_ordered(named, some, at_once), strict=True):
        if found is not None:
            known[record.manifest] = found
    return sum(record.manifest not in known for record in records)


def _named(session: Session, record: Record) -> Iterator[tuple[str, str]]:
    lineage = session.manifest(record).lineage
    if lineage.base is not UNSET:
        yield "adapter", lineage.base
    parents = dict.fromkeys(lineage.parents[:_MOST_NAMED])
    yield from (("child", ref) for ref in parents)


def _meant(states: Mapping[str, State], ref: str) -> tuple[str, str] | None:
    """Return the model and version that a ref means for ever, where it may be seen."""
    try:
        parsed = read_ref(ref)
        state = states.get(parsed.model)
        version = None if state is None else fixed(state, selector_of(parsed))
    except HoldfastError:
        return None
    return None if version is None else (parsed.model, version)
