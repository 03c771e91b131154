"""What times say about the clocks that they were read from; order is by number, not by time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from holdfast.core.entry import Entry
from holdfast.core.state import State
from holdfast.core.wording import span

SKEW_S: Final = 60.0
"""Seconds by which the clocks of two machines may differ without a word."""


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one time of entries to another, less than 0 where clocks differ."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def is_ahead(at: str, now: str) -> bool:
    """Tell whether a time lies further in the future than clocks differ."""
    return seconds_between(at, now) < -SKEW_S


def remarks(state: State, now: str) -> Iterator[str]:
    """Say which times of a model cannot be right, as far as its state tells."""
    if state.at is not None and is_ahead(state.at, now):
        yield _beyond(state.seq, state.at)
    live = state.live
    if live is not None and state.at is not None and live.at > state.at:
        yield (
            f"entry {live.seq} says {live.at}, later than the entries after it: the clock of "
            f"{live.by} was wrong"
        )


class Watch:
    """Looks at the times of entries as they pass by, in order."""

    def __init__(self) -> None:
        self._last: Entry | None = None
        self._turns: list[str] = []

    def see(self, entry: Entry) -> None:
        """Take note of an entry's time."""
        last = self._last
        if last is not None and entry.at <= last.at:
            self._turns.append(
                f"entry {last.seq} says {last.at}, later than the next entry, {entry.seq}, which "
                f"says {entry.at}: a clock was wrong"
            )
        self._last = entry

    def remarks(self, now: str) -> Iterator[str]:
        """Say which times cannot be right."""
        yield from self._turns
        if self._last is not None and is_ahead(self._last.at, now):
            yield _beyond(self._last.seq, self._last.at)


def _beyond(seq: int, at: str) -> str:
    return f"entry {seq} says {at}, which is in the future: its clock was wrong, or this one is"


def ago(at: str, now: str) -> str:
    """Show how long ago a time of the journal was, or that it cannot be right."""
    if is_ahead(at, now):
        return "in the future: a clock was wrong"
    return span(max(0.0, seconds_between(at, now)))
