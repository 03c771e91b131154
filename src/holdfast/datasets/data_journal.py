"""The journal of data of one name: entries of the same form as a model's, one for each version."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from holdfast.core import entry as entries
from holdfast.core.entry import Entry, Slot, Stamp
from holdfast.datasets.data_records import (
    DATA_OPERATIONS,
    DATA_WORDS,
    DataAdded,
    DataVersion,
    check_name,
)
from holdfast.errors import BusyError, DamagedError
from holdfast.store import Store, TakenError, layout
from holdfast.store.journal import Journal

__all__ = ["OF_DATA", "DataJournal", "names_in"]

_ATTEMPTS: Final = 64
_LONGEST_PAUSE_S: Final = 0.1
OF_DATA: Final = "@data/"
"""Stands in each entry before the name, in the place of a model's: no model can be called so."""


class DataJournal:
    """The versions of data of one name.

    Attributes:
        owner: Whose the entries say they are, in the place of a model.

    Raises:
        InvalidInputError: If no data can have that name.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.name = check_name(name)
        self.owner = OF_DATA + self.name
        self._journal = Journal(store, layout.data(name))

    def versions(self) -> list[DataVersion]:
        """Return all versions, the oldest first.

        Raises:
            DamagedError: If an entry is missing or changed.
        """
        return [version for version, _raw in self._read()]

    def raws(self) -> list[bytes]:
        """Return the bytes of all entries, checked."""
        return [raw for _version, raw in self._read()]

    def signer_of(self, number: int) -> str | None:
        """Return the Ed25519 key, in base64, that signed an entry; `None` if nobody did."""
        raws = self.raws()
        signature = self._entry(raws[number - 1], number, raws[: number - 1]).signature
        return None if signature is None else signature.key

    def following(self, raw: bytes) -> Entry:
        """Read bytes as the entry that would be the next.

        Raises:
            DamagedError: If they are not.
        """
        raws = self.raws()
        return self._entry(raw, len(raws) + 1, raws)

    def _entry(self, raw: bytes, seq: int, before: list[bytes]) -> Entry:
        head = entries.digest(before[-1]) if before else None
        return entries.read_as(raw, self.owner, seq, head, DATA_OPERATIONS)

    def _read(self) -> Iterator[tuple[DataVersion, bytes]]:
        head = None
        for seq, raw in enumerate(self._journal.since(1, self._journal.tail()), start=1):
            version = self._checked(raw, seq, head)
            head = entries.digest(raw)
            yield version, raw

    def _checked(self, raw: bytes, seq: int, head: str | None) -> DataVersion:
        entry = entries.read_as(raw, self.owner, seq, head, DATA_OPERATIONS)
        assert isinstance(entry.event, DataAdded)  # noqa: S101 - there is no other operation
        return DataVersion(self.name, seq, entry.at, entry.by, entry.reason, entry.event)

    def append(self, added: DataAdded, stamp: Callable[[], Stamp]) -> tuple[DataVersion, bool]:
        """Write a version, unless the last one is the same; again if a rival was faster.

        Returns:
            The version, and whether it is new.

        Raises:
            BusyError: If rivals were faster too often.
            OutcomeUnknownError: If it is unknown whether the entry was written.
        """
        for attempt in range(_ATTEMPTS):
            known = list(self._read())
            last, raw = known[-1] if known else (None, b"")
            if last is not None and last.added == added:
                return last, False
            signed, seq = stamp(), len(known) + 1
            at = entries.next_time(signed.at, last.at if last else None)
            head = entries.digest(raw) if last else None
            slot = Slot(self.owner, seq, head, at)
            written = entries.encode(slot, signed, DATA_WORDS[DataAdded], added)
            version = self._checked(written, seq, head)
            try:
                self._journal.append(seq, written, signed.commit)
            except TakenError:
                pause = min(_LONGEST_PAUSE_S, 0.001 * 2**attempt)
                time.sleep(random.uniform(0, pause))  # noqa: S311 - rivals must not step in time
                continue
            return version, True
        raise BusyError(f"data {self.name}", f"was written by others {_ATTEMPTS} times in a row")

    def restore(self, raws: list[bytes]) -> int:
        """Write entries of a copy of this journal that are missing here; return how many.

        Raises:
            DamagedError: If those that are here are others.
        """
        known = self.raws()
        if raws[: len(known)] != known:
            problem = "has a different history in the copy"
            raise DamagedError(f"data {self.name}", problem, "name a new folder or prefix")
        for seq, raw in enumerate(raws[len(known) :], start=len(known) + 1):
            self._journal.append(seq, raw, f"of entry {seq}")
        return len(raws) - len(known)


def names_in(store: Store) -> list[str]:
    """Return the names of all data, sorted.

    Raises:
        DamagedError: If a journal does not say whose it is.
    """
    data_names = []
    for folder in store.list(layout.DATA):
        prefix = f"{layout.DATA}/{folder}"
        journal = Journal(store, prefix)
        raw = journal.read(1)
        if raw is None:
            journal.tail()  # a missing entry before others is damage
            continue
        name = (entries.model_of(raw) or "").removeprefix(OF_DATA)
        if not name or layout.data(name) != prefix:
            problem = "is unreadable or belongs to other data"
            raise DamagedError(journal.slot(1), problem, "restore it from a copy")
        data_names.append(name)
    return sorted(data_names)
