"""Taking a file in: its digest first, then its bytes under that name, hashed again on their way."""

import hashlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInputError
from holdfast.store.local import readable
from holdfast.store.metering import MeteredFile, Step, metered, unmetered
from holdfast.store.objects.client import Client

_PART: Final = 8 << 20
_PIECE: Final = 1 << 20
_MOST_PARTS: Final = 9_000
_UNDER_WAY: Final = 48 << 20

SMALL: Final = _PART
"""Up to so many bytes a file is sent in one request."""


def size(source: Path) -> int:
    """Return a file's length in bytes.

    Raises:
        InvalidInputError: If it cannot be read.
    """
    with readable(source) as file:
        return os.fstat(file.fileno()).st_size


def digest(source: Path, step: Step = unmetered) -> tuple[str, int]:
    """Return a file's SHA-256 and length.

    Raises:
        InvalidInputError: If it cannot be read.
    """
    with readable(source) as file:
        try:
            sha256 = hashlib.file_digest(MeteredFile(file, step), "sha256")
        except OSError as error:
            raise _unreadable(source, error) from error
        return sha256.hexdigest(), file.tell()


def small(source: Path, sha256: str) -> bytes:
    """Return a small file's bytes, which must be the ones hashed before.

    Raises:
        InvalidInputError: If they are not.
    """
    return b"".join(_pieces(source, sha256))


def large(wire: Client, key: str, source: Path, sha256: str, step: Step = unmetered) -> None:
    """Send a file in parts; nothing of it is seen before the last, and only if it is unchanged.

    Raises:
        InvalidInputError: If it is not what was hashed before; what was sent is dropped.
    """
    size_bytes = os.stat(source).st_size
    part = max(_PART, -(-size_bytes // _MOST_PARTS))
    wire.upload(key, metered(_pieces(source, sha256), step), part, max(2, _UNDER_WAY // part))


def pieces(source: Path) -> Iterator[bytes]:
    """Go through a file's bytes.

    Raises:
        InvalidInputError: If it cannot be read.
    """
    with readable(source) as file:
        while piece := _read(file, source):
            yield piece


def _pieces(source: Path, sha256: str) -> Iterator[bytes]:
    """Go through a file's bytes and raise at their end if they are others than were hashed."""
    hasher = hashlib.sha256()
    for piece in pieces(source):
        hasher.update(piece)
        yield piece
    if hasher.hexdigest() != sha256:
        raise InvalidInputError(
            f"file {str(source)!r}", "changed while it was read", "repeat once it is complete"
        )


def _read(file: FileIO, source: Path) -> bytes:
    try:
        return file.read(_PIECE) or b""
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> InvalidInputError:
    problem = f"cannot be read: {error.strerror}"
    return InvalidInputError(f"file {str(source)!r}", problem, "check the disk")
