"""What this user keeps of what was checked here: nobody else can have written it."""

import contextlib
import os
import secrets
from pathlib import Path

from holdfast.core.manifest import digest_of


def read(kind: str, key: str, most_bytes: int) -> bytes | None:
    """Return what was kept under a key, `None` if nothing was, or others could have written it."""
    folder = _folder(kind)
    if folder is None:
        return None
    try:
        with (folder / _name(key)).open("rb") as file:
            return file.read(most_bytes)
    except OSError:
        return None


def keep(kind: str, key: str, data: bytes) -> None:
    """Keep bytes under a key, in place of those before; failing to fails nothing."""
    folder = _folder(kind)
    if folder is None:
        return
    draft = folder / f".{secrets.token_hex(8)}"
    with contextlib.suppress(OSError):
        draft.write_bytes(data)
        draft.replace(folder / _name(key))


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
