"""The collector of a folder: what nothing names any more, and what crashes left behind."""

import contextlib
import os
from collections.abc import Iterable, Iterator

from holdfast.core.manifest import is_digest
from holdfast.errors import StoreError
from holdfast.store import Item, durable, layout
from holdfast.store.local import LocalStore
from holdfast.store.place import Claims, Collected, Needed


def collect(store: LocalStore, needed: Needed, grace_s: float) -> Collected:
    """Remove blobs that no version names and leftovers of crashes, once they are old enough.

    Nobody may register meanwhile, where locks can see to that. Condemned blobs go to the trash
    first; then all journals are read again, and what an entry names by now is put back: all of it,
    if they cannot be read any more. A file whose name is no digest was never put there by a
    registry, and stays.
    """
    oldest = durable.now_of(store.path("")) - grace_s
    claims = needed()
    blobs = [item for item in store.items(layout.BLOBS) if is_digest(item.name)]
    loose = [item for item in blobs if item.name not in claims.named]
    condemned = [item for item in loose if item.modified <= oldest and item.name not in claims]
    waiting = [item for item in loose if item.modified > oldest or item.name in claims]
    with _put_back(store, condemned):
        for item in condemned:
            store.move(layout.blob(item.name), f"{layout.TRASH}/{item.name}")
        claims = needed()
    freed = list(_empty_trash(store, claims))
    return Collected(
        freed_bytes=sum(freed),
        freed_blobs=len(freed),
        waiting_bytes=sum(item.size_bytes for item in waiting),
        waiting_blobs=len(waiting),
        leftovers=_sweep(store, oldest),
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
