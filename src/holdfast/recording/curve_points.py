"""A curve while it grows: a million points take the room of two thousand."""

from holdfast.core.curves import MOST_POINTS, Curve, rounded

_Point = tuple[int, float, float | None]
"""Place in the order they came, step, value."""


class CurvePoints:
    """Keeps the points of a curve, thinned by one rule however many come.

    Of 1,000 points or fewer all stay. Of more, every second, fourth, eighth … stays, so many that
    they fit, and always the first, the last, the least and the greatest.
    """

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._every = 1
        self._given = 0
        self._last: _Point | None = None
        self._least: _Point | None = None
        self._greatest: _Point | None = None

    def add(self, step: float, value: float | None) -> None:
        """Take a point; a value of `None` is one that was not a finite number."""
        point = (self._given, step, None if value is None else rounded(value))
        if self._given % self._every == 0:
            self._points.append(point)
        self._given += 1
        self._last = point
        if point[2] is not None:
            self._least = _further(self._least, point, -1)
            self._greatest = _further(self._greatest, point, 1)
        if len(self._points) > 2 * MOST_POINTS:
            self._points = self._points[::2]
            self._every *= 2

    def finished(self) -> Curve | None:
        """Return the curve, its points in the order of their steps; `None` if there are none."""
        kept = {point for point in (self._last, self._least, self._greatest) if point is not None}
        if not kept:
            return None
        chosen, skip = self._points, 1
        while len(kept.union(chosen)) > MOST_POINTS:
            skip *= 2
            chosen = self._points[::skip]
        points = sorted(kept.union(chosen), key=lambda point: (point[1], point[0]))
        return Curve(
            tuple(step for _, step, _ in points),
            tuple(value for _, _, value in points),
            self._given,
        )


def _further(extreme: _Point | None, point: _Point, sign: int) -> _Point:
    """Return the point that lies further up, or down: the first one of equal ones."""
    if extreme is None or (point[2] or 0.0) * sign > (extreme[2] or 0.0) * sign:
        return point
    return extreme
