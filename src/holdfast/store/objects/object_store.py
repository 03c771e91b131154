"""A store in a bucket: the verbs over keys that `LocalStore` has over a folder."""

import shutil
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from holdfast import scratch
from holdfast.errors import StoreError
from holdfast.store import AbsentError, Ingested, Item, StoreTraits, TakenError, reserved
from holdfast.store.metering import Step, metered, unmetered
from holdfast.store.objects import creating, fetching, object_reader, sending
from holdfast.store.objects.cache import Cache
from holdfast.store.objects.client import Bucket, Client
from holdfast.store.objects.client_errors import ConditionError

AT_ONCE: Final = 16
"""How many small objects are read at the same time."""
_LAST: Final = "\U0010ffff"


class ObjectStore:
    """Objects in a bucket of S3, GCS, Azure or what speaks like them.

    Args:
        bucket: Where; `locate` makes it of an address.
        cache: Where blobs are kept on this machine.

    Attributes:
        wire: The requests, counted.
        cache: The files kept here.
    """

    traits = StoreTraits(is_local=False, concurrency=AT_ONCE, fold_every=100)

    def __init__(self, bucket: Bucket, cache: Cache) -> None:
        self.wire = Client(bucket)
        self.cache = cache

    @property
    def url(self) -> str:
        """The address, without secrets."""
        return self.wire.bucket.url

    def open(self, key: str) -> BufferedReader:
        """Open an object for reading; `AbsentError` if there is none."""
        return object_reader.opened(self.wire, key)

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not exist; `TakenError` if it does.

        Raises:
            InDoubtError: If it cannot be told whether it was written.
            StoreError: If nothing was written.
        """
        creating.create(self.wire, key, data, self.read)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whether it exists or not; readers see the old or the new one, whole."""
        self.wire.put(key, data)

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        try:
            self.wire.delete(key)
        except AbsentError:
            return

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Go through the names directly below a prefix that sort after *after*, in no order."""
        if after:
            yield from self._later(prefix, after)
            return
        folders, objects = self.wire.level(prefix)
        for folder in folders:
            yield _name(folder, prefix)
        for metadata in objects:
            yield _name(metadata["path"], prefix)

    def _later(self, prefix: str, after: str) -> Iterator[str]:
        """List from *after* on; a folder met is given once and its content jumped over."""
        start: str | None = _below(prefix) + after
        while start is not None:
            pages, start = self.wire.below(prefix, start), None
            for metadata in pages:
                name = _name(metadata["path"], prefix)
                if name > after:
                    yield name
                if metadata["path"] != _below(prefix) + name:
                    start = f"{_below(prefix)}{name}/{_LAST}"
                    break

    def items(self, prefix: str, after: str = "") -> Iterator[Item]:
        """Go through the objects directly below a prefix that sort after *after*."""
        for metadata in self.wire.below(prefix, _below(prefix) + after if after else ""):
            name = _name(metadata["path"], prefix)
            if metadata["path"] == _below(prefix) + name:
                modified = metadata["last_modified"].timestamp()
                yield Item(name, metadata["size"], modified, metadata["e_tag"] or "")

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, `None` if there is none."""
        try:
            return int(self.wire.head(key)["size"])
        except AbsentError:
            return None

    def signed(self, key: str, seconds: float) -> str:
        """Return a URL by which anybody can read an object for so long; nothing is asked.

        Raises:
            StoreError: If what opened the bucket cannot sign.
        """
        return self.wire.signed(key, seconds)

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes, `None` if there is none."""
        try:
            return self.wire.read(key)[0]
        except AbsentError:
            return None

    def tagged(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and the tag of this version of it, `None` if there is none."""
        try:
            return self.wire.read(key)
        except AbsentError:
            return None

    def replace_tagged(self, key: str, data: bytes, tag: str) -> bool:
        """Write over the version of an object that has *tag*; False if somebody else was faster.

        Ceph refuses every tag in quotes, also the right one. So a refused condition that still
        holds is said again without them; and where even that does no good, what held a moment
        ago must do.
        """
        for variant in (tag, tag.strip('"')):
            try:
                self.wire.put(key, data, self.wire.version(variant))
            except ConditionError:
                snapshot = self.tagged(key)
            else:
                return True
            if snapshot is None or snapshot[1] != tag:
                return snapshot is not None and snapshot[0] == data  # ours, if an answer was lost
        self.wire.put(key, data)
        return True

    def ingest(
        self, source: Path, prefix: str, expected: str | None, step: Step = unmetered
    ) -> Ingested:
        """Create an object named by its own SHA-256 from a file, which the cache keeps.

        What is sent is the cache's copy, so that it can be looked at as it was sent without being
        fetched. With *expected*, the digest the file is thought to have, a file that the store
        holds already is not read to find that out.

        Raises:
            InvalidInputError: If the file cannot be read or changes meanwhile.
        """
        if expected is not None:
            size_bytes = sending.size(source)
            if self.size(f"{prefix}/{expected}") == size_bytes:
                return Ingested(expected, size_bytes, created=False)
        if self.cache.fits(sending.size(source)):
            sha256, size_bytes, source = self.cache.admit(metered(sending.pieces(source), step))
        else:
            sha256, size_bytes = sending.digest(source, step)
        key = f"{prefix}/{sha256}"
        stored_bytes = self.size(key)
        if stored_bytes == size_bytes:
            return Ingested(sha256, size_bytes, created=False)
        if size_bytes > sending.SMALL:
            self._send(key, source, Ingested(sha256, size_bytes, created=True), step)
            return Ingested(sha256, size_bytes, created=True)
        data = sending.small(source, sha256)
        if stored_bytes is not None:
            self.replace(key, data)  # what is there lost bytes: these are whole
            return Ingested(sha256, size_bytes, created=True)
        try:
            self.create(key, data)
        except TakenError:
            return Ingested(sha256, size_bytes, created=False)
        return Ingested(sha256, size_bytes, created=True)

    def _send(self, key: str, source: Path, hashed: Ingested, step: Step) -> None:
        """Send a large file, and look whether it came to be there if the answer says no.

        A repeated request for the last step is refused when the first was done and its answer
        lost; and the bytes there are whole, for they were hashed before that step.
        """
        try:
            sending.large(self.wire, key, source, hashed.sha256, step)
        except (AbsentError, StoreError):
            if self.size(key) != hashed.size_bytes:
                raise

    def quarantine(self, key: str) -> None:
        """Copy an object to `trash/damaged`, named by the digest it has, and remove it."""
        with scratch.folder() as folder:
            path = folder / "damaged"
            with self.open(key) as file, path.open("xb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
            self.ingest(path, reserved.DAMAGED, None)
        self.delete(key)

    def fetch(self, key: str, sha256: str, size_bytes: int, step: Step = unmetered) -> Path:
        """Return a file of this machine with a blob's bytes, checked; nobody may write to it.

        Raises:
            AbsentError: If there is no such object.
            DamagedError: If its bytes are not what its name says.
        """
        return self.cache.file(
            sha256, size_bytes, lambda: metered(fetching.pieces(self.wire, key, size_bytes), step)
        )


def _below(prefix: str) -> str:
    """Return what the keys below a prefix begin with."""
    return f"{prefix}/" if prefix else ""


def _name(key: str, prefix: str) -> str:
    """Return the part of *key* that comes after *prefix*."""
    return key.removeprefix(_below(prefix)).partition("/")[0]
