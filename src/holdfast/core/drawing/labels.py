"""Where a label stands so that it covers as little as possible."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.wording import inert, shortened

CHARACTER: Final = 6.7
"""Pixels that a sign of 11 px takes; all are equally wide."""
LONGEST: Final = 24
_ABOVE, _BELOW = 11.0, 5.0
_STEP: Final = 3.0
"""Pixels between the points of a line that is looked at."""

Spot = tuple[float, float]


class PlacedText(Struct, frozen=True):
    """A text at a place; `y` is its base line, `anchor` as in SVG."""

    text: str
    x: float
    y: float
    anchor: str = "start"

    def covers(self, spot: Spot) -> bool:
        """Tell whether a point lies below it."""
        width = wide(self.text)
        left = self.x - (width if self.anchor == "end" else 0.0)
        inside = left - 2 <= spot[0] <= left + width + 2
        return inside and self.y - _ABOVE <= spot[1] <= self.y + _BELOW

    def spots(self) -> list[Spot]:
        """Return the points that it takes."""
        width = wide(self.text)
        left = self.x - (width if self.anchor == "end" else 0.0)
        count = int(width / _STEP) + 1
        return [
            (left + index * _STEP, self.y - high)
            for index in range(count)
            for high in (0.0, _ABOVE / 2, _ABOVE)
        ]


def wide(text: str) -> float:
    """Return how many pixels a text takes."""
    return len(text) * CHARACTER


def fitting(text: str, most: int = LONGEST) -> str:
    """Shorten what others named."""
    return shortened(inert(text), most)


def place(
    candidates: Sequence[PlacedText], taken: Iterable[Spot], room: tuple[float, float, float]
) -> PlacedText:
    """Choose the first of the places where the least is covered.

    Args:
        candidates: In order of preference.
        taken: Points that should stay visible.
        room: Left, right and bottom that it must stay within, in pixels.
    """
    spots = list(taken)
    return min(candidates, key=lambda label: (_outside(label, room), _covered(label, spots)))


def _covered(label: PlacedText, spots: Sequence[Spot]) -> int:
    return sum(1 for spot in spots if label.covers(spot))


def _outside(label: PlacedText, room: tuple[float, float, float]) -> bool:
    width = wide(label.text)
    left = label.x - (width if label.anchor == "end" else 0.0)
    across = left < room[0] or left + width > room[1]
    return across or label.y - _ABOVE < 0 or label.y + _BELOW > room[2]


def along(start: Spot, end: Spot) -> list[Spot]:
    """Return the points of a line, close enough to be met by a label."""
    (x, y), (other_x, other_y) = start, end
    count = int(max(abs(other_x - x), abs(other_y - y)) / _STEP) + 1
    return [
        (x + (other_x - x) * index / count, y + (other_y - y) * index / count)
        for index in range(count + 1)
    ]
