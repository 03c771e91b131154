"""Where the bytes are: key-value stores, and above them the registry's layout of keys.

Key-value stores know nothing of models, entries or blobs; `pyproject.toml` holds them to it.

```
local       objects in a folder              objects/   objects in a bucket: S3, GCS, Azure
private_cache  what this user checked        remote/    requests to a server, and tokens for it
durable     files that a crash leaves whole  locks      between processes of one machine
probe       is a file system fit?            reserved   names that stores keep for themselves
foreign     files that systems and synchronisers leave
batch_writes  several small objects, durable at once
concurrent  several requests at the same time, results in their order
metering    how far long work on bytes is    hashed_copies  copies, hashed on their way
```

The registry's layout on them:

```
layout      names to keys                    journal   entries, created once, in order
blobs       bytes under their own digest     config    `holdfast.json`
packs       runs of entries for far readers  known_models  which models there were
projections files derived from the journals
open_store  what folders and buckets do in their own way: locks or conditions, links or a cache
incoming    files that come piece by piece, from others
folder, folder_collector                     a registry in a folder
bucket, bucket_glance, bucket_collector      a registry in a bucket
remote_location, remote_store                a registry behind a server: reads, and blobs to add
remote_journal   entries as a server sends them, and how far they were seen
remote_owners, remote_uploads, remote_reports   which model names a blob; blobs and reports sent
```
"""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from holdfast.errors import StoreError
from holdfast.store.metering import Step, unmetered

__all__ = [
    "AbsentError",
    "BlobStore",
    "InDoubtError",
    "Ingested",
    "Item",
    "NoFileError",
    "Store",
    "StoreTraits",
    "TakenError",
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
    """The object with this key is not a regular file but a link, a folder or a device."""


class Item(Struct, frozen=True):
    """One object below a prefix.

    Attributes:
        name: The key's last part.
        size_bytes: Length.
        modified: Seconds since the epoch, by the store's clock.
        tag: Of these very bytes, where a service gives one.
    """

    name: str
    size_bytes: int
    modified: float
    tag: str = ""


class Ingested(Struct, frozen=True):
    """The outcome of taking in a file.

    Attributes:
        sha256: 64 hex digits of what was read.
        created: False if the store had these bytes already.
    """

    sha256: str
    size_bytes: int
    created: bool


class StoreTraits(Struct, frozen=True):
    """What a store is like, where that changes how it is best used.

    Attributes:
        is_local: Every byte can be read in passing: a file system, not a network.
        concurrency: How many small objects are best read at the same time.
        fold_every: Entries after which a reader keeps a fold of its own to start from.
    """

    is_local: bool
    concurrency: int
    fold_every: int


class Store(Protocol):
    """Objects by key, such as `models/iris/journal/0000000042.json`.

    Keys are made by `store/layout.py` alone, so no name from outside reaches them unescaped.
    """

    @property
    def traits(self) -> StoreTraits:
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

    def items(self, prefix: str, after: str = "") -> Iterator[Item]:
        """Go through the objects directly below a prefix that sort after *after*."""
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

    def ingest(
        self, source: Path, prefix: str, expected: str | None, step: Step = unmetered
    ) -> Ingested:
        """Create an object named by its own SHA-256 from a file, and renew it if it exists.

        With *expected*, the digest the file is thought to have, a file that the store holds
        already is not written a second time to find that out. *step* is told of its bytes, once
        where the store is near, else twice.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, `None` if there is none."""
        ...

    def quarantine(self, key: str) -> None:
        """Take a damaged object away and keep it in `trash/damaged`; `AbsentError` if none is."""
        ...

    def fetch(self, key: str, sha256: str, size_bytes: int, step: Step = unmetered) -> Path:
        """Return a file of this machine that holds an object of that digest; nobody may write it.

        Raises:
            AbsentError: If there is none.
            DamagedError: If it had to be brought here and its bytes are others.
        """
        ...
