"""One model's journal as a process uses it: read what is new, fold, decide, append, try again."""

import functools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from holdfast import forks
from holdfast.core import entry as entries
from holdfast.core import idempotency, trust
from holdfast.core.entry import Entry, Stamp
from holdfast.core.entry_signature import EntrySignature
from holdfast.core.events import AnyEvent
from holdfast.core.heads import Head
from holdfast.core.idempotency import Unchanged
from holdfast.core.state import State, empty, fold
from holdfast.errors import BusyError, ConflictError, DamagedError, HoldfastError
from holdfast.registry import folds, pins
from holdfast.registry.missing import lost
from holdfast.registry.opening import NOTHING, About, Opening
from holdfast.registry.warned import warn
from holdfast.registry.witnesses import Witnesses
from holdfast.store import TakenError, concurrent, layout, projections
from holdfast.store.journal import RESTORE, Journal
from holdfast.store.open_store import OpenStore, ProjectionUpdate
from holdfast.store.projections import Pointer

_LAGGING = "projections of %s lag behind its journal: %s"
_ATTEMPTS = 64
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.1
_FRESH_S = 30.0
"""How long after opening a remote journal a write needs no second look at it."""

Decide = Callable[[State, str], AnyEvent | Unchanged]
"""From the state and the time of the entry to an event; called again after a lost race."""


def genuine(signature: EntrySignature) -> bool:
    """Tell whether an entry's signature is; only signed journals need the library for that."""
    from holdfast.signing import checks

    return checks.genuine(signature)


class CommitResult(Struct, frozen=True):
    """The outcome of a commit.

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

    Threads may share it. The state handed out is never changed afterwards, so readers on other
    threads keep what they have, and a reader waits for other readers alone.

    Args:
        store: Where it is.
        model: The model's name.
        pin: A pinned head: the journal must have it.
    """

    def __init__(self, store: OpenStore, model: str, pin: Head | None = None) -> None:
        self._place = store
        self._pin = pin
        self._store = store.store
        self._id = store.config.id
        self._model = model
        self._journal = Journal(store.store, layout.model(model))
        self._witnesses = Witnesses(store, model, self._journal)
        self._opening = Opening(store.store, model)
        self._state: State | None = None
        self._newest: Entry | None = None  # of those written here
        self._noted = False
        self._looked_at = -math.inf
        self.after_fork()
        forks.tell(self)

    def after_fork(self) -> None:
        """Begin with locks that nobody holds; whoever takes both takes `_writing` first."""
        self._reading = threading.RLock()  # held while what was read is replaced
        self._writing = threading.RLock()  # held from decision to entry, and readers do not wait

    @property
    def seen(self) -> State | None:
        """The state as last read, without a look at what is new; None before the first read."""
        return self._state

    def state(self, about: About = NOTHING) -> State:
        """Return the state as the journal has it now.

        Args:
            about: What is known of the journal already, where it is read for the first time.

        Raises:
            DamagedError: If an entry is missing, changed, cut off, or not signed as it must be.
            NewerFormatError: If a newer Holdfast wrote an entry.
        """
        with self._reading:
            return self._present_state(about)

    def _present_state(self, about: About) -> State:
        if self._state is not None:
            if about.end is None or about.end.last != self._state.seq:
                self._state = self._accepted(self._present(self._advance(self._state)))
            return self._state
        witness = about.witness or self._place.projections.look(self._model)
        about.on_pointer(witness)
        self._state = self._accepted(self._present(self._open(witness, about)))
        self._looked_at = time.monotonic()
        if self._state.seq and projections.behind(witness, self._state):
            self.heal()  # the last writer was stopped before it could, or is doing so now
        elif witness is not None and self._place.config.known and not self._store.traits.is_local:
            self._noted = True  # before a pointer is written
        return self._state

    def _accepted(self, state: State) -> State:
        """Tell the store that *state* was folded and nothing was wrong with it."""
        self._place.accepted(self._model, state.seq)
        return state

    def _present(self, state: State) -> State:
        """Return *state*; refuse if the journal is lost, which differs from one that never existed.

        The note is written after the first entry: whoever has seen it finds the entry by then.
        """
        if state.seq or not self._place.known.has(self._model):
            return state
        newer_state = self._advance(state)
        if newer_state.seq:
            return newer_state
        raise lost(self._model)

    def _open(self, witness: Pointer | None, about: About) -> State:
        start = folds.find(self._id, self._model, self._journal) if self._pin is None else None
        near = self._store.traits.is_local
        state = None if near else self._hastened(start or empty(self._model), witness, about)
        if state is None:
            known = start.seq if start and not near else 0
            state = self._advance(start or empty(self._model), self._journal.tail(known))
        if state.seq - (start.seq if start else 0) >= self._store.traits.fold_every:
            folds.keep(self._id, state)
        self._witnesses.check(witness, state, self._newest)
        pins.check(self._pin, state)
        if state.seq:
            self._witnesses.memory.keep(state.seq, state.head)
        return state

    def _hastened(self, start: State, witness: Pointer | None, about: About) -> State | None:
        """Fold what follows *start* with few requests; `None` where these prove nothing."""
        try:
            raws = self._opening.read(start.seq, witness, about)
            state = None if raws is None else self._read_on(start, raws)
        except HoldfastError:  # the entries themselves show what is wrong, if anything is
            return None
        if state is not None:
            self._opening.recall(witness, state)
        return state

    def _advance(self, state: State, known: int = 0) -> State:
        """Fold what follows *state*; entries up to *known* are there to be read some at a time."""
        return self._read_on(state, self._journal.since(state.seq + 1, known))

    def _read_on(self, state: State, raws: Iterable[bytes]) -> State:
        """Fold the entries that follow *state*, each checked."""
        new_entries = []
        recent = self._opening.recent.copy()
        seq, head = state.seq, state.head
        for raw in raws:
            entry = entries.read(raw, self._model, seq + 1, head)
            seq, head = entry.seq, entries.digest(raw)
            if self._pin is not None:
                pins.compare(self._pin, self._journal.slot(seq), seq, head)
            new_entries.append((entry, head))
            recent.append(raw)
        folded = self._folded(state, new_entries) if new_entries else state
        self._opening.recent = recent
        return folded

    def _folded(self, state: State, new_entries: Sequence[tuple[Entry, str]]) -> State:
        """Fold entries that are sound each by itself.

        Raises:
            DamagedError: If one refers to what never existed, such as a version nobody registered.
        """
        try:
            return fold(state, new_entries, genuine=genuine)
        except (LookupError, ValueError) as error:
            for entry, head in new_entries:
                try:
                    state = fold(state, [(entry, head)], genuine=genuine)
                except (LookupError, ValueError):
                    raise DamagedError(
                        self._journal.slot(entry.seq), f"cannot be true: {error}", RESTORE
                    ) from error
            raise

    def entries(self) -> Iterator[Entry]:
        """Go through all entries from the first, each checked against the one before.

        Raises:
            DamagedError: At the first that is missing, changed or cut off.
        """
        return (entry for entry, _ in self.audit())

    def audit(self) -> Iterator[tuple[Entry, str]]:
        """Go through all entries as `entries` does, each with the digest of its bytes."""
        head = None
        seen = self._state  # before the journal: another thread may write meanwhile
        tail = self._journal.tail()
        if seen is not None and tail < seen.seq:
            raise DamagedError(
                self._journal.slot(tail + 1), "was seen, but is now missing", RESTORE
            )
        for seq, raw in enumerate(self._journal.read_many(1, tail), start=1):
            if raw is None:
                raise DamagedError(self._journal.slot(seq), "is missing from the journal", RESTORE)
            entry = entries.read(raw, self._model, seq, head)
            head = entries.digest(raw)
            yield entry, head

    def last(self, count: int, state: State) -> list[Entry]:
        """Return the last *count* entries up to *state*, oldest first."""
        last = state.seq
        first = max(1, last - count + 1)
        recent = self._opening.last(first, state)
        raws: Iterable[bytes | None] = recent or self._journal.read_many(first, last)
        head = entries.prev_of(recent[0]) or None if recent else self._digest_of(first - 1)
        last_entries = []
        for seq, raw in enumerate(raws, start=first):
            last_entries.append(entries.read(raw or b"", self._model, seq, head))
            head = entries.digest(raw or b"")
        return last_entries

    def _digest_of(self, seq: int) -> str | None:
        return entries.digest(self._journal.read(seq) or b"") if seq else None

    def raw_entries(self) -> Iterator[bytes]:
        """Go through the bytes of all entries from the first."""
        for raw in self._journal.read_many(1, self.state().seq):
            yield raw or b""

    def commit(
        self, decide: Decide, stamp: Callable[[], Stamp], operation: type[AnyEvent]
    ) -> CommitResult:
        """Commit one entry: read, fold, decide, append, and repeat if a rival was faster.

        Args:
            decide: What to do, given the state; refuses by raising.
            stamp: Makes a new stamp for each attempt.
            operation: The requested event, to recognise a repeated idempotency key.

        Raises:
            BusyError: If rivals were faster too often.
            ConflictError: If the idempotency key was used for something else.
            OutcomeUnknownError: If it is unknown whether the entry was written.
        """
        with self._writing:
            return self._commit(decide, stamp, operation)

    def _commit(
        self, decide: Decide, stamp: Callable[[], Stamp], operation: type[AnyEvent]
    ) -> CommitResult:
        for attempt in range(_ATTEMPTS):
            state = self._checked(supposed=attempt == 0)
            signed = stamp()
            repeated = idempotency.repeated(state, signed.key, operation)
            at = entries.next_time(signed.at, state.at)
            try:
                event = repeated or decide(state, at)
            except HoldfastError:
                if self.state() is state:
                    raise
                continue  # the refusal's reason no longer applies
            if isinstance(event, Unchanged):
                if self.state() is state:
                    return CommitResult(state, None, event)
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
        raise BusyError(self._model, f"was written by others {_ATTEMPTS} times in a row")

    def commit_all(
        self,
        decides: Sequence[Decide],
        stamp: Callable[[], Stamp],
        prepare: Callable[[], object],
    ) -> int:
        """Commit entries one behind the other; all are decided before the first is written.

        Args:
            decides: What to do, each given the state behind those before it; refuses by raising,
                and then nothing is written.
            stamp: Makes a stamp for each.
            prepare: Stores what the entries name; called once all are decided.

        Returns:
            How many were written: all, or those before the first whose place a rival took.
        """
        with self._writing:
            before = self._checked(supposed=False)
            planned = list(self._planned(before, decides, stamp))
            prepare()
            raws = [raw for raw, _, _ in planned]
            count = self._journal.append_all(before.seq + 1, raws)
            if count:
                _, entry, after = planned[count - 1]
                self._accept(before, after, raws[:count], entry)
            return count

    def _planned(
        self, state: State, decides: Iterable[Decide], stamp: Callable[[], Stamp]
    ) -> Iterator[tuple[bytes, Entry, State]]:
        """Go through entries to be written one behind the other, each with the state after it."""
        for decide in decides:
            signed = stamp()
            at = entries.next_time(signed.at, state.at)
            event = decide(state, at)
            assert not isinstance(event, Unchanged)  # noqa: S101 - each is something new
            trust.check_signer(state.model, state.policy, event, signed)
            raw, entry = entries.write(self._model, state.seq + 1, state.head, at, signed, event)
            if trust.demands(event):
                self._journal.seal()
            state = fold(state, [(entry, entries.digest(raw))], genuine=genuine)
            yield raw, entry, state

    def _checked(self, *, supposed: bool) -> State:
        """Return the state to write after, once its last entry and the pointer were looked at.

        Args:
            supposed: In a bucket, what was read before may be assumed to be all: if it is not, the
                entry's place is taken, and its writer tries again.
        """
        state = self._state if supposed and not self._store.traits.is_local else None
        fresh = time.monotonic() - self._looked_at < _FRESH_S
        self._looked_at = -math.inf
        if state is not None and state.seq and fresh:
            return state  # both were checked a moment ago, when it was opened
        if state is None or not state.seq:
            witness = self._place.projections.look(self._model)  # before the journal
            state = self.state()
            self._witnesses.check(witness, state, self._newest)
            self._witnesses.check_last(state)
            return state
        looks: list[Callable[[], Pointer | None]] = [
            functools.partial(self._place.projections.look, self._model),
            functools.partial(self._witnesses.check_last, state),
        ]
        witness, _ = concurrent.map_ordered(lambda look: look(), looks, len(looks))
        if witness is not None and witness.seq > state.seq:
            return self._checked(supposed=False)
        self._witnesses.check(witness, state, self._newest)
        return state

    def _written(self, state: State, raw: bytes, entry: Entry) -> CommitResult:
        after = fold(state, [(entry, entries.digest(raw))], genuine=genuine)
        self._accept(state, after, [raw], entry)
        return CommitResult(after, entry, None)

    def _accept(self, state: State, after: State, raws: Sequence[bytes], entry: Entry) -> None:
        """Go on from the state after entries that were written here, *entry* the last of them."""
        with self._reading:
            if self._state is state:
                self._state = after
                self._opening.recent.extend(raws)
            self._newest = entry
        every = self._store.traits.fold_every
        if after.seq // every > state.seq // every:
            folds.keep(self._id, after)

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
            with self._writing:
                self._journal.append(seq, raw, entry.commit)
        except TakenError:
            raise ConflictError(
                self._model, f"has another history: its entry {seq} differs", "import it elsewhere"
            ) from None
        return entries.digest(raw)

    def project(self) -> None:
        """Bring what is derived up to date: what was seen here, and the projections.

        Failing to is logged and fails nothing.
        """
        state = self._state
        if state is not None:
            self._witnesses.memory.keep(state.seq, state.head)
        try:
            if not self._noted:
                self._place.known.add(self._model)
                self._noted = True
            with self._writing:
                self._place.projections.write(self._model, self._change)
                self._complete()
        except (HoldfastError, OSError) as error:
            warn(__name__, _LAGGING, self._model, error)

    def _complete(self) -> None:
        if self._state is not None and not self._store.traits.is_local:
            self._opening.complete(self._state)

    def heal(self) -> None:
        """Bring the projections up to date unless somebody else is doing so: readers never wait."""
        try:
            self._place.projections.heal(self._model, self._change)
        except (HoldfastError, OSError) as error:
            warn(__name__, _LAGGING, self._model, error)

    def _change(self, pointer: Pointer | None) -> ProjectionUpdate | None:
        state = (self._state if self._is_own() else None) or self.state()
        if pointer and self._witnesses.is_torn(pointer, state, self._newest):
            pointer = None  # it belongs to another history than this one
        if not projections.behind(pointer, state):
            return None
        if not self._store.traits.is_local:
            return ProjectionUpdate(state, (), tuple(self._opening.recent))
        return ProjectionUpdate(state, self._touched(pointer, state))

    def _is_own(self) -> bool:
        """Tell whether this process wrote what it knows of a remote journal, so no check is due."""
        newest, state = self._newest, self._state
        same = newest is not None and state is not None and newest.seq == state.seq
        return same and not self._store.traits.is_local

    def _touched(self, pointer: Pointer | None, state: State) -> list[str]:
        """Name the versions that changed since the pointer was written, each once."""
        if pointer is None:
            return list(state.versions)
        newest = self._newest
        if newest is not None and pointer.seq + 1 == newest.seq == state.seq:
            return list(newest.event.versions())  # the usual case needs no look at the journal
        return self.touched(pointer.seq, pointer.head, state)

    def touched(self, seq: int, head: str | None, state: State) -> list[str]:
        """Name the versions that entries behind *seq* up to *state* are about, each once.

        Args:
            head: Digest of that entry.
        """
        versions: dict[str, None] = {}
        recent = self._opening.last(seq + 1, state)
        for number in range(seq + 1, state.seq + 1):
            raw = recent[number - seq - 1] if recent else self._journal.read(number) or b""
            versions |= dict.fromkeys(entries.read(raw, self._model, number, head).event.versions())
            head = entries.digest(raw)
        return list(versions)

    def rebuild(self) -> None:
        """Write all projections anew."""
        state = self.state()
        change = ProjectionUpdate(state, state.versions, tuple(self._opening.recent))
        self._place.projections.write(self._model, lambda _pointer: change)
        self._complete()
