"""Where `repair` looks for good bytes: another registry, a folder of files, and what lies here."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from os import PathLike
from pathlib import Path

from holdfast.core.manifest import File
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.registry.session import Session
from holdfast.store import AbsentError, layout
from holdfast.store.journal import Journal
from holdfast.store.local import regular

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that may hold a blob's bytes.

    Attributes:
        named: For people.
        open: Opens it; `AbsentError` or `OSError` if it is not there after all.
    """

    named: str
    open: Callable[[], BufferedReader]

    def holds(self, sha256: str) -> bool:
        """Tell whether the bytes are those looked for."""
        try:
            with self.open() as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
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


class Copies:
    """All places where good bytes may be.

    Args:
        session: The registry to be repaired.
        source: Another one, or a folder of files of any name; `None` for neither.

    Raises:
        InvalidInputError: If there is no such registry or folder, or it is the same one.
    """

    def __init__(self, session: Session, source: object) -> None:
        self._session = session
        opened = getattr(source, "_session", source)
        self._registry = opened if isinstance(opened, Session) else None
        self._files = _by_digest(Path(opened)) if isinstance(opened, str | PathLike) else {}
        if self._registry is not None:
            if not self._registry.exists:
                _refuse(self._registry.site.location, "is no store")
            if str(self._registry.site.location) == str(session.site.location):
                _refuse(self._registry.site.location, "is the store to be repaired")

    @property
    def named(self) -> str:
        """The other registry's location."""
        return str(self._registry.site.location) if self._registry else "a copy"

    def models(self) -> Iterator[str | None]:
        """Go through the names of the other registry's models, those that can be told."""
        for folder in self._registry.folders() if self._registry else ():
            with contextlib.suppress(HoldfastError):
                yield self._registry.name_in(folder) if self._registry else None

    def entry(self, model: str, seq: int) -> bytes | None:
        """Return the bytes of an entry of the other registry's journal, unchecked."""
        if self._registry is None:
            return None
        try:
            return Journal(self._registry.place.store, layout.model(model)).read(seq)
        except HoldfastError:
            return None

    def of(self, file: File, folder: str | None) -> Iterator[Candidate]:
        """Go through the places where a blob may be found.

        Args:
            file: The blob, and its path in a version.
            folder: Prefix of that version's folder, whose links outlive a lost blob.
        """
        store = self._session.place.store
        if folder is not None:
            yield Candidate(folder, lambda: store.open(f"{folder}/{file.path}"))
        trashed = f"{layout.TRASH}/{file.sha256}"
        yield Candidate(trashed, lambda: store.open(trashed))
        if self._registry is not None:
            theirs = self._registry.place.blobs
            yield Candidate(self.named, lambda: theirs.open(file.sha256))
        if path := self._files.get(file.sha256):
            yield Candidate(path, lambda: regular(path))


def _refuse(location: object, problem: str) -> None:
    raise InvalidInputError(f"source {str(location)!r}", problem, "name another")


def _by_digest(folder: Path) -> dict[str, str]:
    """Hash all files below a folder; links are not followed."""
    if not folder.is_dir():
        _refuse(folder, "is neither a store nor a folder")
    found = {}
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError), regular(path) as file:
                found[hashlib.file_digest(file, "sha256").hexdigest()] = path
    return found
