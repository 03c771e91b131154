"""When slots are due: by a period counted in UTC, or by a cron expression in a zone's clocks."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast.core.retraining import slots
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.errors import InvalidInputError, MissingLibraryError

__all__ = ["Crontab", "Periodic", "Schedule", "of_terms", "zone_of"]

_LOOKED_BACK: Final = tuple(timedelta(days=2**power) for power in range(13))
_COUNTED: Final = 14
_FIELDS: Final = 5


class Schedule(Protocol):
    """Names the slots of a model."""

    def previous(self, moment: datetime) -> datetime:
        """Return the last slot up to a moment, in UTC."""
        ...

    def following(self, moment: datetime) -> datetime:
        """Return the first slot after a moment, in UTC."""
        ...

    def period_s(self, moment: datetime) -> float:
        """Return the longest time between slots around a moment, in seconds."""
        ...


class Periodic:
    """Slots a period apart, counted from 1970-01-01 in UTC, so that everybody counts alike."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s

    def previous(self, moment: datetime) -> datetime:
        """Return the last slot up to a moment."""
        return slots.latest(moment, self._every_s)

    def following(self, moment: datetime) -> datetime:
        """Return the first slot after a moment."""
        return self.previous(moment) + timedelta(seconds=self._every_s)

    def period_s(self, _moment: datetime) -> float:
        """Return the period."""
        return self._every_s


class Crontab:
    """Slots by five fields of cron.

    A local time that the clocks skip or show twice is one slot, as Debian's cron has it.

    Args:
        expression: The fields.
        zone: Whose clocks they go by.

    Raises:
        InvalidInputError: If the expression is malformed, or never comes true.
        MissingLibraryError: If cronsim is not installed.
    """

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        try:
            import cronsim  # noqa: F401 - whether it is there
        except ImportError as error:
            raise MissingLibraryError("cronsim", "schedule", "the schedule is for cron") from error
        self._expression, self._zone = expression, zone
        reason = _objection(expression, zone)
        if reason is not None:
            raise InvalidInputError(
                f"cron {expression!r}", f"is not a cron expression: {reason}", "write 0 2 * * 0"
            )

    def previous(self, moment: datetime) -> datetime:
        """Return the last slot up to a moment."""
        for back in _LOOKED_BACK:
            slot, last = self.following(moment - back), None
            while slot <= moment:
                last, slot = slot, self.following(slot)
            if last is not None:
                return last
        raise InvalidInputError(f"cron {self._expression!r}", "names no slot in 11 years")

    def following(self, moment: datetime) -> datetime:
        """Return the first slot after a moment.

        Asked in the hour that the clocks show twice, cronsim begins with the first time it was
        shown, which is over.
        """
        import cronsim

        local = moment.astimezone(self._zone)
        slots_ = (slot.astimezone(UTC) for slot in cronsim.CronSim(self._expression, local))
        return next(slot for slot in slots_ if slot > moment)

    def period_s(self, moment: datetime) -> float:
        """Return the longest time between slots around a moment: a weekend is not missed."""
        slot, longest_s = self.previous(moment), 0.0
        for _ in range(_COUNTED):
            later = self.following(slot)
            longest_s = max(longest_s, (later - slot).total_seconds())
            slot = later
        return longest_s


def _objection(expression: str, zone: ZoneInfo) -> str | None:
    """Say why a text is not five fields of cron that come true, `None` if it is."""
    import cronsim

    if len(expression.split()) != _FIELDS:  # cronsim would take a sixth one, of seconds
        return "it does not have five fields"
    try:
        next(cronsim.CronSim(expression, datetime(2026, 1, 1, tzinfo=zone)))
    except (cronsim.CronSimError, ValueError) as error:
        return str(error)
    except StopIteration:
        return "it never comes true"
    return None


def of_terms(terms: RetrainingTerms) -> Schedule | None:
    """Return the schedule that a policy sets, `None` if it sets none."""
    if terms.cron is not None:
        return Crontab(terms.cron, zone_of(terms.zone))
    return None if terms.every_s is None else Periodic(terms.every_s)


def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name in the IANA's list, such as `Europe/Berlin`.

    Raises:
        InvalidInputError: If there is none of that name here.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(f"zone {name!r}", "is unknown", "write Europe/Berlin") from error
