"""`repair`: fetch what is damaged from a copy, make anew what is derived; a plan comes first.

Nothing is overwritten: bytes are verified before they take a damaged file's place, and the damaged
file is set aside. An entry is taken only if the chain says that it stood there.
"""

from dataclasses import dataclass, field

from holdfast.core.names import check_model
from holdfast.core.state import State, empty
from holdfast.errors import DamagedError
from holdfast.registry import repair_lost
from holdfast.registry.missing import lost
from holdfast.registry.repair_blobs import BlobRepair
from holdfast.registry.repair_data import DataRepair
from holdfast.registry.repair_journal import JournalRepair
from holdfast.registry.repair_plan import Repair, RepairPlan
from holdfast.registry.repair_projections import ProjectionRepair
from holdfast.registry.repair_sources import sources_for
from holdfast.registry.session import Session
from holdfast.store import layout, projections
from holdfast.store.journal import Journal


def planned(session: Session, model: str | None, source: object) -> Repair:
    """Say what `repair` would do, without changing anything."""
    return _plan(session, model, source).shown()


def repaired(session: Session, model: str | None, source: object) -> Repair:
    """Put right what can be: entries first, then bytes, then what is derived from both."""
    return _plan(session, model, source).carried_out()


def _plan(session: Session, model: str | None, source: object) -> RepairPlan:
    """Examine one model, or all and the bytes that none needs."""
    sources, plan = sources_for(session, source), RepairPlan()
    blobs = BlobRepair(session, sources, plan)
    examination = _Examination(
        session,
        plan,
        JournalRepair(session, sources, plan),
        blobs,
        ProjectionRepair(session, plan),
        DataRepair(session, sources, plan, blobs),
    )
    if model is None:
        examination.all()
    else:
        examination.one(model)
    return plan


@dataclass(frozen=True, slots=True)
class _Examination:
    """Goes through models: journal, then blobs, then projections of each.

    Attributes:
        unread: Prefixes of journals that could not be read.
    """

    session: Session
    plan: RepairPlan
    journals: JournalRepair
    blobs: BlobRepair
    projections: ProjectionRepair
    data: DataRepair
    unread: list[str] = field(default_factory=list)

    def one(self, model: str) -> None:
        check_model(model)
        if self._is_gone(model):
            self._lost(model)
            return
        self._model(model)
        if not self.plan.subjects:
            self.session.state(model)  # there must be one

    def all(self) -> None:
        for folder in self.session.folders():
            self._folder(folder)
        for name in self.session.survey().lost:
            self._lost(name)
        self.unread.extend(self.data.all())
        self.blobs.examine_strays(self.unread)

    def _lost(self, model: str) -> None:
        """Have a journal brought back of which nothing is left."""
        gone, sources = lost(model), self.journals.sources
        misfit = repair_lost.misfit(self.session, sources, model)
        if misfit is not None:
            self.plan.leave(model, gone.subject, f"{gone}; {misfit}")
            self.unread.append(layout.model(model))
            return
        state = self._model(model)
        for version in repair_lost.unknown_versions(self.session, model, state.versions):
            key = layout.version(model, version)
            self.plan.leave(model, key, f"is of a version that {sources.name} does not have")

    def _folder(self, folder: str) -> None:
        prefix = f"{layout.MODELS}/{folder}"
        try:
            name = self.session.name_in(folder)
        except DamagedError as error:
            name = self.journals.model_in(prefix)
            if name is not None and self._is_gone(name):
                self._lost(name)
                return
            if name is None or not self._had_entries(prefix):
                self.plan.leave(None, error.subject, str(error))
                self.unread.append(prefix)
                return
        if name is not None:
            self._model(name)

    def _is_gone(self, model: str) -> bool:
        """Tell whether a model has had entries, and nothing says any more which."""
        known = self.session.open_store.known
        return known.has(model) and not self._had_entries(layout.model(model))

    def _had_entries(self, prefix: str) -> bool:
        """Tell whether a journal has any, or had when its pointer was written."""
        store = self.session.open_store.store
        pointer_key = layout.pointer_below(prefix)
        return bool(Journal(store, prefix).numbers() or projections.pointer_at(store, pointer_key))

    def _model(self, model: str) -> State:
        before = len(self.plan.steps)
        journal = self.journals.examine(model)
        if journal is None or not journal.state.seq:
            self.unread.append(layout.model(model))
            return empty(model)
        known = self.blobs.examine(journal.state)
        is_mended = len(self.plan.steps) > before
        self.projections.examine(journal, known, is_mended=is_mended)
        return journal.state
