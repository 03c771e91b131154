"""Where the bytes are: five verbs over keys, and blobs and journals built on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

__all__ = ["AbsentError", "Ingested", "Item", "Store", "TakenError"]


class AbsentError(Exception):
    """No object has this key."""


class TakenError(Exception):
    """An object has this key already; it was not touched."""


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


class Store(Protocol):
    """Objects by key, such as `models/iris/journal/0000000042.json`.

    Keys are made by `store/layout.py` alone, so no name from outside reaches them unescaped.
    """

    def open(self, key: str) -> BufferedReader:
        """Open an object for reading; `AbsentError` if there is none."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not exist, durably; `TakenError` if it does."""
        ...

    def ingest(self, source: Path, prefix: str, expected: str | None) -> Ingested:
        """Create an object named by its own SHA-256 from a file, and renew it if it exists.

        With *expected*, the digest the file is thought to have, a file that the store holds
        already is not written a second time to find that out.
        """
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whether it exists or not; readers see the old or the new one, whole."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Go through the names directly below a prefix, in no order."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        ...
