"""Blobs: those that versions need are fetched, and damaged ones that none needs are set aside.

Bytes are verified before they take a damaged file's place.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.core import manifest as manifests
from holdfast.core.manifest import MAX_BYTES, File, Manifest
from holdfast.core.state import Record, State
from holdfast.core.views import Damage
from holdfast.errors import DamagedError, HoldfastError
from holdfast.registry.repair_plan import Mend, RepairPlan, make_room
from holdfast.registry.repair_sources import BlobCopy, RepairSources
from holdfast.registry.session import Session
from holdfast.registry.verification import stored
from holdfast.store import layout


@dataclass(frozen=True, slots=True)
class BlobRepair:
    """Plans how a store's blobs are put right."""

    session: Session
    sources: RepairSources
    plan: RepairPlan

    def examine(self, state: State) -> list[tuple[Record, Manifest]]:
        """Examine manifests and what they need; return those that can be read, once repaired."""
        readable = []
        needed: dict[str, tuple[File, str | None]] = {
            digest: (File("retraining", digest, 0), None) for digest in state.runs
        }
        for record in state.ordered():
            manifest = self._manifest(state.model, record)
            if manifest is not None:
                readable.append((record, manifest))
                folder = layout.version(state.model, record.version)
                needed |= {file.sha256: (file, folder) for file in _files(record, manifest)}
        files = [file for file, _folder in needed.values()]
        for file, damage in self.session.open_store.blobs.check_all(files):
            if damage is not None:
                self._blob(file, damage.problem, state.model, needed[file.sha256][1])
        return readable

    def examine_files(self, files: Sequence[File]) -> None:
        """Examine what data keeps."""
        for file, damage in self.session.open_store.blobs.check_all(files):
            if damage is not None and layout.blob(file.sha256) not in self.plan.subjects:
                self._blob(file, damage.problem, None, None)

    def readable(self, file: File, model: str | None) -> bytes:
        """Read a small blob, here or in a copy that it is then fetched from; empty if nowhere."""
        found = self.session.open_store.blobs.examine(file.sha256)
        if isinstance(found, bytes):
            return found
        good = self._blob(file, found.problem, model, None)
        return _bytes(good) if good else b""

    def _manifest(self, model: str, record: Record) -> Manifest | None:
        """Read a version's manifest, here or in a copy."""
        raw = self.readable(File("manifest.json", record.manifest, MAX_BYTES), model)
        if not raw:
            return None
        try:
            return manifests.decode(raw, record.manifest)
        except HoldfastError as error:
            key = layout.blob(record.manifest)
            self.plan.left.append(Damage(model, record.version, key, str(error)))
            return None

    def _blob(
        self, file: File, problem: str, model: str | None, folder: str | None
    ) -> BlobCopy | None:
        """Have a blob fetched from the first place that holds its bytes."""
        key = layout.blob(file.sha256)
        for candidate in self.sources.copies(file, folder):
            if candidate.holds(file.sha256, file.size_bytes):
                mend = Mend(model, key, "fetch", f"{file.path}: {problem}", candidate.where)
                self.plan.add(mend, functools.partial(self._fetch, file.sha256, candidate))
                return candidate
        self.plan.leave(model, key, f"{file.path}: {problem}; no copy found")
        return None

    def _fetch(self, sha256: str, candidate: BlobCopy) -> None:
        store = self.session.open_store
        with store.workplace() as folder:
            if candidate.copy(folder / "blob") != sha256:
                raise DamagedError(candidate.where, "changed meanwhile", "try again")
            make_room(store.store, layout.blob(sha256))
            store.blobs.add(folder / "blob")

    def examine_strays(self, unread: Sequence[str]) -> None:
        """Have blobs set aside that no version needs and whose bytes are not what they say.

        Args:
            unread: Journals that could not be read: any stray may be theirs, so all stay.
        """
        store, planned = self.session.open_store, self.plan.subjects
        strays = [file for file in stored(self.session) if layout.blob(file.sha256) not in planned]
        for file, damage in store.blobs.check_all(strays):
            key = layout.blob(file.sha256)
            if damage is not None and unread:
                self.plan.leave(None, key, f"{damage.problem}; {unread[0]} may need it")
            elif damage is not None:
                mend = Mend(None, key, "set aside", damage.problem)
                self.plan.add(mend, functools.partial(make_room, store.store, key))


def _files(record: Record, manifest: Manifest) -> list[File]:
    """Return what a version needs: its files, unless given up, and what was attached to it."""
    files = [] if record.status == "purged" else list(manifest.files)
    return files + [File(what, digest, 0) for digest, what in record.attached.items()]


def _bytes(candidate: BlobCopy) -> bytes:
    with candidate.open() as file:
        return file.read()
