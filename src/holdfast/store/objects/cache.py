"""Files on this machine under their own SHA-256: checked before use, the least used go first.

Any number of processes may share the folder. A file gets its name when it is whole; who finds
another one there puts the right one in its place.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from holdfast.errors import DamagedError
from holdfast.store import durable
from holdfast.store.reserved import TEMPORARY

LIMIT_BYTES: Final = 20 << 30
_IN_USE_S: Final = 600
_ABANDONED_S: Final = 86_400
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)
_READ_ONLY: Final = 0o444


@dataclass(frozen=True, slots=True)
class _Signature:
    """What changes when somebody writes to a file."""

    inode: int
    size_bytes: int
    modified_ns: int


class Cache:
    """A folder of files named by their digest.

    Args:
        folder: Where; made when the first file comes.
        limit_bytes: What the files may take together; those used in the last ten minutes stay
            even beyond it, for somebody may be about to open them.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder / "sha256"
        self._limit_bytes = limit_bytes
        self._checked: dict[str, _Signature] = {}

    def file(
        self, sha256: str, size_bytes: int, pieces: Callable[[], Iterator[bytes | memoryview]]
    ) -> Path:
        """Return a file with the bytes of that digest, from *pieces* if there is none.

        Raises:
            DamagedError: If *pieces* are other bytes; nothing is kept of them.
            StoreFullError: If the disk is full.
            ReadOnlyStoreError: If the folder may not be written.
        """
        path = self._folder / sha256
        if not self._holds(path, size_bytes):
            with durable.translate_errors(str(self._folder)):
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._take_in(path, size_bytes, pieces())
                self._trim(path)
        _mark_used(path)
        return path

    def remembers(self, what: str) -> bool:
        """Tell whether *what* was said before by a process that has this cache."""
        return self._note(what).exists()

    def remember(self, what: str) -> None:
        """Keep it in the cache; a failure to does not matter."""
        with contextlib.suppress(OSError):
            self._note(what).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._note(what).touch()

    def _note(self, what: str) -> Path:
        return self._folder.with_name("notes") / hashlib.sha256(what.encode()).hexdigest()

    def fits(self, size_bytes: int) -> bool:
        """Tell whether a file of that length may be kept at all."""
        return size_bytes <= self._limit_bytes

    def admit(self, pieces: Iterator[bytes]) -> tuple[str, int, Path]:
        """Keep a file whose digest is not known yet; return its digest, its length and the file.

        Raises:
            StoreFullError: If the disk is full.
            ReadOnlyStoreError: If the folder may not be written.
        """
        with durable.translate_errors(str(self._folder)):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            written = self._folder / f"{TEMPORARY}{secrets.token_hex(8)}"
            try:
                sha256, length, signature = _write(written, pieces)
                path = self._folder / sha256
                if not self._holds(path, length):
                    self._name(written, path, signature)
            finally:
                with contextlib.suppress(OSError):  # it has its name
                    written.unlink()
            self._trim(path)
        _mark_used(path)
        return sha256, length, path

    def _holds(self, path: Path, size_bytes: int) -> bool:
        """Tell whether a sound file is there; it is hashed once, and again if it was touched."""
        try:
            with open(path, "rb", buffering=0, opener=_open_itself) as file:
                signature = _signature(file)
                known = self._checked.get(path.name) == signature
                sound = signature.size_bytes == size_bytes and (known or _is_named(file, path.name))
        except OSError:  # absent, a link, a folder, unreadable: another takes its place
            return False
        if sound:
            self._checked[path.name] = signature
        return sound

    def _take_in(self, path: Path, size_bytes: int, pieces: Iterator[bytes | memoryview]) -> None:
        written = self._folder / f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            sha256, length, signature = _write(written, pieces)
            _check(path.name, size_bytes, sha256, length)
            self._name(written, path, signature)
        finally:
            with contextlib.suppress(OSError):  # it has its name
                written.unlink()

    def _name(self, written: Path, path: Path, signature: _Signature) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        os.replace(written, path)
        self._checked[path.name] = signature

    def _trim(self, protected_path: Path) -> None:
        """Remove the files that were not used for longest until the rest fits."""
        now = time.time()
        files = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):  # removed by another process
                files.append((path.lstat().st_atime, path.lstat().st_size, path))
        total = sum(size_bytes for _used, size_bytes, _path in files)
        for used, size_bytes, path in sorted(files):
            abandoned = path.name.startswith(TEMPORARY)
            age_s = now - used
            if path == protected_path or age_s < (_ABANDONED_S if abandoned else _IN_USE_S):
                continue
            if abandoned or total > self._limit_bytes:
                with contextlib.suppress(OSError):  # open elsewhere, where that forbids removing
                    path.unlink()
                    total -= size_bytes


def _write(
    path: Path, pieces: Iterator[bytes] | Iterator[bytes | memoryview]
) -> tuple[str, int, _Signature]:
    """Write a new file; return its digest and its length."""
    digest = hashlib.sha256()
    length = 0
    with path.open("xb", buffering=0) as file:
        for piece in pieces:
            durable.write_all(file.fileno(), piece)
            digest.update(piece)
            length += len(piece)
        os.chmod(path, _READ_ONLY)
        return digest.hexdigest(), length, _signature(file)


def _check(sha256: str, size_bytes: int, actual_digest: str, length: int) -> None:
    if (actual_digest, length) == (sha256, size_bytes):
        return
    other = f"has {length} bytes instead of {size_bytes}"
    raise DamagedError(
        f"blob sha256:{sha256}",
        "has changed" if length == size_bytes else other,
        "restore it from a copy of the store, or register the same file again",
    )


def _signature(file: FileIO) -> _Signature:
    status = os.fstat(file.fileno())
    return _Signature(status.st_ino, status.st_size, status.st_mtime_ns)


def _is_named(file: FileIO, sha256: str) -> bool:
    return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _open_itself(path: str, flags: int) -> int:
    """Open a file, not what a link of its name leads to."""
    return os.open(path, flags | _NO_LINKS)


def _mark_used(path: Path) -> None:
    with contextlib.suppress(OSError):  # another user's, or gone: no harm
        os.utime(path, ns=(time.time_ns(), path.lstat().st_mtime_ns), follow_symlinks=False)
