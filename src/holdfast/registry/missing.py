"""What is said of a journal that is gone."""

from holdfast.errors import DamagedError
from holdfast.store import Store, layout, projections


def lost(model: str) -> DamagedError:
    """Return the error that tells of a model that has had entries, and whose journal is gone."""
    return DamagedError(
        layout.journal(layout.model(model)),
        f"missing, though {model} has had entries ({layout.known(model)} says so)",
        "mount its disk, or restore the folder from a copy; if it was removed for good, delete "
        "that file",
    )


def check_unused(store: Store, prefix: str) -> None:
    """Refuse a folder without a journal that holds what only a journal's model has."""
    pointer = projections.pointer_at(store, layout.pointer_below(prefix))
    if pointer is not None or any(store.list(layout.versions(prefix))):
        raise DamagedError(
            layout.numbered(layout.journal(prefix), 1), "missing", "restore it from a copy"
        )
