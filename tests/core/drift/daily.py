"""Days and references for tests of drift, and its evidence once more, from the formulas alone."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
)

FIRST = date(2026, 1, 1)
NUMBER = NumberReference(
    (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0),
    (100, 900, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 890, 100),
    nulls=10,
)
CATEGORY = CategoryReference({'"a"': 6000, '"b"': 3000, '"c"': 990}, nulls=10)
ZEROS = NumberReference((0.0, 3.0, 9.0), (9000, 500, 400, 100))
"""Mostly one value, so that most cuts fell together."""

REFERENCE = DriftReference(rows=10_000, features={"age": NUMBER, "kind": CATEGORY})


def day_of(index: int) -> str:
    return (FIRST + timedelta(days=index)).isoformat()


def day(index: int, features: Mapping[str, FeatureCounts], **counts: int) -> DayCounts:
    rows = max((counts.rows for counts in features.values()), default=0)
    return DayCounts(
        day=day_of(index), features=dict(features), **{"rows": rows, "requests": rows} | counts
    )


def like_training(feature: FeatureReference, rows: int = 1000) -> FeatureCounts:
    """Return a day of so many rows with very nearly training's shares."""
    bins = feature.counts.values() if isinstance(feature.counts, dict) else feature.counts
    total = sum(bins)
    return FeatureCounts(tuple(rows * count // total for count in bins))


def calm(
    index: int, rows: int = 1000, features: Mapping[str, FeatureCounts] | None = None
) -> DayCounts:
    """Return a day like training but for the features that are given."""
    usual = {name: like_training(feature, rows) for name, feature in REFERENCE.features.items()}
    return day(index, usual | dict(features or {}))


# --- the independent implementation: plain loops over the definitions -------------------------


def tolerance(p: float) -> float:
    """Solve (x - p) ln(x (1 - p) / (p (1 - x))) = 0.05 for x > p by regula falsi steps."""

    def index(x: float) -> float:
        return (x - p) * (math.log(x) + math.log1p(-p) - math.log(p) - math.log1p(-x))

    low, high = p, 1 - 1e-16
    while True:
        middle = low + (high - low) / 2
        if middle <= low or middle >= high:
            return high
        low, high = (middle, high) if index(middle) < 0.05 else (low, middle)


RARE = [(odds, 1 / 7) for odds in (1.25, 1.4, 1.6, 2.5, 3.2, 5, 20)]
COMMON = [(1.25, 1 / 8), (1.4, 3 / 8), (1.6, 2 / 8), (2.5, 1 / 8), (5, 1 / 8)]


class Watched(NamedTuple):
    """One event, with the group that it shares its part of the budget with."""

    group: str
    hits: int
    rows: int


def events(feature: FeatureReference, counts: FeatureCounts) -> list[Watched]:
    """List the events, in no matter which order, the same for each call."""
    bins = list(counts.bins)
    total = sum(bins) + counts.nulls + counts.strange
    missing = Watched("missing", counts.nulls, total)
    if isinstance(feature, CategoryReference):
        there = sum(bins) + counts.strange
        sides = [hits for count in bins for hits in (count, there - count)]
        shape = [Watched("shape", hits, there) for hits in sides]
        other = Watched("shape" if feature.others else "unseen", counts.strange, there)
        return [*shape, other, missing]
    numbers, cuts = sum(bins), len(feature.cuts)
    listed: list[Watched] = []
    for cut in range(cuts):
        under, over = sum(bins[: cut + 1]), sum(bins[cut + 1 :])
        listed.append(Watched("edge" if cut == 0 else "shape", under, numbers))
        listed.append(Watched("edge" if cut == cuts - 1 else "shape", over, numbers))
    for depth in range(max(cuts // 2 - 1, 1) if cuts > 1 else 0):
        inner = sum(bins[depth + 1 : cuts - depth])
        listed.append(Watched("shape", inner, numbers))
        listed.append(Watched("shape" if depth else "edge", numbers - inner, numbers))
    return [*listed, missing, Watched("strange", counts.strange, total)]


PARTS = {"shape": 0.5, "edge": 0.15, "missing": 0.25, "unseen": 0.25, "strange": 0.1}


def stakes(trained: Sequence[Watched]) -> list[tuple[float, Sequence[tuple[float, float]]]]:
    """Give each event of training its part of its column's budget, and its bets."""
    groups = [
        "shape" if event.group == "edge" and (event.hits + 0.5) / (event.rows + 1) > 0.05
        else event.group
        for event in trained
    ]  # fmt: skip
    whole = sum(PARTS[group] for group in set(groups))
    return [
        (PARTS[group] / whole / groups.count(group), COMMON if group == "shape" else RARE)
        for group in groups
    ]


def evidence(reference: DriftReference, days: Sequence[DayCounts], period: int) -> list[float]:
    """Return the log evidence of each day, bet by bet and window by window."""
    total: list[list[float]] = [[] for _ in days]
    streams: list[list[_Tally]] = []
    for name, feature in reference.features.items():
        bins = feature.counts.values() if isinstance(feature.counts, dict) else feature.counts
        trained = FeatureCounts(tuple(bins), feature.nulls, feature.strange)
        nothing = FeatureCounts((0,) * len(trained.bins))
        daily = [events(feature, item.features.get(name, nothing)) for item in days]
        expected = events(feature, trained)
        stream = []
        for number, (stake, bets) in enumerate(stakes(expected)):
            mu = tolerance((expected[number].hits + 0.5) / (expected[number].rows + 1))
            assert mu < 1 - 1e-6
            stream.append(_Tally(mu, stake, bets, [item[number][1:] for item in daily]))
        streams.append(stream)
    refused = [(item.refused, item.requests) for item in days]
    streams.append([_Tally(tolerance(0.01), 1.0, RARE, refused)])
    for stream in streams:
        for mu, stake, bets, tally in stream:
            for factor, part in bets:
                weight = math.log(stake * part) - math.log(len(streams)) - math.log(365)
                for place, log in enumerate(_wealth(mu, tally, factor, period)):
                    total[place].append(log + weight)
    return [_log_sum(logs) for logs in total]


class _Tally(NamedTuple):
    mu: float
    stake: float
    bets: Sequence[tuple[float, float]]
    daily: list[tuple[int, int]]


def _wealth(mu: float, tally: Sequence[tuple[int, int]], factor: float, period: int) -> list[float]:
    odds = factor * mu / (1 - mu)
    q = odds / (1 + odds)
    logs: list[float] = []
    for last in range(len(tally)):
        if last < period - 1:
            logs.append(-math.inf)
            continue
        window = tally[last - period + 1 : last + 1]
        hits, rows = sum(item[0] for item in window), sum(item[1] for item in window)
        step = hits * (math.log(q) - math.log(mu)) + (rows - hits) * (
            math.log1p(-q) - math.log1p(-mu)
        )
        before = logs[last - period] if last >= period else -math.inf
        logs.append(step + _log_sum([0.0, before]))
    return logs


def _log_sum(logs: Sequence[float]) -> float:
    most = max(logs)
    return most if most == -math.inf else most + math.log(sum(math.exp(x - most) for x in logs))
