"""How far the mean of losses moved between two versions: a paired bootstrap over kept rows."""

from typing import Any, Final

from holdfast.core.paired import LEVEL, NEAR_ZERO, RESAMPLES
from holdfast.errors import MissingLibraryError

_DRAWN: Final = 20_000
"""Units that are resampled at most; of more rows, neighbours are taken together."""

_AT_ONCE: Final = 1 << 21
_SEED: Final = 20_261_121
_FARTHEST: Final = 1e9
"""A share beyond this is cut: a resample's mean may come close to 0, and JSON holds no infinity."""


def interval(before: bytes, after: bytes) -> tuple[float, float, float, bool]:
    """Bootstrap the change of the mean from *before* to *after*, the rows of both drawn in pairs.

    2,000 resamples with a fixed seed, percentile interval of 95 %. Of more than 20,000 rows,
    neighbours are drawn together, which also does justice to rows that depend on each other.

    Returns:
        The change, as a share of the mean of *before* in magnitude, and both ends of its interval;
        and whether it is the plain difference, which it is where that mean is almost 0.

    Raises:
        MissingLibraryError: If numpy is not installed.

    Source:
        B. Efron (1979), Ann. Statist. 7, 1-26; percentile method.
    """
    np = numpy()
    first, other, sizes = _units(before, after)
    absolute = bool(abs(first.sum() / sizes.sum()) < NEAR_ZERO)
    generator = np.random.default_rng(_SEED)
    count = len(first)
    changes = []
    at_once = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, at_once):
        shape = (min(at_once, RESAMPLES - start), count)
        drawn = generator.integers(0, count, shape)
        sums = (values[drawn].sum(axis=-1) for values in (first, other, sizes))
        changes.append(_change(*sums, absolute=absolute))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(np.concatenate(changes), [tail, 100 - tail])
    whole = _change(first.sum(), other.sum(), sizes.sum(), absolute=absolute)
    return float(whole), float(low), float(high), absolute


def _units(before: bytes, after: bytes) -> tuple[Any, Any, Any]:
    """Return the sums of both sides and the rows of each unit that is drawn."""
    np = numpy()
    first, other = (np.frombuffer(raw, dtype="<f8") for raw in (before, after))
    starts = np.unique(
        np.linspace(0, len(first), min(len(first), _DRAWN), endpoint=False, dtype=int)
    )
    sizes = np.diff(np.append(starts, len(first)))
    return np.add.reduceat(first, starts), np.add.reduceat(other, starts), sizes


def _change(first: Any, other: Any, size: Any, *, absolute: bool) -> Any:
    np = numpy()
    difference = (other - first) / size
    if absolute:
        return difference
    with np.errstate(divide="ignore", invalid="ignore"):
        share = difference / np.abs(first / size)
    return np.clip(np.nan_to_num(share, nan=0.0), -_FARTHEST, _FARTHEST)


def numpy() -> Any:
    """Import numpy.

    Raises:
        MissingLibraryError: If it is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingLibraryError(
            "numpy", "simulate", "pairing losses and drift need it"
        ) from error
    return np
