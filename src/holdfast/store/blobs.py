"""Bytes under their own digest: stored once, checked whenever they are read."""

import contextlib
import functools
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from io import BufferedReader
from pathlib import Path

from msgspec import Struct

from holdfast.core.manifest import MAX_BYTES, Artifact, File, Manifest, decode, digest_of
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.store import (
    AbsentError,
    BlobStore,
    Ingested,
    TakenError,
    at_most,
    batch_writes,
    durable,
    layout,
)
from holdfast.store.local import readable
from holdfast.store.metering import Meter, MeteredFile, Progress, Step, unmetered

_WORTH_THREADS = 8 << 20
"""Bytes that are hashed in less time than threads take to start."""
_THREADS = 4
_KEPT_MANIFESTS = 256
_KEPT_WRITTEN = 8
_LARGEST_KEPT = 1 << 20
_RESTORE = "`holdfast repair --from` fetches it from a copy, or register the same file again"


class BlobDamage(Struct, frozen=True):
    """A blob that is not what its name says: *problem* is `missing` or what was found."""

    sha256: str
    problem: str

    @property
    def predicate(self) -> str:
        """What a sentence about the blob says."""
        return "is missing" if self.problem == "missing" else self.problem


class Blobs:
    """The blobs of a store."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._written: OrderedDict[str, bytes] = OrderedDict()
        self._decoded: dict[str, Manifest] = {}
        self.manifest = functools.lru_cache(maxsize=_KEPT_MANIFESTS)(self._read_manifest)

    def add(self, source: Path, sizes: Collection[int] = (), step: Step = unmetered) -> Ingested:
        """Store a file's bytes.

        Args:
            source: The file.
            sizes: Lengths of blobs it may equal; a file of such a length is hashed first, so that
                bytes stored already are not written again to find that out.
            step: Told of its bytes, as often as `passes` says.

        Raises:
            InvalidInputError: If the file cannot be read.
        """
        with readable(source) as file:
            likely = os.fstat(file.fileno()).st_size in sizes
            expected = hashlib.file_digest(file, "sha256").hexdigest() if likely else None
        return self._store.ingest(source, layout.BLOBS, expected, step)

    @property
    def passes(self) -> int:
        """How often the bytes of a file are gone through when it is added."""
        return 1 if self._store.traits.is_local else 2

    def add_bytes(self, data: bytes) -> str:
        """Store *data* and return its digest."""
        digest = digest_of(data)
        try:
            self._store.create(layout.blob(digest), data)
        except TakenError:  # what is there is looked at when it is read
            return digest
        if not self._store.traits.is_local and len(data) <= _LARGEST_KEPT:
            self._written[digest] = data
            if len(self._written) > _KEPT_WRITTEN:
                self._written.popitem(last=False)
        return digest

    def add_manifests(self, manifests: Sequence[tuple[bytes, Manifest]]) -> None:
        """Store manifests at once; of the last ones, each is not read again when it is asked for.

        Args:
            manifests: The bytes of each, and what `decode` makes of them.
        """
        self._decoded = {digest_of(raw): manifest for raw, manifest in manifests}
        objects = {layout.blob(digest_of(raw)): raw for raw, _ in manifests}
        batch_writes.create_together(self._store, list(objects.items()))

    def read(self, sha256: str) -> bytes:
        """Return a small blob's bytes, checked.

        Raises:
            DamagedError: If it is missing or its bytes changed.
        """
        found = self.examine(sha256)
        if isinstance(found, BlobDamage):
            raise _damaged(found)
        return found

    def examine(self, sha256: str) -> bytes | BlobDamage:
        """Return a small blob's bytes, or what is wrong with it; no long one is read to its end."""
        try:
            with self._store.open(layout.blob(sha256)) as file:
                data = at_most(file, MAX_BYTES + 1)
        except AbsentError:
            return BlobDamage(sha256, "missing")
        except OSError as error:
            return _unreadable(sha256, error)
        if digest_of(data) != sha256:
            problem = "is too long" if len(data) > MAX_BYTES else "has changed"
            return BlobDamage(sha256, problem)
        return data

    def _read_manifest(self, sha256: str) -> Manifest:
        """Return a manifest, its bytes checked when they are first read; it never changes.

        One that was written here a moment ago is not asked for.

        Raises:
            DamagedError: If it is missing, its bytes changed or they are not a manifest.
            NewerFormatError: If a newer Holdfast wrote it.
        """
        known = self._decoded.pop(sha256, None)
        return known or decode(self._written.get(sha256) or self.read(sha256), sha256)

    def open(self, sha256: str) -> BufferedReader:
        """Open a blob for reading, unchecked; `AbsentError` if there is none."""
        return self._store.open(layout.blob(sha256))

    def fetch(self, file: File, step: Step = unmetered) -> Path:
        """Return a file of this machine that holds a blob; nobody may write through it.

        Raises:
            DamagedError: If the blob is missing, or its bytes had to be brought here and changed.
        """
        try:
            return self._store.fetch(layout.blob(file.sha256), file.sha256, file.size_bytes, step)
        except AbsentError:
            raise _damaged(BlobDamage(file.sha256, "missing"), file.path) from None

    def check(
        self, sha256: str, size_bytes: int | None = None, step: Step = unmetered
    ) -> BlobDamage | None:
        """Hash a blob and say what is wrong with it, `None` if it is whole.

        Args:
            size_bytes: How long it is; one of another length here is not hashed. 0: not known.
            step: Told of its bytes.
        """
        try:
            with self._store.open(layout.blob(sha256)) as file:
                is_known = bool(size_bytes) and self._store.traits.is_local
                length = os.fstat(file.fileno()).st_size if is_known else 0
                if size_bytes and is_known and length != size_bytes:
                    return _of_another_length(sha256, length, size_bytes)
                actual_digest = hashlib.file_digest(MeteredFile(file, step), "sha256").hexdigest()
                length = file.tell()
        except AbsentError:
            return BlobDamage(sha256, "missing")
        except OSError as error:
            return _unreadable(sha256, error)
        if actual_digest == sha256:
            return None
        if size_bytes is not None and length != size_bytes:
            return _of_another_length(sha256, length, size_bytes)
        return BlobDamage(sha256, f"has changed: its bytes are sha256:{actual_digest}")

    def check_all(
        self, files: Collection[File], progress: Progress | None = None
    ) -> Iterator[tuple[File, BlobDamage | None]]:
        """Hash many blobs, some at a time; the answers come in the order of *files*."""
        meter = Meter(progress, sum(file.size_bytes for file in files))

        def check(sha256: str, size_bytes: int) -> BlobDamage | None:
            with meter.part(size_bytes) as step:
                return self.check(sha256, size_bytes, step)

        return self._checked(check, files)

    def _checked(
        self, check: Callable[[str, int], BlobDamage | None], files: Collection[File]
    ) -> Iterator[tuple[File, BlobDamage | None]]:
        if self._store.traits.is_local and sum(file.size_bytes for file in files) < _WORTH_THREADS:
            yield from ((file, check(file.sha256, file.size_bytes)) for file in files)
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import

        with ThreadPoolExecutor(max(_THREADS, self._store.traits.concurrency)) as threads:
            checks = threads.map(lambda file: check(file.sha256, file.size_bytes), files)
            yield from zip(files, checks, strict=True)

    def require(self, files: Collection[File]) -> None:
        """Refuse to go on if a blob is not whole: hashed where it is near, else by its length.

        Raises:
            DamagedError: Naming the first such file.
        """
        if self._store.traits.is_local:
            checks = self.check_all(files)
        else:
            checks = self._checked(self._measure, files)
        for file, damage in checks:
            if damage is not None:
                raise _damaged(damage, file.path)

    def _measure(self, sha256: str, size_bytes: int) -> BlobDamage | None:
        length = self._store.size(layout.blob(sha256))
        if length is None:
            return BlobDamage(sha256, "missing")
        if length != size_bytes:
            return BlobDamage(sha256, f"has {length} bytes instead of {size_bytes}")
        return None

    def materialize(self, artifact: Artifact, folder: Path) -> Path:
        """Give an artifact's stored bytes their own names in a folder of the same disk.

        They are links where there are any, else copies; nobody may write through them.

        Returns:
            The artifact's file or folder.
        """
        for file in artifact.files:
            path = folder / file.path
            with durable.translate_errors(str(path.parent)):
                path.parent.mkdir(parents=True, exist_ok=True)
            here = self.fetch(file)
            try:
                os.link(here, path)
            except OSError:  # another disk: what was brought here is not asked for once more
                self.copy_out(file, path, None if self._store.traits.is_local else here)
        return folder / artifact.path

    def copy_out(self, file: File, target: Path, here: Path | None = None) -> None:
        """Write a blob's bytes to a new file, checked while they are copied.

        Args:
            file: Whose bytes.
            target: The new file.
            here: Where they lie on this machine already, if the store is remote.

        Raises:
            DamagedError: If they changed; the new file is removed.
            InvalidInputError: If the target cannot be written; nothing new is left there.
        """
        try:
            source = here.open("rb") if here else self._store.open(layout.blob(file.sha256))
        except AbsentError:
            raise _damaged(BlobDamage(file.sha256, "missing"), file.path) from None
        except OSError as error:
            raise _damaged(_unreadable(file.sha256, error), file.path) from error
        try:
            with source, target.open("xb") as copy:
                while piece := self._piece(source, file):
                    copy.write(piece)
            with target.open("rb") as copied:
                actual_digest = hashlib.file_digest(copied, "sha256").hexdigest()
        except DamagedError:
            target.unlink()
            raise
        except OSError as error:
            if not isinstance(error, FileExistsError):  # which is somebody else's file
                with contextlib.suppress(OSError):
                    target.unlink()
            raise InvalidInputError(
                f"file {str(target)!r}", f"cannot be written: {error.strerror}", "check the folder"
            ) from error
        if actual_digest != file.sha256:
            target.unlink()
            raise _damaged(BlobDamage(file.sha256, "has changed"), file.path)

    @staticmethod
    def _piece(source: BufferedReader, file: File) -> bytes:
        try:
            return source.read(1 << 20)
        except OSError as error:
            raise _damaged(_unreadable(file.sha256, error), file.path) from error


def _of_another_length(sha256: str, length: int, size_bytes: int) -> BlobDamage:
    return BlobDamage(sha256, f"has {length} bytes instead of {size_bytes}")


def _unreadable(sha256: str, error: OSError) -> BlobDamage:
    return BlobDamage(sha256, f"cannot be read: {error.strerror}")


def _damaged(damage: BlobDamage, path: str = "") -> DamagedError:
    subject = f"{path} (blob sha256:{damage.sha256})" if path else f"blob sha256:{damage.sha256}"
    return DamagedError(subject, damage.predicate, _RESTORE)
