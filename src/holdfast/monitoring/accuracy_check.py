"""Live accuracy of the version in production, by the labels in its log."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from msgspec.structs import replace

from holdfast.core.drift.live_accuracy import (
    AccuracyJudgement,
    error_bound,
    judge_accuracy,
    label_delay,
)
from holdfast.core.state import Record, State
from holdfast.core.wording import count, share
from holdfast.predictions import Log
from holdfast.predictions.labelled_days import labelled_days

_RIGHT: Final = ("accuracy", "test_accuracy", "val_accuracy")
_WRONG: Final = ("error_rate", "misclassification_rate")
_MARGIN: Final = 0.05


def accuracy(
    log: Log,
    state: State,
    days: tuple[date, date],
    delay_days: int | None,
    absolute_errors: Callable[[], Sequence[float] | None],
) -> AccuracyJudgement | str:
    """Judge the live version's answers, or say why they are not measured.

    Classes are wrong or not; numbers are wrong where they are further off than nine of ten were on
    the rows that the version was evaluated on.

    Args:
        days: The first and the last.
        delay_days: Age from which labels are complete; `None` takes it from older labels.
        absolute_errors: Reads those of the live version, row by row, where it was evaluated so;
            asked only where no share of errors is known.

    Raises:
        StoreError: If the log cannot be read.
    """
    record = state.versions[state.production or ""]
    expected, bound = _expected(record), None
    if expected is None:
        errors = absolute_errors()
        limits = None if errors is None else error_bound(errors)
        if errors is not None and limits is None:
            return f"{record.version} was evaluated on {count(len(errors), 'row')}; 30 are needed"
        expected, bound = (None, None) if limits is None else (limits[1], limits[0])
    if expected is None:
        return (
            f"{record.version} has no metric accuracy or error_rate from its registration, and no "
            "losses mae, row by row"
        )
    if days[0] > days[1]:
        return "no day is over since it went live"
    known = labelled_days(log, state.model, record.version, days, bound)
    if known.incomparable and not any(day.labelled for day in known.days):
        kinds = "numbers, not classes" if bound is None else "of another kind than numbers"
        return f"{count(known.incomparable, 'labelled answer')} are {kinds}"
    delay = label_delay(known.ages_days) if delay_days is None else delay_days
    rule = state.policy.metrics.get("accuracy")
    regression = rule.max_regression if rule else None
    if regression is None:
        regression = state.policy.max_regression
    margin = (_MARGIN if regression is None else regression) * (1 - expected)
    return replace(judge_accuracy(known.days, expected, margin, delay), bound=bound)


def _expected(record: Record) -> float | None:
    """Return the share of errors that the version was registered with, if it says."""
    for names, is_error in ((_WRONG, True), (_RIGHT, False)):
        for name in names:
            value = record.metrics.get(name)
            if value is not None and 0 < value < 1:
                return value if is_error else 1 - value
    return None


def told(judgement: AccuracyJudgement | str) -> str:
    """Say in a line what was found."""
    if isinstance(judgement, str):
        return f"not measured: {judgement}"
    bounds = f"{share(judgement.expected)} at registration, {share(judgement.tolerated)} tolerated"
    waiting = f", {count(judgement.immature, 'day')} not mature" if judgement.immature else ""
    if judgement.error is None:
        return f"not measured: {judgement.why}{waiting}"
    alarm = f"WORSE since {judgement.alarm}" if judgement.alarm else judgement.verdict
    bound = judgement.bound
    wrong = "wrong" if bound is None else f"off by more than {bound:.4g}"
    return f"{alarm}: {share(judgement.error)} {wrong} ({bounds}), {judgement.why}{waiting}"
