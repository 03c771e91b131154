"""What is derived from a journal: written anew where it differs from it."""

import functools
from dataclasses import dataclass

from holdfast.core.manifest import Manifest
from holdfast.core.state import Record
from holdfast.registry import image_layout, store_location
from holdfast.registry.repair_journal import WalkedJournal
from holdfast.registry.repair_plan import Mend, RepairPlan, make_room
from holdfast.registry.session import Session
from holdfast.store import layout, projections
from holdfast.store.journal import Journal
from holdfast.store.packs import Packs


@dataclass(frozen=True, slots=True)
class ProjectionRepair:
    """Plans how what is derived from the journals is made anew."""

    session: Session
    plan: RepairPlan

    def examine(
        self, journal: WalkedJournal, known: list[tuple[Record, Manifest]], *, is_mended: bool
    ) -> None:
        """Have what differs from the journal written anew.

        Args:
            known: The versions whose manifests can be read.
            is_mended: Whether entries or blobs of the model are put right before.
        """
        state = journal.state
        store, prefix = self.session.open_store, layout.model(state.model)
        if state.policy.require_signature:
            self._seal(state.model)
        if store.known.is_stale(state.model):
            key = layout.known(state.model)
            mend = Mend(state.model, key, "rebuild", "differs from the journal")
            self.plan.add(mend, functools.partial(self._note, state.model))
        for key, problem in Packs(store.store, prefix).problems(journal.digests):
            mend = Mend(state.model, key, "rebuild", problem)
            self.plan.add(mend, functools.partial(self._pack_anew, state.model, key))
        stale = [
            difference
            for record, manifest in known
            for difference in store.projections.stale(state.model, record, manifest)
        ]
        if not projections.is_true(projections.read_pointer(store.store, state.model), state):
            stale.append((layout.pointer(state.model), "is missing, or differs from the journal"))
        stale += image_layout.problems(self.session, state)
        if is_mended and not stale:
            stale.append((prefix, "is derived from the above"))
        rebuild = functools.partial(self._rebuild, state.model)
        for place_in_line, (key, problem) in enumerate(stale):
            mend = Mend(state.model, key, "rebuild", problem)
            self.plan.add(mend, _nothing if place_in_line else rebuild)

    def _note(self, model: str) -> None:
        """Write anew the file that says that a model has had entries."""
        self.session.open_store.store.delete(layout.known(model))
        self.session.open_store.known.write(model)

    def _pack_anew(self, model: str, key: str) -> None:
        """Have a pack written anew, as every pack is that is missing."""
        make_room(self.session.open_store.store, key)
        self._rebuild(model)

    def _rebuild(self, model: str) -> None:
        """Write anew what is derived, from the journal as it is by now."""
        store = self.session.open_store
        witness = projections.read_pointer(store.store, model)
        if witness is not None and store_location.is_elsewhere(store, model, witness):
            store.store.delete(layout.pointer(model))  # or it would accuse the journal
        self.session.forget(model)
        ledger = self.session.ledger(model)
        ledger.rebuild()
        image_layout.rebuild(self.session, ledger.state())

    def _seal(self, model: str) -> None:
        """Have the mark of a journal that demands signatures made anew, if it is not as it was."""
        prefix = layout.model(model)
        journal = Journal(self.session.open_store.store, prefix)
        problem = journal.seal_problem

        def mark() -> None:
            make_room(self.session.open_store.store, layout.seal(prefix))
            journal.seal()

        if problem is not None:
            self.plan.add(Mend(model, layout.seal(prefix), "rebuild", problem), mark)


def _nothing() -> None:
    """Do nothing: the first step of its kind did it all."""
