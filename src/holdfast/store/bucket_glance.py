"""A look at all models of a bucket: a request for each one's pointer, and one listing."""

from collections.abc import Collection, Iterator, Mapping

from holdfast.store import concurrent, layout, projections
from holdfast.store.journal import End
from holdfast.store.objects.object_store import ObjectStore
from holdfast.store.open_store import Glance
from holdfast.store.projections import Pointer

_AT_ONCE = 64
_PAGE = 1000


def glance(store: ObjectStore, folders: Collection[str]) -> dict[str, Glance]:
    """Tell the pointer and the end of the journal of each folder below `models` that has both."""
    names = list(folders)
    read = concurrent.map_ordered(lambda name: _pointer(store, name), names, _AT_ONCE)
    pointers = {
        name: states for name, states in zip(names, read, strict=True) if states is not None
    }
    ends: dict[str, list[tuple[int, str]]] = {}
    for folder, seq, tag in _entries(
        store, {name: pointer_read.seq for name, pointer_read in pointers.items()}
    ):
        ends.setdefault(folder, []).append((seq, tag))
    states = {}
    for name, pointer in pointers.items():
        last = _end(pointer.seq, ends.get(name, []))
        if last is not None:
            states[name] = Glance(pointer, last)
    return states


def _pointer(store: ObjectStore, folder: str) -> Pointer | None:
    return projections.pointer_at(store, layout.pointer_below(f"{layout.MODELS}/{folder}"))


def _end(seq: int, listed: list[tuple[int, str]]) -> End | None:
    """Return the end of a journal whose entry *seq* is there, with all behind it."""
    there = [(number, tag) for number, tag in listed if number >= seq]
    if not seq or [number for number, _tag in there] != list(range(seq, seq + len(there))):
        return None
    return End(*there[-1]) if there else None


def _entries(store: ObjectStore, seen: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    """List the entries of all models, passing over those that stand before the ones *seen*."""
    wire, after = store.wire, ""
    leaps = wire.bucket.kind != "az"  # whose listings cannot begin elsewhere than at the beginning
    while True:
        count, key = 0, ""
        for metadata in wire.below(layout.MODELS, after):
            count, key = count + 1, metadata["path"]
            folder, _, rest = key.removeprefix(f"{layout.MODELS}/").partition("/")
            place, _, name = rest.partition("/")
            number = layout.number_of(name) if place == "journal" else None
            if number is not None:
                yield folder, number, metadata["e_tag"] or ""
            if leaps and count == _PAGE:
                break
        if count < _PAGE or not leaps:
            return
        after = max(key, _before(key, seen))


def _before(key: str, seen: Mapping[str, int]) -> str:
    """Return the key right before the entry that was seen of the model whose *key* was listed."""
    folder = key.removeprefix(f"{layout.MODELS}/").partition("/")[0]
    last = max(seen.get(folder, 0) - 1, 0)
    return layout.numbered(layout.journal(f"{layout.MODELS}/{folder}"), last)
