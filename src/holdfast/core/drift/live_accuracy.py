"""Live accuracy: whether answers became worse than at registration, by the labels that came later.

Early labels lie: where wrong answers become known sooner than right ones, the labels of the last
week say far more errors than there are. So a day counts when it is *mature*: older than the label
delay, with at least half of its answers labelled. Until then it is not measured.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.drift.drift_counts import Day
from holdfast.core.drift.drift_evidence import BETS_ON_COMMON, DailyTally, log_evidence
from holdfast.core.drift.drift_reference import Count
from holdfast.errors import InvalidInputError

FEWEST_LABELS: Final = 30
"""Mature labels below which a version is not judged."""

LABELLED: Final = 0.5
"""Share of a day's answers that must have a label."""

ARRIVED: Final = 0.9
"""The label delay is the age by which so many of older days' labels had come."""

LEAST_MARGIN: Final = 0.01

_BEYOND: Final = 0.9
"""An answer that is a number is wrong if it is further off than so many were at registration."""

_LONGEST_DELAY: Final = 365

AccuracyVerdict = Literal["worse", "no alarm", "not measured"]


class LabelledDay(Struct, frozen=True, kw_only=True):
    """The answers of one version on one UTC day.

    Attributes:
        answers: That succeeded.
        labelled: Of these, those whose truth is known and comparable.
        wrong: Of these, those that were wrong; numbers, if they were off by more than a bound.
    """

    day: Day
    answers: Count = 0
    labelled: Count = 0
    wrong: Count = 0


class AccuracyJudgement(Struct, frozen=True, kw_only=True):
    """Whether answers are worse than at registration.

    Attributes:
        why: What the verdict rests on, or why nothing was measured.
        expected: Share of errors at registration.
        tolerated: Share that is let pass: *expected* and the margin.
        error: Share over the mature days; `None` without any.
        delay_days: Age from which a day may be mature.
        mature: Days that were judged; `immature` are those that were not.
        log_evidence: Of each day; an alarm is at ln 20.
        alarm: First day with an alarm; `None` without one.
        bound: Of answers that are numbers: the error from which on they count as wrong.
    """

    verdict: AccuracyVerdict
    why: str
    expected: float
    tolerated: float
    delay_days: int
    mature: int
    immature: int
    labels: int
    error: float | None = None
    log_evidence: tuple[float, ...] = ()
    alarm: str | None = None
    bound: float | None = None


def error_bound(errors: Sequence[float]) -> tuple[float, float] | None:
    """Return the 90 % point of the absolute errors at registration, and the share beyond it.

    Returns:
        `None` if there are fewer than 30. The share is at most 0.1, and 0 where many are equal.
    """
    if len(errors) < FEWEST_LABELS:
        return None
    ordered = sorted(errors)
    bound = ordered[math.ceil(_BEYOND * len(ordered)) - 1]
    return bound, sum(error > bound for error in ordered) / len(ordered)


def label_delay(ages_days: Sequence[float]) -> int:
    """Return the age in whole days by which 90 % of the labels had come; 0 without labels."""
    if not ages_days:
        return 0
    ordered = sorted(max(age, 0.0) for age in ages_days)
    index = math.ceil(ARRIVED * len(ordered)) - 1
    return min(math.ceil(ordered[index]), _LONGEST_DELAY)


def judge_accuracy(
    days: Sequence[LabelledDay],
    expected: float,
    margin: float,
    delay_days: int,
    period: int = 7,
) -> AccuracyJudgement:
    """Judge the answers of one version since it went live.

    Args:
        days: One after the other without a gap, up to yesterday.
        expected: Share of errors at registration, in [0, 1).
        margin: How much more is let pass; at least a point is.
        delay_days: From `label_delay`, or as somebody says.

    Raises:
        InvalidInputError: If a figure cannot be.
    """
    tolerated = expected + max(margin, LEAST_MARGIN)
    if not 0 <= expected < tolerated < 1 or delay_days < 0 or not period > 0:
        raise InvalidInputError(
            "error share", f"cannot be {expected:g} with a margin of {margin:g}", "give [0, 1)"
        )
    last = len(days) - 1 - delay_days
    is_mature = [
        index <= last and day.answers > 0 and day.labelled >= LABELLED * day.answers
        for index, day in enumerate(days)
    ]
    hits = [day.wrong * known for day, known in zip(days, is_mature, strict=True)]
    rows = [day.labelled * known for day, known in zip(days, is_mature, strict=True)]
    labels = sum(rows)
    immature = sum(
        not known and day.answers > 0 for day, known in zip(days, is_mature, strict=True)
    )
    unmeasured = AccuracyJudgement(
        verdict="not measured",
        why=f"{labels} mature labels; {FEWEST_LABELS} are needed",
        expected=expected,
        tolerated=tolerated,
        delay_days=delay_days,
        mature=sum(is_mature),
        immature=immature,
        labels=labels,
    )
    if labels < FEWEST_LABELS:
        return unmeasured
    tally = DailyTally(tolerated, hits, rows, bets=BETS_ON_COMMON)
    evidence = log_evidence([[tally]], period)
    alarm = evidence.first_alarm()
    return replace(
        unmeasured,
        verdict="no alarm" if alarm is None else "worse",
        why=f"{labels} mature labels",
        error=sum(hits) / labels,
        log_evidence=tuple(evidence.total),
        alarm=None if alarm is None else days[alarm].day,
    )
