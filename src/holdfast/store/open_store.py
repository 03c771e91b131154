"""What differs between a folder and a bucket beyond keeping objects by key."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record, State
from holdfast.store import BlobStore
from holdfast.store.blobs import Blobs
from holdfast.store.config import Config
from holdfast.store.journal import End
from holdfast.store.known_models import Known
from holdfast.store.projections import Pointer

GRACE_S: Final = 7 * 86_400.0
"""Seconds for which bytes that nothing names any more are kept, if nobody says otherwise."""


class Claims(Struct, frozen=True):
    """The digests that a collector must leave alone.

    Attributes:
        named: By versions.
        doubtful: By manifests whose models may have lost their journals: they wait.
    """

    named: Collection[str]
    doubtful: Collection[str] = ()

    def __contains__(self, digest: str) -> bool:
        """Tell whether a blob must stay."""
        return digest in self.named or digest in self.doubtful


Needed = Callable[[], Claims]
"""Reads all journals and returns what versions name, or may name; raises where it cannot tell."""


class Collected(Struct, frozen=True):
    """What a collector did.

    Attributes:
        freed_bytes: Length of the blobs removed.
        freed_blobs: How many.
        waiting_bytes: Length of unreferenced blobs that are younger than the grace time, or
            named by a manifest whose model may have lost its journal.
        waiting_blobs: How many.
        leftovers: Files and folders of crashed writers removed.
    """

    freed_bytes: int
    freed_blobs: int
    waiting_bytes: int
    waiting_blobs: int
    leftovers: int


class ProjectionUpdate(Struct, frozen=True):
    """What projections are to say.

    Attributes:
        state: The model's.
        versions: Those whose folders it changed.
        recent: The bytes of its last entries, those that are known.
    """

    state: State
    versions: Iterable[str]
    recent: Sequence[bytes] = ()


class Here(Struct, frozen=True):
    """Where projections are.

    Attributes:
        location: The folder's real path, or the bucket's address.
        mark: What a copy elsewhere would have otherwise.
    """

    location: str
    mark: str


class Glance(Struct, frozen=True):
    """What was seen of a model's journal without reading it.

    Attributes:
        pointer: Read first.
        end: Of its journal.
    """

    pointer: Pointer
    end: End


Changed = Callable[[Pointer | None], ProjectionUpdate | None]
"""Told a pointer as it stands, says what projections are to say; `None` if they say it already."""


class Projections(Protocol):
    """The files derived from the journals, as a place can have them."""

    def here(self, model: str) -> Here:
        """Say where a model's are."""
        ...

    def look(self, model: str) -> Pointer | None:
        """Return a model's pointer, before its journal is written; a broken one counts as absent.

        Far away, the next `write` of it need not read it again.
        """
        ...

    def write(self, model: str, changed: Changed) -> None:
        """Bring a model's up to date: told the pointer as it stands, *changed* says how.

        Raises:
            LockedError: If somebody else was at it for too long.
        """
        ...

    def heal(self, model: str, changed: Changed) -> None:
        """Do so for a reader, who waits for nobody: whoever is at it makes them whole."""
        ...

    def stale(self, model: str, record: Record, manifest: Manifest) -> Iterator[tuple[str, str]]:
        """Go through those of a version that differ from the journal: key and problem."""
        ...

    def artifact(self, manifest: Manifest, artifact: Artifact) -> Path | None:
        """Return where an artifact's verified bytes lie under their own names, if they do."""
        ...

    def manifest(self, record: Record, manifest: Manifest) -> Path | None:
        """Return where a version's `manifest.json` lies, if it does and says what it should."""
        ...


class OpenStore(Protocol):
    """A registry's place that exists, opened."""

    @property
    def store(self) -> BlobStore:
        """Its objects."""
        ...

    @property
    def blobs(self) -> Blobs:
        """The bytes among them."""
        ...

    @property
    def config(self) -> Config:
        """Its `holdfast.json`."""
        ...

    @property
    def known(self) -> Known:
        """The models it has had."""
        ...

    @property
    def projections(self) -> "Projections":
        """The files derived from the journals."""
        ...

    @property
    def least_grace_s(self) -> float:
        """Seconds that loose bytes must be kept at least: a writer may be about to name them."""
        ...

    def require_same(self) -> None:
        """Refuse to go on where the store is no longer the one that was opened.

        Raises:
            StoreError: If nothing or another store is there.
        """
        ...

    def glance(self, folders: Collection[str]) -> Mapping[str, Glance]:
        """Look at the models of many folders below `models`; where it is near, at none."""
        ...

    def accepted(self, model: str, seq: int) -> None:
        """Be told that a reader has folded a model's journal up to an entry, and found it sound."""
        ...

    def workplace(self) -> AbstractContextManager[Path]:
        """Give a folder for files that are to be taken in; it goes at the end."""
        ...

    def sharing(self, what: str = "writing") -> AbstractContextManager[None]:
        """Keep collectors away from files being written and blobs that no entry names yet.

        Args:
            what: What is done meanwhile, for those who wait.

        Raises:
            LockedError: If a collector was at it for too long.
        """
        ...

    def rescue(self, digests: Collection[str]) -> None:
        """Take blobs that are to be named by the next entry off every list of a collector."""
        ...

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """Remove what nothing names, once it is older than *grace_s*.

        Raises:
            LockedError: If a writer was at it for too long; nothing was removed.
        """
        ...


class Location(Protocol):
    """Where a registry is or may come to be."""

    @property
    def location(self) -> Path | str:
        """A folder, or the URL of a bucket."""
        ...

    def find(self) -> OpenStore | None:
        """Open the registry there; `None` where nothing is yet.

        Raises:
            NotAStoreError: If something else is there.
            NewerFormatError: If a newer Holdfast made it.
            DamagedError: If its configuration cannot be read.
        """
        ...

    def make(self, new_id: Callable[[], str], now: datetime) -> OpenStore:
        """Make a registry there, after trying out what the place keeps.

        Raises:
            UnfitStoreError: If it does not keep what the journal stands on.
            StoreError: If it cannot be written.
        """
        ...
