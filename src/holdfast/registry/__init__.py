"""The public API: every verb of Holdfast over one store."""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import InvalidInputError
from holdfast.registry import surroundings
from holdfast.registry.registry import Registry
from holdfast.registry.session import Session
from holdfast.store.folder import FolderSite

__all__ = ["Registry", "open_registry"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")


def open_registry(
    location: str | Path,
    *,
    by: str | None = None,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
) -> Registry:
    """Open the registry kept in a folder; a missing or empty folder becomes one at the first write.

    Args:
        location: The folder.
        by: Author of what is written; the system's user if left out.
        clock: Tells the present time, aware; for tests.
        new_id: Makes 32 random hex digits; for tests.

    Raises:
        NotAStoreError: If the folder holds something else.
        NewerFormatError: If a newer Holdfast made it.
        DamagedError: If `holdfast.json` cannot be read.
    """
    if _SCHEME.match(str(location)):
        raise InvalidInputError(
            f"location {str(location)!r}", "is not a folder", "name a folder on this machine"
        )
    return Registry(
        Session(
            FolderSite(Path(location)),
            by or surroundings.author(),
            clock or (lambda: datetime.now(UTC)),
            new_id or (lambda: secrets.token_hex(16)),
        )
    )
