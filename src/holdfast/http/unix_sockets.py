"""A Unix socket to serve at: for its owner, or its group; what a dead server left is replaced."""

import contextlib
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError, StoreError
from holdfast.store import locks

__all__ = ["at_path"]

_BACKLOG: Final = 2048


@contextlib.contextmanager
def at_path(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listen at *path* until the end of the block, and remove it then.

    Args:
        mode: Of the socket's file: who may connect.

    Raises:
        InvalidInputError: If a server listens there, something else is there, or it cannot be made.
    """
    if sys.platform == "win32":
        raise InvalidInputError(
            f"--uds {str(path)!r}", "cannot be a Unix socket on Windows", "use --port"
        )
    try:
        with locks.folder(str(path.parent)):
            _remove_stale(path)
            opened = _listening(path, mode)
    except (OSError, StoreError) as error:
        why = str(error) if isinstance(error, StoreError) else error.strerror or str(error)
        problem = f"cannot be listened on: {why}"
        raise InvalidInputError(f"--uds {str(path)!r}", problem, "name another path") from error
    made = path.lstat()
    try:
        with opened:
            yield opened
    finally:
        with contextlib.suppress(OSError):
            if os.path.samestat(made, path.lstat()):
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more.

    Raises:
        FileExistsError: If somebody does, or something else is there.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise FileExistsError(0, "something other than a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as call:
        call.setblocking(False)  # noqa: FBT003 - a full backlog would be waited for
        try:
            call.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise FileExistsError(0, "another server listens there")


def _listening(path: Path, mode: int) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(str(path))
        path.chmod(mode)  # nobody can connect yet
        opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened
