"""A store that is an OCI image layout too: asked for once, held against the journals, rebuilt."""

from collections.abc import Iterator

from msgspec import Struct

from holdfast.core.manifest import Manifest
from holdfast.core.oci_names import is_repository
from holdfast.core.state import Record, State
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.registry.session import Session
from holdfast.store import layout, locks, oci_layout
from holdfast.store.local import LocalStore
from holdfast.store.locks import Limit
from holdfast.store.open_store import OpenStore

__all__ = ["LayoutKept", "keep", "named", "problems", "rebuild"]


class LayoutKept(Struct, frozen=True):
    """What an image layout has of a store.

    Attributes:
        location: The folder.
        models: Those it has, by name.
        left_out: Those whose names cannot be a repository's.
        tags: How many there are.
    """

    location: str
    models: tuple[str, ...]
    left_out: tuple[str, ...]
    tags: int


def keep(session: Session) -> LayoutKept:
    """Make the store's folder an OCI image layout, which every change keeps current from then on.

    Raises:
        UnsupportedError: If the store is a bucket, or behind a server.
    """
    opened = session.writable()
    store = opened.store
    if not isinstance(store, LocalStore):
        advice = "ask `holdfast web` over it by /v2/, or name a folder"
        raise UnsupportedError(str(session.site.location), "is not a folder", advice)
    names = session.models()
    with opened.sharing("writing an image layout"):
        oci_layout.begin(store)  # first: what is written meanwhile is written by its writer
        states = [session.ledger(model).state() for model in names if is_repository(model)]
        oci_layout.keep_all(store, opened.blobs, states, _limit(opened))
    return LayoutKept(
        location=store.path("").rstrip("/"),
        models=tuple(filter(is_repository, names)),
        left_out=tuple(model for model in names if not is_repository(model)),
        tags=sum(len(oci_layout.names_of(state)) for state in states),
    )


def rebuild(session: Session, state: State) -> None:
    """Write all that a layout has of a model anew; a damaged document is set aside first."""
    opened = session.open_store
    if not isinstance(opened.store, LocalStore):
        return
    for record in oci_layout.held(state):
        manifest = opened.blobs.manifest(record.manifest)
        for digest in oci_layout.packed_digests(opened.blobs, record, manifest):
            damage = opened.blobs.check(digest)
            if damage is not None and damage.problem != "missing":
                opened.store.quarantine(layout.blob(digest))
    oci_layout.keep(opened.store, opened.blobs, state, state.versions, _limit(opened))


def _limit(opened: OpenStore) -> Limit | None:
    return Limit(locks.LIMIT_S) if opened.config.probe.locks else None


def problems(session: Session, state: State) -> Iterator[tuple[str, str]]:
    """Go through what differs from a model's journal; key and problem."""
    opened = session.open_store
    if not isinstance(opened.store, LocalStore):
        return
    try:
        yield from oci_layout.problems(opened.store, opened.blobs, state)
    except HoldfastError:  # a manifest is damaged, which is reported by itself
        return


def named(session: Session, record: Record, manifest: Manifest) -> tuple[str, ...]:
    """Return the digests of blobs that a layout has of a version, which a collector must leave."""
    opened = session.open_store
    if not isinstance(opened.store, LocalStore) or not oci_layout.is_kept(opened.store):
        return ()
    if not is_repository(manifest.name) or record.reference is not None:
        return ()
    return oci_layout.packed_digests(opened.blobs, record, manifest)
