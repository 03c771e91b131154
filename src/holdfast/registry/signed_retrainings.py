"""What a server wants signed about a run, held against what is decided here from the same facts.

The one entry of a run has the gate's verdict and what it stages. So whoever signs it decides it
first: by the same policy, behind the same entry, with the losses that were sent. Of the server its
word is taken for the time, the scan of the bytes that it has, and the wording of its reasons.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core import retraining_commands
from holdfast.core.entry import Entry
from holdfast.core.events import Retrained
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Manifest
from holdfast.core.state import State
from holdfast.errors import ChangedError, DamagedError
from holdfast.registry import remote_drafts
from holdfast.registry.retraining_conclusion import Attempt, Conclusion, LeaseTerm, ScoredPair
from holdfast.registry.server_verbs import ServerVerbs
from holdfast.registry.session import Session

__all__ = ["Decide", "MadeRun", "require_same", "told"]

Decide = Callable[[State, Entry, Mapping[str, Any]], Retrained | Unchanged]
"""From the state before an entry, the entry, and what else was prepared with it: what is decided
here."""

_WORDED: Final = ("refused", "remarks")


def told(event: Retrained) -> Decide:
    """Return what decides about a run that made nothing."""
    return lambda state, _entry, _prepared: retraining_commands.retrained(state, event)


class MadeRun(Struct, frozen=True):
    """A run that made something, as it was sent.

    Attributes:
        event: What is known of it before it is judged.
        draft: With what was measured.
    """

    session: Session
    verbs: ServerVerbs
    attempt: Attempt
    lease: LeaseTerm
    event: Retrained
    draft: Manifest
    scored: ScoredPair

    def decide(
        self, state: State, entry: Entry, prepared: Mapping[str, Any]
    ) -> Retrained | Unchanged:
        """Say what it comes to.

        Raises:
            ConflictError: If another version went live since the champion was scored.
            DamagedError: If the manifest that was prepared is not that of the draft.
        """
        draft = replace(self.draft, registered_by=entry.by)
        named = entry.event.registered if isinstance(entry.event, Retrained) else None
        if named is not None:
            manifest = remote_drafts.prepared_manifest(self.verbs, draft, named.manifest, prepared)
            remote_drafts.require_same(manifest, self.verbs, draft, named, entry.by)
            draft = replace(draft, scan=manifest.scan)
        conclusion = Conclusion(
            self.session, state.model, self.attempt, self.lease, lambda *_: self.scored
        )
        decided = conclusion.decided(state, entry.at, draft, self.scored, self.event)
        return retraining_commands.retrained(state, decided)


def require_same(
    verbs: ServerVerbs, state: State, entry: Entry, decide: Decide, prepared: Mapping[str, Any]
) -> None:
    """Refuse to sign an entry that says other than what is decided here.

    Raises:
        ChangedError: If somebody wrote since it was prepared.
        DamagedError: Naming the field.
    """
    if state.seq + 1 != entry.seq:
        raise ChangedError(f"journal of {state.model}", "has moved on", "prepare it again")
    own, event = decide(state, entry, prepared), entry.event
    assert isinstance(event, Retrained)  # noqa: S101 - looked at before
    differing = [
        name
        for name in event.__struct_fields__
        if name not in _WORDED and getattr(own, name, None) != getattr(event, name)
    ]
    if bool(event.refused) != (event.outcome == "blocked"):
        differing.append("refused")
    if differing:
        problem = f"has prepared a retraining with another {differing[0]} than is decided here"
        advice = "nothing was signed; check that both are of one release, and ask its admin"
        raise DamagedError(f"server {verbs.url}", problem, advice)
