"""`backup`: copies a store while others write to it; the copy opens as the same store.

Entries and blobs never change, so a prefix of a journal with the blobs it names is whole, whenever
it is taken: the end of the journal is read first, then its blobs are carried over, then its entries
in order, and the files derived from them are made anew there. What was purged meanwhile is found
to be missing, and by then a later entry says why.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.core.manifest import File
from holdfast.core.state import Record, State
from holdfast.core.views import Damage
from holdfast.errors import ConflictError, DamagedError, InvalidInputError
from holdfast.registry import access_upkeep, copy_models, data_upkeep
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.journal import Journal
from holdfast.store.metering import Meter, Progress, Step

_NAME_ANOTHER: Final = "name a new folder or prefix, or an earlier backup of this store"


class Backup(Struct, frozen=True):
    """What a backup did.

    Attributes:
        models: Names of those that are in it, sorted.
        entries: Journal entries in it, those about access and data too.
        new_entries: Those that an earlier backup there did not have.
        new_files: Blobs that it did not have.
        size_bytes: Their length.
        damages: What could not be copied, because it is damaged here.
    """

    models: tuple[str, ...]
    entries: int
    new_entries: int
    new_files: int
    size_bytes: int
    damages: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        """True if everything was copied."""
        return not self.damages


def backup(source: Session, target: Session, progress: Progress | None) -> Backup:
    """Bring *target* up to date with *source*; what is already there is skipped.

    Raises:
        ConflictError: If another store is there, or another or longer history of this one.
        InvalidInputError: If it is the same place.
    """
    config = source.open_store.config
    if _location(source) == _location(target):
        raise InvalidInputError(
            f"target {str(target.site.location)!r}", "is the store itself", _NAME_ANOTHER
        )
    store = target.writable_as(config.id, datetime.fromisoformat(config.created_at))
    if store.config.id != config.id:
        raise ConflictError(str(target.site.location), "is another store", _NAME_ANOTHER)
    run = _Run(source, target, progress)
    with store.sharing("backing up"):
        for folder in source.folders():
            run.folder(folder)
        run.access()
        run.data()
    return run.outcome()


def _location(session: Session) -> str:
    return session.open_store.projections.here("").location if session.exists else ""


@dataclass(slots=True)
class _Run:
    """One backup, and what it found."""

    source: Session
    target: Session
    progress: Progress | None
    heads: dict[str, int] = field(default_factory=dict)
    new_entries: int = 0
    further_entries: int = 0
    new_files: list[File] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)

    def outcome(self) -> Backup:
        """Return the result."""
        return Backup(
            models=tuple(sorted(self.heads)),
            entries=sum(self.heads.values()) + self.further_entries,
            new_entries=self.new_entries,
            new_files=len(self.new_files),
            size_bytes=sum(file.size_bytes for file in self.new_files),
            damages=tuple(self.damages),
        )

    def folder(self, folder: str) -> None:
        """Back up the model of a folder below `models`; a damaged one does not stop the others."""
        name = None
        try:
            name = self.source.name_in(folder)
            state = self.source.ledger(name).state() if name else None
        except DamagedError as error:
            self.damages.append(Damage(name, None, error.subject, str(error)))
            return
        if state is not None:
            self._model(state)

    def access(self) -> None:
        """Back up who may do what; damage there does not stop the models."""
        try:
            entries, lacked = access_upkeep.back_up(self.source, self.target)
            self.further_entries += entries
            self.new_entries += lacked
        except DamagedError as error:
            self.damages.append(Damage(None, None, error.subject, str(error)))

    def data(self) -> None:
        """Back up data by name; damage there does not stop the rest."""
        try:
            entries, lacked, carried = data_upkeep.back_up(self.source, self.target)
            self.further_entries += entries
            self.new_entries += lacked
            self.new_files += carried
        except DamagedError as error:
            self.damages.append(Damage(None, None, error.subject, str(error)))

    def _model(self, state: State) -> None:
        known = self._known(state)
        while True:
            lost = self._carry_all(state)
            newer = self.source.ledger(state.model).state()
            if not lost or newer.seq == state.seq:
                break
            state = newer  # which may say that it was purged
        self.damages += lost
        self._append(state, known)
        self.heads[state.model] = state.seq

    def _known(self, state: State) -> int:
        """Return how many entries the target has, after checking that they are the same.

        Raises:
            ConflictError: If they are not, or are more.
        """
        there = self.target.ledger(state.model).state()
        if there.seq > state.seq:
            raise ConflictError(
                state.model,
                f"has {there.seq} entries in the backup, but {state.seq} in the store",
                "the store is older than its backup, which was left unchanged",
            )
        journal = Journal(self.source.open_store.store, layout.model(state.model))
        raw = journal.read(there.seq) if there.seq else None
        if there.seq and (raw is None or entries.digest(raw) != there.head):
            raise ConflictError(state.model, "has a different history in the backup", _NAME_ANOTHER)
        return there.seq

    def _append(self, state: State, known: int) -> None:
        """Write the entries that the target lacks, then what is derived from them."""
        if state.seq == known:
            return
        ledger = self.target.ledger(state.model)
        head = ledger.state().head
        journal = Journal(self.source.open_store.store, layout.model(state.model))
        for seq, raw in enumerate(journal.read_many(known + 1, state.seq), start=known + 1):
            if raw is None:
                raise DamagedError(journal.slot(seq), "is missing from the journal")
            head = ledger.restore(raw, seq, head)
            self.new_entries += 1
        self.target.forget(state.model)
        self.target.ledger(state.model).project()

    def _carry_all(self, state: State) -> list[Damage]:
        """Store the blobs that a state needs and the target lacks; return what cannot be."""
        lost: list[Damage] = []
        files: dict[str, tuple[Record | None, File]] = {
            file.sha256: (record, file)
            for record in state.ordered()
            for file in self._files(state.model, record, lost)
        }
        meter = Meter(self.progress, sum(file.size_bytes for _, file in files.values()))
        passes = copy_models.passes(self.source.open_store, self.target.open_store)
        files |= {file.sha256: (None, file) for file in self._runs(state, lost)}
        for record, file in files.values():
            with meter.part(file.size_bytes, passes) as step:
                try:
                    self._carry(file, step)
                except DamagedError as error:
                    version = record.version if record else None
                    lost.append(Damage(state.model, version, error.subject, error.problem))
        return lost

    def _files(self, model: str, record: Record, lost: list[Damage]) -> Iterator[File]:
        """Go through the blobs of a version; note those by which others would be known."""
        blobs = self.source.open_store.blobs
        attached = [(record.manifest, "manifest.json"), *record.attached.items()]
        for digest, what in attached:
            try:
                yield File(what, digest, len(blobs.read(digest)))
            except DamagedError as error:
                lost.append(Damage(model, record.version, error.subject, error.problem))
        if record.status != "purged":
            with contextlib.suppress(DamagedError):  # which was noted
                yield from self.source.manifest(record).files

    def _runs(self, state: State, lost: list[Damage]) -> Iterator[File]:
        """Go through the records and logs of retraining runs that led to no version."""
        for digest in state.runs:
            try:
                yield File("retraining", digest, len(self.source.open_store.blobs.read(digest)))
            except DamagedError as error:
                lost.append(Damage(state.model, None, error.subject, error.problem))

    def _carry(self, file: File, step: Step) -> None:
        store = self.target.open_store
        if store.store.size(layout.blob(file.sha256)) == file.size_bytes:
            return
        taken = store.blobs.add(self.source.open_store.blobs.fetch(file, step), step=step)
        if taken.sha256 != file.sha256:
            subject = f"{file.path} ({layout.blob(file.sha256)})"
            raise DamagedError(subject, f"has changed: its bytes are sha256:{taken.sha256}")
        self.new_files.append(file)
