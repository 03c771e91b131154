"""All models of a bucket as they stand, read side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.core.entry import model_of
from holdfast.core.state import State
from holdfast.errors import HoldfastError
from holdfast.registry.opening import NOTHING, About
from holdfast.registry.session import Session
from holdfast.store import concurrent, layout
from holdfast.store.open_store import Glance

_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class ModelListing:
    """One model: its state, or why there is none."""

    model: str
    state: State | HoldfastError


def states(session: Session) -> list[ModelListing]:
    """Read every model that has entries, by name; a damaged one hides no other.

    Raises:
        StoreError: If the store is gone, or another is in its place.
    """
    read: dict[str, ModelListing] = {}

    def look(folders: Sequence[str]) -> Callable[[str], str | None]:
        glances = session.open_store.glance(folders)
        listings = concurrent.map_ordered(
            lambda folder: _read(session, folder, glances.get(folder)), folders, _AT_ONCE
        )
        names: dict[str, str | HoldfastError | None] = {}
        for folder, listing in zip(folders, listings, strict=True):
            names[folder] = listing.model if isinstance(listing, ModelListing) else listing
            if isinstance(listing, ModelListing):
                read[listing.model] = listing

        def name_in(folder: str) -> str | None:
            name = names[folder]
            if isinstance(name, HoldfastError):
                raise name
            return name

        return name_in

    seen = session.survey(look)
    for model in (*seen.lost, *seen.hurt):
        session.forget(model)  # what was read of it
        read[model] = _state(session, model, NOTHING)
    return [read[model] for model in sorted(read)]


def _read(
    session: Session, folder: str, glance: Glance | None
) -> ModelListing | HoldfastError | None:
    """Read the model of a folder; return the error that hides its name, or None if it has none."""
    model = _name_by(folder, glance)
    if model is None:
        glance = None
        try:
            model = session.name_in(folder)
        except HoldfastError as error:
            return error
    if model is None:
        return None
    return _state(session, model, About(glance.pointer, glance.end) if glance else NOTHING)


def _state(session: Session, model: str, about: About) -> ModelListing:
    try:
        return ModelListing(model, session.ledger(model).state(about))
    except HoldfastError as error:
        return ModelListing(model, error)


def _name_by(folder: str, glance: Glance | None) -> str | None:
    """Return whose folder it is by the entries in its pointer: the journal must fit the name."""
    entries = glance.pointer.entries if glance else ()
    name = model_of(entries[-1].encode(errors="replace")) if entries else None
    return name if name and layout.model(name) == f"{layout.MODELS}/{folder}" else None
