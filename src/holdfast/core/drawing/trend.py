"""One metric by version: a line with the live version and the gate's limit, or a bare spark."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from holdfast.core.drawing import axis, labels, svg
from holdfast.core.drawing.labels import PlacedText, Spot
from holdfast.core.drawing.svg import Drawing

_RIGHT: Final = 14.0
_TOP: Final = 14.0
_BOTTOM: Final = 26.0
_CLOSE: Final = 11.0
"""Pixels between two points below which they are drawn small."""
_SHORT: Final = 0.25
"""Share of the width up to which a label may stand further off, where the gate passes its point."""
_SPARSE: Final = 24
"""Points by which a line across counts, so that one of the curve counts more."""


class TrendPoint(Struct, frozen=True):
    """A version and its value of the metric; `None` where it was not measured."""

    version: str
    value: float | None
    live: bool = False


def trend(
    metric: str, points: Sequence[TrendPoint], gate: float | None, width: float, height: float
) -> Drawing:
    """Draw a metric by version, oldest first.

    Args:
        metric: Its name.
        points: What was measured.
        gate: The value that a version may not be worse than, `None` without one.
        width: In pixels.
        height: In pixels.
    """
    measured = [point.value for point in points if point.value is not None]
    if not measured:
        return Drawing()
    values = [*measured, *([gate] if gate is not None else [])]
    grid = axis.ticks(values)
    left = max(labels.wide(label) for _, label in grid) + 14
    scale = _Scale(len(points), values, (width, height), (left, _RIGHT, _TOP, _BOTTOM))
    scale.ticks = grid
    parts = [*_grid(scale), *_gate_line(scale, gate), _line(scale, points)]
    parts += [*_points(scale, points), *_labels(scale, points, gate), *_names(scale, points)]
    return svg.picture(width, height, _sentence(metric, points), parts, "trend")


def spark(metric: str, points: Sequence[TrendPoint], width: float, height: float) -> Drawing:
    """Draw the same as a line without axes, the last value marked."""
    indexed = [
        (index, point.value) for index, point in enumerate(points) if point.value is not None
    ]
    if not indexed:
        return Drawing()
    values = [value for _, value in indexed]
    scale = _Scale(len(points), values, (width, height), (3.0, 3.0, 3.0, 3.0))
    last, value = indexed[-1]
    dot = svg.element("circle", class_="live", cx=scale.x(last), cy=scale.y(value), r=2.5)
    sentence = _sentence(metric, points)
    return svg.picture(width, height, sentence, [_line(scale, points), dot], "spark")


class _Scale:
    """From versions and values to pixels."""

    def __init__(
        self,
        count: int,
        values: Sequence[float],
        size: tuple[float, float],
        margins: tuple[float, float, float, float],
    ) -> None:
        left, right, top, bottom = margins
        self.width, self.height = size
        self.edges = (left, self.width - right)
        self._floor, self._roof = self.height - bottom, top
        self.ticks: Sequence[tuple[float, str]] = ()
        self._count = count
        low, high = axis.reach(values)
        self._unit = max(abs(low), abs(high))
        self._low, self._high = low / self._unit, high / self._unit

    def x(self, index: int) -> float:
        left, right = self.edges
        share = index / (self._count - 1) if self._count > 1 else 0.5
        return left + (right - left) * share

    def y(self, value: float) -> float:
        reach = self._high - self._low
        share = (self._high - value / self._unit) / reach if reach else 0.5
        return self._roof + (self._floor - self._roof) * share

    @property
    def step(self) -> float:
        """Pixels between two versions."""
        left, right = self.edges
        return (right - left) / max(1, self._count - 1)


def _grid(scale: _Scale) -> Iterator[str]:
    left, right = scale.edges
    for value, label in scale.ticks:
        y = scale.y(value)
        yield svg.element("line", class_="grid", x1=left, x2=right, y1=y, y2=y)
        yield svg.text(label, left - 8, y + 4, "muted", "end")


def _names(scale: _Scale, points: Sequence[TrendPoint]) -> Iterator[str]:
    """Name as many versions below as there is room for, the last one always."""
    left, right = scale.edges
    names = [labels.fitting(point.version) for point in points]
    room = max(labels.wide(name) for name in names) + 14
    every = max(1, math.ceil(room / scale.step))
    last, y = len(points) - 1, scale.height - 8
    ends, begins = 0.0, right - labels.wide(names[last])
    for index in range(0, last, every):
        half = labels.wide(names[index]) / 2
        x = max(scale.x(index), half + 1)
        if ends < x - half and x + half + 8 < begins:
            ends = x + half + 8
            yield svg.text(names[index], x, y, "muted", "middle")
    if last:
        yield svg.text(names[last], right, y, "muted", "end")
    else:
        yield svg.text(names[0], (left + right) / 2, y, "muted", "middle")


def _gate_line(scale: _Scale, gate: float | None) -> Iterator[str]:
    if gate is not None:
        left, right = scale.edges
        y = scale.y(gate)
        yield svg.element("line", class_="gate", x1=left, x2=right, y1=y, y2=y)


def _spots(scale: _Scale, points: Sequence[TrendPoint]) -> list[tuple[int, Spot]]:
    return [
        (index, (scale.x(index), scale.y(point.value)))
        for index, point in enumerate(points)
        if point.value is not None
    ]


def _labels(scale: _Scale, points: Sequence[TrendPoint], gate: float | None) -> Iterator[str]:
    """Place the live version, then the gate, off the line and each other."""
    spots = _spots(scale, points)
    taken = _taken(scale, spots, gate)
    room = (scale.edges[0], scale.width, scale.height - _BOTTOM + 6)
    for index, (x, y) in spots:
        if points[index].live:
            label = f"{labels.fitting(points[index].version)} live"
            chosen = labels.place(_beside(label, x, y, scale), taken, room)
            taken += chosen.spots()
            yield svg.text(chosen.text, chosen.x, chosen.y, "live", chosen.anchor)
    if gate is not None:
        chosen = labels.place(_along(f"gate {gate:.4g}", scale.y(gate), scale), taken, room)
        yield svg.text(chosen.text, chosen.x, chosen.y, "gate", chosen.anchor)


def _taken(scale: _Scale, spots: Sequence[tuple[int, Spot]], gate: float | None) -> list[Spot]:
    """Return what labels should not cover: the line, its points and, less so, lines across."""
    taken = [
        spot
        for (index, start), (following, end) in pairwise(spots)
        if following == index + 1
        for spot in labels.along(start, end)
    ]
    rim = ((-4.0, 0.0), (0.0, 0.0), (4.0, 0.0), (0.0, -5.0), (0.0, 5.0))
    taken += [(x + across, y + down) for _, (x, y) in spots for across, down in rim]
    left, right = scale.edges
    heights = [scale.y(value) for value, _ in scale.ticks]
    heights += [scale.y(gate) + 1] if gate is not None else []  # its own label stands just off it
    return taken + [
        (left + (right - left) * share / _SPARSE, y) for y in heights for share in range(_SPARSE)
    ]


def _beside(label: str, x: float, y: float, scale: _Scale) -> list[PlacedText]:
    half = labels.wide(label) / 2
    sides = [PlacedText(label, x - 9, y + 4, "end"), PlacedText(label, x + 9, y + 4)]
    if x < sum(scale.edges) / 2:
        sides.reverse()
    sides += [PlacedText(label, x - half, y - 9), PlacedText(label, x - half, y + 18)]
    sides += [PlacedText(label, x - 7, y - 9, "end"), PlacedText(label, x + 7, y - 9)]
    sides += [PlacedText(label, x - 7, y + 18, "end"), PlacedText(label, x + 7, y + 18)]
    if labels.wide(label) < scale.width * _SHORT:
        sides += [PlacedText(label, x - half, y + 30), PlacedText(label, x - 7, y + 30, "end")]
    return sides


def _along(label: str, y: float, scale: _Scale) -> list[PlacedText]:
    left, right = scale.edges
    middle = (left + right - labels.wide(label)) / 2
    return [
        place
        for height in (y + 13, y - 5)
        for place in (
            PlacedText(label, left + 6, height),
            PlacedText(label, right - 6, height, "end"),
            PlacedText(label, middle, height),
        )
    ]


def _line(scale: _Scale, points: Sequence[TrendPoint]) -> str:
    """Draw the line; it has a gap where nothing was measured."""
    commands: list[str] = []
    before = -1
    for index, (x, y) in _spots(scale, points):
        letter = "L" if commands and index == before + 1 else "M"
        commands.append(f"{letter}{svg.number(x)} {svg.number(y)}")
        before = index
    return svg.element("path", class_="line", d="".join(commands))


def _points(scale: _Scale, points: Sequence[TrendPoint]) -> Iterator[str]:
    radius = 4.0 if scale.step >= _CLOSE else 2.0
    # the live one last, so that no other lies on it
    for index, (x, y) in sorted(_spots(scale, points), key=lambda spot: points[spot[0]].live):
        point = points[index]
        name = f"{point.version} {point.value:.6g}{', live' if point.live else ''}"
        yield svg.element(
            "circle",
            svg.title(name),
            class_="point live" if point.live else "point",
            cx=x,
            cy=y,
            r=5.0 if point.live else radius,
        )


def _sentence(metric: str, points: Sequence[TrendPoint]) -> str:
    measured = [point for point in points if point.value is not None]
    first, last = measured[0], measured[-1]
    live = next((point for point in measured if point.live), None)
    sentence = (
        f"{metric} from {first.value:.4g} in {first.version} to {last.value:.4g} in {last.version}"
    )
    return sentence if live is None else f"{sentence}; the live {live.version} has {live.value:.4g}"
