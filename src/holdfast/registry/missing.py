"""Errors about a journal that is gone."""

from holdfast.errors import DamagedError
from holdfast.store import Store, layout, projections


def lost(model: str) -> DamagedError:
    """Return the error for a model that has had entries and whose journal is gone."""
    return DamagedError(
        layout.journal(layout.model(model)),
        f"is missing, although {model} has had entries ({layout.known(model)} says so)",
        "mount its disk, or restore the folder from a copy; if it was removed for good, delete "
        "that file",
    )


def check_unused(store: Store, prefix: str) -> None:
    """Refuse a folder that has no journal but files that only a model with a journal has."""
    pointer = projections.pointer_at(store, layout.pointer_below(prefix))
    if pointer is not None or any(store.list(layout.versions(prefix))):
        raise DamagedError(
            layout.numbered(layout.journal(prefix), 1), "is missing", "restore it from a copy"
        )
