"""The verbs of drift, asked of a server."""

from typing import Any, Final

import msgspec

from holdfast.core.drift.drift_events import DriftAcknowledged, DriftFound
from holdfast.core.views import Moved
from holdfast.registry.drift_verbs import Drifts
from holdfast.registry.server_verbs import ServerVerb, ServerVerbs
from holdfast.registry.session import CommitOptions, Session

_FACTS: Final = ("version", "finding", "kind", "since", "until", "drifted", "leading")


class RemoteDrifts(Drifts):
    """What is known of drift in a server's store, and recorded there; the server writes."""

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._verbs = verbs

    def record(
        self,
        model: str,
        found: DriftFound,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Have a finding recorded, unless it is latched."""
        expected: dict[str, Any] = {name: getattr(found, name) for name in _FACTS}
        arguments = {"found": msgspec.to_builtins(found)}
        verb = ServerVerb("drift-record", (DriftFound,), arguments, expected)
        return self._verbs.on_model(model, verb, CommitOptions(reason, idempotency_key))

    def acknowledge(
        self,
        model: str,
        finding: str,
        *,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Moved:
        """Have it taken note of."""
        expected = {"finding": finding}
        verb = ServerVerb("drift-acknowledge", (DriftAcknowledged,), expected, expected)
        return self._verbs.on_model(model, verb, CommitOptions(reason, idempotency_key))
