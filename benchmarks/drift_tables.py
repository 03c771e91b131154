"""How often `holdfast drift` alarms without drift, and how soon with it: the tables of the guide.

    python benchmarks/drift_tables.py [YEARS]

Plays years of a model with 30 features (24 normal, 6 categorical with 2 to 50 values) trained on
10,000 rows. Counts are drawn, and watched by the code that judges a log; its evidence is computed
for all bets at once, which a test holds against that code. Of shifts, only the column that shifts
is played, with its part of the stake of all: what the others have can only bring an alarm sooner.
Seeds are fixed, and shared out among processes.
"""

import functools
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtr  # type: ignore[import-untyped]

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts, trained
from holdfast.core.drift.drift_evidence import LOG_ALARM, YEAR, DailyTally
from holdfast.core.drift.drift_judgement import EXPECTED_REFUSALS
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
)
from holdfast.core.drift.tolerances import tolerated_share
from holdfast.core.drift.watched_events import watched
from holdfast.formats.reference_building import built

TRAINED = 10_000
NUMBERS = 24
VALUES = (2, 3, 5, 10, 20, 50)
COLUMNS = NUMBERS + len(VALUES)
LIVED = 40
"""Most years of each life of real data."""

RUNS = 500
"""Of each shift: medians of 20 runs are off by a day or two."""

FIRST = date(2026, 1, 1)

Array = Any


@dataclass(frozen=True)
class Life:
    """What real data has without drift.

    Attributes:
        repeats: How often each row comes.
        wobble: Standard deviation of each day's mean, in those of the feature.
        weekend: How far weekends are from weekdays; training has the same mix.
    """

    repeats: int = 1
    wobble: float = 0.0
    weekend: float = 0.0


@dataclass(frozen=True)
class Shift:
    """What happens to one feature after some days.

    Attributes:
        mean: In standard deviations; `spread`: factor.
        beyond: Share of rows beyond all that training had.
        nulls: Share of rows without a value, before and after.
        binary: Share of the rarer of two values, before and after.
    """

    mean: float = 0.0
    spread: float = 1.0
    beyond: float = 0.0
    nulls: tuple[float, float] | None = None
    binary: tuple[float, float] | None = None

    @property
    def column(self) -> str:
        """The one that shifts."""
        return "c2" if self.binary else "n0"


@functools.lru_cache(maxsize=64)
def training(
    seed: int, life: Life, shift: Shift, column: str | None = None
) -> tuple[DriftReference, dict[str, Array]]:
    """Return what training looked like, or one column of it, and true shares of each category."""
    chance = np.random.default_rng((seed, 0))
    columns: dict[str, Any] = {}
    weekends = chance.random(TRAINED) < 2 / 7
    for index in range(NUMBERS):
        columns[f"n{index}"] = chance.normal(size=TRAINED) + life.weekend * weekends
    if shift.nulls:
        columns["n0"][chance.random(TRAINED) < shift.nulls[0]] = np.nan
    shares = {f"c{size}": chance.dirichlet(np.full(size, 2.0)) for size in VALUES}
    if shift.binary:
        shares["c2"] = np.array([1 - shift.binary[0], shift.binary[0]])
    for name, of_values in shares.items():
        if column not in (None, name):
            continue
        drawn = chance.choice(len(of_values), TRAINED, p=of_values)
        columns[name] = [f"v{value}" for value in drawn]
    return built(columns if column is None else {column: columns[column]}), shares


class Model:
    """Thirty features, their training data, and days drawn from the same population or another.

    Args:
        column: The only one that is drawn; `None` for all.
    """

    def __init__(
        self,
        seed: int,
        life: Life = Life(),
        shift: Shift = Shift(),
        column: str | None = None,
    ) -> None:
        self.life, self.shift = life, shift
        before = Shift(
            nulls=shift.nulls and (shift.nulls[0], 0.0),
            binary=shift.binary and (shift.binary[0], 0.0),
        )
        self.reference, self.shares = training(seed, Life(weekend=life.weekend), before, column)
        self.seed = seed

    def days(self, count: int, rows: int, shifted_from: int | None = None) -> list[DayCounts]:
        """Draw days of so many rows, from one of them on with the shift."""
        chance = np.random.default_rng((self.seed, rows, count))
        drawn = max(rows // self.life.repeats, 1)
        is_shifted = np.arange(count) >= (count if shifted_from is None else shifted_from)
        features = {
            name: self._numbers(chance, feature, drawn, is_shifted & (name == "n0"))
            if isinstance(feature, NumberReference)
            else self._values(chance, name, feature, drawn, is_shifted & (name == "c2"))
            for name, feature in self.reference.features.items()
        }
        return [
            DayCounts(
                day=(FIRST + timedelta(days=index)).isoformat(),
                requests=rows,
                rows=rows,
                features={name: days[index] for name, days in features.items()},
            )
            for index in range(count)
        ]

    def _numbers(
        self, chance: np.random.Generator, feature: NumberReference, rows: int, changed: Array
    ) -> list[FeatureCounts]:
        shift, life, count = self.shift, self.life, len(changed)
        means = chance.normal(size=count) * life.wobble + shift.mean * changed
        means += life.weekend * (np.arange(count) % 7 >= 5)
        spreads = np.where(changed, shift.spread, 1.0)
        missing = np.zeros(count)
        if shift.nulls and (feature.nulls or changed.any()):
            missing = np.where(changed, shift.nulls[1], shift.nulls[0])
        nulls = chance.binomial(rows, missing)
        upto = ndtr((np.array(feature.cuts) - means[:, None]) / spreads[:, None])
        edge = np.ones((count, 1))
        beyond = np.where(changed, shift.beyond, 0.0)[:, None]
        shares = np.diff(np.hstack([0 * edge, upto, edge]), axis=1) * (1 - beyond)
        shares[:, -1:] += beyond
        return self._counted(chance.multinomial(rows - nulls, shares), nulls, 0 * nulls)

    def _values(
        self,
        chance: np.random.Generator,
        name: str,
        feature: CategoryReference,
        rows: int,
        changed: Array,
    ) -> list[FeatureCounts]:
        shares = np.tile(self.shares[name], (len(changed), 1))
        if self.shift.binary and changed.any():
            shares[changed] = [1 - self.shift.binary[1], self.shift.binary[1]]
        drawn = chance.multinomial(rows, shares)
        named = [f'"v{value}"' for value in range(drawn.shape[1])]
        kept = [named.index(text) for text in feature.counts]
        other = [place for place in range(len(named)) if place not in kept]
        return self._counted(drawn[:, kept], np.zeros(len(drawn)), drawn[:, other].sum(axis=1))

    def _counted(self, bins: Array, nulls: Array, strange: Array) -> list[FeatureCounts]:
        parts = (self.life.repeats * counts.astype(int) for counts in (bins, nulls, strange))
        rows = zip(*(counts.tolist() for counts in parts), strict=True)
        return [FeatureCounts(tuple(row), missing, odd) for row, missing, odd in rows]


class Bets(NamedTuple):
    """All bets on all tallies of a model.

    Attributes:
        hits: By day and tally; `rows` likewise.
        of: The tally of each bet.
        gains: What a hit adds to the logarithm of a bet's wealth; `costs`: what a row takes away.
        weights: Logarithms of stakes, as parts of the whole.
    """

    hits: Array
    rows: Array
    of: Array
    gains: Array
    costs: Array
    weights: Array


def bets(reference: DriftReference, days: Sequence[DayCounts]) -> Bets:
    """List the bets on all that is watched."""
    streams = [
        [tally for _, tally in watched(feature, [day.features[name] for day in days])]
        for name, feature in reference.features.items()
    ]
    refused = [day.refused for day in days], [day.requests for day in days]
    streams.append([DailyTally(tolerated_share(EXPECTED_REFUSALS), *refused)])
    parts = [part for stream in streams for part in _parts(stream)]
    tallies = [tally for stream in streams for tally in stream]
    listed = [
        (place, odds, tally.tolerated, part * stake / (len(streams) * YEAR))
        for place, (tally, part) in enumerate(zip(tallies, parts, strict=True))
        for odds, stake in tally.bets
    ]
    of, odds, tolerated, stakes = (np.array(part) for part in zip(*listed, strict=True))
    return Bets(
        np.array([tally.hits for tally in tallies], dtype=float).T,
        np.array([tally.rows for tally in tallies], dtype=float).T,
        of,
        np.log(odds),
        np.log1p((odds - 1) * tolerated),
        np.log(stakes),
    )


def log_evidence(staked: Bets, period: int) -> Array:
    """Return the evidence of each day in logarithms, as the core's, for all bets at once."""
    hits, rows = _windows(staked.hits, period), _windows(staked.rows, period)
    grown: list[Array] = []
    totals = [-math.inf] * min(period - 1, len(staked.hits))
    for window in range(len(hits)):
        step = staked.gains * hits[window][staked.of] - staked.costs * rows[window][staked.of]
        if window >= period:
            before = grown[window - period]
            step += np.maximum(before, 0.0) + np.log1p(np.exp(-np.abs(before)))
        grown.append(step)
        owned = step + staked.weights
        most = owned.max()
        totals.append(float(most + np.log(np.exp(owned - most).sum())))
    return np.array(totals)


def _parts(stream: Sequence[DailyTally]) -> list[float]:
    staked = sum(tally.stake for tally in stream)
    return [tally.stake / staked for tally in stream]


def _windows(daily: Array, period: int) -> Array:
    upto = np.cumsum(np.pad(daily, ((1, 0), (0, 0))), axis=0)
    return upto[period:] - upto[:-period]


def first_alarm(
    reference: DriftReference, days: Sequence[DayCounts], *periods: int
) -> list[int | None]:
    """Return the first day with an alarm, counted from 0, by period; `None` if there is none.

    A column that was drawn alone has the stake that it has among all.
    """
    alarm = LOG_ALARM + math.log((COLUMNS + 1) / (len(reference.features) + 1))
    staked = bets(reference, days)
    found = [np.nonzero(log_evidence(staked, period) >= alarm)[0] for period in periods]
    return [int(alarms[0]) if len(alarms) else None for alarms in found]


def alarmed(rows: int, life: Life, seed: int) -> tuple[bool, bool]:
    """Play a year without drift; tell whether windows of a day, and of a week, had an alarm."""
    model = Model(seed, life)
    days = model.days(365, rows)
    by_day, by_week = first_alarm(model.reference, days, 1, 7)
    return by_day is not None, by_week is not None


def days_until(rows: int, period: int, shift: Shift, seed: int) -> int | None:
    """Return the days from a shift on day 60 to the alarm; `None` if 60 more bring none."""
    model = Model(seed, shift=shift, column=shift.column)
    (alarm,) = first_alarm(model.reference, model.days(120, rows, shifted_from=60), period)
    return None if alarm is None else alarm - 59


def years(sizes: Sequence[int], life: Life, seed: int) -> list[tuple[bool, bool]]:
    """Play the same year with days of several sizes; their training is the same."""
    return [alarmed(size, life, seed) for size in sizes]


def delays(columns: Sequence[tuple[int, int]], shift: Shift, seed: int) -> list[int | None]:
    """Play the same shift with several sizes and periods; their training is the same."""
    return [days_until(*column, shift, seed) for column in columns]


RULES = (
    "chi2 p < 0.05",
    "chi2 p < 0.05 / 30 (Bonferroni)",
    "KS distance > 0.1",
    "PSI > 0.1",
    "PSI > 0.25",
    "PSI > 0.25, empty bins as 1e-9",
)


def simple_rules(rows: int, seed: int) -> dict[str, bool]:
    """Play the same year under rules of thumb, looked at daily; any feature alarms."""
    model = Model(seed)
    days = model.days(365, rows)
    found = dict.fromkeys(RULES, False)
    for name, feature in model.reference.features.items():
        for rule, is_broken in _broken(feature, [day.features[name] for day in days]).items():
            found[rule] |= is_broken
    return found


def _broken(feature: FeatureReference, days: Sequence[FeatureCounts]) -> dict[str, bool]:
    """Tell which rules of thumb any day of a feature breaks."""
    there = np.array([*trained(feature).bins, trained(feature).strange], dtype=float)
    here = np.array([[*day.bins, day.strange] for day in days], dtype=float)
    chances = _chi2(there, here)
    index, scripted = _psi(there + 0.5, here + 0.5), _psi(there + 1e-9, here + 1e-9)
    gaps = np.cumsum(here / here.sum(axis=1, keepdims=True) - there / there.sum(), axis=1)
    distance = np.max(np.abs(gaps)) if isinstance(feature, NumberReference) else 0.0
    return {
        "chi2 p < 0.05": bool(np.any(chances < 0.05)),
        "chi2 p < 0.05 / 30 (Bonferroni)": bool(np.any(chances < 0.05 / 30)),
        "KS distance > 0.1": bool(distance > 0.1),
        "PSI > 0.1": bool(np.any(index > 0.1)),
        "PSI > 0.25": bool(np.any(index > 0.25)),
        "PSI > 0.25, empty bins as 1e-9": bool(np.any(scripted > 0.25)),
    }


def _psi(expected: Array, actual: Array) -> Array:
    expected, actual = expected / expected.sum(), actual / actual.sum(axis=1, keepdims=True)
    return np.sum((actual - expected) * np.log(actual / expected), axis=1)


def _chi2(there: Array, here: Array) -> Array:
    """Return for each day the p-value of the test that it and training are of one population."""
    both = there + here
    statistic = np.zeros(len(here))
    for counts in (np.broadcast_to(there, here.shape), here):
        expected = both * counts.sum(axis=1, keepdims=True) / both.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            parts = np.where(both > 0, (counts - expected) ** 2 / expected, 0.0)
        statistic += parts.sum(axis=1)
    return chdtrc((both > 0).sum(axis=1) - 1, statistic)


LIVES = {
    "independent rows": Life(),
    "each row 5 times (retries, sensors)": Life(repeats=5),
    "each row 20 times": Life(repeats=20),
    "every day's mean moves by N(0, 0.1 sd)": Life(wobble=0.1),
    "the same, 0.15 sd": Life(wobble=0.15),
    "weekends are another population (+1 sd)": Life(weekend=1.0),
}
SHIFTS = {
    "mean 0.5 sd": Shift(mean=0.5),
    "mean 1 sd": Shift(mean=1.0),
    "spread x1.5": Shift(spread=1.5),
    "spread x2": Shift(spread=2.0),
    "5 % of rows beyond all seen": Shift(beyond=0.05),
    "20 % of rows beyond all seen": Shift(beyond=0.2),
    "nulls 0 -> 2 %": Shift(nulls=(0, 0.02)),
    "nulls 0 -> 5 %": Shift(nulls=(0, 0.05)),
    "nulls 0 -> all": Shift(nulls=(0, 1)),
    "nulls 5 -> 20 %": Shift(nulls=(0.05, 0.2)),
    "binary 1 -> 10 %": Shift(binary=(0.01, 0.1)),
    "mean 0.25 sd": Shift(mean=0.25),
    "nulls 5 -> 10 %": Shift(nulls=(0.05, 0.1)),
}


def share(of: Sequence[bool]) -> str:
    return f"{sum(of) / len(of):.2f}"


def spent(days: Sequence[int | None]) -> str:
    """Write the median, and the share within 60 days if it is not all."""
    found = sum(day is not None for day in days) / len(days)
    middle = median(61 if day is None else day for day in days)
    text = "never" if middle > 60 else f"{middle:.0f}"
    return text if found in (0, 1) else f"{text} [{found:.2f}]"


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    sizes = (50, 200, 1000, 10_000, 100_000)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        each = partial(pool.map, chunksize=1)
        print(f"Share of years without drift that have an alarm ({count} years)\n")
        row("rule, looked at daily", *(f"{size:,} rows a day" for size in sizes))
        row(*["---"] * (len(sizes) + 1))
        few = range(min(count, 10))
        thumbs = [list(each(partial(simple_rules, size), few)) for size in sizes]
        for rule in RULES:
            row(rule, *(share([year[rule] for year in played]) for played in thumbs))
        ours = list(each(partial(years, sizes, Life()), range(count)))
        for place, period in enumerate((1, 7)):
            by = (share([year[at][place] for year in ours]) for at in range(len(sizes)))
            row(f"holdfast drift, windows of {period}", *by)

        lived = range(min(count, LIVED))
        print(f"\nThe same, with the life of real data, windows of 1 / of 7 ({len(lived)} years)\n")
        row("", "200 rows a day", "1,000", "10,000")
        row(*["---"] * 4)
        for name, life in LIVES.items():
            played = list(each(partial(years, sizes[1:4], life), lived))
            shares = [
                [share([year[at][by] for year in played]) for by in (0, 1)] for at in (0, 1, 2)
            ]
            row(name, *map(" / ".join, shares))

        print(f"\nDays until the alarm, median of {RUNS} runs [share within 60 days]\n")
        columns = [(size, 7) for size in sizes[:4]] + [(1000, 1)]
        row(
            "one of 30 columns shifts",
            *(f"{size:,} rows a day" for size in sizes[:4]),
            "windows of 1: 1,000",
        )
        row(*["---"] * 6)
        for name, shift in SHIFTS.items():
            runs = pool.map(partial(delays, columns, shift), range(RUNS), chunksize=25)
            row(name, *map(spent, zip(*runs, strict=True)))


if __name__ == "__main__":
    main()
