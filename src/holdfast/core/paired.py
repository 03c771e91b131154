"""Compares two versions by their losses, row by row, on the same evaluation set."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from holdfast.core import names, wording
from holdfast.core.manifest import is_digest
from holdfast.core.metrics import Direction, direction_of, exceeds
from holdfast.errors import InvalidInputError

LEVEL: Final = 0.95
"""Confidence of the intervals, two-sided."""

RESAMPLES: Final = 2_000
FEWEST: Final = 30
"""Rows below which nothing is concluded: a bootstrap of so few is narrower than it should be."""

NEAR_ZERO: Final = 1e-9
"""A champion's mean below this has no relative change; the difference itself is judged."""

InconclusiveRule = Literal["refuse", "remark"]


class Losses(Struct, frozen=True, forbid_unknown_fields=True):
    """What a version lost on each row of an evaluation set, kept as a blob.

    Attributes:
        name: The metric whose values they are, such as `log_loss`.
        on: SHA-256 of the evaluation set; only losses on the same set are paired.
        mean: Of all rows; the metric's value.
        sha256: Of the blob: each row's value as a little-endian float64, in the set's order.
    """

    name: str
    on: str
    rows: int
    mean: float
    sha256: str


Each = Iterable[Losses]


class Paired(Struct, frozen=True):
    """Losses of two versions on the same rows.

    Attributes:
        direction: Which way is better; what nobody said is a loss, lower.
        before: Mean of the first version.
        after: Mean of the second.
        change: `after` from `before`: a share of `before`'s magnitude, or where that is almost 0
            the difference itself.
        low: Lower end of the bootstrapped interval of *change*.
        high: Its upper end.
        absolute: True if *change* is the difference.
    """

    name: str
    on: str
    rows: int
    direction: Direction
    before: float
    after: float
    change: float
    low: float
    high: float
    absolute: bool = False

    @property
    def worsening(self) -> tuple[float, float]:
        """The interval of the change for the worse, negative where it is one for the better."""
        return (self.low, self.high) if self.direction == "lower" else (-self.high, -self.low)

    @property
    def sentence(self) -> str:
        """Say it: `log_loss: 0.31 is 3.33% worse than 0.3 (95% interval 1.2% to 5.4%, n = 500)`."""
        worse = self.change if self.direction == "lower" else -self.change
        low, high = (self.shown(end) for end in self.worsening)
        before, after = wording.apart(self.before, self.after)
        by = f"{self.shown(abs(worse))} {'worse' if worse > 0 else 'better'} than"
        return (
            f"{self.name}: {after} is {by if worse else 'equal to'} {before} "
            f"({LEVEL:.0%} interval of the worsening {low} to {high}, n = {self.rows})"
        )

    def shown(self, change: float) -> str:
        """Write a change as a share, or as the difference it is."""
        return f"{change:.3g}" if self.absolute else f"{change:.2%}"


def check(losses: Each, metrics: Mapping[str, float]) -> tuple[Losses, ...]:
    """Return *losses* if they can be what they say, and *metrics* has their means.

    Raises:
        InvalidInputError: If a name, digest or number of rows is invalid, or one is given twice.
    """
    all_series = tuple(losses)
    for series in all_series:
        subject = f"losses {series.name!r}"
        if not names.is_key(series.name):
            raise InvalidInputError(
                subject, "are not under a valid name", "use printable characters"
            )
        if not (is_digest(series.on) and is_digest(series.sha256)) or series.rows < 1:
            raise InvalidInputError(subject, "have no digest or no rows", "give one value per row")
        if metrics.get(series.name) != series.mean:
            problem = f"is {metrics.get(series.name)}, but the mean of its losses is {series.mean}"
            advice = "leave the metric out, or rename the losses"
            raise InvalidInputError(f"metric {series.name!r}", problem, advice)
    if len({(series.name, series.on) for series in all_series}) != len(all_series):
        raise InvalidInputError("losses", "are given twice for one set", "give each once")
    return all_series


def merged(known: Each, new: Each) -> tuple[Losses, ...]:
    """Return what is known once *new* is measured: the last of each name and set, in order."""
    latest = {(series.name, series.on): series for series in known}
    for series in new:
        latest.pop((series.name, series.on), None)
        latest[series.name, series.on] = series
    return tuple(latest.values())


def pairs(before: Each, after: Each) -> tuple[list[tuple[Losses, Losses]], list[str]]:
    """Match the losses of two versions: by name, on the last set that both were measured on.

    Returns:
        The pairs by name; and of each name that could not be paired, why.
    """
    theirs = {(series.name, series.on): series for series in before}
    ours = {(series.name, series.on): series for series in after}
    pairs_by_name: dict[str, tuple[Losses, Losses]] = {}
    for key, series in ours.items():
        other = theirs.get(key)
        if other is not None and other.rows == series.rows:
            pairs_by_name[series.name] = (other, series)
    lacking = sorted({name for name, _ in theirs.keys() | ours.keys()} - pairs_by_name.keys())
    both = {name for name, _ in theirs} & {name for name, _ in ours}
    return [pairs_by_name[name] for name in sorted(pairs_by_name)], [
        f"{name}: its losses are not paired, "
        + (
            "the two were not measured on the same set"
            if name in both
            else "only one side has losses"
        )
        for name in lacking
    ]


def better(name: str, directions: Mapping[str, Direction]) -> Direction:
    """Tell which way the values of a row are better; what nobody said is a loss."""
    return directions.get(name) or direction_of(name) or "lower"


def judge(pair: Paired, limit: float, rule: InconclusiveRule) -> tuple[str | None, str | None]:
    """Hold the interval of the worsening against *limit*.

    Returns:
        Why it is refused, and what is remarked; one of the two is `None`.
    """
    low, high = pair.worsening
    bound = pair.shown(limit)
    if pair.rows >= FEWEST and exceeds(low, limit):
        return f"{pair.sentence}, more than the {bound} allowed", None
    if pair.rows >= FEWEST and not exceeds(high, limit):
        return None, f"{pair.sentence}, within {bound}"
    sentence = f"{pair.sentence}: inconclusive, n is too small to tell whether it is within {bound}"
    return (sentence, None) if rule == "refuse" else (None, sentence)
