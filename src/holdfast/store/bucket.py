"""A registry in a bucket: conditions instead of locks, a cache instead of links."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from holdfast import scratch
from holdfast.core.entry import format_time
from holdfast.core.manifest import Artifact, Manifest
from holdfast.core.state import Record
from holdfast.errors import DamagedError, NotAStoreError
from holdfast.store import TakenError, bucket_glance, config, layout, projections, reserved
from holdfast.store.blobs import Blobs
from holdfast.store.bucket_collector import Condemned
from holdfast.store.config import Config
from holdfast.store.known_models import Known
from holdfast.store.objects.object_store import ObjectStore
from holdfast.store.objects.probing import probe
from holdfast.store.open_store import Changed, Collected, Glance, Here, Needed
from holdfast.store.probe import Probe
from holdfast.store.projections import Pointer

_LEAST_GRACE_S = 86_400.0
_KEPT = Probe(links=False, case_sensitive=True, locks=False)


class BucketLocation:
    """A prefix of a bucket that holds a registry or may come to."""

    def __init__(self, store: ObjectStore) -> None:
        self.location = store.url
        self._store = store

    def find(self) -> "OpenBucket | None":
        """Open the registry there; `None` where nothing has the prefix."""
        raw = self._store.read(layout.CONFIG)
        if raw is not None:
            return OpenBucket(self._store, config.decode(raw, f"{self.location}/{layout.CONFIG}"))
        if any(not name.startswith(reserved.TEMPORARY) for name in self._store.list("")):
            raise NotAStoreError(
                self.location,
                f"has objects but no {layout.CONFIG}, so it is not a store",
                "name a store, or an unused prefix to make one",
            )
        return None

    def make(self, new_id: Callable[[], str], now: datetime) -> "OpenBucket":
        """Make a registry under the prefix, after trying out that the endpoint keeps conditions."""
        _try_out(self._store)
        made = Config(config.FORMAT, new_id(), format_time(now), _KEPT, known=True)
        try:
            self._store.create(layout.CONFIG, config.encode(made))
        except TakenError:  # a rival made it at the same time
            store = self.find()
            if store is None:
                raise DamagedError(
                    f"{self.location}/{layout.CONFIG}",
                    "keeps being deleted",
                    "find out what deletes it",
                ) from None
            return store
        return OpenBucket(self._store, made)


class OpenBucket:
    """The place of a registry that is there."""

    least_grace_s = _LEAST_GRACE_S

    def __init__(self, store: ObjectStore, stored_config: Config) -> None:
        self.store = store
        self.blobs = Blobs(store)
        self.config = stored_config
        self.known = Known(store, store.cache, stored_config.id)
        self.projections = _Projections(store)
        self._condemned = Condemned(store)

    def require_same(self) -> None:
        """Read the configuration."""
        raw = self.store.read(layout.CONFIG)
        current = None if raw is None else config.decode(raw, f"{self.store.url}/{layout.CONFIG}")
        config.require_same(current, self.config, self.store.url)

    def glance(self, folders: Collection[str]) -> dict[str, Glance]:
        """Look at the models of many folders below `models`, by a request each and a listing."""
        return bucket_glance.glance(self.store, folders)

    def accepted(self, model: str, seq: int) -> None:
        """Take no notice: entries are where they were written."""

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give a folder of this machine."""
        with scratch.folder() as path:
            yield path

    @contextlib.contextmanager
    def sharing(self, what: str = "writing") -> Iterator[None]:  # noqa: ARG002 - nobody waits
        """Hold nothing: `rescue` and the grace time keep collectors away.

        What is about to be written goes by this endpoint, which is tried out once.
        """
        if not self.store.cache.remembers(_road(self.store)):
            _try_out(self.store)
        yield

    def rescue(self, digests: Collection[str]) -> None:
        """Take blobs off the lists of collectors."""
        self._condemned.rescue(digests)

    def collect(self, needed: Needed, grace_s: float) -> Collected:
        """List what nothing names, and remove what was listed *grace_s* ago."""
        return self._condemned.collect(needed, grace_s)


def _try_out(store: ObjectStore) -> None:
    """Refuse an endpoint that does not keep conditions; one that does is remembered."""
    probe(store)
    store.cache.remember(_road(store))


def _road(store: ObjectStore) -> str:
    bucket = store.wire.bucket
    return f"conditions kept: {bucket.endpoint} {bucket.url}"


class _Projections:
    """The pointer alone: nobody copies a version's folder out of a bucket by hand."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._looked: dict[str, tuple[bytes, str]] = {}

    def look(self, model: str) -> Pointer | None:
        """Read the pointer, and keep the tag of what was read."""
        snapshot = self._read(model)
        if snapshot is not None:
            self._looked[model] = snapshot
        return projections.decode(snapshot[0]) if snapshot else None

    def _read(self, model: str) -> tuple[bytes, str] | None:
        try:
            return self._store.tagged(layout.pointer(model))
        except OSError:
            return None

    def here(self, _model: str) -> Here:
        """Name the bucket and the prefix in it."""
        address = self._store.url.partition("?")[0]  # however it is reached
        return Here(address, address)

    def heal(self, model: str, changed: Changed) -> None:
        """Write it as a writer does: nobody waits for anybody."""
        self.write(model, changed)

    def write(self, model: str, changed: Changed) -> None:
        """Write the pointer over the one that was read, and read again if a rival did."""
        key = layout.pointer(model)
        snapshot = self._looked.pop(model, None) or self._store.tagged(key)
        while True:
            change = changed(projections.decode(snapshot[0]) if snapshot else None)
            if change is None:
                return
            mark = self.here(model).mark
            pointer = projections.far_pointer_to(change.state, mark, change.recent)
            raw = projections.encode(pointer)
            if snapshot is None:
                with contextlib.suppress(TakenError):
                    self._store.create(key, raw)
                    return
            elif self._store.replace_tagged(key, raw, snapshot[1]):
                return
            snapshot = self._store.tagged(key)

    def stale(self, _model: str, _record: Record, _manifest: Manifest) -> Iterator[tuple[str, str]]:
        """Find nothing: versions have no projections here."""
        return iter(())

    def artifact(self, _manifest: Manifest, _artifact: Artifact) -> Path | None:
        """Have none."""
        return None

    def manifest(self, _record: Record, _manifest: Manifest) -> Path | None:
        """Have none."""
        return None
