"""Learning curves: one line for each series, over the steps that they share."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core.drawing import axis, labels, svg
from holdfast.core.drawing.svg import Drawing
from holdfast.core.wording import number

MOST_LINES: Final = 4
"""Lines of one picture that can be told apart."""

_STYLES: Final = (
    ("curve live", "live", "1 0"),
    ("curve canary", "canary", "6 3"),
    ("curve line", "muted", "2 3"),
    ("curve bad", "bad", "8 3 2 3"),
)
"""Class of a line, class of its text, dashes: colours are not the only difference."""

_RIGHT: Final = 12.0
_BOTTOM: Final = 22.0
_LEGEND: Final = 16.0
_SAMPLE: Final = 18.0
_DOT: Final = 2.5


class CurveLine(Struct, frozen=True):
    """One series; a value of `None` is a gap."""

    label: str
    steps: Sequence[float]
    values: Sequence[float | None]


def curve_lines(name: str, lines: Sequence[CurveLine], width: float, height: float) -> Drawing:
    """Draw up to four series into one picture, with a legend that tells their last values.

    Args:
        name: What they are of.
        lines: Further ones than four are left out.
        width: In pixels.
        height: In pixels, without the legend.
    """
    lines = lines[:MOST_LINES]
    values = [value for line in lines for value in line.values if value is not None]
    if not values:
        return Drawing()
    steps = [step for line in lines for step in line.steps]
    top = _LEGEND * len(lines) + 10
    plane = _Plane(steps, values, (width, height + top), top)
    parts = [*plane.grid()]
    for index, line in enumerate(lines):
        parts += _series(plane, line, _STYLES[index])
        parts += _legend(line, _STYLES[index], index, width)
    sentence = f"{name}: " + "; ".join(map(_sentence, lines))
    return svg.picture(width, height + top, sentence, parts, "curves")


class _Plane:
    """From steps and values to pixels."""

    def __init__(
        self,
        steps: Sequence[float],
        values: Sequence[float],
        size: tuple[float, float],
        top: float,
    ) -> None:
        self._values = axis.ticks(values)
        self._low, self._high = axis.reach(values)
        self._first, self._last = min(steps), max(steps)
        self._left = max(labels.wide(label) for _, label in self._values) + 14
        self._right, self._floor, self._top = size[0] - _RIGHT, size[1] - _BOTTOM, top

    def x(self, step: float) -> float:
        wide = self._last - self._first
        share = (step - self._first) / wide if wide else 0.5
        return self._left + (self._right - self._left) * share

    def y(self, value: float) -> float:
        unit = max(abs(self._low), abs(self._high))  # their difference may be infinite
        reach = self._high / unit - self._low / unit
        return self._top + (self._floor - self._top) * (self._high / unit - value / unit) / reach

    def grid(self) -> Iterator[str]:
        """Draw the lines across, and name values and steps."""
        for value, label in self._values:
            y = self.y(value)
            yield svg.element("line", class_="grid", x1=self._left, x2=self._right, y1=y, y2=y)
            yield svg.text(label, self._left - 8, y + 4, "muted", "end")
        ends, y = 0.0, self._floor + 16
        for step, label in self._steps():
            x, half = self.x(step), labels.wide(label) / 2
            x = min(x, self._right + _RIGHT - half)
            if x - half >= ends:
                yield svg.text(label, x, y, "muted", "middle")
                ends = x + half + 10

    def _steps(self) -> list[tuple[float, str]]:
        if self._first == self._last:
            return [(self._first, f"{self._first:.6g}")]
        ticks = axis.ticks([self._first, self._last])
        return [(step, label) for step, label in ticks if self._first <= step <= self._last]


def _series(plane: _Plane, line: CurveLine, style: tuple[str, str, str]) -> Iterator[str]:
    commands: list[str] = []
    goes_on, last = False, None
    for step, value in zip(line.steps, line.values, strict=True):
        if value is None:
            goes_on = False
            continue
        last = plane.x(step), plane.y(value)
        commands.append(f"{'L' if goes_on else 'M'}{svg.number(last[0])} {svg.number(last[1])}")
        goes_on = True
    if last is not None:
        yield svg.element("path", class_=style[0], d="".join(commands), stroke_dasharray=style[2])
        yield svg.element("circle", class_=style[1], cx=last[0], cy=last[1], r=_DOT)


def _legend(
    line: CurveLine, style: tuple[str, str, str], index: int, width: float
) -> Iterator[str]:
    y = _LEGEND * index + 12
    sample = f"M0 {svg.number(y - 4)}L{svg.number(_SAMPLE)} {svg.number(y - 4)}"
    yield svg.element("path", class_=style[0], d=sample, stroke_dasharray=style[2])
    last = number(line.values[-1])
    most = max(4, int((width - _SAMPLE - 6) / labels.CHARACTER) - len(last) - 2)
    yield svg.text(f"{labels.fitting(line.label, most)}  {last}", _SAMPLE + 6, y, style[1])


def _sentence(line: CurveLine) -> str:
    first, last = number(line.values[0]), number(line.values[-1])
    return f"{line.label} from {first} to {last}"
