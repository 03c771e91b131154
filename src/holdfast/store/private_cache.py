"""A cache of what this user checked, in a folder that nobody else can write.

It lies below `~/.cache/holdfast-checked`, is bounded, and may be removed at any time: what is not
there is checked again.
"""

import contextlib
import itertools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.core.manifest import digest_of
from holdfast.store import durable
from holdfast.store.local import regular

_MOST_FILES: Final = 4096
_MOST_BYTES: Final = 1 << 30
"""Of each kind; beyond it the files that were used least lately go."""
_ABANDONED_S: Final = 3600.0
"""Age from which a draft is of a process that was killed."""
_EVERY: Final = 64
_counters: Final[dict[str, Iterator[int]]] = {}
"""By folder, what counts on from the files that were there when it was looked at."""


def read(kind: str, key: str, most_bytes: int) -> bytes | None:
    """Return what was kept under a key, `None` if nothing was, or others could have written it."""
    folder = _folder(kind)
    if folder is None:
        return None
    try:
        path = folder / _name(key)
        with regular(str(path)) as file:
            with contextlib.suppress(OSError):
                os.utime(path)  # it was of use
            return file.read(most_bytes)
    except OSError:
        return None


def keep(kind: str, key: str, data: bytes) -> None:
    """Keep bytes under a key, in place of those before; failing to fails nothing."""
    folder = _folder(kind)
    if folder is None:
        return
    draft, path = folder / f".{os.urandom(8).hex()}", folder / _name(key)
    try:
        if path.is_file():  # each commit keeps how far its journal goes: no new file to count
            durable.replace(str(path), data)
            return
        draft.write_bytes(data)
        draft.replace(path)
        _count_in(folder, path.name, len(data))
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()


def remove(kind: str, key: str) -> None:
    """Remove what was kept under a key; failing to fails nothing."""
    folder = _folder(kind)
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / _name(key)).unlink()


def clear(kind: str) -> None:
    """Remove all that was kept of a kind; failing to fails nothing."""
    folder = _folder(kind)
    if folder is not None:
        for entry in os.scandir(folder):
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()


def _count_in(folder: Path, newest: str, size_bytes: int) -> None:
    """Count a new file, and make room where there may be too much.

    A list of many models keeps something of each, so not every file has the folder looked at: the
    first one of this process does, each 64th, large ones, and any that may be one too many.
    """
    counter = _counters.get(str(folder))
    count = 0 if counter is None else next(counter)
    is_large = size_bytes > _MOST_BYTES // 1024
    if count % _EVERY == 0 or count > _MOST_FILES or is_large:
        _counters[str(folder)] = itertools.count(_make_room(folder, newest) + 1)


def _make_room(folder: Path, newest: str) -> int:
    """Remove the least recently used until a fifth of the space is free; others may do so too.

    Returns:
        How many files are left.
    """
    now = time.time()
    candidates, count, size_bytes = [], 0, 0
    for entry in os.scandir(folder):
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # another process removed or published it
            continue
        if entry.name.startswith("."):
            if now - about.st_mtime > _ABANDONED_S:
                Path(entry.path).unlink(missing_ok=True)
        elif entry.name != newest:
            candidates.append((about.st_mtime, about.st_size, entry.path))
        count, size_bytes = count + 1, size_bytes + about.st_size
    if count <= _MOST_FILES and size_bytes <= _MOST_BYTES:
        return count
    for _, length, path in sorted(candidates):
        if count <= _MOST_FILES * 4 // 5 and size_bytes <= _MOST_BYTES * 4 // 5:
            break
        Path(path).unlink(missing_ok=True)
        count, size_bytes = count - 1, size_bytes - length
    return count


def _name(key: str) -> str:
    return digest_of(key.encode())


def _folder(kind: str) -> Path | None:
    """Return `~/.cache/holdfast-checked/KIND`, `None` where it is not this user's alone."""
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    folder = f"{home}/.cache/holdfast-checked/{kind}"
    with contextlib.suppress(OSError):
        try:
            about = os.lstat(folder)
        except FileNotFoundError:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            about = os.lstat(folder)
        if not stat.S_ISDIR(about.st_mode):
            return None
        if not hasattr(os, "getuid"):
            return Path(folder)
        if about.st_uid == os.getuid() and not about.st_mode & 0o077:
            return Path(folder)
    return None
