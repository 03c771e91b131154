"""A store in a folder of this machine."""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from io import BufferedReader, FileIO
from pathlib import Path

from holdfast.errors import InvalidInputError, StoreError
from holdfast.store import (
    MOST_READ,
    AbsentError,
    Ingested,
    Item,
    NoFileError,
    StoreTraits,
    TakenError,
    at_most,
    durable,
    hashed_copies,
    reserved,
)
from holdfast.store.metering import Step, unmetered
from holdfast.store.probe import probe

_COMPARED = 256 << 10
"""Bytes compared at a time: few enough to stay in the processor's cache."""
_READING = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
)
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class LocalStore:
    """Objects as files: the key is the path below *root*.

    Whoever may write to the folder may plant links in it: what is read must be a file itself, and
    nothing is written or removed behind a folder that is a link, unless it is one of the first
    folders, such as `blobs` on a larger disk.

    Args:
        root: The store's folder.
        links: Whether the file system has hard links, as the probe found.
    """

    traits = StoreTraits(is_local=True, concurrency=1, fold_every=256)

    def __init__(self, root: Path, *, links: bool = True) -> None:
        self.root = root
        self.links = links
        self._prefix = os.path.join(os.path.abspath(root), "")
        self._settled = {os.path.abspath(root)}

    def path(self, key: str) -> str:
        """Return the file of an object."""
        return self._prefix + key

    def _target(self, key: str) -> str:
        """Return the file of an object that is to be written or removed.

        Raises:
            StoreError: If the way there leads through a link.
        """
        first, end = key.find("/"), key.rfind("/")
        while end > first:
            if os.path.islink(folder := self._prefix + key[:end]):
                raise StoreError(folder, "is a link", "put the folder itself in its place")
            end = key.rfind("/", 0, end)
        return self._prefix + key

    def open(self, key: str) -> BufferedReader:
        """Open an object for reading; `AbsentError` if there is none, `NoFileError` if no file."""
        try:
            return regular(self._prefix + key)
        except (FileNotFoundError, NotADirectoryError):
            raise AbsentError(key) from None

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not exist, durably; `TakenError` if it does."""
        path = self._target(key)
        with durable.translate_errors(path):
            if not self._follows(path):
                durable.settle_folder(os.path.dirname(path), self._settled)
            try:
                durable.create(path, data, links=self.links)
            except OSError as error:
                if not self._has_lost_links(error):
                    raise
                durable.create(path, data, links=False)

    @staticmethod
    def _follows(path: str) -> bool:
        """Tell whether the object numbered one less lies there: its maker settled the folder."""
        folder, name = os.path.split(path)
        stem, suffix = os.path.splitext(name)
        if not stem.isdecimal():
            return False
        return os.path.isfile(os.path.join(folder, f"{int(stem) - 1:0{len(stem)}d}{suffix}"))

    def places(self, keys: Sequence[str]) -> list[str]:
        """Return the files that objects below one prefix are to have; their folder is durable."""
        paths = [self._target(key) for key in keys]
        with durable.translate_errors(paths[0]):
            durable.settle_folder(os.path.dirname(paths[0]), self._settled)
        return paths

    def ingest(
        self, source: Path, prefix: str, expected: str | None, step: Step = unmetered
    ) -> Ingested:
        """Create an object named by its own SHA-256 from a file, and renew it if it exists."""
        folder = os.path.dirname(self._target(f"{prefix}/"))
        with durable.translate_errors(folder):
            durable.settle_folder(folder, self._settled)
            ingested = self._known(source, prefix, expected)
            ingested = ingested or self._taken_in(source, prefix, step)
            durable.sync_folder(folder)  # the name there may be a rival's who did not get to this
        return ingested

    def adopt(self, file: FileIO, written: str, key: str) -> bool:
        """Give a file of ours that was written below its folder the key of its own digest.

        Returns:
            False if the store had these bytes already.
        """
        folder = os.path.dirname(self._target(key))
        with durable.translate_errors(folder):
            durable.settle_folder(folder, self._settled)
            created = not self._renew(key, file) and self._publish(file, written, key)
            durable.sync_folder(folder)
        return created

    def _known(self, source: Path, prefix: str, expected: str | None) -> Ingested | None:
        if expected is None:
            return None
        with readable(source) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if not self._renew(f"{prefix}/{expected}", file):
                return None
        return Ingested(expected, size_bytes, created=False)

    def _taken_in(self, source: Path, prefix: str, step: Step) -> Ingested:
        with durable.temporary(self._prefix + prefix) as (file, written):
            with readable(source) as original:
                digest, size_bytes = hashed_copies.copy(original, file.fileno(), step)
            key = f"{prefix}/{digest}"
            if self._renew(key, file):
                return Ingested(digest, size_bytes, created=False)
            created = self._publish(file, written, key)
        return Ingested(digest, size_bytes, created)

    def _publish(self, file: FileIO, written: str, key: str) -> bool:
        # The bytes are synced before they get their name: after a power cut the file system may
        # know a name and not what was written under it, and a blob would be there and be torn.
        # The name itself is synced by `ingest`, before an entry can speak of the blob.
        durable.finish(file)
        try:
            self._name(written, self._prefix + key)
        except TakenError:
            # A rival gave it its name since `_taken_in` looked for it, or it is there and damaged.
            # Only a comparison of bytes tells: a damaged blob keeps its name and may keep its
            # length. It is replaced in one step, so a reader never finds the name missing.
            with readable(Path(written)) as whole:
                if self._renew(key, whole):
                    return False
            durable.rename_over(written, self._prefix + key)
        return True

    def _name(self, written: str, path: str) -> None:
        try:
            durable.publish(written, path, links=self.links)
        except OSError as error:
            if not self._has_lost_links(error):
                raise
            durable.publish(written, path, links=False)

    def _has_lost_links(self, error: OSError) -> bool:
        """Tell whether the disk has no hard links by now: a store may be copied to another disk.

        Raises:
            UnfitStoreError: If it does not keep the names of created files at all.
        """
        if self.links and error.errno in _NO_LINKS:
            self.links = probe(self.root).links
            return not self.links
        return False

    def _renew(self, key: str, like: FileIO) -> bool:
        """Make an object young again so that no collector takes it; False if it is not *like* it.

        Bytes are compared, not lengths: whoever registers them anew must not get a damaged blob.
        """
        path = self._prefix + key
        try:
            with regular(path) as stored:
                if not _equal(stored, like):
                    return False
            with contextlib.suppress(PermissionError):  # another user's file: the lock protects it
                os.utime(path)
        except (FileNotFoundError, NoFileError):
            return False
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whether it exists or not; readers see the old or the new one, whole."""
        path = self._target(key)
        with durable.translate_errors(path):
            durable.replace(path, data)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Go through the names directly below a prefix that sort after *after*, in no order."""
        try:
            names = os.listdir(self._prefix + prefix)
        except (FileNotFoundError, NotADirectoryError):
            durable.require_target(self._prefix + prefix.partition("/")[0])
            return
        except OSError as error:
            raise durable.unreadable(self._prefix + prefix, error) from error
        temporary = reserved.TEMPORARY
        yield from [name for name in names if name > after and not name.startswith(temporary)]

    def delete(self, key: str) -> None:
        """Remove an object, if it exists; its folder stays."""
        durable.remove(self._target(key))

    def items(self, prefix: str, after: str = "") -> Iterator[Item]:
        """Go through the files directly below a prefix, those being written too."""
        try:
            entries = os.scandir(self._prefix + prefix)
        except FileNotFoundError:
            durable.require_target(self._prefix + prefix.partition("/")[0])
            return
        except OSError as error:
            raise durable.unreadable(self._prefix + prefix, error) from error
        with entries:
            items = map(_item, entries)
            yield from (item for item in items if item is not None and item.name > after)

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes, `None` if there is none.

        They are cut where no honest object is so long, and empty where something else has the name.
        """
        try:
            with self.open(key) as file:
                return at_most(file, MOST_READ)
        except AbsentError:
            return None
        except NoFileError:
            return b""
        except OSError as error:
            raise durable.unreadable(self._prefix + key, error) from error

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, `None` if there is none."""
        try:
            return os.stat(self._prefix + key).st_size
        except FileNotFoundError:
            return None

    def digest(self, key: str) -> str | None:
        """Return the SHA-256 of an object's bytes, `None` if it is not a file that can be read."""
        try:
            with regular(self._prefix + key) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    def fetch(  # it is here
        self,
        key: str,
        sha256: str,  # noqa: ARG002
        size_bytes: int,  # noqa: ARG002
        step: Step = unmetered,  # noqa: ARG002
    ) -> Path:
        """Return the file of an object, as it is."""
        path = self._prefix + key
        if not os.path.exists(path):
            raise AbsentError(key)
        return Path(path)

    def quarantine(self, key: str) -> None:
        """Rename what has this name, a file or not, into `trash/damaged`."""
        if not os.path.lexists(self._prefix + key):
            raise AbsentError(key)
        self.move(key, reserved.aside(key, os.urandom(4).hex()))

    # What only a file system has, for projections and the collector:

    def link(self, key: str, name: str) -> bool:
        """Give an object a second name; False where it cannot be or the name exists."""
        if not self.links:
            return False
        target = self._target(name)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)  # projections are made anew
            os.link(self._prefix + key, target)
        except OSError:
            return False
        return True

    def same(self, key: str, name: str) -> bool:
        """Tell whether two keys name one file; a symbolic link names itself."""
        try:
            status, other = os.lstat(self._prefix + key), os.lstat(self._prefix + name)
        except FileNotFoundError:
            return False
        return os.path.samestat(status, other)

    def move(self, key: str, name: str) -> None:
        """Rename an object over whatever has the new name.

        `blobs` and `models` may be links to another disk: there a file is copied, then removed.
        """
        source, target = self._target(key), self._target(name)
        with durable.translate_errors(target):
            durable.make_folder(os.path.dirname(target))
            try:
                durable.rename_over(source, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _carry(source, target)

    def remove_folder(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        durable.remove(self._target(prefix))


def _carry(source: str, target: str) -> None:
    """Move a file to another disk; a crash leaves it at its old name, at the new one or at both."""
    folder = os.path.dirname(target)
    with durable.temporary(folder) as (file, written):
        with readable(Path(source)) as original:
            hashed_copies.copy(original, file.fileno())
        durable.finish(file)
        durable.rename_over(written, target)
    durable.sync_folder(folder)
    durable.remove(source)


def regular(path: str) -> BufferedReader:
    """Open a regular file for reading, without waiting and without following a link.

    Raises:
        NoFileError: If something else has the name.
    """
    try:
        descriptor = os.open(path, _READING)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise NoFileError(errno.ELOOP, "is a symbolic link, not a file", path) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return BufferedReader(FileIO(descriptor))
    os.close(descriptor)
    kind = "folder" if stat.S_ISDIR(mode) else "device"
    raise NoFileError(errno.EINVAL, f"is a {kind}, not a file", path)


def _item(entry: os.DirEntry[str]) -> Item | None:
    try:
        if entry.is_file(follow_symlinks=False):
            about = entry.stat(follow_symlinks=False)
            return Item(entry.name, about.st_size, about.st_mtime)
    except FileNotFoundError:  # removed since it was listed
        pass
    return None


def _equal(file: BufferedReader, other: FileIO) -> bool:
    """Compare two files from their beginnings."""
    if os.fstat(file.fileno()).st_size != os.fstat(other.fileno()).st_size:
        return False
    other.seek(0)
    piece, same = bytearray(_COMPARED), bytearray(_COMPARED)
    while length := file.readinto(piece):
        if other.readinto(same) != length or piece != same:
            return False
    return True


def readable(source: Path) -> FileIO:
    """Open a file that is to be taken in.

    Raises:
        InvalidInputError: If it cannot be read.
    """
    try:
        return FileIO(source)
    except OSError as error:
        raise InvalidInputError(
            f"file {str(source)!r}", f"cannot be read: {error.strerror}", "check its path and mode"
        ) from error
