"""A journal, walked as a repair would leave it: its gaps are filled where a copy's entry fits.

An entry is taken only if the chain says that it stood there.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.core import strict_json
from holdfast.core.state import State, empty, fold
from holdfast.errors import HoldfastError
from holdfast.registry import repair_lost, store_location
from holdfast.registry.repair_plan import Mend, RepairPlan, make_room
from holdfast.registry.repair_sources import RepairSources
from holdfast.registry.session import Session
from holdfast.signing import genuine
from holdfast.store import layout, projections
from holdfast.store.journal import Journal
from holdfast.store.projections import Pointer


@dataclass(frozen=True, slots=True)
class WalkedJournal:
    """What a journal says once it is repaired.

    Attributes:
        digests: Of its entries, in order.
    """

    state: State
    digests: list[str]


@dataclass(frozen=True, slots=True)
class JournalRepair:
    """Plans how a model's entries are put right."""

    session: Session
    sources: RepairSources
    plan: RepairPlan

    def model_in(self, prefix: str) -> str | None:
        """Ask later entries, and the copy, whose journal is below a prefix."""
        journal = Journal(self.session.open_store.store, prefix)
        model_names = (entries.model_of(read(journal, seq)[0] or b"") for seq in journal.numbers())
        for name in [*model_names, *self.sources.models()]:
            if name is not None and layout.model(name) == prefix:
                return name
        return None

    def examine(self, model: str) -> WalkedJournal | None:
        """Walk a journal with its gaps filled from the copy; `None` if that cannot be done."""
        journal = Journal(self.session.open_store.store, layout.model(model))
        witness, last = self._end(model, journal)
        state, digests = empty(model), []
        for seq in range(1, last + 1):
            raw, problem = read(journal, seq)
            expected_digest = named_by_next(
                journal, seq, functools.partial(_unread, model, seq + 1)
            )
            if witness is not None and seq == witness.seq:
                expected_digest = witness.head
            problem = problem or _problem(raw or b"", state, seq, expected_digest)
            if problem is not None:
                raw = self._entry(state, seq, journal.slot(seq), problem, expected_digest)
            try:
                if raw is None:
                    return None
                entry = entries.read(raw, model, seq, state.head)
                state = fold(state, [(entry, entries.digest(raw))], genuine=genuine)
                digests.append(state.head or "")
            except (HoldfastError, LookupError, ValueError) as error:
                self.plan.leave(model, journal.slot(seq), str(error))
                return None
        return WalkedJournal(state, digests)

    def _end(self, model: str, journal: Journal) -> tuple[Pointer | None, int]:
        """Return the pointer to be believed, and the number of the last entry there was.

        The pointer of a store that was copied beside a writer may have seen what was not copied:
        it is believed as far as there is a copy to fetch that from.
        """
        store = self.session.open_store
        witness = projections.read_pointer(store.store, model)
        last = max([0, *journal.numbers()])
        if witness is None and not last and store.known.has(model):
            return None, repair_lost.last_entry(self.sources, model)
        if witness is None or witness.seq <= last:
            return witness, last
        if not store_location.is_elsewhere(store, model, witness):
            return witness, witness.seq
        while last < witness.seq and self.sources.entry(model, last + 1) is not None:
            last += 1
        return (witness, last) if last == witness.seq else (None, last)

    def _entry(
        self, state: State, seq: int, slot: str, problem: str, expected_digest: str | None
    ) -> bytes | None:
        """Have an entry fetched, if the copy's fits the one before and the one after."""
        theirs = self.sources.entry(state.model, seq)
        misfit = _problem(theirs, state, seq, expected_digest) if theirs else "has none"
        if theirs is None or misfit is not None:
            message = f"{problem}; {self.sources.name}: {misfit}"
            self.plan.leave(state.model, slot, message)
            return None
        mend = Mend(state.model, slot, "fetch", problem, self.sources.name)
        self.plan.add(
            mend, functools.partial(restore, self.session, layout.model(state.model), seq, theirs)
        )
        return theirs


def restore(session: Session, prefix: str, seq: int, raw: bytes) -> None:
    """Put an entry in the place of whatever is there of it, which is set aside."""
    journal = Journal(session.open_store.store, prefix)
    make_room(session.open_store.store, journal.slot(seq))
    journal.append(seq, raw, _commit_of(raw))


def read(journal: Journal, seq: int) -> tuple[bytes | None, str | None]:
    """Return an entry's bytes, or what keeps them from being read."""
    try:
        raw = journal.read(seq)
    except HoldfastError as error:
        return None, str(error)
    return raw, "missing" if raw is None else None


class _Chained(Struct):
    prev: str | None
    commit: str


def _commit_of(raw: bytes) -> str:
    return strict_json.decode(raw, _Chained).commit


def named_by_next(
    journal: Journal, seq: int, misfit: Callable[[bytes, str | None], str | None]
) -> str | None:
    """Return the digest by which a sound next entry names this one, `None` if it cannot tell.

    Args:
        journal: Where it stands.
        seq: Number of this one.
        misfit: Says of bytes why they cannot be an entry behind one of a digest.
    """
    raw, _problem = read(journal, seq + 1)
    try:
        prev = strict_json.decode(raw or b"", _Chained).prev
    except ValueError:
        return None
    return prev if misfit(raw or b"", prev) is None else None


def _unread(model: str, seq: int, raw: bytes, prev: str | None) -> str | None:
    try:
        entries.read(raw, model, seq, prev)
    except (HoldfastError, ValueError) as error:
        return str(error)
    return None


def _problem(raw: bytes, state: State, seq: int, expected_digest: str | None) -> str | None:
    """Say why bytes cannot be entry *seq* behind *state* and before the entry that names it."""
    try:
        entries.read(raw, state.model, seq, state.head)
    except HoldfastError as error:
        return str(error)
    if expected_digest is not None and entries.digest(raw) != expected_digest:
        return "is not the entry that the next one follows"
    return None
