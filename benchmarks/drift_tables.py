"""How often `holdfast drift` alarms without drift, and how soon with it: the tables of the guide.

    python benchmarks/drift_tables.py [YEARS]

Plays years of a model with 30 features (24 normal, 6 categorical with 2 to 50 values) trained on
10,000 rows. Counts are drawn, and judged by the code that judges a log. Seeds are fixed, and shared
out among processes; 20 years take about 20 minutes of a processor.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from statistics import NormalDist, median
from typing import Any

import numpy as np

from holdfast.core.drift.drift_counts import DayCounts, FeatureCounts, trained
from holdfast.core.drift.drift_judgement import judge
from holdfast.core.drift.drift_reference import (
    CategoryReference,
    DriftReference,
    FeatureReference,
    NumberReference,
)
from holdfast.formats.reference_building import built

TRAINED = 10_000
NUMBERS = 24
VALUES = (2, 3, 5, 10, 20, 50)
FIRST = date(2026, 1, 1)
CDF = np.vectorize(NormalDist().cdf)

Draw = Callable[[str, int], FeatureCounts]
Chance = np.random.Generator


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


class Model:
    """Thirty features, their training data, and days drawn from the same population or another."""

    def __init__(
        self, chance: Chance, life: Life, shift: Shift, trained_rows: int = TRAINED
    ) -> None:
        self.chance, self.life, self.shift = chance, life, shift
        columns: dict[str, Any] = {}
        weekends = chance.random(trained_rows) < 2 / 7
        for index in range(NUMBERS):
            column = chance.normal(size=trained_rows) + life.weekend * weekends
            columns[f"n{index}"] = column
        if shift.nulls:
            columns["n0"][chance.random(trained_rows) < shift.nulls[0]] = np.nan
        self.shares = {f"c{size}": chance.dirichlet(np.full(size, 2.0)) for size in VALUES}
        if shift.binary:
            self.shares["c2"] = np.array([1 - shift.binary[0], shift.binary[0]])
        for name, shares in self.shares.items():
            drawn = chance.choice(len(shares), trained_rows, p=shares)
            columns[name] = [f"v{value}" for value in drawn]
        self.reference: DriftReference = built(columns)

    def day(self, index: int, rows: int, *, is_shifted: bool) -> DayCounts:
        """Draw a day of so many rows."""
        drawn = max(rows // self.life.repeats, 1)
        features = {}
        for name, feature in self.reference.features.items():
            changed = is_shifted and name in ("n0", "c2")
            if isinstance(feature, NumberReference):
                counts = self._numbers(feature, index, drawn, changed=changed)
            else:
                counts = self._values(name, feature, drawn, changed=changed)
            features[name] = FeatureCounts(
                tuple(self.life.repeats * count for count in counts.bins),
                self.life.repeats * counts.nulls,
                self.life.repeats * counts.strange,
            )
        day = (FIRST + timedelta(days=index)).isoformat()
        return DayCounts(day=day, requests=rows, rows=rows, features=features)

    def _numbers(
        self, feature: NumberReference, index: int, rows: int, *, changed: bool
    ) -> FeatureCounts:
        mean = self.chance.normal() * self.life.wobble
        mean += self.life.weekend * (index % 7 >= 5)
        spread, beyond, missing = 1.0, 0.0, self.shift.nulls[0] if self.shift.nulls else 0.0
        if changed:
            mean += self.shift.mean
            spread, beyond = self.shift.spread, self.shift.beyond
            missing = self.shift.nulls[1] if self.shift.nulls else 0.0
        nulls = int(self.chance.binomial(rows, missing)) if feature.nulls or changed else 0
        upto = CDF((np.array(feature.cuts) - mean) / spread)
        shares = np.diff([0.0, *upto, 1.0]) * (1 - beyond)
        shares[-1] += beyond
        return FeatureCounts(tuple(self.chance.multinomial(rows - nulls, shares).tolist()), nulls)

    def _values(
        self, name: str, feature: CategoryReference, rows: int, *, changed: bool
    ) -> FeatureCounts:
        shares = self.shares[name]
        if changed and self.shift.binary:
            shares = np.array([1 - self.shift.binary[1], self.shift.binary[1]])
        drawn = dict(
            zip(
                (f'"v{value}"' for value in range(len(shares))),
                self.chance.multinomial(rows, shares).tolist(),
                strict=True,
            )
        )
        bins = tuple(drawn.pop(text, 0) for text in feature.counts)
        return FeatureCounts(bins, strange=sum(drawn.values()))


def year(seed: int, rows: int, life: Life = Life()) -> tuple[Model, list[DayCounts]]:
    """Draw a year without drift."""
    model = Model(np.random.default_rng(seed), life, Shift())
    return model, [model.day(index, rows, is_shifted=False) for index in range(365)]


def alarmed(seed: int, rows: int, period: int, life: Life = Life()) -> bool:
    """Play a year without drift, and tell whether there was an alarm."""
    model, days = year(seed, rows, life)
    return judge(model.reference, days, period).alarm is not None


def alarmed_by_either(rows: int, life: Life, seed: int) -> tuple[bool, bool]:
    """Play it with windows of a day and of a week."""
    model, days = year(seed, rows, life)
    by_day, by_week = (judge(model.reference, days, period).alarm for period in (1, 7))
    return by_day is not None, by_week is not None


def simple_rules(rows: int, seed: int) -> dict[str, bool]:
    """Play the same year under rules of thumb, looked at daily; any feature alarms."""
    model, days = year(seed, rows)
    found = dict.fromkeys(RULES, False)
    for day in days:
        for name, counts in day.features.items():
            for rule in _broken(model.reference.features[name], counts):
                found[rule] = True
    return found


RULES = (
    "chi2 p < 0.05",
    "chi2 p < 0.05 / 30 (Bonferroni)",
    "KS distance > 0.1",
    "PSI > 0.1",
    "PSI > 0.25",
    "PSI > 0.25, empty bins as 1e-9",
)


def _broken(feature: FeatureReference, counts: FeatureCounts) -> Iterator[str]:
    """List the rules of thumb that a day of a feature breaks."""
    there = np.array([*trained(feature).bins, trained(feature).strange], dtype=float)
    here = np.array([*counts.bins, counts.strange], dtype=float)
    chance = _chi2(there, here)
    index, scripted = _psi(there + 0.5, here + 0.5), _psi(there + 1e-9, here + 1e-9)
    is_number = isinstance(feature, NumberReference)
    gap = np.cumsum(here / max(here.sum(), 1) - there / there.sum())
    broken = (
        chance < 0.05,
        chance < 0.05 / 30,
        is_number and float(np.max(np.abs(gap))) > 0.1,
        index > 0.1,
        index > 0.25,
        scripted > 0.25,
    )
    return (rule for rule, is_broken in zip(RULES, broken, strict=True) if is_broken)


def _psi(expected: Any, actual: Any) -> float:
    expected, actual = expected / expected.sum(), actual / actual.sum()
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _chi2(there: Any, here: Any) -> float:
    """Return the p-value of the test that both samples are of one population."""
    from scipy.special import chdtrc  # type: ignore[import-untyped]

    both = there + here
    there, here, both = there[both > 0], here[both > 0], both[both > 0]
    statistic = 0.0
    for counts in (there, here):
        expected = both * counts.sum() / both.sum()
        statistic += float(np.sum((counts - expected) ** 2 / expected))
    return float(chdtrc(len(both) - 1, statistic))


def days_until(seed: int, rows: int, period: int, shift: Shift) -> int | None:
    """Return the days from a shift on day 60 to the alarm; `None` if 60 more bring none."""
    model = Model(np.random.default_rng(seed), Life(), shift)
    days = [model.day(index, rows, is_shifted=index >= 60) for index in range(120)]
    alarm = judge(model.reference, days, period).alarm
    return None if alarm is None else (date.fromisoformat(alarm) - FIRST).days - 59


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


def days_of(rows: int, period: int, shift: Shift, seed: int) -> int | None:
    """Call `days_until` with the seed last."""
    return days_until(seed, rows, period, shift)


def main() -> None:
    years = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    sizes = (50, 200, 1000, 10_000, 100_000)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        each = partial(pool.map, chunksize=1)
        print(f"Share of years without drift that have an alarm ({years} years)\n")
        row("rule, looked at daily", *(f"{size:,} rows a day" for size in sizes))
        row(*["---"] * (len(sizes) + 1))
        few = range(min(years, 10))
        thumbs = [list(each(partial(simple_rules, size), few)) for size in sizes]
        for rule in RULES:
            row(rule, *(share([year[rule] for year in played]) for played in thumbs))
        ours = [
            list(each(partial(alarmed_by_either, size, Life()), range(years))) for size in sizes
        ]
        for place, period in enumerate((1, 7)):
            by = (share([alarms[place] for alarms in played]) for played in ours)
            row(f"holdfast drift, windows of {period}", *by)

        print(f"\nThe same, with the life of real data, windows of 1 / of 7 ({years} years)\n")
        row("", "200 rows a day", "1,000", "10,000")
        row(*["---"] * 4)
        for name, life in LIVES.items():
            cells = []
            for size in sizes[1:4]:
                played = list(each(partial(alarmed_by_either, size, life), range(years)))
                cells.append(" / ".join(share([alarms[at] for alarms in played]) for at in (0, 1)))
            row(name, *cells)

        print(f"\nDays until the alarm, median of {years} runs [share within 60 days]\n")
        columns = [(size, 7) for size in sizes[:4]] + [(1000, 1)]
        row(
            "one of 30 features shifts",
            *(f"{size:,} rows a day" for size in sizes[:4]),
            "windows of 1: 1,000",
        )
        row(*["---"] * 6)
        for name, shift in SHIFTS.items():
            runs = (
                list(each(partial(days_of, *column, shift), range(years))) for column in columns
            )
            row(name, *map(spent, runs))


if __name__ == "__main__":
    main()
