"""Files in a store that Holdfast did not write: `verify` reports them, nothing reads them."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.core.entry import MAX_BYTES
from holdfast.core.views import Remark
from holdfast.registry.session import Session
from holdfast.store import AbsentError, at_most, foreign, layout
from holdfast.store.journal import Journal

_NUMBER: Final = re.compile(r"[0-9]{10}")


def among_blobs(session: Session) -> Iterator[Remark]:
    """Go through what systems and synchronisers left among the blobs."""
    for name in sorted(session.open_store.store.list(layout.BLOBS)):
        maker = foreign.maker_of(name)
        if maker is not None:
            yield Remark(None, f"{layout.BLOBS}/{name}", f"left by {maker}; may be deleted")


def in_journal(session: Session, model: str) -> Iterator[Remark]:
    """Go through the files among a model's entries that are not entries."""
    store, prefix = session.open_store.store, layout.journal(layout.model(model))
    for name in sorted(store.list(prefix)):
        if name == layout.SEAL or layout.number_of(name) is not None:
            continue
        key = f"{prefix}/{name}"
        maker = foreign.maker_of(name)
        if foreign.is_conflict(name):
            yield Remark(model, key, _conflict(session, model, name))
        elif maker is not None:
            yield Remark(model, key, f"left by {maker}; may be deleted")
        else:
            yield Remark(model, key, "is not an entry and is ignored")


def _conflict(session: Session, model: str, name: str) -> str:
    """Say what a synchroniser set aside: the same entry, or one that another machine wrote."""
    journal = Journal(session.open_store.store, layout.model(model))
    number = _NUMBER.match(name)
    if number is None:
        return f"set aside by {foreign.maker_of(name)}; it is ignored"
    seq = int(number[0])
    if _bytes(session, f"{layout.journal(layout.model(model))}/{name}") == journal.read(seq):
        return f"a copy of entry {seq} that a synchroniser made; may be deleted"
    return (
        f"another entry {seq}, set aside by a synchroniser: two machines wrote to copies of the "
        "store; it is ignored here, so do again what it did"
    )


def _bytes(session: Session, key: str) -> bytes:
    try:
        with session.open_store.store.open(key) as file:
            return at_most(file, MAX_BYTES + 1)
    except (AbsentError, OSError):  # gone, or no file
        return b""
