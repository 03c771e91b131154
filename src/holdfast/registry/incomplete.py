"""Reads a journal with one damaged old entry: what the other entries still prove.

What the lost entry said is unknown, so only what entries behind it say of production and of
versions counts, and only where no signatures are demanded: a lost entry could have named who must
sign. Nothing is written based on it; every verb that writes still refuses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from holdfast.core import entry as entries
from holdfast.core import events
from holdfast.core.entry import Entry
from holdfast.core.refs import AliasRef, Exact, Number, Ref, Selector, resolve, selector_of
from holdfast.core.state import Record, State, empty, fold
from holdfast.errors import DamagedError, HoldfastError, NotFoundError
from holdfast.registry.session import Session
from holdfast.registry.store_location import JournalSighting
from holdfast.store import layout, projections
from holdfast.store.journal import RESTORE, Journal
from holdfast.store.projections import Pointer

_MOVING: Final = (events.Promoted, events.RolledBack, events.Staged, events.AliasSet)
"""Events that need the bytes of the version they name: it was not purged before them."""


_LOST: Final = "0.0.0-lost"
"""Stands for a version that the lost entry registered, until something names it."""

_UNKNOWN: Final = "0" * 64
"""Its manifest: nothing of it is known."""

_SHOWN: Final = 5
"""Entries that are kept to be shown."""


@dataclass(slots=True)
class Incomplete:
    """A journal but for one entry.

    Attributes:
        state: The fold of what could be read, with the rules of the strictest policy where the lost
            entry may have set another.
        seq: Number of the lost entry.
        damage: What is wrong with it, and the remedy.
        known: Versions of which entries behind the lost one show that they have their bytes.
        live_known: Whether an entry behind the lost one says what is live.
        newest: The last entries behind it, oldest first.
    """

    state: State
    seq: int
    damage: DamagedError
    known: set[str] = field(default_factory=set)
    live_known: bool = False
    newest: list[Entry] = field(default_factory=list)

    def find(self, ref: Ref) -> Record:
        """Find the version that *ref* names, if it is named by what still holds.

        Raises:
            DamagedError: If the lost entry may have changed what it names, or the version.
        """
        selector = selector_of(ref)
        if not self._is_certain(selector):
            raise self.damage
        try:
            record = resolve(self.state, selector)
        except NotFoundError:  # the lost entry may have registered it
            raise self.damage from None
        if not self.holds(record.version):
            raise self.damage
        if isinstance(selector, Number) and record.number != selector.number:
            raise self.damage  # the lost entry had a number too
        return record

    def holds(self, version: str | None) -> bool:
        """Tell whether a version is known to have its bytes, and which these are."""
        record = self.state.versions.get(version or "")
        return record is not None and version in self.known and record.manifest != _UNKNOWN

    def _is_certain(self, selector: Selector) -> bool:
        match selector:
            case Exact() | Number():
                return True
            case AliasRef("production"):
                return self.live_known and self.state.production is not None
            case _:
                return False

    def add(self, entry: Entry, head: str) -> None:
        """Take in an entry behind the lost one; what names what is not known is passed over."""
        event = entry.event
        self.newest = [*self.newest, entry][-_SHOWN:]
        if isinstance(event, events.Purged | events.Deleted):
            self.known -= set(event.versions())
        if isinstance(event, events.Promoted | events.RolledBack | events.Deleted):
            self.live_known = False
        self._make_room(entry)
        try:
            self.state = fold(self.state, [(entry, head)])
        except (LookupError, ValueError):
            return  # it needs what the lost entry said
        registered = events.registration(event)
        if registered is not None:
            self.known.add(registered.version)
        if isinstance(event, _MOVING):
            self.known.add(event.version)
        if isinstance(event, events.Promoted | events.RolledBack | events.Deleted):
            self.live_known = True

    def _make_room(self, entry: Entry) -> None:
        """Keep a place for the version that the lost entry registered, once something shows it.

        A number that was left out does, or a name that nothing else registered, which is its own.
        """
        event, versions = entry.event, self.state.versions
        registered = events.registration(event)
        if registered is not None:
            if registered.number == self.state.next_number + 1 and not self._is_placed:
                self._place(_LOST, entry)
            return
        unknown = [name for name in event.versions() if name not in versions]
        if len(unknown) == 1 and _LOST in versions:
            lost_record = replace(versions[_LOST], version=unknown[0])
            renamed = [
                lost_record if name == _LOST else record for name, record in versions.items()
            ]
            self.state = replace(
                self.state, versions={record.version: record for record in renamed}
            )
        elif len(unknown) == 1 and not self._is_placed:
            self._place(unknown[0], entry)

    @property
    def _is_placed(self) -> bool:
        return any(record.manifest == _UNKNOWN for record in self.state.versions.values())

    def _place(self, version: str, entry: Entry) -> None:
        number = self.state.next_number
        lost = Record(version, number, _UNKNOWN, 0, {}, entry.at, "", self.seq, entry.at)
        self.state = replace(self.state, versions=self.state.versions | {version: lost})


def read(session: Session, model: str) -> Incomplete | None:
    """Read a journal past one damaged entry; `None` if that cannot be done safely.

    It cannot where more than one entry is damaged, or the last, where a head was pinned or entries
    behind the last were seen, and where signatures are demanded.
    """
    store = session.open_store
    journal = Journal(store.store, layout.model(model))
    try:
        last = max(journal.numbers(), default=0)
        witness = projections.read_pointer(store.store, model)
        seen = max(witness.seq if witness else 0, JournalSighting(store, model).seq)
        if model in session.keyring.pins or seen > last or journal.sealed:
            return None
        return _past(journal, model, last, witness)
    except HoldfastError:
        return None


def _past(journal: Journal, model: str, last: int, witness: Pointer | None) -> Incomplete | None:
    """Fold what stands before the damaged entry, then what stands behind it."""
    before: list[tuple[Entry, str]] = []
    damage = None
    try:
        for entry, head in _read(journal, model, 1, last):
            before.append((entry, head))
    except DamagedError as error:
        damage = error
    lost = len(before) + 1
    if damage is None or lost >= last or any(_is_signed(entry) for entry, _ in before):
        return None
    state = fold(empty(model), before)
    strict = replace(state.policy, allowed_globals=())
    incomplete_journal = Incomplete(replace(state, policy=strict), lost, damage)
    for entry, head in _read(journal, model, lost + 1, last):
        if _is_signed(entry) or (witness and witness.seq == entry.seq and witness.head != head):
            return None
        incomplete_journal.add(entry, head)
    return incomplete_journal


def _is_signed(entry: Entry) -> bool:
    """Tell whether signatures are in use: a lost entry could have demanded them."""
    listed = isinstance(entry.event, events.PolicySet) and bool(entry.event.policy.signers)
    return listed or entry.signature is not None


def _read(journal: Journal, model: str, first: int, last: int) -> Iterator[tuple[Entry, str]]:
    """Go through entries with their digests, each checked against the one before.

    That of the first names one that is lost, and is taken at its word.

    Raises:
        DamagedError: At the first that is missing or damaged.
    """
    head: str | None = None
    for seq in range(first, last + 1):
        raw = journal.read(seq)
        if raw is None:
            raise DamagedError(journal.slot(seq), "is missing from the journal", RESTORE)
        if head is None and seq > 1:
            head = entries.prev_of(raw)
        entry = entries.read(raw, model, seq, head)
        head = entries.digest(raw)
        yield entry, head
