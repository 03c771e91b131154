"""What clients of another registry's ways ask for beyond Holdfast's own verbs.

A model that exists before its first version, versions whose bytes are elsewhere, texts and tags
that a version has from its first moment on, and one version taken away.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, structs
from msgspec.structs import replace

from holdfast.core import commands, descriptions, events, names, numbering
from holdfast.core import version as versions
from holdfast.core.events import AnyEvent, Origin, Registered
from holdfast.core.idempotency import Unchanged
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Manifest
from holdfast.core.retention import PurgeDecision, PurgePlan
from holdfast.core.state import Record, State
from holdfast.core.version import Bump, Version
from holdfast.core.views import RegistrationResult
from holdfast.errors import NotFoundError
from holdfast.registry import registration
from holdfast.registry.facts import Facts
from holdfast.registry.session import CommitOptions, Session

_MOST_TOGETHER: Final = 64
"""References decided and written together: each has a file open meanwhile."""
Check = Callable[[State], None]
"""Refuses, by raising, what may not be written to a state."""


class Labels(Struct, frozen=True):
    """What a version has from its first moment on, beside its manifest.

    Attributes:
        check: Asked right before the entry is written.
        origin: Where it comes from, if it was registered elsewhere before.
    """

    check: Check
    tags: dict[str, str] = {}
    texts: dict[str, str] = {}
    origin: Origin | None = None

    def put_on(self, state: State, event: Registered) -> Registered:
        """Refuse, or return the registration with what this has."""
        self.check(state)
        descriptions.check_texts(self.tags)
        descriptions.check_texts(self.texts)
        origin = event.origin if self.origin is None else self.origin
        return replace(event, tags=self.tags, texts=self.texts, origin=origin)


class CatalogueVerbs:
    """The verbs that `Registry` has not, for those who translate another registry's."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self, model: str) -> State | None:
        """Return a model as it is now, `None` if it does not exist."""
        names.check_model(model)
        if not self._session.exists:
            return None
        state = self._session.ledger(model).state()
        return state if state.exists else None

    def models(self) -> list[str]:
        """Name the models that exist, sorted."""
        return self._session.models()

    def manifest(self, record: Record) -> Manifest:
        """Return a version's manifest, its bytes checked."""
        return self._session.manifest(record)

    def describe(
        self, model: str, version: str | None, texts: Mapping[str, str | None], check: Check
    ) -> State:
        """Set texts of a version, or of the model, which exists from then on; `None` removes one.

        Args:
            check: Refuses by raising; asked right before the entry is written.
        """
        names.check_model(model)

        def decide(state: State, _at: str) -> AnyEvent | Unchanged:
            check(state)
            return descriptions.describe(state, version, texts)

        return self._session.commit(model, decide, events.Described, CommitOptions()).state

    def register(
        self, model: str, folder: Path, labels: Labels, facts: Facts, asked: Bump | Version = "auto"
    ) -> str:
        """Take in a folder as a version's model, as it is; return the version."""

        def finish(draft: Manifest, stored: Path) -> RegistrationResult:
            return registration.commit(
                self._session, draft, asked, options, stored, label=labels.put_on
            )

        options = CommitOptions(facts.get("reason"), facts.get("idempotency_key"))
        sources = {"model": folder, **facts.get("artifacts", {})}
        done = registration.register(self._session, model, sources, asked, facts, finish)
        return done.version.version

    def refer(
        self,
        model: str,
        reference: str,
        labels: Labels,
        facts: Facts,
        asked: Bump | Version = "auto",
    ) -> str:
        """Register a version whose bytes cannot be reached; return the version.

        Nothing of it was hashed, so it can be listed and described, but never loaded or promoted.
        """
        draft = reference_draft(self._session, model, reference, facts)
        store = self._session.writable()
        options = CommitOptions(facts.get("reason"), facts.get("idempotency_key"))
        with store.sharing():
            done = registration.commit(
                self._session, draft, asked, options, Path(), label=labels.put_on
            )
        return done.version.version

    def refer_all(self, model: str, references: Sequence["Reference"]) -> list[str]:
        """Register versions whose bytes cannot be reached, one behind the other; return them.

        In a folder the disk is waited for about once for each, and not four times.
        """
        if not self._session.writable().store.traits.is_local:
            return [self.refer(model, *structs.astuple(each)) for each in references]
        made: list[str] = []
        while len(made) < len(references):
            following = references[len(made) : len(made) + _MOST_TOGETHER]
            batch = ReferenceBatch(self._session, model, following)
            made += batch.commit()
        return made

    def require_allowed(self, model: str, verbs: Sequence[str]) -> None:
        """Check that whoever asks may do all of these to a model; a folder asks nobody.

        Raises:
            ForbiddenError: If they may not.
        """

    def touched(self, state: State, seq: int, head: str | None) -> list[str] | None:
        """Name the versions that entries behind *seq*, whose digest is *head*, are about.

        `None` far away, where each entry could cost a request.
        """
        if not self._session.open_store.store.traits.is_local:
            return None
        return self._session.ledger(state.model).touched(seq, head, state)

    def carry(self, manifest: Manifest, labels: Labels, why: str) -> str:
        """Register what another model of this store has, under the same version where it is free.

        Args:
            manifest: Of the new version; its files are stored already.
            why: How it came to its version, a sentence.
        """
        store = self._session.writable()
        files = [file.sha256 for file in manifest.files]

        def decide(state: State, at: str) -> AnyEvent | Unchanged:
            version = manifest.version
            if version in state.versions:
                newest = versions.newest(state.versions) or version
                version = str(versions.bump(versions.parse(newest), "minor"))
            placed = replace(manifest, version=version, number=state.next_number, registered_at=at)
            planned = numbering.record(placed, why)
            store.rescue([store.blobs.add_bytes(planned.raw), *files])
            return labels.put_on(state, planned.event)

        with store.sharing():
            outcome = self._session.commit(manifest.name, decide, Registered, CommitOptions())
        return next(reversed(outcome.state.versions))

    def remove(self, model: str, version: str, why: str) -> None:
        """Give up the bytes of one version.

        Raises:
            ConflictError: If it is live, staged, in a rollout, under an alias or held.
        """

        def decide(state: State, _at: str) -> AnyEvent | Unchanged:
            record = state.versions[version]
            commands.require_bytes(state, record)
            row = PurgeDecision(version, purge=True, reason=why, size_bytes=record.size_bytes)
            return commands.purge(state, PurgePlan(model, (row,), "purged"))

        self._session.commit(model, decide, events.Purged, CommitOptions())

    def require(self, model: str) -> State:
        """Return a model that exists.

        Raises:
            NotFoundError: If it does not.
        """
        state = self.state(model)
        if state is None:
            raise NotFoundError(f"model {model}")
        return state


class Reference(Struct, frozen=True):
    """A version whose bytes cannot be reached.

    Attributes:
        uri: Where they are said to be.
    """

    uri: str
    labels: Labels
    facts: Facts


class ReferenceBatch:
    """References that are decided together and written one behind the other."""

    def __init__(self, session: Session, model: str, references: Sequence[Reference]) -> None:
        self._session = session
        self._model = model
        self._references = references
        self._planned: dict[str, numbering.Registration] = {}

    def commit(self) -> list[str]:
        """Write as many as no rival is in the way of; return their versions."""
        decides = [functools.partial(self._decide, each) for each in self._references]
        count = self._session.commit_all(self._model, decides, Registered, self._store)
        return [each.event.version for each in list(self._planned.values())[:count]]

    def _decide(self, reference: Reference, state: State, at: str) -> AnyEvent | Unchanged:
        draft = reference_draft(self._session, self._model, reference.uri, reference.facts)
        base = registration.base_among(self._manifest, state, "auto")
        planned = numbering.register(state, draft, "auto", base, at)
        self._planned[planned.event.manifest] = planned
        return reference.labels.put_on(state, planned.event)

    def _manifest(self, record: Record) -> Manifest:
        planned = self._planned.get(record.manifest)
        return planned.manifest if planned is not None else self._session.manifest(record)

    def _store(self) -> None:
        manifests = [(planned.raw, planned.stored) for planned in self._planned.values()]
        self._session.open_store.blobs.add_manifests(manifests)


def reference_draft(session: Session, model: str, reference: str, facts: Facts) -> Manifest:
    """Return the manifest of a version whose bytes cannot be reached, as far as it is known."""
    return Manifest(
        name=names.check_model(model),
        version="",
        number=0,
        registered_at="",
        registered_by=session.by,
        artifacts={},
        description=facts.get("description"),
        lineage=Lineage(**dict(facts.get("lineage", {}))),  # type: ignore[arg-type]  # checked as it is written
        metadata=dict(facts.get("metadata", {})),
        reference=reference,
    )
