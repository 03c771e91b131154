"""Journals of data, walked as a repair would leave them: gaps are filled where a copy's entry fits.

Nothing beside such a journal says how far it went. So an entry that a copy has beyond its end, or
of a journal of which nothing is left, is taken only where its description is among the blobs here:
it was written to this store.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.core import entry as entries
from holdfast.core import strict_json
from holdfast.core.manifest import File
from holdfast.core.views import Damage
from holdfast.datasets.data_journal import OF_DATA
from holdfast.datasets.data_records import DATA_OPERATIONS, DataAdded, decode_description
from holdfast.errors import HoldfastError
from holdfast.registry.repair_blobs import BlobRepair
from holdfast.registry.repair_journal import named_by_next, read, restore
from holdfast.registry.repair_plan import Mend, RepairPlan
from holdfast.registry.repair_sources import RepairSources
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.journal import Journal

__all__ = ["DataRepair"]


@dataclass(frozen=True, slots=True)
class DataRepair:
    """Plans how journals of data and what they name are put right."""

    session: Session
    sources: RepairSources
    plan: RepairPlan
    blobs: BlobRepair

    def all(self) -> Iterator[str]:
        """Examine every journal; yield the prefixes of those that stay unreadable."""
        store, names = self.session.open_store.store, set(self.sources.data())
        for folder in sorted(store.list(layout.DATA)):
            prefix = f"{layout.DATA}/{folder}"
            name = self._name_in(prefix, names)
            if name is None:
                self.plan.leave(None, prefix, "nothing tells whose data it is")
                yield prefix
                continue
            names.discard(name)
            if not self._examine(name):
                yield prefix
        for name in sorted(names):
            if self._was_here(name, 1):
                self._examine(name)

    def _name_in(self, prefix: str, copied: set[str]) -> str | None:
        """Ask the entries, and the copy, whose journal is below a prefix."""
        journal = Journal(self.session.open_store.store, prefix)
        owners = (entries.model_of(read(journal, seq)[0] or b"") for seq in journal.numbers())
        own = [owner.removeprefix(OF_DATA) for owner in owners if owner is not None]
        return next((name for name in (*own, *copied) if layout.data(name) == prefix), None)

    def _was_here(self, name: str, seq: int) -> bool:
        """Tell whether the description of a copy's entry is among the blobs here."""
        raw = self.sources.entry(OF_DATA + name, seq)
        try:
            document = strict_json.decode(raw or b"")
            sha256 = document["data"]["description"]
            return self.session.open_store.store.size(layout.blob(sha256)) is not None
        except (ValueError, KeyError, TypeError, HoldfastError):
            return False

    def _examine(self, name: str) -> bool:
        """Walk a journal and have what it lacks fetched; False if it stays unreadable."""
        journal = Journal(self.session.open_store.store, layout.data(name))
        head: str | None = None
        seq, last = 0, max([0, *journal.numbers()])
        while seq < last or self._was_here(name, seq + 1):
            seq += 1
            raw = self._entry(journal, name, seq, head)
            if raw is None:
                return False
            event = entries.read_as(raw, OF_DATA + name, seq, head, DATA_OPERATIONS).event
            assert isinstance(event, DataAdded)  # noqa: S101 - there is no other operation
            self._blobs_of(f"{name}@v{seq}", event)
            head = entries.digest(raw)
        return True

    def _entry(self, journal: Journal, name: str, seq: int, head: str | None) -> bytes | None:
        """Return an entry, from the copy where the one here is damaged; `None` if there is none."""
        raw, problem = read(journal, seq)
        expected = named_by_next(
            journal, seq, lambda after, prev: _misfit(after, name, seq + 1, prev)
        )
        problem = problem or _misfit(raw, name, seq, head, expected)
        if problem is None:
            return raw
        theirs = self.sources.entry(OF_DATA + name, seq)
        misfit = _misfit(theirs, name, seq, head, expected) if theirs else "has none"
        if theirs is None or misfit is not None:
            message = f"{problem}; {self.sources.name}: {misfit}"
            self.plan.leave(None, journal.slot(seq), message)
            return None
        mend = Mend(None, journal.slot(seq), "fetch", problem, self.sources.name)
        step = functools.partial(restore, self.session, layout.data(name), seq, theirs)
        self.plan.add(mend, step)
        return theirs

    def _blobs_of(self, ref: str, added: DataAdded) -> None:
        """Have the description of a version fetched, and what it says is kept."""
        description = File(f"description of {ref}", added.description, 0)
        raw = self.blobs.readable(description, None)
        if not raw or not added.kept:
            return
        try:
            files = decode_description(raw, ref).files
        except HoldfastError as error:
            key = layout.blob(added.description)
            self.plan.left.append(Damage(None, None, key, str(error)))
            return
        self.blobs.examine_files(files)


def _misfit(
    raw: bytes | None, name: str, seq: int, head: str | None, expected: str | None = None
) -> str | None:
    """Say why bytes cannot be entry *seq* behind *head* and before the one that names it."""
    try:
        entries.read_as(raw or b"", OF_DATA + name, seq, head, DATA_OPERATIONS)
    except HoldfastError as error:
        return str(error)
    if expected is not None and entries.digest(raw or b"") != expected:
        return "is not the entry that the next one follows"
    return None
