"""Where `repair` looks for good bytes: what is left here, another registry, a folder of files."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import Protocol

from holdfast.core.manifest import File
from holdfast.datasets.data_journal import OF_DATA, names_in
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.registry.session import Session
from holdfast.store import AbsentError, layout
from holdfast.store.journal import Journal
from holdfast.store.local import regular

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class BlobCopy:
    """What may be a copy of a blob; what its place says of it is not believed.

    Attributes:
        where: For people.
        open: Opens it; `AbsentError` or `OSError` if it is not there after all.
    """

    where: str
    open: Callable[[], BufferedReader]

    def holds(self, sha256: str, most_bytes: int) -> bool:
        """Tell whether the bytes are those looked for.

        Args:
            sha256: Their digest.
            most_bytes: A longer file is not read to its end; 0 if it is not known.
        """
        try:
            with self.open() as file:
                return _digest(file, most_bytes) == sha256
        except (AbsentError, OSError, HoldfastError):
            return False

    def copy(self, target: Path) -> str:
        """Copy the bytes to a new file and return their digest."""
        sha256 = hashlib.sha256()
        with self.open() as file, target.open("xb") as copy:
            while piece := file.read(_PIECE):
                sha256.update(piece)
                copy.write(piece)
        return sha256.hexdigest()


def _digest(file: BufferedReader, most_bytes: int) -> str | None:
    digest, length = hashlib.sha256(), 0
    while piece := file.read(_PIECE):
        digest.update(piece)
        length += len(piece)
        if most_bytes and length > most_bytes:
            return None
    return digest.hexdigest()


class RepairSource(Protocol):
    """A place that may have what a store has lost; whoever asks verifies what it gives."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def models(self) -> Iterator[str]:
        """Go through the names of the models whose journals it has, those that can be told."""
        ...

    def data(self) -> Iterator[str]:
        """Go through the names of the data whose journals it has, those that can be told."""
        ...

    def entry(self, model: str, seq: int) -> bytes | None:
        """Return the bytes of an entry, unchecked; `None` if it has none.

        Args:
            model: Whose it is; `@data/NAME` for data.
            seq: Its number.
        """
        ...

    def copies(self, file: File, folder: str | None) -> Iterator[BlobCopy]:
        """Go through what may be copies of a blob.

        Args:
            file: The blob, and its path in a version.
            folder: Prefix of that version's folder, if one is known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Remains:
    """What the store to be repaired has itself beside its blobs."""

    session: Session
    name: str = "this store"

    def models(self) -> Iterator[str]:
        """Give no names: those that it has are damaged or need no repair."""
        return iter(())

    def data(self) -> Iterator[str]:
        """Give no names, likewise."""
        return iter(())

    def entry(self, _model: str, _seq: int) -> None:
        """Give none: an entry lies in one place."""
        return

    def copies(self, file: File, folder: str | None) -> Iterator[BlobCopy]:
        """Go through the version's folder, whose links outlive a lost blob, and the trash."""
        store = self.session.open_store.store
        if folder is not None:
            yield BlobCopy(folder, functools.partial(store.open, f"{folder}/{file.path}"))
        trashed = f"{layout.TRASH}/{file.sha256}"
        yield BlobCopy(trashed, functools.partial(store.open, trashed))


@dataclass(frozen=True, slots=True)
class OtherRegistry:
    """Another registry, in a folder or a bucket."""

    session: Session

    @property
    def name(self) -> str:
        """Its location."""
        return str(self.session.site.location)

    def models(self) -> Iterator[str]:
        """Go through the names of its models, those that can be told."""
        for folder in self.session.folders():
            with contextlib.suppress(HoldfastError):
                if name := self.session.name_in(folder):
                    yield name

    def data(self) -> Iterator[str]:
        """Go through the names of its data; none where one cannot be told."""
        with contextlib.suppress(HoldfastError):
            yield from names_in(self.session.open_store.store)

    def entry(self, model: str, seq: int) -> bytes | None:
        """Return an entry of its journal."""
        is_data = model.startswith(OF_DATA)
        prefix = layout.data(model.removeprefix(OF_DATA)) if is_data else layout.model(model)
        try:
            return Journal(self.session.open_store.store, prefix).read(seq)
        except HoldfastError:
            return None

    def copies(self, file: File, _folder: str | None) -> Iterator[BlobCopy]:
        """Give its blob of that digest."""
        blobs = self.session.open_store.blobs
        yield BlobCopy(self.name, lambda: blobs.open(file.sha256))


@dataclass(frozen=True, slots=True)
class FolderOfFiles:
    """Files of any name, looked up by their digests; a folder has no entries."""

    paths: dict[str, str]
    name: str = "a copy"

    def models(self) -> Iterator[str]:
        """Give no names."""
        return iter(())

    def data(self) -> Iterator[str]:
        """Give no names."""
        return iter(())

    def entry(self, _model: str, _seq: int) -> None:
        """Give none."""
        return

    def copies(self, file: File, _folder: str | None) -> Iterator[BlobCopy]:
        """Give the file that had this digest when the folder was read."""
        if path := self.paths.get(file.sha256):
            yield BlobCopy(path, lambda: regular(path))


@dataclass(frozen=True, slots=True)
class RepairSources:
    """All places where good bytes may be, the nearest first.

    Attributes:
        remains: Those of the store to be repaired.
        copy: What the caller names, if anything.
    """

    remains: Remains
    copy: RepairSource | None

    @property
    def name(self) -> str:
        """For people: where entries are looked for."""
        return self.copy.name if self.copy else "a copy"

    def models(self) -> Iterator[str]:
        """Go through the names of all models that the copy has."""
        return self.copy.models() if self.copy else iter(())

    def data(self) -> Iterator[str]:
        """Go through the names of all data that the copy has."""
        return self.copy.data() if self.copy else iter(())

    def entry(self, model: str, seq: int) -> bytes | None:
        """Return an entry of the copy, unchecked."""
        return self.copy.entry(model, seq) if self.copy else None

    def copies(self, file: File, folder: str | None) -> Iterator[BlobCopy]:
        """Go through what may be copies of a blob, wherever it is."""
        yield from self.remains.copies(file, folder)
        if self.copy:
            yield from self.copy.copies(file, folder)


def sources_for(session: Session, copy: object) -> RepairSources:
    """Return where the bytes of a registry may be.

    Args:
        session: The registry to be repaired.
        copy: The session of another one, or a folder of files; `None` for neither.

    Raises:
        InvalidInputError: If there is no such registry or folder, or it is the same one.
    """
    remains = Remains(session)
    match copy:
        case None:
            return RepairSources(remains, None)
        case Session():
            return RepairSources(remains, _other(session, copy))
        case str() | PathLike():
            return RepairSources(remains, FolderOfFiles(_by_digest(Path(copy))))
    raise InvalidInputError("source", f"must be a registry or a folder, not {copy!r}")


def _other(session: Session, other: Session) -> OtherRegistry:
    if not other.exists:
        _refuse(other.site.location, "is not a store")
    if str(other.site.location) == str(session.site.location):
        _refuse(other.site.location, "is the store to be repaired")
    return OtherRegistry(other)


def _refuse(location: object, problem: str) -> None:
    raise InvalidInputError(f"source {str(location)!r}", problem, "name another")


def _by_digest(folder: Path) -> dict[str, str]:
    """Hash all files below a folder; links are not followed."""
    if not folder.is_dir():
        _refuse(folder, "is neither a store nor a folder")
    paths_by_digest = {}
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError), regular(path) as file:
                paths_by_digest[hashlib.file_digest(file, "sha256").hexdigest()] = path
    return paths_by_digest
