"""Runs of entries in one object each, so that a long journal far away is read in few requests.

A pack is a faster way for bytes that the journal holds as well, and nothing rests on it: whoever
reads one holds every entry against the digest that its successor names, up to one that was read
from the journal itself. What is missing, or is not what it should be, is read entry by entry.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.store import AbsentError, Store, TakenError, at_most, concurrent, layout

SMALL: Final = 32
"""Entries of a pack; behind the last one there are always fewer."""
LARGE: Final = SMALL * SMALL
MOST_BYTES: Final = 16 << 20
"""A longer pack is not written: its parts are read."""
AT_ONCE: Final = 64
"""How many are read at the same time: all that a journal of 10,000 entries has."""


class Run(Struct, frozen=True, order=True):
    """Entries *first* to *last*: a pack, or an entry by itself."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    def parts(self) -> Iterator["Run"]:
        """Go through the smaller runs that hold the same."""
        step = SMALL if self.count == LARGE else 1
        for first in range(self.first, self.last + 1, step):
            yield Run(first, first + step - 1)


def runs(first: int, last: int) -> Iterator[Run]:
    """Divide entries *first* to *last* into packs, and what no pack holds whole."""
    while first <= last:
        fitting = (n for n in (LARGE, SMALL) if (first - 1) % n == 0 and first + n - 1 <= last)
        length = next(fitting, 1)
        yield Run(first, first + length - 1)
        first += length


def ending_at(seq: int) -> Iterator[Run]:
    """Go through the packs that end with entry *seq*, the smaller first."""
    for length in (SMALL, LARGE):
        if seq and seq % length == 0:
            yield Run(seq - length + 1, seq)


class Packs:
    """The packs of one model.

    Args:
        store: Where they are.
        prefix: The model's own, from `layout.model`.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def key(self, run: Run) -> str:
        """Return the key of the pack of a run."""
        return layout.pack(self._prefix, run.first, run.last)

    def read(self, first: int, last: int, lost: dict[Run, bytes]) -> list[bytes] | None:
        """Return the bytes of entries *first* to *last*, unproven; `None` if one is missing.

        Args:
            lost: Receives the packs that should be there and are not, from their entries.
        """
        raw_by_seq: dict[int, bytes] = {}
        missing, absent = list(runs(first, last)), []
        while missing:
            smaller: list[Run] = []
            answers = concurrent.map_ordered(self._entries, missing, AT_ONCE)
            for run, lines in zip(missing, answers, strict=True):
                if lines is not None:
                    raw_by_seq.update(zip(range(run.first, run.last + 1), lines, strict=True))
                elif run.count == 1:
                    return None
                else:
                    smaller += run.parts()
                    absent.append(run)
            missing = smaller
        for run in absent:
            lost[run] = b"".join(raw_by_seq[seq] for seq in range(run.first, run.last + 1))
        return [raw_by_seq[seq] for seq in range(first, last + 1)]

    def _entries(self, run: Run) -> list[bytes] | None:
        if run.count > 1:
            raw = self._raw(run)
            return None if raw is None else split(raw, run.count)
        key = layout.numbered(layout.journal(self._prefix), run.first)
        raw = self._bytes(key, entries.MAX_BYTES + 1)
        return None if raw is None else [raw]

    def _raw(self, run: Run) -> bytes | None:
        return self._bytes(self.key(run), MOST_BYTES + 1)

    def _bytes(self, key: str, most_bytes: int) -> bytes | None:
        try:
            with self._store.open(key) as file:
                return at_most(file, most_bytes)
        except (AbsentError, OSError):
            return None

    def _all(self) -> list[Run]:
        if self._store.traits.is_local:
            return []  # none is ever written
        names = self._store.list(layout.packs(self._prefix))
        return sorted(
            Run(*numbers) for name in names if (numbers := layout.run_of(name)) is not None
        )

    def write(self, made: Mapping[Run, bytes]) -> None:
        """Write packs that are not there; none is ever written over here."""
        for run, raw in made.items():
            if split(raw, run.count) is not None:
                with contextlib.suppress(TakenError):
                    self._store.create(self.key(run), raw)

    def problems(self, digests: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Go through the keys of packs that readers cannot use, and what is wrong with each.

        Args:
            digests: Of all entries of the journal, from the first.
        """
        for run in self._all():
            lines = split(self._raw(run) or b"", run.count)
            due = list(digests[run.first - 1 : run.last])
            if run not in ending_at(run.last) or len(due) != run.count:
                yield self.key(run), "holds entries that the journal does not have"
            elif [entries.digest(line) for line in lines or ()] != due:
                yield self.key(run), "differs from the journal"


def split(raw: bytes, count: int) -> list[bytes] | None:
    """Return the *count* entries of a pack, `None` if it has not so many whole ones."""
    *lines, rest = raw.split(b"\n")
    whole = not rest and len(raw) <= MOST_BYTES and len(lines) == count
    return [line + b"\n" for line in lines] if whole else None


def proven(lines: Iterable[bytes], head: str | None) -> list[bytes]:
    """Return those of the last lines of a journal that the digest of its last entry vouches for."""
    found: list[bytes] = []
    for raw in reversed(list(lines)):
        if entries.digest(raw) != head:
            break
        found.append(raw)
        head = entries.prev_of(raw)
    return found[::-1]
