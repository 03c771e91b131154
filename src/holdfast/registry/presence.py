"""Blobs that an entry names, looked for once more when it is written.

A collector that came between the look at a blob and the entry may have taken it, where no lock
keeps collectors away. Once the entry is there, no collector that begins takes it any more; so what
is missing then is stored again, and a version is acknowledged with all its bytes or not at all.
"""

from collections.abc import Callable, Collection, Iterator

from holdfast.errors import DamagedError
from holdfast.store import in_order, layout
from holdfast.store.place import Place


def ensure(place: Place, digests: Collection[str], store_again: Callable[[], object]) -> None:
    """Have *store_again* called if one of the blobs is missing.

    Raises:
        DamagedError: If one still is; the entry stands, and names it.
    """
    if not _missing(place, digests):
        return
    store_again()
    for digest in _missing(place, digests):
        raise DamagedError(
            layout.blob(digest),
            "was collected while an entry that names it was written, and cannot be stored again",
            "`holdfast repair --from` fetches it from a copy, or register the same file again",
        )


def _missing(place: Place, digests: Collection[str]) -> list[str]:
    wanted = sorted(set(digests))
    keys = [layout.blob(digest) for digest in wanted]
    if place.store.traits.at_once == 1:
        sizes: Iterator[int | None] = map(place.store.size, keys)
    else:
        sizes = in_order.answers(place.store.size, keys, place.store.traits.at_once)
    return [digest for digest, size in zip(wanted, sizes, strict=True) if size is None]
