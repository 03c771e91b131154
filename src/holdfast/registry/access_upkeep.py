"""The access journal beside the models: opened, verified and backed up."""

from collections import Counter
from collections.abc import Iterator

from holdfast.access.access_journal import MODEL, NO_KEYS, PREFIX, AccessJournal, AccessKeys
from holdfast.access.refusals import AccessReport, Refusals
from holdfast.core.signers import entry_key_id
from holdfast.core.views import Damage, Remark
from holdfast.errors import ConflictError, HoldfastError, InvalidInputError, MissingLibraryError
from holdfast.registry.session import Session
from holdfast.registry.store_location import JournalSighting
from holdfast.store import TakenError, at_most
from holdfast.store.journal import Journal

_REFUSALS = f"{PREFIX}/refusals"
_MOST_BYTES = 16 << 20


def opened(session: Session, keys: AccessKeys) -> AccessJournal:
    """Return the store's access journal, held against what this user saw of it before."""
    store = session.open_store
    return AccessJournal(store.store, keys, JournalSighting(store, MODEL))


def verified(session: Session) -> tuple[int, list[Damage], list[Remark]]:
    """Check the access journal: its entries, what is wrong, and what to look at."""
    journal, signers = opened(session, NO_KEYS), Counter[str]()
    try:
        for entry, _head in journal.audit():
            assert entry.signature is not None  # noqa: S101 - an entry without one was refused
            signers[entry.signature.key] += 1
        journal.state(max_age_s=0)
    except MissingLibraryError:
        raise
    except HoldfastError as error:
        subject = getattr(error, "subject", f"{PREFIX}/journal")
        return signers.total(), [Damage(None, None, subject, str(error))], []
    remarks = list(_keys(signers)) if len(signers) > 1 else []
    return signers.total(), [], remarks


def _keys(signers: "Counter[str]") -> Iterator[Remark]:
    for key, count in signers.items():
        text = f"the key {entry_key_id(key)[:12]} signed {count} of its entries; is it a server's?"
        yield Remark(None, f"{PREFIX}/journal", text)


def back_up(source: Session, target: Session) -> tuple[int, int]:
    """Bring the access journal and the reports of refusals of a backup up to date.

    Sessions are left out: who signed in to a server did not sign in to its copy.

    Returns:
        How many entries are in the backup, and how many it lacked.

    Raises:
        ConflictError: If the backup has another history, or a longer one.
        DamagedError: If an entry is damaged.
    """
    seqs = [entry.seq for entry, _head in opened(source, NO_KEYS).audit()]
    here = Journal(source.open_store.store, PREFIX)
    there = Journal(target.open_store.store, PREFIX)
    known = there.tail()
    if known > len(seqs) or (known and there.read(known) != here.read(known)):
        raise ConflictError(
            "access journal", "has a different history in the backup", "name a new folder or prefix"
        )
    for seq in seqs[known:]:
        raw = here.read(seq) or b""
        there.append(seq, raw, f"of entry {seq}")
    _back_up_refusals(source, target)
    return len(seqs), len(seqs) - known


def _back_up_refusals(source: Session, target: Session) -> None:
    store = source.open_store.store
    for day in store.list(_REFUSALS):
        for name in store.list(f"{_REFUSALS}/{day}"):
            key = f"{_REFUSALS}/{day}/{name}"
            with store.open(key) as file:
                raw = at_most(file, _MOST_BYTES)
            try:
                target.open_store.store.create(key, raw)
            except TakenError:
                continue


def last_uses(session: Session) -> dict[str, str]:
    """Return the day on which each token was last used through a server, by its id."""
    return Refusals(session.open_store.store, "", session.clock).last_uses()


def refusals_of(session: Session, day: str) -> list[AccessReport]:
    """Return who was refused what by servers on a day, `2026-03-03`, in order of time.

    Raises:
        InvalidInputError: If it is not a day.
    """
    try:
        return list(Refusals(session.open_store.store, "", session.clock).read(day))
    except ValueError:
        raise InvalidInputError(f"day {day!r}", "is not a date", "write 2026-03-03") from None
