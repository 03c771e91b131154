"""Two versions measured row by row on the same evaluation set, and what the pairs allow to say."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from holdfast.core import names
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
        by = f"{self.shown(abs(worse))} {'worse' if worse > 0 else 'better'} than"
        return (
            f"{self.name}: {self.after:g} is {by if worse else 'equal to'} {self.before:g} "
            f"({LEVEL:.0%} interval of the worsening {low} to {high}, n = {self.rows})"
        )

    def shown(self, change: float) -> str:
        """Write a change as a share, or as the difference it is."""
        return f"{change:.3g}" if self.absolute else f"{change:.2%}"


def check(losses: Each, metrics: Mapping[str, float]) -> tuple[Losses, ...]:
    """Return *losses* if they can be what they say, and *metrics* has their means.

    Raises:
        InvalidInputError: If a name, digest or number of rows is none, or one stands twice.
    """
    found = tuple(losses)
    for one in found:
        subject = f"losses {one.name!r}"
        if not names.is_key(one.name):
            raise InvalidInputError(subject, "not a name", "use printable characters")
        if not (is_digest(one.on) and is_digest(one.sha256)) or one.rows < 1:
            raise InvalidInputError(subject, "have no digest or no rows", "give one value a row")
        if metrics.get(one.name) != one.mean:
            said = f"is {metrics.get(one.name)}, the mean of its losses {one.mean}"
            advice = "leave the metric out, or name the losses otherwise"
            raise InvalidInputError(f"metric {one.name!r}", said, advice)
    if len({(one.name, one.on) for one in found}) != len(found):
        raise InvalidInputError("losses", "stand twice for one set", "give each once")
    return found


def merged(known: Each, new: Each) -> tuple[Losses, ...]:
    """Return what is known once *new* is measured: the last of each name and set, in order."""
    found = {(one.name, one.on): one for one in known}
    for one in new:
        found.pop((one.name, one.on), None)
        found[one.name, one.on] = one
    return tuple(found.values())


def pairs(before: Each, after: Each) -> tuple[list[tuple[Losses, Losses]], list[str]]:
    """Match the losses of two versions: by name, on the last set that both were measured on.

    Returns:
        The pairs by name; and of each name that could not be paired, why.
    """
    theirs = {(one.name, one.on): one for one in before}
    ours = {(one.name, one.on): one for one in after}
    found: dict[str, tuple[Losses, Losses]] = {}
    for key, one in ours.items():
        other = theirs.get(key)
        if other is not None and other.rows == one.rows:
            found[one.name] = (other, one)
    lacking = sorted({name for name, _ in theirs.keys() | ours.keys()} - found.keys())
    both = {name for name, _ in theirs} & {name for name, _ in ours}
    return [found[name] for name in sorted(found)], [
        f"{name}: its losses are not paired, "
        + ("the two were not measured on the same set" if name in both else "only one side has any")
        for name in lacking
    ]


def better(name: str, directions: Mapping[str, Direction]) -> Direction:
    """Tell which way the values of a row are better; what nobody said is a loss."""
    return directions.get(name) or direction_of(name) or "lower"


def judge(one: Paired, limit: float, rule: InconclusiveRule) -> tuple[str | None, str | None]:
    """Hold the interval of the worsening against *limit*.

    Returns:
        Why it is refused, and what is remarked; one of the two is `None`.
    """
    low, high = one.worsening
    bound = one.shown(limit)
    if one.rows >= FEWEST and exceeds(low, limit):
        return f"{one.sentence}, at most {bound} is allowed", None
    if one.rows >= FEWEST and not exceeds(high, limit):
        return None, f"{one.sentence}, within {bound}"
    said = f"{one.sentence}: inconclusive, n too small to tell whether it is within {bound}"
    return (said, None) if rule == "refuse" else (None, said)
