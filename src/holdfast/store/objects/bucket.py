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
from holdfast.store import TakenError, config, layout, projections
from holdfast.store.blobs import Blobs
from holdfast.store.config import Config
from holdfast.store.known import Known
from holdfast.store.objects.garbage import Condemned
from holdfast.store.objects.probing import probe
from holdfast.store.objects.store import ObjectStore
from holdfast.store.place import Changed, Collected, Here, Needed
from holdfast.store.probe import Probe
from holdfast.store.projections import Pointer

_LEAST_GRACE_S = 86_400.0
_KEPT = Probe(links=False, case_sensitive=True, locks=False)


class BucketSite:
    """A prefix of a bucket that holds a registry or may come to."""

    def __init__(self, store: ObjectStore) -> None:
        self.location = store.url
        self._store = store

    def find(self) -> "BucketPlace | None":
        """Open the registry there; `None` where nothing has the prefix."""
        raw = self._store.read(layout.CONFIG)
        if raw is not None:
            return BucketPlace(self._store, config.decode(raw, f"{self.location}/{layout.CONFIG}"))
        if any(not name.startswith(layout.TEMPORARY) for name in self._store.list("")):
            raise NotAStoreError(
                self.location,
                f"has objects and no {layout.CONFIG}, so it is not a store",
                "name a store, or a prefix that nothing has to make one",
            )
        return None

    def make(self, new_id: Callable[[], str], now: datetime) -> "BucketPlace":
        """Make a registry under the prefix, after trying out that the endpoint keeps conditions."""
        _try_out(self._store)
        made = Config(config.FORMAT, new_id(), format_time(now), _KEPT, known=True)
        try:
            self._store.create(layout.CONFIG, config.encode(made))
        except TakenError:  # a rival made it at the same time
            found = self.find()
            if found is None:
                raise DamagedError(
                    f"{self.location}/{layout.CONFIG}", "comes and goes", "look who deletes it"
                ) from None
            return found
        return BucketPlace(self._store, made)


class BucketPlace:
    """The place of a registry that is there."""

    least_grace_s = _LEAST_GRACE_S

    def __init__(self, store: ObjectStore, found: Config) -> None:
        self.store = store
        self.blobs = Blobs(store)
        self.config = found
        self.known = Known(store, store.cache, found.id)
        self.projections = _Projections(store)
        self._condemned = Condemned(store)

    def require_same(self) -> None:
        """Read the configuration."""
        raw = self.store.read(layout.CONFIG)
        found = None if raw is None else config.decode(raw, f"{self.store.url}/{layout.CONFIG}")
        config.require_same(found, self.config, self.store.url)

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
        found = self._read(model)
        if found is not None:
            self._looked[model] = found
        return projections.decode(found[0]) if found else None

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
        found = self._looked.pop(model, None) or self._store.tagged(key)
        while True:
            change = changed(projections.decode(found[0]) if found else None)
            if change is None:
                return
            raw = projections.encode(projections.pointer_to(change.state, self.here(model).mark))
            if found is None:
                with contextlib.suppress(TakenError):
                    self._store.create(key, raw)
                    return
            elif self._store.replace_tagged(key, raw, found[1]):
                return
            found = self._store.tagged(key)

    def stale(self, _model: str, _record: Record, _manifest: Manifest) -> Iterator[tuple[str, str]]:
        """Find nothing: versions have no projections here."""
        return iter(())

    def artifact(self, _manifest: Manifest, _artifact: Artifact) -> Path | None:
        """Have none."""
        return None

    def manifest(self, _record: Record, _manifest: Manifest) -> Path | None:
        """Have none."""
        return None
