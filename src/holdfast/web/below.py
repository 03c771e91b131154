"""The session below a registry's verbs, which the server uses as its own other face."""

from holdfast.core import entry as entries
from holdfast.core.entry import Entry
from holdfast.core.heads import Head
from holdfast.registry.reader import Reader
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.journal import Journal

__all__ = ["entry_at", "head_of", "session_of"]


def session_of(registry: Reader) -> Session:
    """Return the session below a registry's verbs."""
    return registry._session  # noqa: SLF001 - the server is the registry's own other face


def head_of(session: Session, model: str) -> Head:
    """Return the last entry of a model's journal, deleted or not.

    Raises:
        NotFoundError: If it never had one.
        StoreError: If the store is gone, or another is in its place.
    """
    session.require_known(model)
    if session.open_store.store.traits.is_local:
        session.require_same()  # a journal that is gone looks like one without news
    state = session.ledger(model).state()
    return Head(model, state.seq, state.head or "")


def entry_at(session: Session, model: str, seq: int) -> tuple[Entry, str]:
    """Read an entry that the state vouches for, and its digest."""
    raw = Journal(session.open_store.store, layout.model(model)).read(seq) or b""
    return entries.read(raw, model, seq, entries.prev_of(raw) or None), entries.digest(raw)
