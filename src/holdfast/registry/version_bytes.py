"""A version's bytes: whole, damaged, or given up by a purge meanwhile."""

import contextlib
from collections.abc import Iterator

from holdfast.core.state import Record
from holdfast.errors import ConflictError, DamagedError, HoldfastError
from holdfast.registry.session import Session


def require_whole(session: Session, model: str, record: Record) -> None:
    """Hash every byte of a version.

    Raises:
        ConflictError: If the version was purged meanwhile.
        DamagedError: Naming the first file that is missing or changed.
        StoreError: If that is so because the store is gone.
    """
    blobs = session.open_store.blobs
    try:
        with unless_purged(session, model, record):
            blobs.read(record.manifest)  # checked now, whatever is remembered of it
            blobs.require(session.manifest(record).files)
    except DamagedError:
        session.require_same()
        raise


@contextlib.contextmanager
def unless_purged(session: Session, model: str, *records: Record) -> Iterator[None]:
    """Tell what is missing because a version was purged meanwhile from what is damaged.

    Raises:
        ConflictError: In place of any other error, if a version was purged since it was looked at.
    """
    try:
        yield
    except HoldfastError as error:
        versions = session.ledger(model).state().versions
        for record in records:
            if record.status != "purged" and versions[record.version].status == "purged":
                raise was_purged(f"{model}@{record.version}") from error
        raise


def was_purged(ref: str) -> ConflictError:
    """Return the error of a version whose bytes were given up."""
    return ConflictError(ref, "was purged, so its bytes are gone", "name another version")
