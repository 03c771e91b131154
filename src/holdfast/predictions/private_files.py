"""Files and folders of a log that nobody but its owner may read: they hold what callers sent."""

import os
from pathlib import Path
from typing import IO, Final

__all__ = ["make_file", "make_folder", "opened_for_writing"]

_FILE: Final = 0o600
_FOLDER: Final = 0o700


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are not there; those that are keep their modes.

    Raises:
        OSError: If it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=_FOLDER, exist_ok=True)
    folder.mkdir(mode=_FOLDER, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file unless it is there; SQLite gives its companions the same mode.

    Raises:
        OSError: If it cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, _FILE))


def opened_for_writing(path: Path) -> IO[bytes]:
    """Open a file that is made or emptied; one that was there keeps its mode.

    Raises:
        OSError: If it cannot be opened.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE), "wb")
