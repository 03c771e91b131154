"""A model's journal: entries that are created once, in order, and never touched again."""

import contextlib
from collections.abc import Iterable, Iterator

import msgspec

from holdfast.core.entry import FORMAT
from holdfast.core.manifest import digest_of
from holdfast.core.state import State
from holdfast.errors import DamagedError, OutcomeUnknownError, StoreError
from holdfast.store import AbsentError, Store, TakenError, durable, layout

SNAPSHOT_EVERY = 256
_KEPT_SNAPSHOTS = 2
_ATTEMPTS = 3


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
        self._entries = layout.journal(prefix)
        self._snapshots = layout.snapshots(prefix)

    def slot(self, seq: int) -> str:
        """Return the key of entry *seq*."""
        return layout.numbered(self._entries, seq)

    def read(self, seq: int) -> bytes | None:
        """Return the bytes of entry *seq*, `None` if it was not written yet."""
        try:
            with self._store.open(self.slot(seq)) as file:
                return file.read()
        except AbsentError:
            return None
        except OSError as error:
            raise durable.unreadable(self.slot(seq), error) from error

    def tail(self) -> int:
        """Return the number of the last entry, 0 if there is none.

        Raises:
            DamagedError: If a number before it is missing.
        """
        numbers = self._numbers(self._entries)
        for seq in _missing(numbers):
            if self.read(seq) is None:  # listing a folder may pass over what is made meanwhile
                raise DamagedError(
                    self.slot(seq), "missing from the journal", "restore it from a copy"
                )
        return numbers[-1] if numbers else 0

    def _numbers(self, prefix: str) -> list[int]:
        """Return the numbers of entries or snapshots, rising; files of others have none."""
        found = (layout.number_of(name) for name in self._store.list(prefix))
        return sorted(number for number in found if number is not None)

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
            if found is None and isinstance(failure, StoreError):
                raise failure
            if found == raw and isinstance(failure, TakenError):
                return
        raise OutcomeUnknownError(slot, commit) from failure

    def snapshot(self, tail: int) -> State | None:
        """Return the newest sound snapshot up to entry *tail*; doubtful ones count for nothing."""
        for seq in reversed(self._numbers(self._snapshots)):
            state = self._read_snapshot(seq) if seq <= tail else None
            if state is not None:
                return state
        return None

    def broken_snapshots(self, tail: int) -> Iterator[str]:
        """Go through the keys of snapshots up to entry *tail* that cannot be folded from."""
        for name in sorted(self._store.list(self._snapshots)):
            seq = layout.number_of(name)
            if seq is None or seq > tail or self._read_snapshot(seq) is None:
                yield f"{self._snapshots}/{name}"

    def _read_snapshot(self, seq: int) -> State | None:
        try:
            with self._store.open(layout.numbered(self._snapshots, seq)) as file:
                snapshot = msgspec.json.decode(file.read(), type=_Snapshot)
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


def _missing(numbers: Iterable[int]) -> Iterator[int]:
    """Go through what rising *numbers* leave out, from 1."""
    expected = 1
    for number in numbers:
        yield from range(expected, number)
        expected = number + 1
