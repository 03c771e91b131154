"""Journals of which nothing is left: what a copy has of one, held against what remains here.

No entry and no pointer is left that could say where such a journal ended. The copy must be one of
this very store, its entries follow each other by their digests, and they must agree with what this
user saw of the journal before. What remains of versions that it does not know is told as lost.
"""

from collections.abc import Collection

from holdfast.core import entry as entries
from holdfast.registry.repair_sources import OtherRegistry, RepairSources
from holdfast.registry.session import Session
from holdfast.registry.store_location import JournalSighting
from holdfast.store import layout

__all__ = ["last_entry", "misfit", "unknown_versions"]


def last_entry(sources: RepairSources, model: str) -> int:
    """Return the number of the last entry of a model that the copy has without a gap."""
    seq = 0
    while sources.entry(model, seq + 1) is not None:
        seq += 1
    return seq


def misfit(session: Session, sources: RepairSources, model: str) -> str | None:
    """Say why a model's whole journal cannot be taken from the copy, None if it can."""
    copy = sources.copy
    if not isinstance(copy, OtherRegistry):
        return "give a copy of the store with --from"
    if copy.session.open_store.config.id != session.open_store.config.id:
        return f"{copy.name} is another store, not a copy of this one"
    last = last_entry(sources, model)
    if not last:
        return f"{copy.name} has no journal of it"

    def digest_at(seq: int) -> str | None:
        raw = copy.entry(model, seq)
        return None if raw is None else entries.digest(raw)

    if not JournalSighting(session.open_store, model).fits(last, digest_at):
        return f"{copy.name} ends at entry {last}, and does not have what was seen here before"
    return None


def unknown_versions(session: Session, model: str, known: Collection[str]) -> list[str]:
    """Name the versions of which folders remain, but no entry in the copy."""
    remaining = session.open_store.store.list(layout.versions(layout.model(model)))
    return sorted({name.partition("/")[0] for name in remaining} - set(known))
