"""What may be kept beside a version that others made: from the state and a request to the event."""

from typing import Final

from holdfast.core import commands, names
from holdfast.core.events import Attached
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import is_digest
from holdfast.core.state import Record, State
from holdfast.errors import InvalidInputError

_MOST_ATTACHED: Final = 100
"""Artifacts beside one version, and blobs of one of them."""
_MOST_KIND: Final = 200


def attach(state: State, record: Record, artifact: Attached) -> Attached | Unchanged:
    """Keep an artifact of others beside *record*.

    Raises:
        InvalidInputError: If it has no digests or no kind, or there is too much of it.
    """
    commands.require_bytes(state, record)
    is_whole = all(map(is_digest, artifact.digests)) and names.is_key(artifact.kind)
    if not is_whole or len(artifact.kind) > _MOST_KIND or len(artifact.blobs) > _MOST_ATTACHED:
        problem = f"needs digests, up to {_MOST_ATTACHED} blobs, and a type"
        raise InvalidInputError("the artifact", problem)
    if any(one.manifest == artifact.manifest for one in record.attachments):
        return Unchanged(f"{record.version} already has this artifact", record.version)
    if len(record.attachments) >= _MOST_ATTACHED:
        problem = f"has {_MOST_ATTACHED} artifacts attached already"
        raise InvalidInputError(f"{state.model}@{record.version}", problem)
    return artifact
