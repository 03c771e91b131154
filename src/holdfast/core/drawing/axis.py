"""Axes: where one begins and ends, and the round values that it names."""

import math
from collections.abc import Sequence
from typing import Final

_MOST: Final = 5
"""Values that are named, at most."""
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0, 20.0)
_SAME: Final = 1e-9
"""Share of a value by which another may differ and be drawn at the same place."""
_TINY: Final = 1e-300
_HUGE: Final = 8e307
_LARGE: Final = 1e6


def ticks(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return round values, with their labels."""
    low, high = reach(values)
    if high - low == math.inf:
        return [(value, f"{value:.3g}") for value in (low, 0.0, high)]
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST))
    steps = [power * factor for factor in _ROUND]
    step = next(step for step in steps if high // step - low // step <= _MOST)
    first, last = math.ceil(low / step), math.floor(high / step)
    rounds = [number * step + 0.0 for number in range(first, last + 1)]  # no -0
    greatest = max(abs(low), abs(high))
    if greatest >= _LARGE or step < 1 / _LARGE:
        digits = min(12, math.ceil(math.log10(greatest / step)) + 1)
        return [(tick, f"{tick:.{digits}g}") for tick in rounds]
    digits = next(digits for digits in range(9) if round(step, digits) == float(f"{step:.3g}"))
    return [(tick, f"{tick:.{digits}f}") for tick in rounds]


def reach(values: Sequence[float]) -> tuple[float, float]:
    """Return the values at the lower and upper end, so that equal ones are in the middle.

    Shares stay shares: what lies within 0 and 1 has an axis that does.
    """
    low, high = min(values), max(values)
    unit = max(abs(low), abs(high), _TINY)
    if unit > _HUGE:  # no room to leave
        return (low, high) if low < high else (min(low, 0.0), max(high, 0.0))
    if low == high == 0:
        return -1.0, 1.0
    pad = (high - low) * 0.08 if high - low > unit * _SAME else unit * 0.05
    lower, upper = low - pad, high + pad
    if low < high and low >= 0 and high <= 1:
        return max(lower, 0.0), min(upper, 1.0)
    return lower, upper
