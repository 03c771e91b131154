"""What is counted of a feature: each event with the share that the reference leads to expect."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from operator import add, sub
from typing import Final, Literal, NamedTuple

from holdfast.core.drift.drift_counts import FeatureCounts, is_closed_set, no_rows, trained
from holdfast.core.drift.drift_evidence import BETS_ON_COMMON, BETS_ON_RARE, DailyTally
from holdfast.core.drift.drift_reference import FeatureReference, NumberReference
from holdfast.core.drift.tolerances import smoothed_share, tolerated_share

EventKind = Literal["shift", "nulls", "unseen", "types", "range", "refused"]
"""What an event tells of: another distribution, values that are missing, that training did not
have, that are not numbers, numbers beyond nearly all of training's, or requests that were
refused."""

_SURE: Final = 1 - 1e-6
"""A share tolerated up to this or more cannot be seen to rise."""

_FEWEST_PAIRS: Final = 2
_RARE: Final = 0.05
"""Share of training up to which a range counts as one that hardly any row was in."""

_STAKES: Final[dict[EventKind, float]] = {
    "shift": 0.5,
    "range": 0.15,
    "nulls": 0.25,
    "unseen": 0.25,
    "types": 0.1,
    "refused": 1.0,
}
"""Parts of a feature's budget, which the events of a kind share evenly. What breaks most often in
production has more than its share of events: by those it would be two or three of thirty."""


class WatchedEvent(NamedTuple):
    """An event of a feature.

    Attributes:
        name: As people read it: `over 12.5`.
        share: Expected by the reference.
    """

    name: str
    kind: EventKind
    share: float
    tolerated: float

    def tally(self, hits: Sequence[int], rows: Sequence[int], stake: float = 1.0) -> DailyTally:
        """Join it with what each day had of it, and its part of the feature's budget."""
        bets = BETS_ON_COMMON if self.kind == "shift" else BETS_ON_RARE
        return DailyTally(self.tolerated, hits, rows, stake, bets)


Column = tuple[str, EventKind, list[int], list[int]]
"""Name and kind of an event, its hits and all rows, by day."""


def watched(
    feature: FeatureReference, days: Sequence[FeatureCounts | None]
) -> list[tuple[WatchedEvent, DailyTally]]:
    """List the events of a feature with their tallies.

    Args:
        days: What each had of it, the oldest first; `None` where it was not measured.
    """
    none = no_rows(feature)
    columns = _columns(feature, [trained(feature), *(none if day is None else day for day in days)])
    events = []
    for name, kind, hits, rows in columns:
        share = smoothed_share(hits[0], rows[0])
        is_common = kind == "range" and share > _RARE
        event = WatchedEvent(name, "shift" if is_common else kind, share, tolerated_share(share))
        if event.tolerated < _SURE:
            events.append((event, hits[1:], rows[1:]))
    of_kind = Counter(event.kind for event, _, _ in events)
    return [
        (event, event.tally(hits, rows, _STAKES[event.kind] / of_kind[event.kind]))
        for event, hits, rows in events
    ]


def _columns(feature: FeatureReference, days: Sequence[FeatureCounts]) -> list[Column]:
    bins = [list(bin_counts) for bin_counts in zip(*(day.bins for day in days), strict=True)]
    nulls, strange = [day.nulls for day in days], [day.strange for day in days]
    inside = [sum(day.bins) for day in days]
    rows = [sum(counts) for counts in zip(inside, nulls, strange, strict=True)]
    missing: Column = ("missing", "nulls", nulls, rows)
    if isinstance(feature, NumberReference):
        not_numbers: Column = ("not a number", "types", strange, rows)
        return [*_cuts(feature.cuts, bins, inside), missing, not_numbers]
    values = _values(list(feature.counts), bins, list(map(sub, rows, nulls)))
    if is_closed_set(feature):
        unseen: Column = ("unseen in training", "unseen", strange, list(map(sub, rows, nulls)))
    else:
        unseen = ("any other value", "shift", strange, list(map(sub, rows, nulls)))
    return [*values, unseen, missing]


def _values(names: Sequence[str], bins: list[list[int]], rows: list[int]) -> list[Column]:
    columns: list[Column] = []
    for name, hits in zip(names, bins, strict=True):
        columns.append((f"equal to {name}", "shift", hits, rows))
        columns.append((f"not {name}", "shift", list(map(sub, rows, hits)), rows))
    return columns


def _cuts(cuts: Sequence[float], bins: list[list[int]], numbers: list[int]) -> list[Column]:
    """List both sides of each cut, then outside and inside of nested pairs of cuts.

    Without the pairs a wider spread would not be seen for long: it moves no middle quantile.
    """
    under = list(accumulate(bins[:-1], lambda low, high: list(map(add, low, high))))
    columns: list[Column] = []
    for index, (cut, hits) in enumerate(zip(cuts, under, strict=True)):
        low: EventKind = "range" if index == 0 else "shift"
        high: EventKind = "range" if index == len(cuts) - 1 else "shift"
        columns.append((f"at or under {cut:g}", low, hits, numbers))
        columns.append((f"over {cut:g}", high, list(map(sub, numbers, hits)), numbers))
    pairs = max(len(cuts) // 2 - 1, 1) if len(cuts) >= _FEWEST_PAIRS else 0
    for index in range(pairs):
        low_cut, high_cut = cuts[index], cuts[-1 - index]
        inner = list(map(sub, under[-1 - index], under[index]))
        outer = list(map(sub, numbers, inner))
        kind: EventKind = "range" if index == 0 else "shift"
        columns.append((f"outside {low_cut:g} to {high_cut:g}", kind, outer, numbers))
        columns.append((f"inside {low_cut:g} to {high_cut:g}", "shift", inner, numbers))
    return columns
