"""Versions of the same bytes."""

from itertools import islice
from typing import Final

from holdfast.core.manifest import Manifest
from holdfast.core.state import State
from holdfast.registry.session import Session

_LOOKED_AT: Final = 16
"""Versions of the same size whose files are compared with those of a new one."""


def find(session: Session, state: State, version: str, draft: Manifest) -> str | None:
    """Find the newest other version with the same bytes in the same roles, purged or not."""
    if not draft.artifacts:  # a reference has no bytes
        return None
    size = draft.size_bytes
    alike = (record for record in reversed(state.versions.values()) if record.size_bytes == size)
    for record in islice(alike, _LOOKED_AT):
        if record.version != version and _digests(session.manifest(record)) == _digests(draft):
            return record.version
    return None


def _digests(manifest: Manifest) -> dict[str, str]:
    return {role: artifact.digest for role, artifact in manifest.artifacts.items()}
