"""What this user keeps of what was checked here: nobody else can have written it.

It lies below `~/.cache/holdfast-checked`, is bounded, and may be removed at any time: what is not
there is checked again.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from holdfast.core.manifest import digest_of

_MOST_FILES: Final = 4096
_MOST_BYTES: Final = 1 << 30
"""Of each kind; beyond it the files that were used least lately go."""
_ABANDONED_S: Final = 3600.0
"""Age from which a draft is of a process that was killed."""


def read(kind: str, key: str, most_bytes: int) -> bytes | None:
    """Return what was kept under a key, `None` if nothing was, or others could have written it."""
    folder = _folder(kind)
    if folder is None:
        return None
    try:
        with (folder / _name(key)).open("rb") as file:
            with contextlib.suppress(OSError):
                os.utime(file.name)  # it was of use
            return file.read(most_bytes)
    except OSError:
        return None


def keep(kind: str, key: str, data: bytes) -> None:
    """Keep bytes under a key, in place of those before; failing to fails nothing."""
    folder = _folder(kind)
    if folder is None:
        return
    draft = folder / f".{os.urandom(8).hex()}"
    try:
        draft.write_bytes(data)
        draft.replace(folder / _name(key))
        _make_room(folder, _name(key))
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()


def _make_room(folder: Path, newest: str) -> None:
    """Remove what was used least lately until a fifth of the room is free; others may as well."""
    now = time.time()
    kept, count, size_bytes = [], 0, 0
    for entry in os.scandir(folder):
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # another process removed or published it
            continue
        if entry.name.startswith("."):
            if now - about.st_mtime > _ABANDONED_S:
                Path(entry.path).unlink(missing_ok=True)
        elif entry.name != newest:
            kept.append((about.st_mtime, about.st_size, entry.path))
        count, size_bytes = count + 1, size_bytes + about.st_size
    if count <= _MOST_FILES and size_bytes <= _MOST_BYTES:
        return
    for _, length, path in sorted(kept):
        if count <= _MOST_FILES * 4 // 5 and size_bytes <= _MOST_BYTES * 4 // 5:
            return
        Path(path).unlink(missing_ok=True)
        count, size_bytes = count - 1, size_bytes - length


def _name(key: str) -> str:
    return digest_of(key.encode())


def _folder(kind: str) -> Path | None:
    """Return `~/.cache/holdfast-checked/KIND`, `None` where it is not this user's alone."""
    with contextlib.suppress(OSError, RuntimeError):
        folder = Path.home() / ".cache" / "holdfast-checked" / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.lstat()
        if not hasattr(os, "getuid"):
            return folder
        if about.st_uid == os.getuid() and not about.st_mode & 0o077 and not folder.is_symlink():
            return folder
    return None
