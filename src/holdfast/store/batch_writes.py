"""Several small objects written at once, so that a disk is waited for less often.

A disk that several threads ask at the same time to make files durable does so in one go. Where
that cannot be (a bucket, a disk without nameless files) they are created one by one.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

from holdfast.store import Store, TakenError, concurrent, durable
from holdfast.store.local import LocalStore

_AT_ONCE = 16
Object = tuple[str, bytes]
File = tuple[int, str]
"""A durable file without a name, and the path that it is to have."""


def create_together(store: Store, objects: Sequence[Object]) -> None:
    """Write objects below one prefix, in no order; one whose key is taken is left as it is."""
    with _written(store, objects) as files:
        for each, file in zip(objects, files, strict=True):
            _place(store, each, file)
        _sync(files)


def create_in_order(store: Store, objects: Sequence[Object]) -> int:
    """Write objects below one prefix, each durable before the next has its key.

    A crash leaves the first of them, each whole, and never one without those before it.

    Returns:
        How many were written: all, or those before the first whose key is taken.
    """
    with _written(store, objects) as files:
        for count, (each, file) in enumerate(zip(objects, files, strict=True)):
            is_placed = _place(store, each, file)
            _sync(files)
            if not is_placed:
                return count
    return len(objects)


def _place(store: Store, each: Object, file: File | None) -> bool:
    """Give an object its key; False if that is taken."""
    try:
        if file is None or not durable.named(*file):
            store.create(*each)
    except TakenError:
        return False
    return True


@contextlib.contextmanager
def _written(store: Store, objects: Sequence[Object]) -> Iterator[Sequence[File | None]]:
    """Have the bytes of all objects durable, without names, where that can be."""
    if not isinstance(store, LocalStore) or not store.links or not objects:
        yield [None] * len(objects)
        return
    paths = store.places([key for key, _ in objects])
    with contextlib.ExitStack() as stack, durable.translate_errors(os.path.dirname(paths[0])):
        files: list[File] = []
        for path, (_, data) in zip(paths, objects, strict=True):
            descriptor = durable.open_nameless(path)
            if descriptor is None:
                break
            stack.callback(os.close, descriptor)
            durable.write_all(descriptor, data)
            files.append((descriptor, path))
        if len(files) == len(objects):
            for _ in concurrent.map_ordered(lambda file: durable.sync(file[0]), files, _AT_ONCE):
                pass
            yield files
        else:
            yield [None] * len(objects)


def _sync(files: Sequence[File | None]) -> None:
    """Make the names of files durable; what a store created by itself is so already."""
    if files and files[0] is not None:
        durable.sync_folder(os.path.dirname(files[0][1]))
