"""Dates and spans that a model gave, as JSON has them: ISO 8601, whatever unit they are kept in.

numpy hands out what is kept in nanoseconds as bare integers, which no caller could tell from a
number, and pandas as a class of its own, which no encoder knows.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

__all__ = ["is_of_moments", "plain", "plain_one"]

_FINE: Final = frozenset(("ns", "ps", "fs", "as"))
"""Units that numpy hands out as integers."""


def is_of_moments(array: Any) -> bool:
    """Tell whether an array or a number of numpy's or pandas' holds dates or spans."""
    return getattr(getattr(array, "dtype", None), "kind", "") in ("M", "m")


def plain(array: Any) -> Any:
    """Return dates or spans as Python has them; null for none, text where they are finer."""
    if not type(array).__module__.startswith("numpy"):  # pandas'
        return [plain_one(moment) for moment in array.tolist()]
    if np.datetime_data(array.dtype)[0] not in _FINE:
        return array.tolist()
    rounded = array.astype(f"{array.dtype.kind}8[us]")
    if array.dtype.kind == "m" or bool(np.all((rounded == array) | np.isnat(array))):
        return rounded.tolist()
    texts: Any = np.array(np.datetime_as_string(array), dtype=object)
    texts[np.isnat(array)] = None
    return texts.tolist()


def plain_one(moment: datetime | timedelta) -> Any:
    """Return a date or a span of a class that builds on Python's; null for what stands for none."""
    if moment != moment:  # noqa: PLR0124 - NaT
        return None
    if isinstance(moment, timedelta):
        return timedelta(moment.days, moment.seconds, moment.microseconds)
    return moment.isoformat()
