"""Files under names of their own in a bucket, where services look that know no digests."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.core.manifest import File
from holdfast.store import AbsentError, BlobStore
from holdfast.store.metering import MeteredFile, Step, metered, unmetered
from holdfast.store.objects import sending
from holdfast.store.objects.bucket_files import BucketFile
from holdfast.store.objects.object_store import ObjectStore

__all__ = ["NamedCopies"]


class NamedCopies:
    """The objects of a whole bucket by their keys.

    Args:
        bucket: Opened without a prefix.
    """

    def __init__(self, bucket: ObjectStore) -> None:
        self._bucket = bucket

    def address(self, key: str) -> str:
        """Return `s3://bucket/key`, without what the endpoint is."""
        parts = urlsplit(self._bucket.url)
        return f"{parts.scheme}://{parts.netloc}/{key}"

    def lengths(self, folder: str) -> dict[str, int]:
        """Return the length of every object below a folder, by what follows its name."""
        below = f"{folder}/"
        found = self._bucket.wire.below(folder)
        return {
            metadata["path"].removeprefix(below): int(metadata["size"])
            for metadata in found
            if metadata["path"].startswith(below)
        }

    def first_of(self, keys: Iterable[str]) -> str | None:
        """Return the first of *keys* that an object has."""
        return next((key for key in keys if self._bucket.size(key) is not None), None)

    def prefix_of(self, store: BlobStore) -> str | None:
        """Return what a store's keys begin with, if it is in a bucket of this name."""
        if not isinstance(store, ObjectStore):
            return None
        theirs, ours = urlsplit(store.url), urlsplit(self._bucket.url)
        if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            return None
        return f"{theirs.path.strip('/')}/".lstrip("/")

    def read(self, key: str) -> bytes | None:
        """Return a small object's bytes, `None` if there is none."""
        return self._bucket.read(key)

    def holds(self, key: str, file: File, step: Step = unmetered) -> bool:
        """Tell whether an object has a file's bytes, by hashing them."""
        try:
            with self._bucket.open(key) as stored:
                digest = hashlib.file_digest(MeteredFile(stored, step), "sha256")
        except AbsentError:
            return False
        return digest.hexdigest() == file.sha256

    def copy(self, source: str, key: str, file: File, step: Step = unmetered) -> bool:
        """Copy an object of this bucket; tell whether what came of it has the file's bytes.

        What has others is removed. They are hashed after the copy: whatever happened to them before
        or on their way is noticed.
        """
        if not self._file(source).copy_to(self._file(key)):  # too long, or not offered at all
            return False
        if self.holds(key, file, step):
            return True
        self._bucket.delete(key)
        return False

    def _file(self, key: str) -> BucketFile:
        return BucketFile(self._bucket, key, self.address(key))

    def send(self, key: str, path: Path, file: File, step: Step = unmetered) -> None:
        """Write an object from a file of this machine, which is hashed on its way.

        Raises:
            InvalidInputError: If it has other bytes; there is no object then.
        """
        if file.size_bytes > sending.SMALL:
            sending.large(self._bucket.wire, key, path, file.sha256, step)
            return
        data = sending.small(path, file.sha256)
        for piece in metered(iter((data,)), step):
            self._bucket.replace(key, piece)

    def keep(self, key: str, data: bytes) -> None:
        """Write a small object that is named for its content."""
        self._bucket.replace(key, data)
