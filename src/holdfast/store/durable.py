"""Writing so that a power cut leaves the old or the new, whole, and never something between."""

import contextlib
import errno
import functools
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Final

from holdfast.errors import ReadOnlyStoreError, StoreError, StoreFullError
from holdfast.store import TakenError
from holdfast.store.reserved import TEMPORARY

FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What a disk says that has no room, for bytes or for names."""
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NAMELESS = os.O_RDWR | os.O_TMPFILE if sys.platform == "linux" else None
_PLAIN, _READ_ONLY = 0o666, 0o444
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_REPLACE_PATIENCE_S = 2.0 if os.name == "nt" else 0.0


@contextlib.contextmanager
def translate_errors(path: str) -> Iterator[None]:
    """Turn the system's errors about *path* into ours.

    Raises:
        StoreFullError: If the disk or a quota is full.
        ReadOnlyStoreError: If the store may not be written.
        StoreError: For everything else the system refuses.
    """
    try:
        yield
    except OSError as error:
        match error.errno:
            case number if number in FULL:
                raise StoreFullError(
                    path,
                    "has no space left",
                    "free some, then repeat; `holdfast gc` needs none and frees what was purged",
                ) from error
            case errno.EROFS | errno.EACCES | errno.EPERM:
                raise ReadOnlyStoreError(
                    path, "cannot be written", "check the mount and the folder's owner and mode"
                ) from error
            case _:
                raise StoreError(
                    path,
                    f"cannot be used: {error.strerror or error}",
                    "check the disk, then repeat",
                ) from error


def unreadable(path: str, error: OSError) -> StoreError:
    """Turn the system's refusal to read *path* into our error."""
    problem = f"cannot be read: {error.strerror}"
    return StoreError(path, problem, "check the disk, and the owner and mode")


def require_target(folder: str) -> None:
    """Refuse to take a link that leads nowhere for an empty folder: its disk is not there.

    Raises:
        StoreError: If it is such a link.
    """
    if os.path.islink(folder) and not os.path.exists(folder):
        raise StoreError(folder, "is a link that leads nowhere", "mount the disk it leads to")


def sync(descriptor: int) -> None:
    """Return once the file's bytes are on the platter."""
    if sys.platform == "darwin":  # fsync there stops at the drive's cache
        import fcntl  # noqa: PLC0415 - exists on POSIX alone

        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def begin_to_sync(descriptor: int, start: int, size_bytes: int) -> None:
    """Have the system begin to write what a file just got, so that `sync` has less to wait for.

    Advice that bytes are not needed has Linux write them out without waiting; they stay in memory
    as long as they are not written.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it is advice
            os.posix_fadvise(descriptor, start, size_bytes, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: str) -> None:
    """Return once the folder's names are on the platter; Windows needs no such thing."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | _DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: str) -> None:
    """Create a folder and its parents durably."""
    missing = []
    while not os.path.isdir(folder) and folder not in missing:  # a drive may be missing
        missing.append(folder)
        folder = os.path.dirname(folder)
    for new in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(new)
        sync_folder(os.path.dirname(new))


def settle_folder(folder: str, known: set[str]) -> None:
    """Make a folder durable with all above it, even one that a killed process left unsynced.

    Args:
        folder: To be created if it is missing.
        known: Folders that are durable; what is made so is added.
    """
    if folder in known:
        return
    above = os.path.dirname(folder)
    settle_folder(above, known)
    if os.path.isdir(folder):
        sync_folder(above)
    else:
        make_folder(folder)
    known.add(folder)


@contextlib.contextmanager
def temporary(folder: str) -> Iterator[tuple[FileIO, str]]:
    """Open a new file in *folder* for reading and writing; remove what is left of it at the end.

    Yields:
        The file, to be finished by the caller, and its path.
    """
    path = _unused(folder)
    try:
        file = FileIO(path, "x+")
    except FileNotFoundError:
        make_folder(folder)
        file = FileIO(path, "x+")
    try:
        yield file, path
    finally:
        file.close()
        with contextlib.suppress(OSError):  # what stays is swept; the outcome is another matter
            os.unlink(path)


def _unused(folder: str) -> str:
    return os.path.join(folder, f"{TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte, however few the system takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def finish(file: FileIO) -> None:
    """Make a written file durable and read-only, and close it."""
    if hasattr(os, "fchmod"):
        with contextlib.suppress(PermissionError):  # FAT refuses modes it cannot keep
            os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & _READ_ONLY)
    sync(file.fileno())
    file.close()


def create(path: str, data: bytes, *, links: bool = True) -> None:
    """Write a file that must not exist; its name never exists before its bytes are durable.

    Raises:
        TakenError: If the name exists.
    """
    folder = os.path.dirname(path)
    try:
        if not (links and _create_nameless(path, data)):
            with temporary(folder) as (file, written):
                write_all(file.fileno(), data)
                finish(file)
                publish(written, path, links=links)
    except TakenError:
        sync_folder(folder)  # whoever builds on the name there must not lose it to a power cut
        raise
    sync_folder(folder)


def _create_nameless(path: str, data: bytes) -> bool:
    """Write a file that has no name until it is durable, so that a crash leaves nothing of it.

    Returns:
        False where this system or disk has no such files; nothing was written.

    Raises:
        TakenError: If the name exists.
    """
    descriptor = open_nameless(path)
    if descriptor is None:
        return False
    try:
        write_all(descriptor, data)
        sync(descriptor)
        return named(descriptor, path)
    finally:
        os.close(descriptor)


def open_nameless(path: str) -> int | None:
    """Open a new file without a name, on the disk of *path*; `None` where there are none such."""
    if _NAMELESS is None:
        return None
    try:
        return os.open(os.path.dirname(path), _NAMELESS, _READ_ONLY)
    except OSError:  # no such files, or a reason that the usual way will tell
        return None


def named(descriptor: int, path: str) -> bool:
    """Give a nameless file its name; False where that cannot be.

    Raises:
        TakenError: If the name exists.
    """
    try:
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        # A network file system may have linked it and lost the answer.
        if os.fstat(descriptor).st_nlink == 0:
            raise TakenError(path) from None
    except OSError:  # no /proc, or a reason that the usual way will tell
        return False
    return True


def publish(written: str, path: str, *, links: bool = True) -> None:
    """Give a durable file its final name, unless the name exists.

    Raises:
        TakenError: If the name exists.
    """
    try:
        if links and sys.platform != "win32":
            _link(written, path)
        else:
            rename_exclusively(written, path)
    except FileExistsError:
        raise TakenError(path) from None


def _link(written: str, path: str) -> None:
    try:
        os.link(written, path)
    except FileExistsError:
        # A network file system may have linked it and lost the answer.
        if os.stat(written).st_nlink == 1:
            raise


def rename_exclusively(written: str, path: str) -> None:
    """Rename, and refuse a name that exists.

    Raises:
        FileExistsError: If the name exists.
        OSError: If this system cannot rename that way (`ENOSYS`, `EINVAL`, ...).
    """
    if sys.platform == "win32":
        os.rename(written, path)
    else:
        _rename(written, path, _EXCLUSIVELY)


_EXCLUSIVELY = 4 if sys.platform == "darwin" else 1  # RENAME_EXCL, RENAME_NOREPLACE
_SWAPPING = 2  # RENAME_SWAP, RENAME_EXCHANGE
_FEW: Final = 8
_replaced: Final = itertools.count()


def _rename(written: str, path: str, flag: int) -> None:
    number = _system_rename()(os.fsencode(written), os.fsencode(path), flag)
    if number:
        raise OSError(number, os.strerror(number), path)


@functools.cache
def _system_rename() -> Callable[[bytes, bytes, int], int]:
    """Return the system's rename with flags, which answers with an error number or 0."""
    if sys.platform == "win32":
        return _no_rename
    try:
        import ctypes  # noqa: PLC0415 - needed by writers alone, and slow to import

        libc = ctypes.CDLL(None, use_errno=True)
        call = libc.renamex_np if sys.platform == "darwin" else libc.renameat2
    except (ImportError, AttributeError):  # a Python without ctypes, an old or small C library
        return _no_rename
    here = -100  # AT_FDCWD

    def rename(written: bytes, path: bytes, flag: int) -> int:
        if sys.platform == "darwin":
            failed = call(written, path, flag)
        else:
            failed = call(here, written, here, path, flag)
        return ctypes.get_errno() if failed else 0

    return rename


def _no_rename(_written: bytes, _path: bytes, _flag: int) -> int:
    return errno.ENOSYS


def replace(path: str, data: bytes) -> None:
    """Write a file over whatever has its name; a reader sees the old or the new one, whole.

    It is not durable: for files that are made anew from others. Where the system can, the new file
    changes names with the old one, which is then removed; renaming over it would have ext4 write
    the new one out first. That takes 0.1 ms, and 2 ms the library which asks for a change of names:
    only a process that has replaced a few files already loads it.
    """
    folder = os.path.dirname(path)
    written = _unused(folder)
    try:
        _write_new(written, data)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        _write_new(written, data)
    try:
        try:
            if next(_replaced) < _FEW:
                os.replace(written, path)
            else:
                _rename(written, path, _SWAPPING)
        except OSError:  # no old file, or no such call on this system
            _replace_patiently(written, path)
    finally:
        with contextlib.suppress(OSError):  # the old file; what stays is swept
            os.unlink(written)


def _write_new(path: str, data: bytes) -> None:
    descriptor = os.open(path, _NEW, _PLAIN)
    try:
        write_all(descriptor, data)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _replace_patiently(written: str, path: str) -> None:
    deadline = time.monotonic() + _REPLACE_PATIENCE_S
    while True:
        try:
            os.replace(written, path)
        except PermissionError:  # on Windows: somebody has the old file open
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def now_of(folder: str) -> float:
    """Return the present time by the clock that dates files in *folder*, in seconds.

    Where there is no room for a file the folder itself is dated.
    """
    with translate_errors(folder):
        try:
            with temporary(folder) as (file, _path):
                return os.fstat(file.fileno()).st_mtime
        except OSError as error:
            if error.errno not in FULL:
                raise
            os.utime(folder)
            return os.stat(folder).st_mtime


def remove(path: str) -> None:
    """Remove a file or a folder with all in it, read-only or not; a missing one is not an error."""
    with translate_errors(path), contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil  # noqa: PLC0415 - only purging needs it

            shutil.rmtree(path, onerror=_remove_read_only)
        else:
            _remove_read_only(None, path, None)


def _remove_read_only(_function: object, path: str, _info: object) -> None:
    if os.name == "nt":  # a read-only file cannot be removed there
        os.chmod(path, 0o644)
    os.unlink(path)
