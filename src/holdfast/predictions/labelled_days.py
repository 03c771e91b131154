"""The answers of one version, day by day, against the truth that was told later."""

from collections import Counter
from datetime import date, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

from holdfast.core.drift.live_accuracy import LabelledDay
from holdfast.predictions.day_counting import bounds_us
from holdfast.predictions.filters import Filter
from holdfast.predictions.log import Log
from holdfast.predictions.stats import flat, is_number

_DAY_US: Final = 86_400_000_000
_ROLES: Final = ("active", "canary")
_ANSWERS: Final = f"""
SELECT at_us - at_us % {_DAY_US}, count(*) FROM rows
WHERE role IN ('active', 'canary') AND status < 400 GROUP BY 1
"""  # noqa: S608
_EPOCH: Final = date(1970, 1, 1)


class LabelledDays(NamedTuple):
    """What a log knows of a version's answers.

    Attributes:
        ages_days: How old answers of the older half were when their label came.
        incomparable: Labelled answers of another kind, or of another shape than their label.
    """

    days: list[LabelledDay]
    ages_days: list[float]
    incomparable: int


def labelled_days(
    log: Log, model: str, version: str, days: tuple[date, date], bound: float | None = None
) -> LabelledDays:
    """Count a version's answers: a request is wrong if one of its rows is.

    Args:
        days: The first and the last.
        bound: Of answers that are numbers: the error from which on one is wrong; None for classes.

    Raises:
        StoreError: If the log cannot be read.
    """
    since, until = days
    since_us, until_us = bounds_us(since.isoformat())[0], bounds_us(until.isoformat())[1]
    criteria = Filter(model=model, version=version, since_us=since_us, until_us=until_us)
    answers: Counter[str] = Counter()
    for at_us, count in log.select(_ANSWERS, criteria, {}):
        answers[_day(at_us)] += int(count)
    labelled: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    ages: list[tuple[int, float]] = []
    incomparable = 0
    for row, label in log.feedback.joined(criteria):
        if row.role not in _ROLES or row.status >= 400:  # noqa: PLR2004 - refused or failed
            continue
        is_wrong = _is_wrong(row.output, label.label, bound)
        if is_wrong is None:
            incomparable += 1
            continue
        day = _day(row.at_us)
        labelled[day] += 1
        wrong[day] += is_wrong
        ages.append((row.at_us, (label.at_us - row.at_us) / _DAY_US))
    middle = median(at_us for at_us, _ in ages) if ages else 0
    counted_days = [
        LabelledDay(day=day, answers=answers[day], labelled=labelled[day], wrong=wrong[day])
        for day in (
            (since + timedelta(days=offset)).isoformat()
            for offset in range((until - since).days + 1)
        )
    ]
    return LabelledDays(counted_days, [age for at_us, age in ages if at_us <= middle], incomparable)


def _day(at_us: int) -> str:
    return (_EPOCH + timedelta(days=at_us // _DAY_US)).isoformat()


def _is_wrong(answer: Any, label: Any, bound: float | None) -> bool | None:
    """Compare classes, or numbers by how far they are off; `None` where one is neither."""
    answers, labels = flat(answer), flat(label)
    if len(answers) != len(labels) or not answers:
        return None
    if bound is not None:
        if not all(map(is_number, (*answers, *labels))):
            return None
        return any(not abs(a - b) <= bound for a, b in zip(answers, labels, strict=True))
    if not all(isinstance(value, str | int) for value in (*answers, *labels)):
        return None
    return answers != labels
