"""One model's journal as a process uses it: read what is new, fold, decide, append, try again."""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from holdfast.core import commands, trust
from holdfast.core import entry as entries
from holdfast.core.commands import Unchanged
from holdfast.core.entry import Entry, Stamp
from holdfast.core.events import AnyEvent
from holdfast.core.heads import Head
from holdfast.core.state import State, empty, fold
from holdfast.errors import BusyError, ConflictError, DamagedError, HoldfastError
from holdfast.registry import folds, pins, whereabouts
from holdfast.registry.missing import lost
from holdfast.signing import genuine
from holdfast.store import TakenError, in_order, layout, projections
from holdfast.store.journal import Journal
from holdfast.store.place import Change, Place
from holdfast.store.projections import Pointer

_log = logging.getLogger(__name__)
_TORN = (
    "journal of %s ends at entry %d, but its active_version.json, written elsewhere, has seen "
    "entry %d: the store was copied while somebody wrote; `holdfast repair --from` the original "
    "fetches what is missing, `holdfast repair` goes on without it"
)
_LAGGING = "projections of %s lag behind its journal: %s"
_ATTEMPTS = 64
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.1

Decide = Callable[[State, str], AnyEvent | Unchanged]
"""From the state and the time of the entry to an event; called again after a lost race."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish.

    Attributes:
        state: After it.
        entry: The one written, `None` if nothing was to be done.
        unchanged: Why nothing was, `None` if an entry was written.
    """

    state: State
    entry: Entry | None
    unchanged: Unchanged | None


class Ledger:
    """A model's journal, folded as far as it was read.

    The state handed out is never changed afterwards, so readers on other threads keep what they
    have.

    Args:
        place: Where it is.
        model: The model's name.
        pin: A head that was seen: the journal must have it.
    """

    def __init__(self, place: Place, model: str, pin: Head | None = None) -> None:
        self._place = place
        self._pin = pin
        self._store = place.store
        self._id = place.config.id
        self._model = model
        self._journal = Journal(place.store, layout.model(model))
        self._memory = whereabouts.Memory(place, model)
        self._state: State | None = None
        self._newest: Entry | None = None  # of those written here
        self._noted = False

    @property
    def seen(self) -> State | None:
        """The state as it was read last, without a look at what is new; None before the first."""
        return self._state

    def state(self) -> State:
        """Return the state as the journal has it now.

        Raises:
            DamagedError: If an entry is missing, changed, cut off, or not signed as it must be.
            NewerFormatError: If a newer Holdfast wrote an entry.
        """
        if self._state is not None:
            self._state = self._present(self._advance(self._state))
            return self._state
        witness = projections.read_pointer(self._store, self._model)
        self._state = self._present(self._open(witness))
        if self._state.seq and projections.behind(witness, self._state):
            self._heal()  # whoever wrote last was stopped before it could, or is at it
        return self._state

    def _present(self, state: State) -> State:
        """Return *state*, or refuse to take a journal that is gone for one that never was.

        The note is written after the first entry: whoever has seen it finds the entry by then.
        """
        if state.seq or not self._place.known.has(self._model):
            return state
        found = self._advance(state)
        if found.seq:
            return found
        raise lost(self._model)

    def _open(self, witness: Pointer | None) -> State:
        start = folds.find(self._id, self._model, self._journal) if self._pin is None else None
        known = start.seq if start and not self._store.traits.near else 0
        state = self._advance(start or empty(self._model), self._journal.tail(known))
        if state.seq - (start.seq if start else 0) >= self._store.traits.fold_every:
            folds.keep(self._id, state)
        self._check(witness, state)
        pins.check(self._pin, state)
        if state.seq:
            self._memory.keep(state.seq, state.head)
        return state

    def _advance(self, state: State, known: int = 0) -> State:
        """Fold what follows *state*; entries up to *known* are there to be read some at a time."""
        news = []
        seq, head = state.seq, state.head
        for raw in self._journal.since(seq + 1, known):
            entry = entries.read(raw, self._model, seq + 1, head)
            seq, head = entry.seq, entries.digest(raw)
            pins.compare(self._pin, self._journal.slot(seq), seq, head)
            news.append((entry, head))
        return self._folded(state, news) if news else state

    def _folded(self, state: State, news: Sequence[tuple[Entry, str]]) -> State:
        """Fold entries that are sound each by itself.

        Raises:
            DamagedError: If one tells of what never was, such as a version nobody registered.
        """
        try:
            return fold(state, news, genuine=genuine)
        except (LookupError, ValueError) as error:
            for entry, head in news:
                try:
                    state = fold(state, [(entry, head)], genuine=genuine)
                except (LookupError, ValueError):
                    raise DamagedError(
                        self._journal.slot(entry.seq), f"cannot be true: {error}", "restore a copy"
                    ) from error
            raise

    def _check(self, witness: Pointer | None, state: State) -> None:
        """Refuse a journal without the last entry that the projection has seen.

        If the projection was written elsewhere, the store was copied beside a writer, and the
        copy's end is where it is: that is said, and taken for the end.
        """
        if witness is None or not self._is_denied(witness, state):
            return
        if self._is_torn(witness, state):
            if witness.seq > state.seq:
                _log.warning(_TORN, self._model, state.seq, witness.seq)
            return
        if witness.seq > state.seq:
            raise DamagedError(
                f"journal of {self._model}",
                f"ends at entry {state.seq}, but entry {witness.seq} was seen",
                f"restore {self._journal.slot(state.seq + 1)} and what follows from a copy",
            )
        raise DamagedError(
            self._journal.slot(witness.seq),
            "is another entry than active_version.json has seen",
            "restore the journal from a copy",
        )

    def _is_denied(self, witness: Pointer, state: State) -> bool:
        """Tell whether the journal does not have the entry that a projection has seen."""
        if witness.seq > state.seq:
            return True
        return witness.seq > 0 and self._digest_at(witness.seq, state) != witness.head

    def _digest_at(self, seq: int, state: State) -> str | None:
        """Return the digest of an entry up to *state*: the last two are known without a look."""
        if seq == state.seq:
            return state.head
        newest = self._newest
        if newest is not None and seq + 1 == newest.seq == state.seq:
            return newest.prev
        raw = self._journal.read(seq)
        return None if raw is None else entries.digest(raw)

    def _is_torn(self, witness: Pointer, state: State) -> bool:
        """Tell whether a projection that the journal denies came from elsewhere.

        A store that was seen further at this path, or with another entry, is no copy that was made
        here, but took its place.
        """
        elsewhere = whereabouts.is_elsewhere(self._place, self._model, witness)
        return elsewhere and self._memory.fits(state.seq, lambda seq: self._digest_at(seq, state))

    def _check_last(self, state: State) -> None:
        """Refuse to write after an entry that was seen and is gone or another one by now."""
        raw = self._journal.read(state.seq) if state.seq else None
        if state.seq and (raw is None or entries.digest(raw) != state.head):
            raise DamagedError(
                self._journal.slot(state.seq),
                "was seen, and is missing or another one by now",
                "restore it from a copy",
            )

    def entries(self) -> Iterator[Entry]:
        """Go through all entries from the first, each checked against the one before.

        Raises:
            DamagedError: At the first that is missing, changed or cut off.
        """
        return (entry for entry, _ in self.audit())

    def audit(self) -> Iterator[tuple[Entry, str]]:
        """Go through all entries as `entries` does, each with the digest of its bytes."""
        head = None
        tail = self._journal.tail()
        if self._state is not None and tail < self._state.seq:
            raise DamagedError(
                self._journal.slot(tail + 1), "was seen, and is missing", "restore it from a copy"
            )
        for seq, raw in enumerate(self._journal.read_many(1, tail), start=1):
            if raw is None:
                raise DamagedError(self._journal.slot(seq), "missing from the journal")
            entry = entries.read(raw, self._model, seq, head)
            head = entries.digest(raw)
            yield entry, head

    def last(self, count: int) -> list[Entry]:
        """Return the last *count* entries, oldest first."""
        last = self.state().seq
        first = max(1, last - count + 1)
        head = entries.digest(self._journal.read(first - 1) or b"") if first > 1 else None
        found = []
        for seq in range(first, last + 1):
            raw = self._journal.read(seq) or b""
            found.append(entries.read(raw, self._model, seq, head))
            head = entries.digest(raw)
        return found

    def raw_entries(self) -> Iterator[bytes]:
        """Go through the bytes of all entries from the first."""
        for raw in self._journal.read_many(1, self.state().seq):
            yield raw or b""

    def commit(
        self, decide: Decide, stamp: Callable[[], Stamp], operation: type[AnyEvent]
    ) -> Outcome:
        """Fulfil a wish by one entry: read, fold, decide, append, and again if a rival was faster.

        Args:
            decide: What to do, given the state; refuses by raising.
            stamp: Makes a new stamp for each attempt.
            operation: The event wished for, to recognise a repeated idempotency key.

        Raises:
            BusyError: If rivals were faster too often.
            ConflictError: If the idempotency key was used for something else.
            OutcomeUnknownError: If it cannot be told whether the entry was written.
        """
        for attempt in range(_ATTEMPTS):
            state = self._checked(supposed=attempt == 0)
            signed = stamp()
            repeated = commands.repeated(state, signed.key, operation)
            at = entries.next_time(signed.at, state.at)
            try:
                event = repeated or decide(state, at)
            except HoldfastError:
                if self.state() is state:
                    raise
                continue  # it was refused on what is no longer so
            if isinstance(event, Unchanged):
                if self.state() is state:
                    return Outcome(state, None, event)
                continue
            trust.check_signer(state.model, state.policy, event, signed)
            seq, head = state.seq + 1, state.head
            raw, entry = entries.write(self._model, seq, head, at, signed, event)
            if trust.demands(event):
                self._journal.seal()
            try:
                self._journal.append(seq, raw, signed.commit)
            except TakenError:
                import random

                longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
                time.sleep(random.uniform(0, longest))  # noqa: S311 - rivals must not step in time
                continue
            return self._written(state, raw, entry)
        raise BusyError(self._model, f"other writers won {_ATTEMPTS} times in a row")

    def _checked(self, *, supposed: bool) -> State:
        """Return the state to write after, once its last entry and the pointer were looked at.

        Args:
            supposed: Far away, what was read before may be supposed to be all: if it is not, the
                entry's place is taken, and its writer comes again.
        """
        state = self._state if supposed and not self._store.traits.near else None
        if state is None or not state.seq:
            witness = self._place.projections.look(self._model)  # before the journal
            state = self.state()
            self._check(witness, state)
            self._check_last(state)
            return state
        looks: list[Callable[[], Pointer | None]] = [
            functools.partial(self._place.projections.look, self._model),
            functools.partial(self._check_last, state),
        ]
        witness, _ = in_order.answers(lambda look: look(), looks, len(looks))
        if witness is not None and witness.seq > state.seq:
            return self._checked(supposed=False)
        self._check(witness, state)
        return state

    def _written(self, state: State, raw: bytes, entry: Entry) -> Outcome:
        self._state = fold(state, [(entry, entries.digest(raw))], genuine=genuine)
        self._newest = entry
        self._memory.keep(self._state.seq, self._state.head)
        if self._state.seq % self._store.traits.fold_every == 0:
            folds.keep(self._id, self._state)
        return Outcome(self._state, entry, None)

    def restore(self, raw: bytes, seq: int, head: str | None) -> str:
        """Write an entry of another registry's journal at its own place; return its digest.

        Raises:
            ConflictError: If this journal has another entry there.
            DamagedError: If the entry does not belong there.
        """
        entry = entries.read(raw, self._model, seq, head)
        self._newest = None
        if trust.demands(entry.event):
            self._journal.seal()
        try:
            self._journal.append(seq, raw, entry.commit)
        except TakenError:
            raise ConflictError(
                self._model, f"has another history: its entry {seq} differs", "import it elsewhere"
            ) from None
        return entries.digest(raw)

    def project(self) -> None:
        """Bring the projections up to date; failing to is logged and fails nothing."""
        try:
            if not self._noted:
                self._place.known.add(self._model)
                self._noted = True
            self._place.projections.write(self._model, self._change)
        except (HoldfastError, OSError) as error:
            _log.warning(_LAGGING, self._model, error)

    def _heal(self) -> None:
        """Bring the projections up to date if nobody else is at it: who only reads never waits."""
        try:
            self._place.projections.heal(self._model, self._change)
        except (HoldfastError, OSError) as error:
            _log.warning(_LAGGING, self._model, error)

    def _change(self, pointer: Pointer | None) -> Change | None:
        state = self._state if self._is_own() else None
        state = state or self.state()
        if pointer and self._is_denied(pointer, state) and self._is_torn(pointer, state):
            pointer = None  # it tells of another history than the one that goes on here
        if not projections.behind(pointer, state):
            return None
        return Change(state, self._touched(pointer, state))

    def _is_own(self) -> bool:
        """Tell whether what is known of a journal far away was written here: no look is due."""
        newest, state = self._newest, self._state
        same = newest is not None and state is not None and newest.seq == state.seq
        return same and not self._store.traits.near

    def _touched(self, pointer: Pointer | None, state: State) -> list[str]:
        """Name the versions that changed since the pointer was written, each once."""
        if pointer is None:
            return list(state.versions)
        newest = self._newest
        if newest is not None and pointer.seq + 1 == newest.seq == state.seq:
            return list(newest.event.versions())  # the usual case needs no look at the journal
        named: dict[str, None] = {}
        head = pointer.head
        for seq in range(pointer.seq + 1, state.seq + 1):
            raw = self._journal.read(seq) or b""
            event = entries.read(raw, self._model, seq, head).event
            named |= dict.fromkeys(event.versions())
            head = entries.digest(raw)
        return list(named)

    def rebuild(self) -> None:
        """Write all projections anew."""
        state = self.state()
        self._place.projections.write(self._model, lambda _pointer: Change(state, state.versions))
