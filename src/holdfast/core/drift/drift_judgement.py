"""What the days since the reference say together: an alarm or none, and which features lead."""

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.drift.drift_counts import DayCounts, summed
from holdfast.core.drift.drift_evidence import (
    LOG_ALARM,
    DailyTally,
    StreamEvidence,
    log_evidence,
)
from holdfast.core.drift.drift_findings import DriftKind, FeatureFinding
from holdfast.core.drift.drift_reference import DriftReference
from holdfast.core.drift.drift_sizes import ShiftSizes, shift_sizes
from holdfast.core.drift.tolerances import tolerated_share
from holdfast.core.drift.watched_events import WatchedEvent, watched

WEEK: Final = 7
REFUSED: Final = "refused requests"
"""The stream of what was not answered, beside the features."""

EXPECTED_REFUSALS: Final = 0.01
"""Share of requests that callers get wrong where all is well; training does not tell."""

FEWEST_TRAINING_ROWS: Final = 500
"""A reference of fewer rows knows its own shares too badly to hold anything against them: of 200
rows, every tenth year without drift had an alarm."""

_LEADING: Final = 3
_WEEKS_BEFORE: Final = 4
_MOST_OF_IT: Final = 0.5
_KINDS: Final[dict[str, DriftKind]] = {
    "nulls": "nulls",
    "unseen": "unseen",
    "types": "types",
    "refused": "refused",
}
_BROKEN_FIRST: Final[tuple[DriftKind, ...]] = (
    *("refused", "types", "nulls", "units", "unseen", "drift"),
)
"""Which kind names a finding of several: a broken feed explains a shift, not the reverse."""

_Stream = list[tuple[WatchedEvent, DailyTally]]
_Window = tuple[Sequence[str], int]
"""The days looked at, and how many make a window."""


class FeatureJudgement(Struct, frozen=True, kw_only=True):
    """One feature as the last day shows it.

    Attributes:
        log_evidence: Its part of the model's evidence; at ln 20 it alarms alone.
        sizes: Over the last window; `None` for what is not a feature.
        event: What speaks most against it in the last window.
        expected: Share of that event in training.
        share: In the last window; `None` without rows.
    """

    name: str
    log_evidence: float
    event: str
    expected: float
    tolerated: float
    share: float | None
    sizes: ShiftSizes | None = None


class DriftJudgement(Struct, frozen=True, kw_only=True):
    """Whether there is drift, and where.

    Attributes:
        since: First day looked at; `until`: the last one.
        log_evidence: Of each day; the alarm is at ln 20.
        at_alarm: Of the day of the alarm.
        alarm: First day with an alarm; `None` without one.
        kind: What the alarm is about.
        drifted: Features that alarm by themselves.
        leading: Where no feature does, the three that the alarm rests on most.
        features: All, the strongest first.
        silent: Days without a request.
        unmeasured: Days of whose requests no input could be counted.
    """

    since: str
    until: str
    period: int
    log_evidence: tuple[float, ...]
    at_alarm: float = 0.0
    alarm: str | None = None
    kind: DriftKind | None = None
    drifted: tuple[FeatureFinding, ...] = ()
    leading: tuple[FeatureFinding, ...] = ()
    features: tuple[FeatureJudgement, ...] = ()
    silent: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()


def judge(
    reference: DriftReference, days: Sequence[DayCounts], period: int = WEEK
) -> DriftJudgement:
    """Judge days one after the other, without a gap; at least one.

    Args:
        reference: Of at least `FEWEST_TRAINING_ROWS`.
        days: Since the reference counts.
        period: Days of a window.
    """
    names = [*reference.features, REFUSED]
    streams = [_watched(reference, name, days) for name in reference.features]
    streams.append(_refusals(days))
    places = [index for index, events in enumerate(streams) if events]
    evidence = log_evidence([[tally for _, tally in streams[index]] for index in places], period)
    alarm = evidence.first_alarm()
    last = len(days) - 1
    judged = {
        names[index]: _judged(reference, days, names[index], streams[index], (part[last], period))
        for index, part in zip(places, evidence.streams, strict=True)
    }
    named_streams = [(names[index], streams[index]) for index in places]
    findings = _found(evidence, alarm, named_streams, ([day.day for day in days], period))
    own = tuple(feature for feature, alone in findings if alone)
    return DriftJudgement(
        since=days[0].day,
        until=days[-1].day,
        period=period,
        log_evidence=tuple(evidence.total),
        at_alarm=0.0 if alarm is None else evidence.total[alarm],
        alarm=None if alarm is None else days[alarm].day,
        kind=kind_of([feature for feature, _ in findings]),
        drifted=own,
        leading=() if own else tuple(feature for feature, _ in findings),
        features=tuple(sorted(judged.values(), key=lambda feature: -feature.log_evidence)),
        silent=tuple(day.day for day in days if not day.requests and not day.rows),
        unmeasured=tuple(day.day for day in days if day.requests > day.refused and not day.rows),
    )


def fell_silent(days: Sequence[DayCounts]) -> str | None:
    """Return the last day if it had no request, though the same weekday had some until then.

    Each of up to four weeks before it must have had requests on that weekday: a model that is not
    asked on Sundays does not fall silent each Sunday.
    """
    before = days[-1 - WEEK :: -WEEK][:_WEEKS_BEFORE]
    if days[-1].requests or not before or not all(day.requests for day in before):
        return None
    return days[-1].day


def _watched(reference: DriftReference, name: str, days: Sequence[DayCounts]) -> _Stream:
    return watched(reference.features[name], [day.features.get(name) for day in days])


def _refusals(days: Sequence[DayCounts]) -> _Stream:
    tolerated = tolerated_share(EXPECTED_REFUSALS)
    event = WatchedEvent("refused", "refused", EXPECTED_REFUSALS, tolerated)
    hits, rows = [day.refused for day in days], [day.requests for day in days]
    return [(event, event.tally(hits, rows))]


def _strongest(stream: _Stream, last: int, period: int) -> tuple[WatchedEvent, float | None]:
    """Return the event that a bet gains most by in the window that ends on a day; its share."""

    def gain(pair: tuple[WatchedEvent, DailyTally]) -> float:
        hits, rows = _window(pair[1], last, period)
        return max(
            hits * math.log(odds) - rows * math.log1p((odds - 1) * pair[0].tolerated)
            for odds, _ in pair[1].bets
        )

    event, tally = max(stream, key=gain)
    hits, rows = _window(tally, last, period)
    return event, hits / rows if rows else None


def _window(tally: DailyTally, last: int, period: int) -> tuple[int, int]:
    start = max(last + 1 - period, 0)
    return sum(tally.hits[start : last + 1]), sum(tally.rows[start : last + 1])


def _judged(
    reference: DriftReference,
    days: Sequence[DayCounts],
    name: str,
    stream: _Stream,
    state: tuple[float, int],
) -> FeatureJudgement:
    log, period = state
    event, share = _strongest(stream, len(days) - 1, period)
    feature = reference.features.get(name)
    return FeatureJudgement(
        name=name,
        log_evidence=log,
        event=event.name,
        expected=event.share,
        tolerated=event.tolerated,
        share=share,
        sizes=shift_sizes(feature, summed(days[-period:], name, feature)) if feature else None,
    )


def _found(
    evidence: StreamEvidence, alarm: int | None, streams: list[tuple[str, _Stream]], window: _Window
) -> list[tuple[FeatureFinding, bool]]:
    """List the features of an alarm, each with whether it alarms alone."""
    if alarm is None:
        return []
    alone: list[tuple[FeatureFinding, bool]] = []
    for (name, stream), part in zip(streams, evidence.streams, strict=True):
        day = next((day for day, log in enumerate(part) if log >= LOG_ALARM), None)
        if day is not None:
            alone.append((_finding(name, stream, (day, part[day]), window), True))
    if alone:
        return sorted(alone, key=lambda pair: -pair[0].log_evidence)
    parts = sorted(zip(streams, evidence.streams, strict=True), key=lambda pair: -pair[1][alarm])
    return [
        (_finding(name, stream, (alarm, part[alarm]), window), False)
        for (name, stream), part in parts[:_LEADING]
    ]


def _finding(name: str, stream: _Stream, at: tuple[int, float], window: _Window) -> FeatureFinding:
    (day, log), (days, period) = at, window
    event, share = _strongest(stream, day, period)
    return FeatureFinding(
        name=name,
        kind=_kind_of(stream, event, day),
        day=days[day],
        event=event.name,
        expected=event.share,
        share=share or 0.0,
        log_evidence=log,
    )


def _kind_of(stream: _Stream, event: WatchedEvent, day: int) -> DriftKind:
    if event.kind not in ("shift", "range"):
        return _KINDS[event.kind]
    beyond = any(
        tally.hits[day] > _MOST_OF_IT * tally.rows[day]
        for event, tally in stream
        if event.kind == "range"
    )
    return "units" if beyond else "drift"


def kind_of(features: Sequence[FeatureFinding]) -> DriftKind | None:
    """Name what several features are about: what is broken comes first."""
    kinds = {feature.kind for feature in features}
    return next((kind for kind in _BROKEN_FIRST if kind in kinds), None)
