"""How long predictions are kept."""

from collections.abc import Iterable
from datetime import date, timedelta

from holdfast.predictions.log import Day


def expired(days: Iterable[Day], age_days: int, today: str) -> list[Day]:
    """Return the days that are older than so many days, oldest first; never one that is live."""
    try:
        bound = (date.fromisoformat(today) - timedelta(days=age_days)).isoformat()
    except OverflowError:  # older than the calendar
        return []
    return [day for day in days if day.day < bound and day.state != "live"]
