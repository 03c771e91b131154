"""How far chance alone moves a figure: bootstrap over rows, both versions' drawn together.

Each function takes the two sides (the second may be None) and returns what every resample gave: of
the first side, and of the first less the second, both shape (resamples,), NaN where one has none.
Percentile intervals of 95 %, fixed seed.

Source:
    B. Efron (1979), Ann. Statist. 7, 1-26.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from holdfast.core.paired import FEWEST, LEVEL
from holdfast.formats.bootstrap import numpy

__all__ = ["FEWEST", "RESAMPLES", "SEED", "interval", "of_counts", "of_ranks", "of_sums"]

RESAMPLES: Final = 1_000
SEED: Final = 20_261_130

_FEWEST_RESAMPLES: Final = 100
_MOST_DRAWS: Final = 100_000_000
_UNITS: Final = 20_000
"""Units that sums are drawn of at most; of more rows, neighbours are taken together."""

_AT_ONCE: Final = 1 << 21
_MOST_CELLS: Final = 4_000
_VALID: Final = 0.9
"""Share of the resamples that must have a value."""

Draws = tuple[Any, Any | None]
Statistic = Callable[[Any], Any]


def interval(values: Any) -> tuple[float, float] | None:
    """Return the percentile interval of what the resamples gave, None if too many gave nothing."""
    np = numpy()
    known = values[np.isfinite(values)]
    if len(known) < _VALID * len(values):
        return None
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def of_sums(sides: Sequence[Any], statistic: Statistic) -> Draws:
    """Resample a figure that is made of sums over rows, such as a mean.

    Args:
        sides: One or two arrays, shape (n, k): what is summed of each row.
        statistic: From sums, shape (resamples, k), and thereby the number of rows in the last
            column, to values, shape (resamples,).
    """
    np = numpy()
    count = len(sides[0])
    starts = np.unique(np.linspace(0, count, min(count, _UNITS), endpoint=False, dtype=int))
    sizes = np.diff(np.append(starts, count)).astype("float64")
    units = [
        np.column_stack([np.add.reduceat(side, starts, axis=0), sizes]).astype("float64")
        for side in sides
    ]
    generator = np.random.default_rng(SEED)
    at_once = max(1, _AT_ONCE // len(starts))
    made: list[list[Any]] = [[] for _ in sides]
    for begin in range(0, RESAMPLES, at_once):
        shape = (min(at_once, RESAMPLES - begin), len(starts))
        drawn = generator.integers(0, len(starts), shape)
        weights = np.zeros(shape)
        for at in range(shape[0]):
            weights[at] = np.bincount(drawn[at], minlength=len(starts))
        for results, unit in zip(made, units, strict=True):
            results.append(statistic(weights @ unit))
    return _joined([np.concatenate(results) for results in made])


def of_counts(sides: Sequence[Any], truth: Any, classes: int, statistic: Statistic) -> Draws | None:
    """Resample a figure that is made of a table of classes answered against classes true.

    Rows that agree in all are alike, so their counts are drawn, from a multinomial distribution.

    Args:
        sides: One or two arrays of the classes answered, shape (n,), integers below *classes*.
        truth: The right ones.
        statistic: From tables, shape (resamples, true, answered), to values, shape (resamples,).

    Returns:
        None where the tables would be too large.
    """
    np = numpy()
    cells = truth.astype("int64")
    for side in sides:
        cells = cells * classes + side
    distinct, counts = np.unique(cells, return_counts=True)
    if len(distinct) > _MOST_CELLS or classes**2 * RESAMPLES > _AT_ONCE * 16:
        return None
    generator = np.random.default_rng(SEED)
    draws = generator.multinomial(len(truth), counts / counts.sum(), size=RESAMPLES)
    digits = []
    rest = distinct
    for _ in sides:
        digits.append(rest % classes)
        rest = rest // classes
    made = []
    for answered in reversed(digits):
        places = np.zeros((len(distinct), classes * classes))
        places[np.arange(len(distinct)), rest * classes + answered] = 1.0
        made.append(statistic((draws @ places).reshape(RESAMPLES, classes, classes)))
    return _joined(made)


def of_ranks(
    sides: Sequence[Any], truth: Any, statistic: Callable[[Any, Any], Any]
) -> Draws | None:
    """Resample a figure that is made of an order of rows by probability.

    Args:
        sides: One or two arrays of probabilities, shape (n, columns).
        truth: Which rows are of each column's class, bool, shape (n, columns).
        statistic: Of weights of the rows of a class and of the others, both shape (levels,) from
            the lowest probability to the highest.
    """
    np = numpy()
    count, columns = truth.shape
    most = _MOST_DRAWS // max(1, count * columns)
    resamples = max(_FEWEST_RESAMPLES, min(RESAMPLES, most))
    ladders = [[_Ladder(side[:, at], truth[:, at]) for at in range(columns)] for side in sides]
    made = [np.empty(resamples) for _ in sides]
    for number, weights in enumerate(_weights(count, resamples)):
        for results, side in zip(made, ladders, strict=True):
            values = [statistic(*ladder.steps(weights)) for ladder in side]
            results[number] = sum(values) / columns
    return _joined(made)


def _weights(count: int, resamples: int) -> Iterator[Any]:
    np = numpy()
    generator = np.random.default_rng(SEED)
    for _ in range(resamples):
        yield np.bincount(generator.integers(0, count, count), minlength=count).astype("float64")


class _Ladder:
    """Rows in the order of their probability; equal ones are one step."""

    def __init__(self, chances: Any, is_class: Any) -> None:
        np = numpy()
        self._order = np.argsort(chances, kind="stable")
        ordered = chances[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._is_class = is_class[self._order].astype("float64")

    def steps(self, weights: Any) -> tuple[Any, Any]:
        np = numpy()
        ordered = weights[self._order]
        hits = np.add.reduceat(ordered * self._is_class, self._starts)
        return hits, np.add.reduceat(ordered, self._starts) - hits


def _joined(made: Sequence[Any]) -> Draws:
    return made[0], made[0] - made[1] if len(made) > 1 else None
