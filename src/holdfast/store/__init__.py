"""Where the bytes are: verbs over keys, blobs and journals built on them, and the places of both.

```
layout      names to keys                    journal   entries, created once, in order
blobs       bytes under their own digest     config    `holdfast.json`
place       what a place does in its own way: locks or conditions, links or a cache
foreign     files that systems and synchronisers leave
in_order    some questions at the same time, answered in their order
folder      a folder: local, durable, locks, probe, projections, garbage
objects/    a bucket: S3, GCS, Azure
```
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from holdfast.errors import StoreError

__all__ = [
    "AbsentError",
    "BlobStore",
    "InDoubtError",
    "Ingested",
    "Item",
    "NoFileError",
    "Store",
    "TakenError",
    "Traits",
    "at_most",
]

_SHORT = 1 << 16


class AbsentError(Exception):
    """No object has this key."""


class TakenError(Exception):
    """An object has this key already; it was not touched."""


class InDoubtError(StoreError):
    """A store did not say whether it wrote an object, and it may still come to write it."""


class NoFileError(OSError):
    """What has this key is no regular file: somebody put a link, a folder or a device there."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object below a prefix.

    Attributes:
        name: The key's last part.
        size_bytes: Length.
        modified: Seconds since the epoch, by the store's clock.
    """

    name: str
    size_bytes: int
    modified: float


@dataclass(frozen=True, slots=True)
class Ingested:
    """The outcome of taking in a file.

    Attributes:
        sha256: 64 hex digits of what was read.
        created: False if the store had these bytes already.
    """

    sha256: str
    size_bytes: int
    created: bool


@dataclass(frozen=True, slots=True)
class Traits:
    """What a store is like, where that changes how it is best used.

    Attributes:
        near: Every byte can be read in passing: a file system, not a network.
        at_once: How many small objects are best read at the same time.
        fold_every: Entries after which a reader keeps a fold of its own to start from.
    """

    near: bool
    at_once: int
    fold_every: int


class Store(Protocol):
    """Objects by key, such as `models/iris/journal/0000000042.json`.

    Keys are made by `store/layout.py` alone, so no name from outside reaches them unescaped.
    """

    @property
    def traits(self) -> Traits:
        """What it is like."""
        ...

    def open(self, key: str) -> BufferedReader:
        """Open an object for reading; `AbsentError` if there is none."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not exist, durably; `TakenError` if it does."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whether it exists or not; readers see the old or the new one, whole."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Go through the names directly below a prefix that sort after *after*, in no order."""
        ...

    def items(self, prefix: str) -> Iterator[Item]:
        """Go through the objects directly below a prefix, those being written too."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        ...


MOST_READ = 128 << 20
"""Bytes read at once of what stands in a place of ours; nothing of ours is longer."""


def at_most(file: BufferedReader, most_bytes: int) -> bytes:
    """Read a file that is likely short: room for *most_bytes* is made only where it is long."""
    start = file.read(min(_SHORT, most_bytes))
    return start if len(start) < _SHORT else start + file.read(most_bytes - len(start))


class BlobStore(Store, Protocol):
    """A store that takes in whole files and hands them out."""

    def ingest(self, source: Path, prefix: str, expected: str | None) -> Ingested:
        """Create an object named by its own SHA-256 from a file, and renew it if it exists.

        With *expected*, the digest the file is thought to have, a file that the store holds
        already is not written a second time to find that out.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, `None` if there is none."""
        ...

    def set_aside(self, key: str) -> None:
        """Take a damaged object away and keep it in `trash/damaged`; `AbsentError` if none is."""
        ...

    def fetch(self, key: str, sha256: str, size_bytes: int) -> Path:
        """Return a file of this machine that holds an object of that digest; nobody may write it.

        Raises:
            AbsentError: If there is none.
            DamagedError: If it had to be brought here and its bytes are others.
        """
        ...
