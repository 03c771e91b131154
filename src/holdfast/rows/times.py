"""Dates and times of a column: ISO 8601 texts, brought to the zone and unit of the schema's dtype.

Each text is read by itself. A library that guesses the form from the first of several texts would
swap day and month in one caller's row because of another's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdfast.core.schema import Column

__all__ = ["Times", "of"]

_DTYPES: Final = tuple(
    map(
        re.compile,
        (
            (  # numpy and pandas; schemas inferred from frames name the zone alone
                r"datetime64"
                r"(?:\[(?:(?P<unit>(?:[YMWDhms]|ms|us|ns|ps|fs|as|generic)?)(?=[,\]]))?"
                r"(?:, *)?(?P<zone>[^\],]+)?\])?"
            ),
            r"timestamp\[(?P<unit>\w+)(?:, *tz=(?P<zone>[^\]]+))?\]\[pyarrow\]",
            r"date(?:32|64)\[(?:day|ms)\]\[pyarrow\](?P<unit>)(?P<zone>)",
            (
                r"Datetime\((?:time_unit=)?'(?P<unit>\w+)', "
                r"(?:time_zone=)?(?:None|'(?P<zone>[^']+)')\)"
            ),
            r"(?:Datetime|Date)(?P<unit>)(?P<zone>)",  # polars, as the one above
        ),
    )
)
_OFFSET: Final = re.compile(r"(?:UTC)?(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)")
_TEXT: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(?P<offset>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_UNITS: Final = ("s", "ms", "us", "ns")
_YEARS_OF_NS: Final = range(1678, 2262)  # what 64 bits of nanoseconds hold, in whole years
_YEARS: Final = range(2, 9999)  # so that no offset leads out of the calendar


@dataclass(frozen=True, slots=True)
class Times:
    """How the times of a column are kept.

    Attributes:
        unit: pandas' name of their resolution.
        zone: The zone that they are brought to; None for wall time without a zone.
        zone_name: As the dtype has it; without a *zone*, one that is not known here.
    """

    unit: str
    zone: tzinfo | None
    zone_name: str | None

    def problem(self, value: Any) -> str | None:
        """Tell why *value* is not a time that the column takes."""
        match = _TEXT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return f"must be a time of ISO 8601, such as 2026-01-31T12:00:00, not {value!r:.40}"
        try:
            time = datetime.fromisoformat(
                f"{match['day']}T{match['time'] or '00:00'}{match['offset'] or ''}"
            )
        except ValueError as error:
            return f"must be a date or time, not {value!r}: {error}"
        if time.year not in (_YEARS_OF_NS if self.unit == "ns" else _YEARS):
            return f"is {value!r}, which does not fit datetime64[{self.unit}]"
        if time.tzinfo is not None:
            return (
                None
                if self.zone
                else f"is {value!r} with an offset, but the column's times have none"
            )
        if self.zone is None:
            return None
        early, late = (time.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if early.utcoffset() == late.utcoffset():
            return None
        return f"is {value!r}, which is not one moment in {self.zone_name}; add its offset"

    def index(self, values: Sequence[str | None]) -> Any:
        """Return a pandas index of *values*, in which `problem` found nothing."""
        import pandas as pd

        moments = [pd.NaT if text is None else self._moment(pd.Timestamp(text)) for text in values]
        zoned = self.zone is not None
        dtype = pd.DatetimeTZDtype(self.unit, self.zone) if zoned else f"datetime64[{self.unit}]"
        return pd.DatetimeIndex(moments, dtype=dtype)

    def _moment(self, time: Any) -> Any:
        if self.zone is None:
            return time
        return time.tz_localize(self.zone) if time.tzinfo is None else time.tz_convert(self.zone)


def of(column: Column) -> Times | None:
    """Return how a column keeps times; None if it keeps other things."""
    return _of(column.dtype) if column.dtype else None


@lru_cache(maxsize=256)
def _of(dtype: str) -> Times | None:
    matches = (form.fullmatch(dtype.strip()) for form in _DTYPES)
    match = next((candidate for candidate in matches if candidate is not None), None)
    if match is None:
        return None
    unit, name = match["unit"], match["zone"]
    return Times(unit if unit in _UNITS else "ns", _zone(name) if name else None, name)


def _zone(name: str) -> tzinfo | None:
    if offset := _OFFSET.fullmatch(name):
        ahead = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        return timezone(ahead if offset["sign"] == "+" else -ahead)
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
