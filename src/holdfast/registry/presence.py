"""Blobs that an entry names, looked for once more when it is written.

Where no lock keeps collectors away, one that came between the check of a blob and the entry may
have removed it. Once the entry exists, no collector that starts later removes it; so what is
missing then is stored again, and a version is acknowledged with all its bytes or not at all.
"""

from collections.abc import Callable, Collection, Iterator

from holdfast.errors import DamagedError
from holdfast.store import concurrent, layout
from holdfast.store.open_store import OpenStore


def ensure(store: OpenStore, digests: Collection[str], store_again: Callable[[], object]) -> None:
    """Have *store_again* called if one of the blobs is missing.

    Raises:
        DamagedError: If one still is; the entry stands, and names it.
    """
    if not _missing(store, digests):
        return
    store_again()
    for digest in _missing(store, digests):
        raise DamagedError(
            layout.blob(digest),
            "was collected while an entry that names it was written, and cannot be stored again",
            "`holdfast repair --from` fetches it from a copy, or register the same file again",
        )


def _missing(store: OpenStore, digests: Collection[str]) -> list[str]:
    sorted_digests = sorted(set(digests))
    keys = [layout.blob(digest) for digest in sorted_digests]
    if store.store.traits.concurrency == 1:
        sizes: Iterator[int | None] = map(store.store.size, keys)
    else:
        sizes = concurrent.map_ordered(store.store.size, keys, store.store.traits.concurrency)
    return [digest for digest, size in zip(sorted_digests, sizes, strict=True) if size is None]
