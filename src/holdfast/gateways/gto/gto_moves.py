"""What a model's journal says, as GTO can say it: each entry's changes, a second apart.

GTO orders tags by the second at which they were made, so that entries of one second are given
seconds that rise. Counters are the numbers of entries. The same journal makes the same tags.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from msgspec import Struct

from holdfast.core import events, history
from holdfast.core.entry import Entry
from holdfast.core.entry_signature import EntrySignature
from holdfast.core.rollout.rollout_events import RolloutStarted
from holdfast.core.state import State, empty, fold
from holdfast.gateways.gto.gto_tags import GtoTag

__all__ = ["GtoMove", "moves"]


class GtoMove(Struct, frozen=True):
    """One tag that an entry makes.

    Attributes:
        version: It is put on the commit of this version.
        seq: The entry.
        second: When it was made, in seconds since 1970; of one model no two are equal.
        by: Who wrote the entry.
        why: Its reason, else what it did.
    """

    tag: GtoTag
    version: str
    seq: int
    second: int
    by: str
    why: str


class _Names(Struct, frozen=True):
    """What names name at one moment."""

    holders: dict[str, str]
    newest: str | None
    deleted: bool


def moves(model: str, entries: Sequence[Entry]) -> tuple[list[GtoMove], State]:
    """Say what a model's entries make in GTO's words, and what they add up to.

    Args:
        model: Its name.
        entries: All of them, checked when they were read.
    """
    seen: list[_Names] = []
    started: list[int] = []

    def note(state: State, _entry: Entry) -> None:
        seen.append(_names(state))

    pairs = [(entry, "") for entry in entries]
    last = fold(empty(model), pairs, note, _checked_before)
    seen.append(_names(last))
    second = 0
    made: list[GtoMove] = []
    for entry, (before, after) in zip(entries, pairwise(seen), strict=True):
        if isinstance(entry.event, RolloutStarted):
            started.append(entry.seq)
        for tag, version in _changes(model, entry, before, after):
            second = max(second + 1, _second(entry.at))
            why = entry.reason or history.sentence(entry, started)
            made.append(GtoMove(tag, version, entry.seq, second, entry.by, why))
    return made, last


def _checked_before(_signature: EntrySignature) -> bool:
    return True


def _names(state: State) -> _Names:
    built_in = {"production": state.production, "staging": state.staging}
    holders = {name: version for name, version in built_in.items() if version is not None}
    newest = next(reversed(state.versions), None)
    return _Names(holders | state.aliases, newest, state.deleted)


def _changes(
    model: str, entry: Entry, before: _Names, after: _Names
) -> Iterator[tuple[GtoTag, str]]:
    """Go through what an entry changed, each with the version that it is said of."""
    if after.newest is not None and after.newest != before.newest:
        yield GtoTag(model, "register", version=after.newest), after.newest
    for name, version in sorted(before.holders.items()):
        if name not in after.holders:
            yield GtoTag(model, "unassign", stage=name), version
    for name, version in sorted(after.holders.items()):
        if before.holders.get(name) != version:
            yield GtoTag(model, "assign", stage=name), version
    if isinstance(entry.event, events.Purged):
        for version in sorted(entry.event.reasons):
            yield GtoTag(model, "deregister", version=version), version
    if after.deleted and not before.deleted and after.newest is not None:
        yield GtoTag(model, "deprecate"), after.newest


def _second(at: str) -> int:
    return int(datetime.fromisoformat(at).astimezone(UTC).timestamp())
