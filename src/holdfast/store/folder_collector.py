"""The collector of a folder: what nothing names any more, and what crashes left behind."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

from holdfast.core.manifest import is_digest
from holdfast.errors import StoreError
from holdfast.store import Item, durable, layout, reserved
from holdfast.store.local import LocalStore
from holdfast.store.open_store import Claims, Collected, Needed

Alone = Callable[[], AbstractContextManager[None]]
"""Keeps writers away during a block, where locks reach them."""


def collect(store: LocalStore, needed: Needed, grace_s: float, alone: Alone) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Writers are kept away only while names change: what takes long, to read all journals for the
    first time, to walk the store and to delete, is done before and after. Condemned blobs go to the
    trash first; then all journals are read again, and what an entry names by now is put back: all
    of it, if they cannot be read any more. A file whose name is not a digest was never put there by
    a registry, and stays.
    """
    oldest = durable.now_of(store.path("")) - grace_s
    needed()  # so that only what is new is to be read below
    leftovers = list(_leftovers(store))
    condemned: list[Item] = []
    with _put_back(store, condemned):
        with alone():
            claims = needed()
            blobs = [item for item in store.items(layout.BLOBS) if is_digest(item.name)]
            loose = [item for item in blobs if item.name not in claims.named]
            condemned += [
                item for item in loose if item.modified <= oldest and item.name not in claims
            ]
            waiting = [item for item in loose if item.modified > oldest or item.name in claims]
            for item in condemned:
                store.move(layout.blob(item.name), f"{layout.TRASH}/{item.name}")
            swept = sum(_removed(path, oldest) for path in leftovers)
        claims = needed()
    freed = list(_empty_trash(store, claims))
    return Collected(
        freed_bytes=sum(freed),
        freed_blobs=len(freed),
        waiting_bytes=sum(item.size_bytes for item in waiting),
        waiting_blobs=len(waiting),
        leftovers=swept,
    )


@contextlib.contextmanager
def _put_back(store: LocalStore, condemned: Iterable[Item]) -> Iterator[None]:
    """Have nothing in the trash if it cannot be told any more what versions need."""
    try:
        yield
    except BaseException:
        for item in condemned:
            with contextlib.suppress(StoreError):  # not moved yet, or it stays where `repair` looks
                _restore(store, item)
        raise


def _restore(store: LocalStore, item: Item) -> None:
    """Move a blob back from the trash, unless it was stored anew meanwhile."""
    key, blob = f"{layout.TRASH}/{item.name}", layout.blob(item.name)
    if store.size(blob) is None or store.digest(key) == item.name:
        store.move(key, blob)
    else:
        store.delete(key)


def _empty_trash(store: LocalStore, claims: Claims) -> Iterator[int]:
    """Put back what an entry names by now, remove the rest; yield the lengths removed."""
    for item in [item for item in store.items(layout.TRASH) if is_digest(item.name)]:
        if item.name in claims:
            _restore(store, item)
        else:
            store.delete(f"{layout.TRASH}/{item.name}")
            yield item.size_bytes


def _leftovers(store: LocalStore) -> Iterator[str]:
    """Go through the paths of what writers are at, or left when they crashed."""
    for parent, folders, files in os.walk(store.path("")):
        for name in filter(_is_temporary, [*folders, *files]):
            yield os.path.join(parent, name)
        folders[:] = [name for name in folders if not _is_temporary(name)]
    if os.path.islink(store.path(layout.BLOBS.partition("/")[0])):  # the walk follows no links
        for item in store.items(layout.BLOBS):
            if _is_temporary(item.name):
                yield store.path(f"{layout.BLOBS}/{item.name}")


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
    return name.startswith(reserved.TEMPORARY)
