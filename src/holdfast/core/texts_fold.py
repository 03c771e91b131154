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


class _Draft(dict[str, str]):
    """Texts that a fold is changing, in no order: nobody else has them yet."""


def merged(texts: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return texts with some set and some, whose value is `None`, removed.

    A fold copies them once, whatever the number of changes, and ends with `settled`.
    """
    draft = texts if isinstance(texts, _Draft) else _Draft(texts)
    for key, text in changes.items():
        if text is None:
            draft.pop(key, None)
        else:
            draft[key] = text
    return draft


def settled(texts: dict[str, str]) -> dict[str, str]:
    """Return texts as a state keeps them, in order, after the last change of a fold."""
    return dict(sorted(texts.items())) if isinstance(texts, _Draft) else texts
