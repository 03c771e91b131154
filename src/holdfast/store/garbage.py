"""The collector of a folder: what nothing names any more, and what crashes left behind."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from holdfast.core.manifest import is_digest
from holdfast.store import durable, layout
from holdfast.store.local import LocalStore
from holdfast.store.place import Collected, Needed

Alone = Callable[[], AbstractContextManager[None]]
"""Keeps writers away during a block, where locks reach them."""


def collect(store: LocalStore, needed: Needed, grace_s: float, alone: Alone) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Writers are kept away only while names change: what takes long, to read all journals for the
    first time, to walk the store and to delete, is done before and after. Condemned blobs go to the
    trash first; then all journals are read again, and what an entry names by now is put back. A
    file whose name is no digest was never put there by a registry, and stays.
    """
    oldest = durable.now_of(store.path("")) - grace_s
    needed()  # so that only what is new is to be read below
    leftovers = list(_leftovers(store))
    with alone():
        named = needed()
        blobs = [item for item in store.items(layout.BLOBS) if is_digest(item.name)]
        loose = [item for item in blobs if item.name not in named]
        condemned = [item for item in loose if item.modified <= oldest]
        waiting = [item for item in loose if item.modified > oldest]
        for item in condemned:
            store.move(layout.blob(item.name), f"{layout.TRASH}/{item.name}")
        swept = sum(_removed(path, oldest) for path in leftovers)
    freed = list(_empty_trash(store, needed()))
    return Collected(
        freed_bytes=sum(freed),
        freed_blobs=len(freed),
        waiting_bytes=sum(item.size_bytes for item in waiting),
        waiting_blobs=len(waiting),
        leftovers=swept,
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


def _leftovers(store: LocalStore) -> Iterator[str]:
    """Go through the paths of what writers are at, or left when they crashed."""
    for parent, folders, files in os.walk(store.path("")):
        for name in filter(_is_temporary, [*folders, *files]):
            yield os.path.join(parent, name)
        folders[:] = [name for name in folders if not _is_temporary(name)]


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
