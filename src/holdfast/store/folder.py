"""A registry in a folder of this machine: links for projections, locks against the collector."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record
from holdfast.errors import NotAStoreError, StoreError
from holdfast.store import config, durable, garbage, layout, locks, projections
from holdfast.store.blobs import Blobs
from holdfast.store.config import Config
from holdfast.store.known import Known
from holdfast.store.local import LocalStore
from holdfast.store.place import Change, Collected, Needed
from holdfast.store.projections import Pointer

_LEAST_UNLOCKED_GRACE_S = 86_400.0


class FolderSite:
    """A folder that holds a registry or may come to.

    Args:
        root: The folder; where it is does not change with the working directory.
    """

    def __init__(self, root: Path) -> None:
        self.location = root
        self._root = Path(os.path.abspath(root))

    def find(self) -> "Folder | None":
        """Open the registry there; `None` where the folder is missing or empty."""
        found = config.find(self._root)
        return Folder(self._root, found) if found else None

    def make(self, new_id: Callable[[], str], now: datetime) -> "Folder":
        """Make a registry in a missing or empty folder, after trying the disk out."""
        return Folder(self._root, config.make(self._root, new_id, now))


class Folder:
    """The place of a registry that is there."""

    def __init__(self, root: Path, found: Config) -> None:
        self.store = config.local(root, found)
        self.blobs = Blobs(self.store)
        self.config = found
        self.known = Known(self.store)
        self._root = root
        self._seen: os.stat_result | None = None
        self._locked = found.probe.locks
        self._shared = threading.local()
        self.projections = _Projections(self.store, self.blobs, locked=self._locked)
        self.least_grace_s = 0.0 if self._locked else _LEAST_UNLOCKED_GRACE_S

    def recognise(self) -> Callable[[], None]:
        """Look when what is returned is called: it costs next to nothing here."""
        return self._require_same

    def _require_same(self) -> None:
        """Read the configuration, unless its file is the very one that was read before."""
        try:
            now = os.lstat(self.store.path(layout.CONFIG))
        except OSError:
            now = None  # why, is told below
        if now is not None and self._seen is not None and _same(now, self._seen):
            return
        try:
            found = config.find(self._root)
        except NotAStoreError:
            found = None
        config.require_same(found, self.config, self._root)
        self._seen = now

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give a folder on the store's own disk, where a crash leaves what a collector sweeps.

        Collectors are kept away as long as it is in use.
        """
        with self.sharing():
            with durable.translated(self.store.path("")):
                path = tempfile.mkdtemp(dir=self.store.root, prefix=layout.TEMPORARY)
            try:
                yield Path(path)
            finally:
                with contextlib.suppress(StoreError):  # what stays is swept; the verb may be done
                    durable.remove(path)

    @contextlib.contextmanager
    def sharing(self) -> Iterator[None]:
        """Keep collectors away, where locks reach them; what a thread shares it may share again."""
        if not self._locked or getattr(self._shared, "held", False):
            yield
            return
        with locks.shared(self.store.path(layout.LOCK)):
            self._shared.held = True
            try:
                yield
            finally:
                self._shared.held = False

    def rescue(self, digests: Collection[str]) -> None:
        """Do nothing: the lock, and the age of what was looked up, keep collectors away."""

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """Remove what nothing names, registrations kept away meanwhile where locks reach them."""
        if not self._locked:
            return garbage.collect(self.store, needed, grace_s)
        with locks.alone(self.store.path(layout.LOCK)):
            return garbage.collect(self.store, needed, grace_s)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether a file is the same and unchanged."""
    return os.path.samestat(one, other) and one.st_mtime_ns == other.st_mtime_ns


class _Projections:
    """Links to blobs under their own names, a manifest beside them, and the pointer."""

    def __init__(self, store: LocalStore, blobs: Blobs, *, locked: bool) -> None:
        self._store = store
        self._blobs = blobs
        self._locked = locked

    def write(self, model: str, changed: Callable[[Pointer | None], Change | None]) -> None:
        """Write the folders of the versions that changed, and then the pointer."""
        with projections.turn(self._store, model, locked=self._locked):
            change = changed(projections.read_pointer(self._store, model))
            if change is not None:
                projections.write(self._store, self._blobs, change.state, change.versions)

    def stale(self, model: str, record: Record, manifest: Manifest) -> Iterator[tuple[str, str]]:
        """Hold a version's folder against the manifest; what is missing there is no damage."""
        folder = layout.version(model, record.version)
        written = self._text(f"{folder}/manifest.json")
        if written is not None and written != projections.version_text(record, manifest):
            yield f"{folder}/manifest.json", "differs from the journal"
        for file in manifest.files:
            name = f"{folder}/{file.path}"
            if self._store.size(name) is not None and not self._holds(name, file.sha256):
                yield name, "is not the registered file"

    def _text(self, key: str) -> bytes | None:
        try:
            return self._store.read(key)
        except StoreError:  # what cannot be read does not say what the journal says
            return b""

    def _holds(self, name: str, sha256: str) -> bool:
        """Tell whether a file is a blob's own, or a copy of it as a copied store has."""
        return self._store.same(layout.blob(sha256), name) or self._store.digest(name) == sha256

    def artifact(self, manifest: Manifest, artifact: Artifact) -> Path | None:
        """Return where an artifact's links lie, if they are all there and nothing else is."""
        folder = layout.version(manifest.name, manifest.version)
        names = {f"{folder}/{file.path}": layout.blob(file.sha256) for file in artifact.files}
        if not all(self._store.same(blob, name) for name, blob in names.items()):
            return None
        place = Path(self._store.path(f"{folder}/{artifact.path}"))
        found = {str(path) for path in place.rglob("*") if not path.is_dir() or path.is_symlink()}
        if place.is_dir() and found != {self._store.path(name) for name in names}:
            return None
        return place

    def manifest(self, record: Record, manifest: Manifest) -> Path | None:
        """Return where a version's `manifest.json` lies, if it does and says what it should."""
        key = f"{layout.version(manifest.name, manifest.version)}/manifest.json"
        if self._text(key) != projections.version_text(record, manifest):
            return None
        return Path(self._store.path(key))
