"""What entries do to texts, and which of them give a version a status."""

from collections.abc import Mapping
from typing import Final

from holdfast.core import events
from holdfast.core.entry import Entry

_MOVING: Final = (
    events.Registered,
    events.Retrained,
    events.Staged,
    events.Promoted,
    events.RolledBack,
    events.Archived,
    events.Purged,
)


def times(entry: Entry) -> dict[str, str]:
    """Return the times that an entry gives the versions it names."""
    times = {"updated_at": entry.at}
    return times | {"moved_at": entry.at} if isinstance(entry.event, _MOVING) else times


def merged(texts: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return texts with some set and some, whose value is `None`, removed."""
    items = sorted({**texts, **changes}.items())
    return {key: text for key, text in items if text is not None}
