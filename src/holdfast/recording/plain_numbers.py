"""Numbers as libraries hand them out: of Python, numpy, or a tensor with one element."""

import math
from numbers import Real

from holdfast.core import figure_content
from holdfast.errors import InvalidInputError

__all__ = ["height_of", "scalar", "step_of"]


def scalar(value: object) -> object:
    """Return a plain number where a library hands out an array or tensor of one."""
    item = getattr(value, "item", None)
    if isinstance(value, Real) or not callable(item):
        return value
    try:
        return item()
    except (TypeError, ValueError, RuntimeError):  # it has several elements
        return value


def height_of(curve: str, value: object) -> float | None:
    """Return the value of a point; `None` where it is not finite.

    Raises:
        InvalidInputError: If it is not a number.
    """
    number = _number(f"curve {figure_content.shown(curve)}", scalar(value))
    return number if math.isfinite(number) else None


def step_of(curve: str, value: object) -> float:
    """Return the step of a point.

    Raises:
        InvalidInputError: If it is not a finite number.
    """
    subject = f"step of curve {figure_content.shown(curve)}"
    number = _number(subject, scalar(value))
    if not math.isfinite(number):
        raise InvalidInputError(subject, f"must be a finite number, not {value!r}")
    return number


def _number(subject: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInputError(subject, f"must be a number, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        return math.inf
