"""Learning curves as a version keeps them: small series of numbers in one compact file.

What a file says is never believed: it is read within bounds.
"""

import math
import zlib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from holdfast.core import strict_json
from holdfast.core.inflation import inflated
from holdfast.errors import DamagedError

ROLE: Final = "curves"
"""The role of the file among a version's artifacts."""

MOST_CURVES: Final = 100
MOST_POINTS: Final = 1_000
"""Points of one curve that are kept."""

LONGEST_NAME: Final = 100
MOST_BYTES: Final = 8 << 20
"""Of the file before it is compressed; more is refused unread."""

MOST_COMPRESSED_BYTES: Final = 4 << 20
_DIGITS: Final = 7

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class Curve(Struct, frozen=True):
    """One series.

    Attributes:
        steps: Where the points are, rising: epochs, rounds, batches.
        values: As many; `None` where the value was not a finite number.
        given: How many points there were, of which these are left.
    """

    steps: Annotated[tuple[float, ...], Meta(min_length=1, max_length=MOST_POINTS)]
    values: Annotated[tuple[float | None, ...], Meta(min_length=1, max_length=MOST_POINTS)]
    given: Annotated[int, Meta(ge=1, le=1 << 53)]

    @property
    def last(self) -> float | None:
        """The value of the last point, `None` where that was not a finite number."""
        return self.values[-1]


class Curves(Struct, frozen=True, kw_only=True):
    """The curves of one version, by name."""

    format: Literal[1] = 1
    curves: Annotated[dict[Name, Curve], Meta(min_length=1, max_length=MOST_CURVES)]


def rounded(value: float) -> float:
    """Return a number with the digits that are kept."""
    return float(f"{value:.{_DIGITS}g}")


def packed(curves: Curves) -> bytes:
    """Write curves as a version keeps them: JSON, compressed; the same bytes each time."""
    return zlib.compress(msgspec.json.encode(curves, order="sorted"), 9)


def unpacked(raw: bytes, subject: str) -> Curves:
    """Read curves that anybody may have written.

    Args:
        raw: At most `MOST_COMPRESSED_BYTES`.
        subject: What they are called in a message.

    Raises:
        DamagedError: If they are too large, or contradict themselves.
    """
    try:
        curves = strict_json.decode(inflated(raw, MOST_COMPRESSED_BYTES, MOST_BYTES), Curves)
        for name, curve in curves.curves.items():
            _check(name, curve)
    except (ValueError, zlib.error) as error:
        raise DamagedError(
            subject, f"are not learning curves: {error}", "register the version anew with some"
        ) from error
    return curves


def _check(name: str, curve: Curve) -> None:
    numbers = [*curve.steps, *(value for value in curve.values if value is not None)]
    if len(curve.steps) != len(curve.values) or curve.given < len(curve.steps):
        raise ValueError(f"{name!r} has not as many values as steps")
    if not all(map(math.isfinite, numbers)) or list(curve.steps) != sorted(curve.steps):
        raise ValueError(f"{name!r} has steps that do not rise, or a number that is not finite")
