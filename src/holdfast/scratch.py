"""Folders for a while, that go with the process that made them.

A forked child leaves those of its parent alone, however it ends: `tempfile.TemporaryDirectory`
would remove them at the child's exit, while the parent works in them.
"""

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["folder", "until_exit"]

_WRITABLE = 0o700


@contextlib.contextmanager
def folder(parent: str | Path | None = None, prefix: str = "holdfast-") -> Iterator[Path]:
    """Give a new folder, and remove it at the end of the block.

    Raises:
        OSError: If it cannot be made; what cannot be removed stays.
    """
    path, owner = _made(prefix, parent), os.getpid()
    try:
        yield Path(path)
    finally:
        _remove(path, owner)


def until_exit(prefix: str = "holdfast-") -> Path:
    """Make a folder that is removed when this process ends."""
    path, owner = _made(prefix), os.getpid()
    atexit.register(_remove, path, owner)
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:  # whose children end without what `atexit` knows
        multiprocessing.Finalize(None, _remove, args=(path, owner), exitpriority=0)
    return Path(path)


def _made(prefix: str, parent: str | Path | None = None) -> str:
    import tempfile  # noqa: PLC0415 - few commands need a folder

    return tempfile.mkdtemp(prefix=prefix, dir=parent)


def _remove(path: str, owner: int) -> None:
    if os.getpid() != owner:
        return
    import shutil  # noqa: PLC0415 - likewise

    def unprotect(remove: Callable[..., Any], entry_path: str, _info: object) -> None:
        """Remove what was made read-only: Windows looks at a file's mode, others at its folder's.

        What is around the folder that is to be removed, or behind a link in it, is left as it is.
        """
        with contextlib.suppress(OSError):
            if entry_path != path:
                os.chmod(os.path.dirname(entry_path), _WRITABLE)
            if not os.path.islink(entry_path):
                os.chmod(entry_path, _WRITABLE)
            if remove in (os.unlink, os.rmdir):
                remove(entry_path)
            else:  # it could not be looked into
                shutil.rmtree(entry_path, ignore_errors=True)

    shutil.rmtree(path, onerror=unprotect)
