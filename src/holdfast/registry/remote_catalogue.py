"""The verbs for other registries' clients behind a server.

What may be written is decided here, as in a folder: about the state as it was read, which the
server is told by the number of its last entry. Where somebody else was faster, it is read and
decided again.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from holdfast.core import descriptions, events, names
from holdfast.core import version as versions
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest
from holdfast.core.state import State, empty
from holdfast.core.version import Bump, Version
from holdfast.core.views import RegistrationResult
from holdfast.errors import BusyError, ChangedError
from holdfast.registry import registration, remote_drafts
from holdfast.registry.catalogue_verbs import CatalogueVerbs, Check, Labels, reference_draft
from holdfast.registry.facts import Facts
from holdfast.registry.remote_drafts import Wish
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session

_ATTEMPTS = 64
_Result = TypeVar("_Result")


class RemoteCatalogue(CatalogueVerbs):
    """What clients of another registry's ways ask of a server's store."""

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._session = session
        self._verbs = verbs

    def describe(
        self, model: str, version: str | None, texts: Mapping[str, str | None], check: Check
    ) -> State:
        """Have the server set texts of a version, or of the model."""
        names.check_model(model)

        def ask(state: State) -> State:
            check(state)
            event = descriptions.describe(state, version, texts)
            if isinstance(event, Unchanged):
                return state
            told = {"version": version, "texts": dict(texts), "after": state.seq}
            expected = {"version": event.version, "texts": event.texts}
            verb = ServerVerb("describe", (events.Described,), told, expected)
            return self._verbs.post(model, verb, CommitOptions()).state

        return self._decided(model, ask)

    def register(
        self, model: str, folder: Path, labels: Labels, facts: Facts, asked: Bump | Version = "auto"
    ) -> str:
        """Send a folder, and have it registered as a version's model."""
        wish = _wish(facts, asked)

        def finish(draft: Manifest, _stored: Path) -> RegistrationResult:
            return self._published(draft, labels, wish)

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
        """Have a version registered whose bytes cannot be reached."""
        draft = reference_draft(self._session, model, reference, facts)
        return self._published(draft, labels, _wish(facts, asked)).version.version

    def carry(self, manifest: Manifest, labels: Labels, why: str) -> str:
        """Have registered what another model has: its files are there, and none is sent."""
        trust = next((scan.trusted for scan in manifest.scan.values() if scan.trusted), None)
        draft = replace(manifest, version="", number=0, registered_at="", scan={})

        def ask(state: State) -> RegistrationResult:
            version = versions.parse(manifest.version)
            if manifest.version in state.versions:
                newest = versions.newest(state.versions) or manifest.version
                version = versions.bump(versions.parse(newest), "minor")
            wish = Wish(version, CommitOptions(why), trust)
            return self._publish(state, draft, labels, wish)

        return self._decided(manifest.name, ask).version.version

    def require_allowed(self, model: str, verbs: Sequence[str]) -> None:
        """Ask the server whether whoever asks may do all of these to a model."""
        self._verbs.require_allowed(model, verbs)

    def remove(self, model: str, version: str, why: str) -> None:
        """Have the server give up the bytes of one version."""
        verb = ServerVerb("purge", (events.Purged,), {"versions": [version]})
        self._verbs.post(model, verb, CommitOptions(why))

    def _published(self, draft: Manifest, labels: Labels, wish: Wish) -> RegistrationResult:
        return self._decided(draft.name, lambda state: self._publish(state, draft, labels, wish))

    def _publish(
        self, state: State, draft: Manifest, labels: Labels, wish: Wish
    ) -> RegistrationResult:
        labels.check(state)
        told = {"after": state.seq, "tags": labels.tags, "texts": labels.texts}
        return remote_drafts.publish(self._session, self._verbs, draft, replace(wish, labels=told))

    def _decided(self, model: str, ask: Callable[[State], _Result]) -> _Result:
        """Decide about a model as it is, again where somebody else wrote meanwhile."""
        for _ in range(_ATTEMPTS):
            exists = self._session.exists
            state = self._session.ledger(model).state() if exists else empty(model)
            try:
                return ask(state)
            except ChangedError:
                continue
        raise BusyError(model, f"was written by others {_ATTEMPTS} times in a row")


def _wish(facts: Facts, asked: Bump | Version) -> Wish:
    options = CommitOptions(facts.get("reason"), facts.get("idempotency_key"))
    return Wish(asked, options, (facts.get("trust") or "").strip() or None)
