"""A model's journal: entries that are created once, in order, and never touched again."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from holdfast.core.entry import MAX_BYTES
from holdfast.errors import DamagedError, OutcomeUnknownError, StoreError
from holdfast.store import (
    AbsentError,
    InDoubtError,
    NoFileError,
    Store,
    TakenError,
    at_most,
    batch_writes,
    concurrent,
    durable,
    layout,
)

_ATTEMPTS = 3
RESTORE = "`holdfast repair --from` fetches it from a copy of the store"
SEAL_BYTES = b'{"format":1,"signed":true}\n'


class End(Struct, frozen=True):
    """What a listing told of a journal.

    Attributes:
        last: Number of its last entry.
        tag: Of the object of that entry.
    """

    last: int
    tag: str = ""

    def vouches_for(self, raw: bytes) -> bool:
        """Tell whether the last entry has these bytes: many services tag with their MD5.

        An entry ends with a SHA-256 of all that stands before, so that two of one MD5 cannot be
        made by the known ways, which need bytes of their choice behind the collision.
        """
        return self.tag.strip('"') == hashlib.md5(raw, usedforsecurity=False).hexdigest()


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
            raise DamagedError(
                self.slot(seq), f"cannot be read: {error.strerror}", RESTORE
            ) from error
        except OSError as error:
            raise durable.unreadable(self.slot(seq), error) from error

    def read_many(self, first: int, last: int) -> Iterator[bytes | None]:
        """Go through the bytes of entries *first* to *last*, in order, some read at a time."""
        numbers = range(first, last + 1)
        if self._traits.concurrency == 1 or len(numbers) < 2:  # noqa: PLR2004 - one needs no threads
            yield from map(self.read, numbers)
            return
        yield from concurrent.map_ordered(self.read, numbers, self._traits.concurrency)

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
        return self._checked_end(self._names(after), after)

    def end(self, after: int) -> "End":
        """Return the number of the last entry as `tail` does, with the tag of its object."""
        start = layout.name_of(after) if after else ""
        tags = {item.name: item.tag for item in self._store.items(self._entries, start)}
        last = self._checked_end(tags, after)
        return End(last, tags.get(layout.name_of(last), ""))

    def _checked_end(self, names: Iterable[str], after: int) -> int:
        present = sorted(names)
        if present and present[-1] == layout.SEAL:
            present.pop()
        last = after + len(present)
        if present == layout.names_of(after + 1, last):
            return last
        numbers = _numbered(present)
        for seq in _missing(numbers, after + 1):
            if self.read(seq) is None:  # listing a folder may pass over what is made meanwhile
                raise DamagedError(self.slot(seq), "is missing from the journal", RESTORE)
        return numbers[-1] if numbers else after

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
            self._store.create(self._seal, SEAL_BYTES)

    @property
    def sealed(self) -> bool:
        """Whether the mark of `seal` is there, whatever its bytes are."""
        return layout.SEAL in self._names()

    @property
    def seal_problem(self) -> str | None:
        """Say what is wrong with the mark where there must be one, `None` if nothing is."""
        try:
            with self._store.open(self._seal) as file:
                whole = file.read() == SEAL_BYTES
        except AbsentError:
            return "is missing, although signatures are demanded"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return None if whole else "has changed"

    def append_all(self, seq: int, raws: Sequence[bytes]) -> int:
        """Write entries one behind the other, and return how many have their places.

        Those behind the first whose place is taken were not written. An error leaves some of them
        written: the journal tells.
        """
        objects = [(self.slot(number), raw) for number, raw in enumerate(raws, seq)]
        return batch_writes.create_in_order(self._store, objects)

    def append(self, seq: int, raw: bytes, commit: str) -> None:
        """Write entry *seq*, or say that a rival has.

        Whatever the store answers, the slot is read before anything else is believed: an answer
        may be lost, and the entry there be this one. Equal bytes are this one, for an entry holds
        a random id of its commit. Doubt never leads to the next slot: an entry whose answer was
        lost would then stand in the journal twice.

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
                content = self.read(seq)
            except StoreError as error:
                raise OutcomeUnknownError(slot, commit) from error
            if content is not None and content != raw:
                raise TakenError(slot)
            # The request may still be under way and be carried out after this look at the slot.
            if content is None and isinstance(failure, InDoubtError):
                raise OutcomeUnknownError(slot, commit) from failure
            if content is None and isinstance(failure, StoreError):
                raise failure
            # A store says that a name is taken only once a power cut cannot take that name any
            # more. After any other failure the entry may be there and not durable (its folder
            # could not be synced): it is created again, to fail as taken. Taken, and yet nothing
            # there, is tried again as well, in the same slot.
            if content == raw and isinstance(failure, TakenError):
                return
        raise OutcomeUnknownError(slot, commit) from failure


def _numbered(names: Iterable[str]) -> list[int]:
    return sorted(number for name in names if (number := layout.number_of(name)) is not None)


def _missing(numbers: Iterable[int], expected: int) -> Iterator[int]:
    """Go through what rising *numbers* leave out, from *expected* on."""
    for number in numbers:
        yield from range(expected, number)
        expected = number + 1
