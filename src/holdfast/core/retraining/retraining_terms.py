"""What a model's policy says of its retraining: when, by what, its limits, and what follows."""

import math
import re
from typing import Final, Literal

from msgspec import Struct

from holdfast.errors import InvalidInputError

Follow = Literal["stage", "rollout"]
MOST_ATTEMPTS: Final = 3
"""How often one slot is tried."""

LONGEST_DAYS: Final = 36_525
"""A hundred years: no span of a schedule is longer, and none leads out of the calendar."""

_LONGEST_S: Final = LONGEST_DAYS * 86_400.0
_MOST_BYTES: Final = 1 << 62

ENTRY: Final = r"(?a)[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"


class RetrainingTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is retrained, where nothing else is said.

    Attributes:
        entry: `package.module:function` that trains; `None` leaves it to the call.
        every_s: Seconds between slots, counted from 1970-01-01 in UTC; `None` without a period.
        cron: Five fields of cron that name the slots instead.
        zone: Whose clocks *cron* goes by.
        window_days: Days of data before the slot; `None` leaves it to the entry.
        time_limit_s: Seconds after which a run is stopped.
        memory_bytes: Resident memory of all its processes at which it is stopped.
        then: What follows a version that passes the gate: it is staged, or a rollout starts, too.
        cooldown_days: After an attempt, findings start no run for so long.
        most_runs: Runs that findings may start in 30 days.
    """

    entry: str | None = None
    every_s: float | None = None
    cron: str | None = None
    zone: str = "UTC"
    window_days: float | None = None
    time_limit_s: float = 4 * 3600.0
    memory_bytes: int = 8_000_000_000
    then: Follow = "stage"
    cooldown_days: float = 7.0
    most_runs: int = 3


def check(terms: RetrainingTerms) -> None:
    """Check that the terms make sense.

    Raises:
        InvalidInputError: If a limit is not positive, an entry is malformed, or two schedules are
            given.
    """
    if terms.entry is not None and re.fullmatch(ENTRY, terms.entry) is None:
        advice = "write package.module:function"
        raise InvalidInputError(f"policy retraining.entry {terms.entry!r}", "is malformed", advice)
    if terms.every_s is not None and terms.cron is not None:
        problem = "has a period and a cron expression"
        raise InvalidInputError("policy retraining", problem, "give one of them")
    figures = {
        "every_s": (terms.every_s, 1.0, _LONGEST_S),
        "window_days": (terms.window_days, 0.0, LONGEST_DAYS),
        "time_limit_s": (terms.time_limit_s, 0.0, _LONGEST_S),
        "memory_bytes": (terms.memory_bytes, 0.0, _MOST_BYTES),
        "cooldown_days": (terms.cooldown_days, -1.0, LONGEST_DAYS),
        "most_runs": (terms.most_runs, -1.0, _MOST_BYTES),
    }
    for name, (figure, above, most) in figures.items():
        if figure is not None and not (math.isfinite(figure) and above < figure <= most):
            raise InvalidInputError(
                f"policy retraining.{name}",
                f"must be a finite number above {above:g}, at most {most:g}",
            )
