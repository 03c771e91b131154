"""What the journal says of a recorded training that failed."""

import math
from typing import Final

from holdfast.core import names
from holdfast.core.events import TrainingFailed
from holdfast.core.redaction import without_credentials
from holdfast.core.wording import inert, shortened
from holdfast.errors import InvalidInputError

MOST_WHY: Final = 300
"""Characters that are kept of what an exception says."""

_MOST_ERROR: Final = 100


def failure(error: str, said: str, took_s: float) -> TrainingFailed:
    """Say what ended a training: the first line alone, without credentials in addresses.

    Args:
        error: Kind of the exception.
        said: What it says.
        took_s: Seconds from the beginning, at least 0.
    """
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    why = shortened(inert(without_credentials(first[: 10 * MOST_WHY])), MOST_WHY)
    kind = "".join(sign for sign in error if sign.isprintable()).strip() or "Exception"
    return TrainingFailed(error=shortened(kind, _MOST_ERROR), why=why, took_s=round(took_s, 3))


def training_failed(event: TrainingFailed) -> TrainingFailed:
    """Check a failure before it is written, by whomever.

    Raises:
        InvalidInputError: If it names no error, is longer than one, or took no possible time.
    """
    problem = None
    if not names.is_key(event.error) or len(event.error) > _MOST_ERROR:
        problem = f"has no valid error: {event.error[:_MOST_ERROR]!r}"
    elif len(event.why) > MOST_WHY or "\n" in event.why:
        problem = f"says more than one line of {MOST_WHY} characters"
    elif not math.isfinite(event.took_s) or event.took_s < 0:
        problem = f"took {event.took_s} s, which cannot be"
    if problem is not None:
        raise InvalidInputError("failed training", problem)
    return event
