"""The collector of a folder: what nothing names any more, and what crashes left behind."""

import os
from collections.abc import Iterator

from holdfast.core.manifest import is_digest
from holdfast.store import durable, layout
from holdfast.store.local import LocalStore
from holdfast.store.place import Collected, Needed


def collect(store: LocalStore, needed: Needed, grace_s: float) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Nobody may register meanwhile, where locks can see to that. Condemned blobs go to the trash
    first; then all journals are read again, and what an entry names by now is put back. A file
    whose name is no digest was never put there by a registry, and stays.
    """
    oldest = durable.now_of(store.path("")) - grace_s
    named = needed()
    blobs = [item for item in store.items(layout.BLOBS) if is_digest(item.name)]
    loose = [item for item in blobs if item.name not in named]
    condemned = [item for item in loose if item.modified <= oldest]
    waiting = [item for item in loose if item.modified > oldest]
    for item in condemned:
        store.move(layout.blob(item.name), f"{layout.TRASH}/{item.name}")
    freed = list(_empty_trash(store, needed()))
    return Collected(
        freed_bytes=sum(freed),
        freed_blobs=len(freed),
        waiting_bytes=sum(item.size_bytes for item in waiting),
        waiting_blobs=len(waiting),
        leftovers=_sweep(store, oldest),
    )


def _empty_trash(store: LocalStore, named: set[str]) -> Iterator[int]:
    """Put back what an entry names by now, remove the rest; yield the lengths removed."""
    for item in [item for item in store.items(layout.TRASH) if is_digest(item.name)]:
        key = f"{layout.TRASH}/{item.name}"
        if item.name in named:
            store.move(key, layout.blob(item.name))
        else:
            store.delete(key)
            yield item.size_bytes


def _sweep(store: LocalStore, oldest: float) -> int:
    """Remove what crashed writers left, if it is old enough; return how many."""
    swept = 0
    for parent, folders, files in os.walk(store.path("")):
        for name in filter(_is_temporary, [*folders, *files]):
            swept += _removed(os.path.join(parent, name), oldest)
        folders[:] = [name for name in folders if not _is_temporary(name)]
    return swept


def _removed(path: str, oldest: float) -> bool:
    """Remove what is old enough; readers that heal projections may have been faster."""
    try:
        due = os.lstat(path).st_mtime <= oldest
    except FileNotFoundError:
        return False
    if due:
        durable.remove(path)
    return due


def _is_temporary(name: str) -> bool:
    return name.startswith(layout.TEMPORARY)
