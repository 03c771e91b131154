"""Files that a person names, or that lie where others may put some: read to an end that exists.

A pipe in the place of one would keep its reader waiting for ever, and a device has no end.
"""

import errno
import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

__all__ = ["opened", "read"]

# each is 0 where the system has no such thing
_READING: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_LONGEST: Final = 64 << 20


def opened(path: Path) -> BufferedReader:
    """Open a regular file, links followed, without waiting for anybody.

    Raises:
        OSError: If it cannot be opened, or is something else.
    """
    descriptor = os.open(path, _READING)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return BufferedReader(FileIO(descriptor))


def read(path: Path, most_bytes: int = _LONGEST) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises:
        OSError: If it cannot be read, is something else or is longer.
    """
    with opened(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
    return content
