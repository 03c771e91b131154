"""A registry in a folder of this machine: links for projections, locks against the collector."""

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from holdfast import scratch
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record
from holdfast.errors import LockedError, NotAStoreError, StoreError
from holdfast.store import config, durable, layout, locks, projections, reserved
from holdfast.store.blobs import Blobs
from holdfast.store.config import Config
from holdfast.store.known_models import Known
from holdfast.store.local import LocalStore
from holdfast.store.locks import Limit
from holdfast.store.open_store import Changed, Collected, Glance, Here, Needed
from holdfast.store.probe import is_local
from holdfast.store.projections import Pointer

_LEAST_UNLOCKED_GRACE_S = 86_400.0
_AT_ONCE = Limit(0)
_DERIVED_S = 2.0
"""How long a writer waits for its turn at files that others can make anew."""


class FolderLocation:
    """A folder that holds a registry or may come to.

    Args:
        root: The folder; where it is does not change with the working directory.
        lock_timeout_s: How long others that hold its lock are waited for.
    """

    def __init__(self, root: Path, lock_timeout_s: float = locks.LIMIT_S) -> None:
        self.location = root
        self._root = Path(os.path.abspath(root))
        self._lock_timeout_s = lock_timeout_s

    def find(self) -> "OpenFolder | None":
        """Open the registry there; `None` where the folder is missing or empty."""
        stored_config = config.find(self._root)
        return (
            OpenFolder(self._root, stored_config, self._lock_timeout_s) if stored_config else None
        )

    def make(self, new_id: Callable[[], str], now: datetime) -> "OpenFolder":
        """Make a registry in a missing or empty folder, after trying the disk out."""
        made = config.make(self._root, new_id, now)
        return OpenFolder(self._root, made, self._lock_timeout_s)


class OpenFolder:
    """The place of a registry that is there."""

    def __init__(
        self, root: Path, stored_config: Config, lock_timeout_s: float = locks.LIMIT_S
    ) -> None:
        # where it was made locks may have reached every writer, and not where it was copied to
        locked = stored_config.probe.locks and is_local(root)
        stored_config = replace(stored_config, probe=replace(stored_config.probe, locks=locked))
        self.store = config.local(root, stored_config)
        self.blobs = Blobs(self.store)
        self.config = stored_config
        self.known = Known(self.store)
        self._root = root
        self._seen: os.stat_result | None = None
        self._locked = stored_config.probe.locks
        self._lock_timeout_s = lock_timeout_s
        self._shared = threading.local()
        limit = Limit(min(_DERIVED_S, lock_timeout_s)) if self._locked else None
        self.projections = _Projections(self.store, self.blobs, limit)
        self.least_grace_s = 0.0 if self._locked else _LEAST_UNLOCKED_GRACE_S

    def require_same(self) -> None:
        """Read the configuration, unless its file is the very one that was read before."""
        try:
            now = os.lstat(self.store.path(layout.CONFIG))
        except OSError:
            now = None  # why, is told below
        if now is not None and self._seen is not None and _same(now, self._seen):
            return
        try:
            current = config.find(self._root)
        except NotAStoreError:
            current = None
        config.require_same(current, self.config, self._root)
        self._seen = now

    def glance(self, folders: Collection[str]) -> dict[str, Glance]:  # noqa: ARG002 - no need
        """Look at none: journals are near."""
        return {}

    def accepted(self, model: str, seq: int) -> None:
        """Take no notice: entries are where they were written."""

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give a folder on the store's own disk, where a crash leaves what a collector sweeps.

        Collectors are kept away as long as it is in use.
        """
        with self.sharing(), contextlib.ExitStack() as stack:
            with durable.translate_errors(self.store.path("")):
                made = scratch.folder(self.store.root, reserved.TEMPORARY)
                path = stack.enter_context(made)
            yield path

    @contextlib.contextmanager
    def sharing(self, what: str = "writing") -> Iterator[None]:
        """Keep collectors away, where locks reach them; what a thread shares it may share again.

        A collector that waits for its turn is let go first, or it would never be alone.
        """
        if not self._locked or getattr(self._shared, "by", None) == os.getpid():
            yield
            return
        with contextlib.ExitStack() as stack:
            with locks.shared(self._file(layout.TURN), None, self._limit(0.75)):
                lock = locks.shared(self._file(layout.LOCK), what, self._limit(0.25))
                stack.enter_context(lock)
            self._shared.by = os.getpid()  # a forked child shares nothing
            try:
                yield
            finally:
                self._shared.by = None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep writers away, where locks reach them."""
        if not self._locked:
            yield
            return
        what = "collecting unreferenced bytes"
        with (
            locks.exclusive(self._file(layout.TURN), what, self._limit(0.5)),
            locks.exclusive(self._file(layout.LOCK), what, self._limit(0.5)),
        ):
            yield

    def _file(self, key: str) -> str:
        return self.store.path(key)

    def _limit(self, share: float) -> Limit:
        return Limit(self._lock_timeout_s * share)

    def rescue(self, digests: Collection[str]) -> None:
        """Do nothing: the lock, and the age of what was looked up, keep collectors away."""

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """Remove what nothing names, writers kept away where locks reach them."""
        from holdfast.store import folder_collector  # noqa: PLC0415 - slow to import

        return folder_collector.collect(self.store, needed, grace_s, self._alone)


def _same(status: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether a file is the same and unchanged."""
    return os.path.samestat(status, other) and status.st_mtime_ns == other.st_mtime_ns


class _Projections:
    """Links to blobs under their own names, a manifest beside them, and the pointer."""

    def __init__(self, store: LocalStore, blobs: Blobs, limit: Limit | None) -> None:
        self._store = store
        self._blobs = blobs
        self._limit = limit

    def here(self, model: str) -> Here:
        """Say where a model's are."""
        real = os.path.realpath(self._store.path(""))
        return Here(real, projections.mark(self._store, model))

    def look(self, model: str) -> Pointer | None:
        """Read the pointer."""
        return projections.read_pointer(self._store, model)

    def write(self, model: str, changed: Changed) -> None:
        """Write the folders of the versions that changed, and then the pointer."""
        self._write(model, changed, self._limit)

    def heal(self, model: str, changed: Changed) -> None:
        """Do so if nobody else does this moment."""
        with contextlib.suppress(LockedError):
            self._write(model, changed, _AT_ONCE if self._limit else None)

    def _write(self, model: str, changed: Changed, limit: Limit | None) -> None:
        with projections.turn(self._store, model, limit):
            change = changed(projections.read_pointer(self._store, model))
            if change is not None:
                # before the pointer, which says that all of it was written
                if self._store.size(layout.OCI_LAYOUT) is not None:
                    from holdfast.store import oci_layout  # noqa: PLC0415 - few folders are one

                    oci_layout.keep(self._store, self._blobs, change.state, change.versions, limit)
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
        target = Path(self._store.path(f"{folder}/{artifact.path}"))
        paths = {str(path) for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
        if target.is_dir() and paths != {self._store.path(name) for name in names}:
            return None
        return target

    def manifest(self, record: Record, manifest: Manifest) -> Path | None:
        """Return where a version's `manifest.json` lies, if it does and says what it should."""
        key = f"{layout.version(manifest.name, manifest.version)}/manifest.json"
        if self._text(key) != projections.version_text(record, manifest):
            return None
        return Path(self._store.path(key))
