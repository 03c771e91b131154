"""A model's journal: entries that are created once, in order, and never touched again."""

import contextlib
from collections.abc import Iterable, Iterator

import msgspec

from holdfast.core import entry as entries
from holdfast.core.entry import FORMAT, MAX_BYTES, Entry
from holdfast.core.manifest import digest_of
from holdfast.core.state import State, empty, fold
from holdfast.errors import DamagedError, HoldfastError, OutcomeUnknownError, StoreError
from holdfast.store import (
    AbsentError,
    InDoubtError,
    NoFileError,
    Store,
    TakenError,
    at_most,
    durable,
    in_order,
    layout,
)

_KEPT_SNAPSHOTS = 2
_ATTEMPTS = 3
_MOST_BYTES = 256 << 20  # of a snapshot: a hundred thousand versions
_RESTORE = "`holdfast repair --from` fetches it from a copy of the store"
_SEAL = b'{"format":1,"signed":true}\n'


class _Snapshot(msgspec.Struct):
    format: int
    sum: str
    state: msgspec.Raw


class Journal:
    """The entries and snapshots of one model.

    Args:
        store: Where they are.
        prefix: The model's own, from `layout.model`.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._traits = store.traits
        self._entries = layout.journal(prefix)
        self._snapshots = layout.snapshots(prefix)
        self._seal = layout.seal(prefix)

    def slot(self, seq: int) -> str:
        """Return the key of entry *seq*."""
        return layout.numbered(self._entries, seq)

    def read(self, seq: int) -> bytes | None:
        """Return the bytes of entry *seq*, `None` if it was not written yet."""
        try:
            with self._store.open(self.slot(seq)) as file:
                return at_most(file, MAX_BYTES + 1)
        except AbsentError:
            return None
        except NoFileError as error:
            raise DamagedError(self.slot(seq), str(error.strerror), _RESTORE) from error
        except OSError as error:
            raise durable.unreadable(self.slot(seq), error) from error

    def read_many(self, first: int, last: int) -> Iterator[bytes | None]:
        """Go through the bytes of entries *first* to *last*, in order, some read at a time."""
        numbers = range(first, last + 1)
        if self._traits.at_once == 1 or len(numbers) < 2:  # noqa: PLR2004 - one is no crowd
            yield from map(self.read, numbers)
            return
        yield from in_order.answers(self.read, numbers, self._traits.at_once)

    def since(self, first: int, known: int = 0) -> Iterator[bytes]:
        """Go through the entries from *first* until there is none, those up to *known* faster."""
        seq = first
        for raw in self.read_many(first, known):
            if raw is None:
                return
            seq += 1
            yield raw
        while (raw := self.read(seq)) is not None:
            seq += 1
            yield raw

    def numbers(self) -> list[int]:
        """Return the numbers of all entries that are there, rising, gaps or not."""
        return self._numbers(self._entries)

    def tail(self, after: int = 0) -> int:
        """Return the number of the last entry, *after* if there is none beyond it.

        Args:
            after: An entry known to exist, where those before it need not be listed.

        Raises:
            DamagedError: If a number between is missing.
        """
        return self._end(after)[0]

    def _end(self, after: int) -> tuple[int, bool]:
        """Return the number of the last entry, and whether the journal bears the mark of `seal`."""
        names = set(self._names(self._entries, after))
        numbers = _numbered(names)
        for seq in _missing(numbers, after + 1):
            if self.read(seq) is None:  # listing a folder may pass over what is made meanwhile
                raise DamagedError(self.slot(seq), "missing from the journal", _RESTORE)
        return numbers[-1] if numbers else after, layout.SEAL in names

    def _names(self, prefix: str, after: int = 0) -> Iterator[str]:
        """Go through the names of entries or snapshots behind *after*, and what else is there.

        Names sort as their numbers do up to ten digits, which no journal will ever leave, and the
        mark of `seal` behind them.
        """
        return self._store.list(prefix, layout.name_of(after) if after else "")

    def _numbers(self, prefix: str) -> list[int]:
        """Return the numbers of entries or snapshots, rising; files of others have none."""
        return _numbered(self._names(prefix))

    def seal(self) -> None:
        """Mark, before the entry that says so, that signatures are demanded from now on.

        From then on no snapshot is folded from: one that does not know of the demand would be a
        way around it, and none can tell by itself whether there is one.
        """
        with contextlib.suppress(TakenError):
            self._store.create(self._seal, _SEAL)

    @property
    def seal_problem(self) -> str | None:
        """Say what is wrong with the mark where there must be one, `None` if nothing is."""
        try:
            with self._store.open(self._seal) as file:
                whole = file.read() == _SEAL
        except AbsentError:
            return "missing, though signatures are demanded"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return None if whole else "its bytes changed"

    def append(self, seq: int, raw: bytes, commit: str) -> None:
        """Write entry *seq*, or say that a rival has.

        Whatever the store answers, the slot is read before anything else is believed: an answer
        may be lost, and the entry there be this one. After a failure it is created once more even
        then, for the failure may be that a power cut could still take its name.

        Raises:
            TakenError: If another entry has the place.
            StoreError: If nothing was written.
            OutcomeUnknownError: If it cannot be told.
        """
        slot = self.slot(seq)
        failure: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                self._store.create(slot, raw)
            except (TakenError, StoreError) as error:
                failure = error
            else:
                return
            try:
                found = self.read(seq)
            except StoreError as error:
                raise OutcomeUnknownError(slot, commit) from error
            if found is not None and found != raw:
                raise TakenError(slot)
            if found is None and isinstance(failure, InDoubtError):
                raise OutcomeUnknownError(slot, commit) from failure
            if found is None and isinstance(failure, StoreError):
                raise failure
            if found == raw and isinstance(failure, TakenError):
                return
        raise OutcomeUnknownError(slot, commit) from failure

    def snapshot(self, tail: int | None = None) -> State | None:
        """Return the newest sound snapshot up to entry *tail*; doubtful ones count for nothing."""
        for seq in reversed(self._numbers(self._snapshots)):
            state = self._read_snapshot(seq) if tail is None or seq <= tail else None
            if state is not None:
                return state
        return None

    def broken_snapshots(self, tail: int) -> Iterator[str]:
        """Go through the keys of snapshots up to entry *tail* that must not be folded from.

        Whoever plants a false one knows how to work out its checksum: each is held against the fold
        of the entries themselves.
        """
        for name in sorted(self._store.list(self._snapshots)):
            seq = layout.number_of(name)
            state = self._read_snapshot(seq) if seq is not None and seq <= tail else None
            if state is None or not self._tells(state):
                yield f"{self._snapshots}/{name}"

    def _tells(self, state: State) -> bool:
        """Tell whether the entries give just this state; their signatures are checked elsewhere."""
        head = None
        told: list[tuple[Entry, str]] = []
        for seq, raw in enumerate(self.read_many(1, state.seq), start=1):
            try:
                entry = entries.read(raw or b"", state.model, seq, head)
            except HoldfastError:
                return False
            head = digest_of(raw or b"")
            told.append((entry, head))
        return fold(empty(state.model), told, genuine=lambda _signature: True) == state

    def _read_snapshot(self, seq: int) -> State | None:
        try:
            with self._store.open(layout.numbered(self._snapshots, seq)) as file:
                snapshot = msgspec.json.decode(file.read(_MOST_BYTES), type=_Snapshot)
            if snapshot.format != FORMAT or digest_of(bytes(snapshot.state)) != snapshot.sum:
                return None
            state = msgspec.json.decode(snapshot.state, type=State)
        except (AbsentError, OSError, ValueError, RecursionError):
            return None
        entry = self.read(seq)
        sound = state.seq == seq and entry is not None and digest_of(entry) == state.head
        return state if sound else None

    def save_snapshot(self, state: State) -> None:
        """Keep a fold to start from; failing to is no failure of anything."""
        encoded = msgspec.json.encode(state)
        raw = b'{"format":%d,"sum":"%s","state":%s}\n' % (
            FORMAT,
            digest_of(encoded).encode(),
            encoded,
        )
        with contextlib.suppress(TakenError, StoreError, OSError):
            self._store.create(layout.numbered(self._snapshots, state.seq), raw)
            numbers = self._numbers(self._snapshots)
            for old in numbers[:-_KEPT_SNAPSHOTS]:
                self._store.delete(layout.numbered(self._snapshots, old))


def _numbered(names: Iterable[str]) -> list[int]:
    return sorted(number for name in names if (number := layout.number_of(name)) is not None)


def _missing(numbers: Iterable[int], expected: int) -> Iterator[int]:
    """Go through what rising *numbers* leave out, from *expected* on."""
    for number in numbers:
        yield from range(expected, number)
        expected = number + 1
