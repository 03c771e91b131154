"""Real entries, each following the one before, with the state after each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import PolicySet
from holdfast.core.policy import Policy
from holdfast.core.state import State, empty, fold

MODEL = "iris"
COMMIT = "c0" * 16
_NOW = datetime(2026, 3, 3, 14, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Written:
    """An entry's bytes, and the fold up to and with it."""

    raw: bytes
    state: State


def entry(before: State, commit: str = COMMIT) -> Written:
    """Return an entry that may follow *before*."""
    seq = before.seq + 1
    at = entries.next_time(_NOW, before.at)
    event = PolicySet(policy=Policy(approvals=seq % 3))
    raw, _ = entries.write(MODEL, seq, before.head, at, Stamp(_NOW, "ana", commit), event)
    read = entries.read(raw, MODEL, seq, before.head)
    return Written(raw, fold(before, [(read, entries.digest(raw))]))


def chain() -> Iterator[Written]:
    """Go through an endless journal from its first entry."""
    state = empty(MODEL)
    while True:
        written = entry(state)
        yield written
        state = written.state


def far_entry(seq: int) -> Written:
    """Return the entry that would stand at a number too high to write all before it."""
    return entry(State(MODEL, seq=seq - 1, head="ab" * 32, at=entries.format_time(_NOW)))
