"""The verbs of lineage: of one version, both ways; and of all that used some data or commit."""

from typing import Any

import msgspec

from holdfast.core.manifest import Manifest
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.registry import data_users, run_records
from holdfast.registry.data_users import VersionsUsing
from holdfast.registry.lineage_tree import LineageTree, lineage_tree
from holdfast.registry.session import Session

__all__ = ["Lineages"]


class Lineages:
    """What can be asked about where versions come from."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, ref: str) -> LineageTree:
        """Return what a version was made from, and what became of it."""
        return lineage_tree(self._session, ref, lambda _model: True, lambda *_place: "", None)

    def openlineage(self, ref: str) -> list[dict[str, Any]]:
        """Return the events of the run that made a version, as OpenLineage has them."""
        from holdfast.registry import openlineage_events

        manifest, _digest, record = self._run_of(ref)
        return openlineage_events.events(self._session, manifest, record)

    def failures(self, model: str) -> tuple[SlotRecord, ...]:
        """Return the slots of retraining whose last attempt failed and made no version, in order.

        Raises:
            NotFoundError: If there is no such model.
        """
        slots = self._session.state(model).slots.values()
        failed = (slot for slot in slots if slot.outcome in ("failed", "limit"))
        return tuple(sorted(failed, key=lambda slot: (slot.slot, slot.entry)))

    def openlineage_of_failures(self, model: str) -> list[dict[str, Any]]:
        """Return the events of the last run of each slot that failed, as OpenLineage has them."""
        from holdfast.registry import openlineage_events

        return openlineage_events.failures(self._session, model, self.failures(model))

    def slsa(self, ref: str) -> bytes:
        """Return SLSA provenance of a version: a statement, in a signed envelope if there is a key.

        Raises:
            InvalidInputError: If the key signs no versions.
        """
        from holdfast.registry import slsa_provenance

        statement = slsa_provenance.statement(*self._run_of(ref))
        key = self._session.keyring.key
        if key is None:
            return msgspec.json.encode(statement) + b"\n"
        from holdfast.signing import dsse

        return dsse.enveloped(key, statement)

    def _run_of(self, ref: str) -> tuple[Manifest, str, dict[str, Any]]:
        record = self._session.find(ref)[1]
        run = run_records.of_version(self._session, record)
        return self._session.manifest(record), record.manifest, run

    def users_of_data(self, data: str) -> VersionsUsing:
        """Find the versions of all models that used data: a digest, `sales`, or `sales@v3`."""
        return data_users.of_data(self._session, data)

    def users_of_commit(self, commit: str) -> VersionsUsing:
        """Find the versions of all models that the code of a commit made."""
        return data_users.of_commit(self._session, commit)

    def children(self, ref: str) -> VersionsUsing:
        """Find the versions of all models that were made from a version."""
        return data_users.children(self._session, ref)
