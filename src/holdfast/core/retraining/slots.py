"""Slots: the times that retraining runs stand for, in UTC, and what is due by a schedule.

A slot is `2026-11-29T02:00:00Z`; where a finding asks for the run, its id follows its time:
`2026-11-29T02:00:00Z/drift-7`. The window of data comes from the slot, never from a clock, so a
run that comes late, or again, trains on the same rows.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from msgspec import Struct

from holdfast.errors import InvalidInputError

LATE: Final = 1.25
"""Periods after the last success from which a run is missed."""

_AHEAD: Final = timedelta(days=2)
"""How far a slot may lie ahead: schedulers run what is over, and clocks are wrong by a day."""

_SLOT: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(?:/([A-Za-z0-9][A-Za-z0-9._:-]{0,99}))?", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ADVICE: Final = "write 2026-11-29T02:00Z"


class Window(Struct, frozen=True):
    """A stretch of time, half-open: *start* is in it, *end* is not; both as `…T02:00:00Z`."""

    start: str
    end: str

    def __str__(self) -> str:
        """Write it as it is recorded: `2026-08-31T02:00:00Z/2026-11-29T02:00:00Z`."""
        return f"{self.start}/{self.end}"


def written(moment: datetime) -> str:
    """Write a moment as a slot, in UTC, to the second."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z"


def named(text: str, zone: tzinfo = UTC) -> str:
    """Return the slot that people name, in its one form.

    Args:
        text: A time with or without an offset, or a slot as it is written.
        zone: Of a time that has no offset.

    Raises:
        InvalidInputError: If it is not a time, or if the clocks of *zone* show it never or twice.
    """
    if is_slot(text.strip()):
        return text.strip()
    moment = _parsed("slot", text)
    return written(moment if moment.tzinfo else _local(text, moment, zone))


def is_slot(text: str) -> bool:
    """Tell whether *text* is a slot as it is written, of a time that exists."""
    match = _SLOT.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def time_of(slot: str) -> datetime:
    """Return the time that a slot stands for, aware."""
    return datetime.fromisoformat(slot.partition("/")[0])


def is_of_finding(slot: str) -> bool:
    """Tell whether a slot stands for a finding, and for no time of a schedule."""
    return "/" in slot


def require_come(slot: str, now: datetime) -> None:
    """Refuse a slot that has not come: once done, it would stand for all before it.

    That of a finding has the finding's day, and stands for nothing but the finding.

    Raises:
        InvalidInputError: If it lies more than two days ahead.
    """
    if not is_of_finding(slot) and time_of(slot) - now > _AHEAD:
        problem = f"has not come: it is {written(now)} now"
        advice = "check the year, or the clock of this machine"
        raise InvalidInputError(f"slot {slot}", problem, advice)


def come(slots: Iterable[str], now: datetime) -> list[datetime]:
    """Return the times of those slots that do not lie ahead, whoever wrote the others."""
    return [moment for moment in map(time_of, slots) if moment - now <= _AHEAD]


def of_finding(moment: datetime, finding: str) -> str:
    """Return the slot of the one run that a finding gives.

    Raises:
        InvalidInputError: If the finding's id cannot be written.
    """
    slot = f"{written(moment)}/{finding}"
    if not is_slot(slot):
        raise InvalidInputError(f"finding {finding!r}", "is not an id", "use letters and digits")
    return slot


def window_before(slot: str, days: float) -> Window:
    """Return the last *days* before a slot.

    Raises:
        InvalidInputError: If they begin before the calendar does.
    """
    end = time_of(slot)
    try:
        start = end - timedelta(days=days)
    except OverflowError:
        problem = f"has no {days:g} days before it"
        raise InvalidInputError(f"slot {slot}", problem, "check its year") from None
    return Window(written(start), written(end))


def window_of(text: str) -> Window:
    """Read a window as people write it, `2026-08-31/2026-11-29`; UTC where no offset is given.

    Raises:
        InvalidInputError: If it is not two times, the earlier one first.
    """
    start, _, end = text.partition("/")
    first, last = (_parsed("window", part) for part in (start, end))
    ends = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (first, last)]
    if ends[0] >= ends[1]:
        raise InvalidInputError(f"window {text!r}", "ends before it starts", "swap its two times")
    return Window(written(ends[0]), written(ends[1]))


def latest(now: datetime, every_s: float) -> datetime:
    """Return the last slot up to *now* of a schedule by period, counted from 1970-01-01 in UTC."""
    elapsed = (now - _EPOCH) // timedelta(seconds=every_s)
    return _EPOCH + elapsed * timedelta(seconds=every_s)


def is_late(now: datetime, since: datetime, period_s: float) -> bool:
    """Tell whether 1.25 periods have passed since the last success, or since there is a schedule.

    A time that lies ahead, as a clock that was wrong wrote it, is late for nothing.
    """
    return (now - since).total_seconds() > LATE * period_s


def between(
    after: datetime, now: datetime, previous: Callable[[datetime], datetime], most: int
) -> list[datetime]:
    """List the slots in (*after*, *now*], oldest first, the latest *most* of them.

    Args:
        previous: The last slot up to a moment.
    """
    due: list[datetime] = []
    slot = previous(now)
    while slot > after and len(due) < most:
        due.append(slot)
        slot = previous(slot - timedelta(microseconds=1))
    return due[::-1]


def _parsed(what: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is not None:
            moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{what} {text!r}", "is not a time", _ADVICE) from None
    return moment


def _local(text: str, moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which the clocks of *zone* show a time, which must be one."""
    try:
        first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        raise InvalidInputError(f"slot {text!r}", "is not a time", _ADVICE) from None
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != moment.replace(fold=0):
        problem = f"does not exist in {zone}, whose clocks were put forward then"
        raise InvalidInputError(f"slot {text!r}", problem, "write it with its offset or in UTC")
    if first != second:
        problem = f"exists twice in {zone}, whose clocks were put back then"
        raise InvalidInputError(f"slot {text!r}", problem, "write it with its offset or in UTC")
    return first
