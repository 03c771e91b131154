"""A model's journal: entries that are created once, in order, and never touched again."""

import contextlib
from collections.abc import Iterable, Iterator

from holdfast.core.entry import MAX_BYTES
from holdfast.errors import DamagedError, OutcomeUnknownError, StoreError
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

_ATTEMPTS = 3
RESTORE = "`holdfast repair --from` fetches it from a copy of the store"
_SEAL = b'{"format":1,"signed":true}\n'


class Journal:
    """The entries of one model.

    Args:
        store: Where they are.
        prefix: The model's own, from `layout.model`.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._traits = store.traits
        self._entries = layout.journal(prefix)
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
            raise DamagedError(self.slot(seq), str(error.strerror), RESTORE) from error
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
        return _numbered(self._names())

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
        names = set(self._names(after))
        numbers = _numbered(names)
        for seq in _missing(numbers, after + 1):
            if self.read(seq) is None:  # listing a folder may pass over what is made meanwhile
                raise DamagedError(self.slot(seq), "missing from the journal", RESTORE)
        return numbers[-1] if numbers else after, layout.SEAL in names

    def _names(self, after: int = 0) -> Iterator[str]:
        """Go through the names of entries behind *after*, and what else is there.

        Names sort as their numbers do up to ten digits, which no journal will ever leave, and the
        mark of `seal` behind them.
        """
        return self._store.list(self._entries, layout.name_of(after) if after else "")

    def seal(self) -> None:
        """Mark, before the entry that says so, that signatures are demanded from now on.

        Readers of other programs that fold from what is kept in the store see by it that they must
        not: a fold that does not know of the demand would be a way around it.
        """
        with contextlib.suppress(TakenError):
            self._store.create(self._seal, _SEAL)

    @property
    def sealed(self) -> bool:
        """Whether the mark of `seal` is there, whatever its bytes are."""
        return layout.SEAL in self._names()

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


def _numbered(names: Iterable[str]) -> list[int]:
    return sorted(number for name in names if (number := layout.number_of(name)) is not None)


def _missing(numbers: Iterable[int], expected: int) -> Iterator[int]:
    """Go through what rising *numbers* leave out, from *expected* on."""
    for number in numbers:
        yield from range(expected, number)
        expected = number + 1
